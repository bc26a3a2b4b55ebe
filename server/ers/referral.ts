import type { ErsReferral, Fate, Ubrn } from '../core/index.ts';
import type { Answer } from './exchange.ts';
import { readJson } from './read-answer.ts';

/**
 * The referral in an answer; undefined unless it is a whole ReferralRequest of that UBRN, with a version.
 * Source: provider-api 1.5, 6.1
 */
export async function readReferral(
  answer: Answer,
  ubrn: Ubrn,
  maxBytes: number,
): Promise<Fate<ErsReferral> | undefined> {
  const source = await readJson(answer, maxBytes);
  const value = versioned(source, 'ReferralRequest', ubrn, answer.header('etag'));
  return value && { kind: 'ok', value };
}

/**
 * A resource of that type and id with its version: the weak ETag's, else `meta.versionId`; undefined when it is another,
 * or has none. e-RS's version is a whole number, written as text; a strong ETag is a content hash.
 */
export function versioned(source: unknown, type: string, id: string, etag?: string): ErsReferral | undefined {
  if (typeof source !== 'object' || source === null) return undefined;
  const resource = source as { resourceType?: unknown; id?: unknown; meta?: { versionId?: unknown } | null };
  if (resource.resourceType !== type || resource.id !== id) return undefined;
  const text = /^W\/"(\d+)"$/.exec(etag ?? '')?.[1] ?? resource.meta?.versionId;
  return /^\d{1,15}$/.test(String(text)) ? { source, version: Number(text) } : undefined;
}
