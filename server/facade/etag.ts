import type { IncomingHttpHeaders } from 'node:http';
import type { Resource } from '@medplum/fhirtypes';

export const etagOf = (versionId: string): string => `W/"${versionId}"`;

/** Version headers of a resource: ETag and Last-Modified. */
export function versionHeaders(versionId: string | undefined, lastUpdated: string | undefined): Record<string, string> {
  return {
    ...(versionId === undefined ? {} : { ETag: etagOf(versionId) }),
    ...(lastUpdated === undefined ? {} : { 'Last-Modified': new Date(lastUpdated).toUTCString() }),
  };
}

export const versionHeadersOf = ({ meta }: Resource) => versionHeaders(meta?.versionId, meta?.lastUpdated);

/** Version ids of a list of entity tags; undefined for one that is not quoted or otherwise broken. */
function readTags(text: string): string[] | undefined {
  const tags = text.split(',').map((tag) => /^(?:W\/)?"([A-Za-z0-9.-]{1,64})"$/.exec(tag.trim())?.[1]);
  return tags.every((tag) => tag !== undefined) ? tags : undefined;
}

/** The one version that an update is meant for. */
export type IfMatch =
  | { readonly kind: 'absent' | 'malformed' }
  | { readonly kind: 'version'; readonly versionId: string };

/** Reads If-Match. `*` and lists are malformed here: they would not say what the reviewer saw (T-8). */
export function readIfMatch(headers: IncomingHttpHeaders): IfMatch {
  const text = headers['if-match'];
  if (text === undefined || text.trim() === '') return { kind: 'absent' };
  const [versionId, ...more] = readTags(text) ?? [];
  return versionId === undefined || more.length > 0 ? { kind: 'malformed' } : { kind: 'version', versionId };
}

/**
 * Whether the client has this version already. If-None-Match wins over If-Modified-Since, which knows seconds only.
 * Source: RFC 9110 13.1; R4 http.html conditional read
 */
export function isUnmodified(headers: IncomingHttpHeaders, versionId: string, lastUpdated: string): boolean {
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) return noneMatch.trim() === '*' || (readTags(noneMatch)?.includes(versionId) ?? false);
  const since = Date.parse(headers['if-modified-since'] ?? '');
  return !Number.isNaN(since) && Math.floor(Date.parse(lastUpdated) / 1000) * 1000 <= since;
}
