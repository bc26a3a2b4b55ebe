import { attachmentDocument } from './build-referral.ts';
import type { AttachmentPlan } from './new-referral.ts';
import { storeAttachment } from './new-referral.ts';
import { extensionOf } from './referral-document.ts';
import type { Referral, World } from './world.ts';

/** Attaches a file to a referral as its referrer would, without raising the version. */
export function attachTo(world: World, { resource }: Referral, plan: AttachmentPlan): void {
  const stored = storeAttachment(world, resource.id, plan);
  const organisation = extensionOf(resource, 'Extension-eRS-Commissioning-Rule-Org-1')?.valueIdentifier?.value;
  const document = attachmentDocument(stored, {
    clinician: '999000000001',
    referringOrganisation: organisation ?? 'Z99001',
    createdAt: world.clock.now(),
  });
  resource.contained = [...(resource.contained ?? []), document];
  resource.supportingInfo = [...(resource.supportingInfo ?? []), { reference: `#${document.id}` }];
}
