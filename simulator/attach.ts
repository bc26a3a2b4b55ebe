import { attachmentDocument } from './build-referral.ts';
import type { AttachmentPlan } from './new-referral.ts';
import { storeAttachment } from './new-referral.ts';
import { extensionOf } from './referral-document.ts';
import type { Referral, StoredFile, World } from './world.ts';
import { addFile } from './world.ts';

/** Attaches a file to a referral as its referrer would, without raising the version. */
export function attachTo(world: World, referral: Referral, plan: AttachmentPlan): void {
  show(world, referral, storeAttachment(world, referral.resource.id, plan));
}

/** Attaches a file under the Binary id that it has already, as real data show one id in several referrals. */
export function attachStored(world: World, referral: Referral, file: StoredFile): void {
  addFile(world, file);
  world.nextDocument += 1;
  show(world, referral, { id: String(world.nextDocument), file });
}

function show(
  world: World,
  { resource }: Referral,
  stored: { id: string; file: StoredFile; description?: string },
): void {
  const organisation = extensionOf(resource, 'Extension-eRS-Commissioning-Rule-Org-1')?.valueIdentifier?.value;
  const document = attachmentDocument(stored, {
    clinician: '999000000001',
    referringOrganisation: organisation ?? 'Z99001',
    createdAt: world.clock.now(),
  });
  resource.contained = [...(resource.contained ?? []), document];
  resource.supportingInfo = [...(resource.supportingInfo ?? []), { reference: `#${document.id}` }];
}
