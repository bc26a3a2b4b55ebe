import { createHash, type Hash } from 'node:crypto';
import type { Resource } from '@medplum/fhirtypes';
import { canonicalJson } from '../../mappings/index.ts';
import type { OpenBinary, StoreResult } from '../core/index.ts';

/** What is the same in two stores if the resource is: its content, without what a store adds by itself. */
export const fingerprintOf = (resource: Resource): string =>
  createHash('sha256').update(canonicalJson(resource)).digest('base64');

/** The same of a file: its type and its bytes, read to the end. */
export async function fingerprintOfFile({ contentType, stream }: OpenBinary): Promise<StoreResult<string>> {
  const hash: Hash = createHash('sha256').update(`${contentType.split(';')[0]?.trim().toLowerCase()}\n`);
  try {
    for await (const chunk of stream) hash.update(chunk as Uint8Array);
    return { ok: true, value: hash.digest('base64') };
  } catch {
    return { ok: false, code: 'unavailable' };
  }
}
