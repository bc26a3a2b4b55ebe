import type { Identifier, Reference, Resource } from '@medplum/fhirtypes';
import { type IdSpace, logicalId, SYSTEM, type Ubrn } from './ids.ts';

/** A business key: what a resource is found by in every store, and what its logical id is made from (2.2). */
export interface BusinessKey {
  readonly system: string;
  readonly value: string;
}

const key = (system: string, value: string): BusinessKey => ({ system, value });

/** Stands in for the request id that e-RS did not give (I-3). */
export const requestIdWithoutOne = (ubrn: Ubrn): string => `${ubrn}#referral`;

/** I-1, I-2: the resources that many referrals share. */
export const patientKey = (nhsNumber: string): BusinessKey => key(SYSTEM.nhsNumber, nhsNumber);
export const serviceKey = (serviceId: string): BusinessKey => key(SYSTEM.service, serviceId);
export const practitionerKey = (sdsUserId: string): BusinessKey => key(SYSTEM.sdsUser, sdsUserId);
export const organisationKey = (odsCode: string): BusinessKey => key(SYSTEM.organisation, odsCode);
export const deviceKey = (name: 'nhs-ers' | 'engine'): BusinessKey => key(SYSTEM.device, name);

/** I-3: `r.<uuid>` or `a.<uuid>`; the stand-in has a system of ours, since e-RS never issued it. */
export const requestKey = (requestId: string): BusinessKey =>
  key(requestId.endsWith('#referral') ? SYSTEM.request : SYSTEM.requestId, requestId);

/** I-4: the review Task of episode `n` (4.6). */
export const taskKey = (requestId: string, n: number): BusinessKey => key(SYSTEM.reviewTask, `${requestId}.${n}`);

/** Reads a review Task's identifier back; undefined when {@link taskKey} did not make it. */
export function parseTaskKey(value: string): { requestId: string; episode: number } | undefined {
  const [, requestId, episode] = /^(.+)\.([1-9]\d{0,6})$/.exec(value) ?? [];
  return requestId && episode ? { requestId, episode: Number(episode) } : undefined;
}

/** I-5 */
export const shortlistKey = (requestId: string): BusinessKey => key(SYSTEM.shortlist, requestId);

/** I-6: by e-RS appointment id, else by when it was created. */
export const appointmentKey = (requestId: string, idOrCreated: string): BusinessKey =>
  key(SYSTEM.appointment, `${requestId}.${idOrCreated}`);

/** I-7 */
export const documentKey = (requestId: string, attachmentId: string): BusinessKey =>
  key(SYSTEM.document, `${requestId}.${attachmentId}`);

/** I-8: the DocumentReference of the clinical information summary (A007). */
export const summaryKey = (requestId: string): BusinessKey => key(SYSTEM.document, `${requestId}.cri`);

/** I-8: its Binary, one a version, so that what a reviewer saw can be shown later. */
export const summaryBinaryKey = (requestId: string, version: number): BusinessKey =>
  key(SYSTEM.binary, `${requestId}.cri.v${version}`);

/** A file that a reviewer attached to the review of that identifier (T-6). */
export const decisionAttachmentKey = (task: string, serial: string): BusinessKey =>
  key(SYSTEM.document, `${task}.${serial}`);

/** I-9: an attachment's Binary; `sha1` in the Base64 of Attachment.hash. */
export const attachmentBinaryKey = (requestId: string, attachmentId: string, sha1: string): BusinessKey =>
  key(SYSTEM.binary, `${requestId}.${attachmentId}.${sha1}`);

/** The logical id of a business key, where the store takes client-chosen ids. */
export const idOf = (ids: IdSpace, businessKey: BusinessKey): string =>
  logicalId(ids, businessKey.system, businessKey.value);

/** The logical id of the clinical information summary's Binary for one e-RS version (I-8, M-130). */
export const clinicalSummaryBinaryId = (ids: IdSpace, requestId: string, version: number): string =>
  idOf(ids, summaryBinaryKey(requestId, version));

/**
 * A reference by logical id which also carries its type, and the business key where clients know it (G-9).
 * @param identifier defaults to none: keys that are ours alone tell a client nothing
 */
export function referenceTo<T extends Resource>(
  type: T['resourceType'],
  ids: IdSpace,
  businessKey: BusinessKey,
  shown: { identifier?: Identifier; display?: string } = {},
): Reference<T> {
  return { reference: `${type}/${idOf(ids, businessKey)}`, type, ...shown } as Reference<T>;
}
