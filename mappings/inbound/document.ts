import type {
  Attachment,
  DocumentReference,
  Extension,
  Identifier,
  Patient,
  Reference,
  ServiceRequest,
} from '@medplum/fhirtypes';
import { structureDefinition } from '../canonical.ts';
import {
  codeOf,
  concept,
  ersExtension,
  extensionOf,
  identifier,
  sourceCode,
  withExtension,
  withoutExtension,
} from '../elements.ts';
import { type IdSpace, SYSTEM } from '../ids.ts';
import { documentKey, idOf } from '../keys.ts';
import type { Availability, MappedDocument } from '../model.ts';
import { CODE_SYSTEM, DATA_ABSENT_REASON } from '../systems.ts';
import { AVAILABILITY, readAvailability } from '../tables/availability.ts';
import { Extensions, type Findings, readConcept, readIdentifier, readStructure, readValueCoding } from './elements.ts';
import type { SharedResources } from './shared.ts';
import type { Source } from './source.ts';

export interface DocumentContext {
  readonly ids: IdSpace;
  readonly requestId: string;
  readonly subject: Reference<Patient>;
  readonly referral: Reference<ServiceRequest>;
  readonly shared: SharedResources;
  readonly findings: Findings;
}

type Author = NonNullable<DocumentReference['author']>[number];

const STATUSES = ['current', 'superseded', 'entered-in-error'] as const;

/**
 * Maps a contained DocumentReference, as one whose file is not stored yet (1.6.1): {@link withBinary} adds the file.
 * @param attachmentId the key within the referral (M-110), unique there
 * Source: M-110..M-121
 */
export function mapDocument(source: Source, attachmentId: string, context: DocumentContext): MappedDocument {
  const { ids, requestId, subject, referral, findings } = context;
  readStructure(source, 'DocumentReference', ['eRS-DocumentReference-1']);
  source.get('id').structural();
  const attachment = source.first('content').get('attachment');
  const rawId = attachment.get('id').text();
  const extensions = new Extensions(attachment);
  const availabilityCoding = extensions.one('Extension-eRS-AvailabilityStatus-1', (extension) =>
    readValueCoding(extension, findings),
  );
  const availability = readAvailability(availabilityCoding?.code);
  if (availability === 'UNKNOWN') findings.add('CODE_UNKNOWN', attachment.at);
  const ersBinaryId = readBinaryId(attachment.get('url'));
  const size = attachment.get('size').unsigned();
  const attachedBy = readAttachedBy(extensions, context);
  const category = readConcept(source.first('type'), findings);
  const rawStatus = source.get('status').text();
  const status = STATUSES.find((known) => known === rawStatus);
  if (status === undefined && rawStatus !== undefined) findings.add('CODE_UNKNOWN', source.get('status').at);
  const date = source.get('indexed').instant();
  const description = source.get('description').text();
  const attachmentExtensions: Extension[] = [
    ...(availabilityCoding ? [ersExtension('ers-availability-status', { valueCoding: availabilityCoding })] : []),
    ...(ersBinaryId === undefined ? [] : [ersExtension('ers-binary-id', { valueString: ersBinaryId })]),
    ...(size === undefined ? [] : [ersExtension('ers-declared-size', { valueUnsignedInt: size })]),
  ];
  const key = documentKey(requestId, attachmentId);
  const resource: DocumentReference = {
    resourceType: 'DocumentReference',
    id: idOf(ids, key),
    meta: { profile: [structureDefinition('ers-document-reference')] },
    ...(attachedBy.extension && { extension: [attachedBy.extension] }),
    identifier: [
      identifier(key),
      ...(rawId === undefined ? [] : [{ system: SYSTEM.attachment, value: rawId } satisfies Identifier]),
    ],
    status: status ?? 'current',
    ...(status === undefined && rawStatus !== undefined && { _status: sourceCode(rawStatus) }),
    type: concept({ system: CODE_SYSTEM.documentType, code: 'attachment', display: 'e-RS attachment' }),
    ...(category && { category: [category] }),
    subject,
    ...(date !== undefined && { date }),
    ...(attachedBy.author.length > 0 && { author: attachedBy.author }),
    ...(description !== undefined && { description }),
    content: [
      {
        attachment: {
          ...(attachmentExtensions.length > 0 && { extension: attachmentExtensions }),
          ...optional('contentType', attachment.get('contentType').code()),
          ...optional('title', attachment.get('title').text()),
          ...optional('creation', attachment.get('creation').dateTime()),
        },
      },
    ],
    context: { related: [referral] },
  };
  return {
    resource: withoutFile(resource, availability),
    attachmentId,
    ...(ersBinaryId !== undefined && { ersBinaryId }),
    availability,
  };
}

const optional = <K extends string>(name: K, value: string | undefined): { [P in K]?: string } =>
  value === undefined ? {} : ({ [name]: value } as { [P in K]?: string });

function readBinaryId(url: Source): string | undefined {
  const id = /^Binary\/(\S+)$/.exec(url.peek() ?? '')?.[1];
  if (id !== undefined) url.taken();
  return id;
}

/** M-119: who is responsible comes first, then the organisation; the typist stays readable in the extension. */
function readAttachedBy(extensions: Extensions, { shared }: DocumentContext) {
  const reference = (name: string) =>
    extensions.one(name, (extension): Author | undefined => {
      const named = readIdentifier(extension.get('valueReference').first('identifier'));
      const display = extension.get('valueReference').get('display').text();
      const shown = display === undefined ? {} : { display };
      if (!named) return display === undefined ? undefined : shown;
      if (named.system === SYSTEM.sdsUser) return { ...shared.practitioner(named.value), ...shown };
      if (named.system === SYSTEM.organisation) return { ...shared.organisation(named.value), ...shown };
      return { identifier: named, ...shown };
    });
  const user = reference('Extension-eRS-AttachedBy-1');
  const organisation = reference('Extension-eRS-AttachedByOrganisation-1');
  const onBehalfOf = reference('Extension-eRS-AttachedOnBehalfOf-1');
  const parts = Object.entries({ user, organisation, onBehalfOf }).flatMap(([url, value]) =>
    value ? [{ url, valueReference: value }] : [],
  );
  return {
    extension: parts.length > 0 ? ersExtension('ers-attached-by', { extension: parts }) : undefined,
    author: [onBehalfOf ?? user, organisation].filter((one) => one !== undefined),
  };
}

/**
 * The document as it is after a newer answer about its file: A042's availability wins over A005's until the next A005. With
 * AVAILABLE it is the row of a file that exists but could not be had yet.
 * Source: 1.6.1
 */
export function withAvailability(
  { resource, ...document }: MappedDocument,
  availability: Availability,
): DocumentReference {
  if (availability === document.availability || availability === 'UNKNOWN') return withoutFile(resource, availability);
  return withoutFile(
    withAttachment(resource, (attachment) =>
      withExtension(attachment, 'ers-availability-status', {
        valueCoding: { system: CODE_SYSTEM.availability, code: availability },
      }),
    ),
    availability,
  );
}

/** What is known of a file once its bytes are in the store. */
export interface StoredFile {
  /** The store's id of our Binary. */
  readonly binaryId: string;
  readonly size: number;
  /** Base64 of the SHA-1 of the bytes. */
  readonly sha1: string;
  /** As A042 served it (M-115). */
  readonly contentType: string;
  /** e-RS's own id, if A042 was asked for another than A005 named. */
  readonly ersBinaryId?: string;
}

/**
 * The document with its file. A size that e-RS declared otherwise stays beside the real one.
 * Source: M-115..M-117, I-9
 */
export function withBinary(document: MappedDocument, stored: StoredFile): DocumentReference {
  const { binaryId, size, sha1, contentType, ersBinaryId = document.ersBinaryId } = stored;
  const { docStatus: _none, ...resource } = document.resource;
  return withAttachment({ ...resource, docStatus: 'final' }, ({ _url, ...attachment }: AttachmentWithoutFile) => {
    const isDeclared = extensionOf(attachment, 'ers-declared-size')?.valueUnsignedInt === size;
    const sized = isDeclared ? withoutExtension(attachment, 'ers-declared-size') : attachment;
    const named =
      ersBinaryId === undefined ? sized : withExtension(sized, 'ers-binary-id', { valueString: ersBinaryId });
    return { ...named, contentType, url: `Binary/${binaryId}`, size, hash: sha1 };
  });
}

/** The availability that a stored document shows. */
export const availabilityOf = (resource: DocumentReference): Availability =>
  readAvailability(
    codeOf(
      { coding: [extensionOf(resource.content?.[0]?.attachment, 'ers-availability-status')?.valueCoding ?? {}] },
      CODE_SYSTEM.availability,
    ),
  );

type AttachmentWithoutFile = Attachment & { _url?: { extension: Extension[] } };

function withoutFile(
  { docStatus: _old, ...resource }: DocumentReference,
  availability: Availability,
): DocumentReference {
  const { docStatus, absentReason } = AVAILABILITY[availability];
  const _url = { extension: [{ url: DATA_ABSENT_REASON, valueCode: absentReason }] };
  return withAttachment(
    { ...resource, ...(docStatus && { docStatus }) },
    ({ url: _u, size: _s, hash: _h, ...rest }) => ({
      ...rest,
      _url,
    }),
  );
}

function withAttachment(
  resource: DocumentReference,
  change: (attachment: Attachment) => AttachmentWithoutFile,
): DocumentReference {
  const [first, ...others] = resource.content ?? [];
  return { ...resource, content: [{ ...first, attachment: change(first?.attachment ?? {}) }, ...others] };
}
