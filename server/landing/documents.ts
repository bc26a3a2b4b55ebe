import type { DocumentReference } from '@medplum/fhirtypes';
import { type MappedDocument, withAvailability, withBinary } from '../../mappings/index.ts';
import type { SyncRecord } from '../core/index.ts';
import type { FetchedFile } from './landing.ts';
import { nextLookAt } from './looks.ts';

type AttachmentRecord = SyncRecord['attachments'][string];

/** A document as it is to be stored, and what the sync record says of its file. */
export interface LandedDocument {
  readonly resource: DocumentReference;
  readonly attachmentId: string;
  readonly record: AttachmentRecord;
}

/**
 * Joins a document with its file: as just fetched, else as fetched before, else with the reason why there is none.
 * Source: 1.6.1
 */
export function landDocument(
  document: MappedDocument,
  fetched: FetchedFile | undefined,
  before: AttachmentRecord | undefined,
  now: string,
): LandedDocument {
  const { attachmentId, ersBinaryId, availability } = document;
  const known = { ...(ersBinaryId === undefined ? {} : { ersBinaryId }), availability };
  const isSameFile = before !== undefined && before.ersBinaryId === ersBinaryId;
  const file = fetched?.kind === 'stored' ? fetched : isSameFile ? storedBefore(before) : undefined;
  if (file !== undefined && availability === 'AVAILABLE') {
    const { binaryId, sha1, size, contentType } = file;
    return {
      attachmentId,
      resource: withBinary(document, { binaryId, sha1, size, contentType }),
      record: { ...known, binaryId, sha1, size, contentType, looks: 0 },
    };
  }
  const newer = newerAvailability(document, fetched, isSameFile ? before : undefined);
  const isAwaited = newer === 'PENDING' || newer === 'AVAILABLE';
  const looks = isAwaited ? (isSameFile ? before.looks : 0) + 1 : 0;
  const awaitedSince = (isSameFile ? before.awaitedSince : undefined) ?? now;
  return {
    attachmentId,
    resource: newer === availability ? document.resource : withAvailability(document, newer),
    record: {
      ...known,
      availability: newer,
      looks,
      ...(isAwaited ? { nextLookAt: nextLookAt(now, looks), awaitedSince } : {}),
    },
  };
}

/** A042's answer wins until A005 is read for the file again; landings without a look at the file keep it. */
function newerAvailability(
  document: MappedDocument,
  fetched: FetchedFile | undefined,
  before: AttachmentRecord | undefined,
) {
  if (fetched?.kind === 'unavailable') return fetched.availability;
  const isUnasked = fetched === undefined && document.availability === 'AVAILABLE';
  return isUnasked && before !== undefined ? before.availability : document.availability;
}

function storedBefore({ binaryId, sha1, size, contentType }: AttachmentRecord) {
  if (binaryId === undefined || sha1 === undefined || size === undefined || contentType === undefined) return undefined;
  return { binaryId, sha1, size, contentType };
}

/** An attachment that e-RS no longer lists: kept, but no longer current (M-122). */
export const superseded = (stored: DocumentReference): DocumentReference => ({ ...stored, status: 'superseded' });
