import { idOf, logicalId, type MappedDocument, SYSTEM, summaryBinaryKey } from '../../mappings/index.ts';
import type { Code, ErsContext, SyncRecord, Ubrn } from '../core/index.ts';
import type { FetchedFile, FetchedSummary } from '../landing/index.ts';
import type { IntakeRoom } from './room.ts';

const UNAVAILABLE = {
  ERS_FILE_PENDING: 'PENDING',
  ERS_FILE_THREATS_FOUND: 'THREATS_FOUND',
  ERS_FILE_VALIDATION_FAILED: 'VALIDATION_FAILED',
} as const;

/** Fetches the attachments that the store does not have yet (A042), by attachment id. Source: M-117, 1.6.1 */
export async function fetchFiles(
  room: IntakeRoom,
  about: {
    requestId: string;
    patientReference: string;
    documents: readonly MappedDocument[];
    sync: SyncRecord | undefined;
  },
  context: ErsContext,
): Promise<Map<string, FetchedFile>> {
  const files = new Map<string, FetchedFile>();
  for (const document of about.documents) {
    const { attachmentId, ersBinaryId, availability } = document;
    if (availability !== 'AVAILABLE' || ersBinaryId === undefined || room.signal.aborted) continue;
    const held = about.sync?.attachments[attachmentId];
    if (held?.binaryId !== undefined && held.ersBinaryId === ersBinaryId) continue;
    files.set(attachmentId, await fetchFile(room, { ...about, attachmentId, ersBinaryId }, context));
  }
  return files;
}

async function fetchFile(
  room: IntakeRoom,
  about: { requestId: string; patientReference: string; attachmentId: string; ersBinaryId: string },
  context: ErsContext,
): Promise<FetchedFile> {
  const answer = await room.ers.downloadAttachment(about.ersBinaryId, context);
  if (answer.kind !== 'ok') {
    const availability = UNAVAILABLE[answer.code as keyof typeof UNAVAILABLE];
    return availability === undefined ? { kind: 'failed' } : { kind: 'unavailable', availability };
  }
  // The id follows from the file's place in e-RS: a download repeated after a crash leaves no orphan.
  const key = `${about.requestId}.${about.attachmentId}.${about.ersBinaryId}`;
  const stored = await room.store.putBinary(answer.value.stream, {
    contentType: answer.value.contentType,
    securityContext: about.patientReference,
    ...(room.store.capabilities.clientIds ? { id: logicalId(room.ids, SYSTEM.binary, key) } : {}),
  });
  if (!stored.ok) return { kind: 'failed' };
  const { id, sha1, size, contentType } = stored.value;
  return { kind: 'stored', binaryId: id, sha1, size, contentType };
}

/** Fetches the clinical information PDF of this version (A007); undefined when it must be tried again. Source: 1.7 */
export async function fetchSummary(
  room: IntakeRoom,
  about: { requestId: string; ubrn: Ubrn; version: number; patientReference: string },
  context: ErsContext,
): Promise<FetchedSummary | undefined> {
  const answer = await room.ers.generateClinicalInformation(about.ubrn, context);
  if (answer.kind === 'refused') return { kind: 'refused', code: answer.code satisfies Code };
  if (answer.kind !== 'ok') return undefined;
  const generatedAt = room.clock.now().toISOString();
  const stored = await room.store.putBinary(answer.value.stream, {
    contentType: answer.value.contentType,
    securityContext: about.patientReference,
    ...(room.store.capabilities.clientIds
      ? { id: idOf(room.ids, summaryBinaryKey(about.requestId, about.version)) }
      : {}),
  });
  if (!stored.ok) return undefined;
  const { id, sha1, size, contentType } = stored.value;
  const { fileName } = answer.value;
  return {
    kind: 'stored',
    binaryId: id,
    sha1,
    size,
    contentType,
    generatedAt,
    ...(fileName === undefined ? {} : { fileName }),
  };
}
