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
  if (typeof source !== 'object' || source === null) return undefined;
  const { resourceType, id, meta } = source as {
    resourceType?: unknown;
    id?: unknown;
    meta?: { versionId?: unknown } | null;
  };
  if (resourceType !== 'ReferralRequest' || id !== ubrn) return undefined;
  const version = versionOf(/^W\/"(\d{1,15})"$/.exec(answer.header('etag') ?? '')?.[1] ?? meta?.versionId);
  return version === undefined ? undefined : { kind: 'ok', value: { source, version } };
}

/** e-RS's version is a whole number, written as text; a strong ETag is a content hash and none. */
function versionOf(text: unknown): number | undefined {
  return /^\d{1,15}$/.test(String(text)) ? Number(text) : undefined;
}
