import type { Answer } from './answers.ts';
import { stu3Outcome } from './answers.ts';
import { attachmentDocument } from './build-referral.ts';
import { chanceOf } from './dice.ts';
import type { ReferralCall } from './endpoint.ts';
import { attachmentsOf } from './referral-document.ts';
import type { DocumentReference, Parameter } from './wire.ts';
import { codeSystem } from './wire.ts';
import type { StoredFile, World } from './world.ts';
import { addFile } from './world.ts';

const LONGEST_DESCRIPTION = 200;

interface Link {
  file: StoredFile;
  description?: string;
}

/**
 * Checks the files that a review wants to attach; the first broken rule is the answer.
 * Source: provider-api 6.1 "Linking a file", 2.3 causes for A022 and A028
 */
export function checkLinks(
  call: ReferralCall,
  world: World,
  parameters: Parameter[],
): { links: Link[] } | { refusal: Answer } {
  const links: Link[] = [];
  const refuse = (code: string, diagnostics: string): { refusal: Answer } => ({
    refusal: stu3Outcome(422, code, diagnostics),
  });
  const names = new Set(attachmentsOf(call.referral.resource).map((each) => each.content?.[0]?.attachment?.title));
  for (const [index, { name, resource }] of parameters.entries()) {
    const at = `'${name}[${index}]/resource'`;
    const document = resource as DocumentReference;
    if (document.resourceType !== 'DocumentReference')
      return refuse('INVALID_VALUE', `${at} is not a DocumentReference`);
    const type = document.type?.coding?.[0];
    const url = document.content?.[0]?.attachment?.url;
    for (const [field, value] of Object.entries({
      type: type?.code,
      status: document.status,
      indexed: document.indexed,
      url,
    }))
      if (value === undefined) return refuse('MISSING_VALUE', `${at} has no ${field}`);
    if (type?.system !== codeSystem('eRS-AttachmentType-1')) return refuse('INVALID_CODE', `${at} has an unknown type`);
    if (type.code !== 'PROVIDER') return refuse('INAPPROPRIATE_VALUE', `${at} must have the type PROVIDER`);
    if (document.status !== 'current') return refuse('INAPPROPRIATE_VALUE', `${at} must have the status current`);
    if ((document.description?.length ?? 0) > LONGEST_DESCRIPTION)
      return refuse('INVALID_VALUE', `${at} has a description of more than ${LONGEST_DESCRIPTION} characters`);
    const file = world.files.get((url ?? '').replace(/^Binary\//, ''))?.find(({ upload }) => upload);
    const upload = file?.upload;
    if (!file || !upload) return refuse('REFERENCE_NOT_FOUND', `${at} names a file that does not exist`);
    if (upload.ubrn === undefined) return refuse('INAPPROPRIATE_VALUE', `${at} was uploaded without a referral`);
    if (upload.ubrn !== call.referral.resource.id)
      return refuse('REFERENCE_NOT_FOUND', `${at} was uploaded for another referral`);
    if (upload.linked || links.some((link) => link.file === file))
      return refuse('INVALID_STATE', `${at} is linked already`);
    if (names.has(file.title)) return refuse('DUPLICATE_FILENAME', `${at} has the name of another file`);
    names.add(file.title);
    links.push({ file, ...(document.description !== undefined && { description: document.description }) });
  }
  return { links };
}

/** Attaches checked files. The id that A005 shows later need not be the one that the upload gave [E]. */
export function attachLinks(call: ReferralCall, world: World, links: Link[]): void {
  const { resource } = call.referral;
  for (const { file, description } of links) {
    if (!file.upload) continue;
    file.upload.linked = true;
    world.uploads.delete(file);
    file.ubrn = resource.id;
    const isRenamed =
      world.openQuestions.answers === 'by-seed' && chanceOf(world.seed, `renames ${file.binaryId}`) < 0.5;
    const shown = isRenamed ? { ...file, binaryId: world.dice.uuid() } : file;
    if (isRenamed) addFile(world, shown);
    world.nextDocument += 1;
    const id = String(world.nextDocument);
    const document = attachmentDocument(
      { id, file: shown, ...(description !== undefined && { description }) },
      {
        clinician: file.upload.userId,
        referringOrganisation: file.upload.odsCode,
        createdAt: call.at,
        type: 'PROVIDER',
      },
    );
    resource.contained = [...(resource.contained ?? []), document];
    resource.supportingInfo = [...(resource.supportingInfo ?? []), { reference: `#DocumentReference-${id}` }];
  }
}
