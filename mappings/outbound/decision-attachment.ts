import type { DocumentReference, Reference, Resource, Task } from '@medplum/fhirtypes';
import { structureDefinition } from '../canonical.ts';
import { concept, identifier, identifierOf } from '../elements.ts';
import { asciiFileName } from '../file-name.ts';
import { SYSTEM } from '../ids.ts';
import { decisionAttachmentKey } from '../keys.ts';
import { CODE_SYSTEM } from '../systems.ts';
import { isNameOfType, UPLOAD_LIMITS, UPLOADABLE_TYPES } from '../tables/file-types.ts';

/** A file that a reviewer wants to send to e-RS with a decision. */
export interface AttachedFile {
  /** The store's id of the Binary. */
  readonly binaryId: string;
  readonly title: string;
  readonly description?: string;
  readonly contentType: string;
  readonly size: number;
}

/**
 * The DocumentReference of a file that a reviewer attaches to a review: bound to the Task and to its patient.
 * @param about.serial makes one file of the Task differ from another
 * Source: T-6
 */
export function decisionAttachment(
  task: Task & { id: string },
  file: AttachedFile & { readonly sha1: string },
  about: { serial: string; at: string },
): DocumentReference {
  const { binaryId, title, description, contentType, size, sha1 } = file;
  const review: Reference<Task> = { reference: `Task/${task.id}`, type: 'Task' };
  const key = decisionAttachmentKey(identifierOf(task, SYSTEM.reviewTask) ?? '', about.serial);
  return {
    resourceType: 'DocumentReference',
    meta: { profile: [structureDefinition('ers-document-reference')] },
    identifier: [identifier(key)],
    status: 'current',
    docStatus: 'final',
    type: concept({
      system: CODE_SYSTEM.documentType,
      code: 'decision-attachment',
      display: 'Attachment to a decision',
    }),
    ...(task.for === undefined ? {} : { subject: task.for as NonNullable<DocumentReference['subject']> }),
    date: about.at,
    ...(description === undefined ? {} : { description }),
    content: [{ attachment: { contentType, url: `Binary/${binaryId}`, size, hash: sha1, title, creation: about.at } }],
    context: { related: [review, ...(task.focus === undefined ? [] : [task.focus as Reference<Resource>])] },
  };
}

/**
 * Reads the file of a DocumentReference back; undefined when it is none that {@link decisionAttachment} made for this
 * Task and its patient, or none that e-RS would take.
 * Source: T-6
 */
export function attachedFile(document: DocumentReference, task: Task & { id: string }): AttachedFile | undefined {
  const { contentType, title, url, size } = document.content?.[0]?.attachment ?? {};
  const { description } = document;
  const binaryId = /^Binary\/([A-Za-z0-9.-]{1,64})$/.exec(url ?? '')?.[1];
  const isOfTask =
    (document.context?.related ?? []).some(({ reference }) => reference === `Task/${task.id}`) &&
    (identifierOf(document, SYSTEM.document) ?? '').startsWith(`${identifierOf(task, SYSTEM.reviewTask) ?? '?'}.`) &&
    document.subject?.reference === task.for?.reference;
  if (binaryId === undefined || contentType === undefined || title === undefined || size === undefined)
    return undefined;
  const isSendable =
    document.status === 'current' &&
    UPLOADABLE_TYPES.has(contentType) &&
    isNameOfType(title, contentType) &&
    size > 0 &&
    size <= UPLOAD_LIMITS.maxBytes &&
    (description ?? '').length <= UPLOAD_LIMITS.maxDescriptionLength;
  return isOfTask && isSendable
    ? { binaryId, title, contentType, size, ...(description === undefined ? {} : { description }) }
    : undefined;
}

/**
 * The name under which a file goes to e-RS: its title, numbered where that name may be taken. e-RS refuses to link two
 * files of one name, and an upload whose answer was lost may have left one.
 * @param taken names under which files of this review were, or may have been, uploaded
 * Source: provider-api 2.3 (DUPLICATE_FILENAME)
 */
export function freshFileName(title: string, taken: readonly string[]): string {
  const name = asciiFileName(title);
  const dot = name.lastIndexOf('.');
  const [stem, extension] = [name.slice(0, dot), name.slice(dot)];
  for (let n = 1; ; n += 1) {
    const suffix = n === 1 ? extension : ` (${n})${extension}`;
    const numbered = stem.slice(0, UPLOAD_LIMITS.maxNameLength - suffix.length) + suffix;
    if (!taken.includes(numbered)) return numbered;
  }
}
