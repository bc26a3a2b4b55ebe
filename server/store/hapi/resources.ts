import type { BundleEntry, Resource } from '@medplum/fhirtypes';
import type { HistoryEntry, ResourceType, Stored } from '../../core/index.ts';
import { isStored } from '../remote/bundles.ts';

/**
 * A resource as the rest of the product expects it. HAPI notes the id of the request that wrote a version as the fragment
 * of `meta.source`: that is no content, and would make two reads of one thing differ.
 */
export function storedOf<T extends Resource = Resource>(body: unknown): Stored<T> | undefined {
  if (!isStored<T>(body)) return undefined;
  const { source, ...meta } = body.meta;
  const own = source?.replace(/#.*$/, '');
  return { ...body, meta: own ? { ...meta, source: own } : meta } as Stored<T>;
}

/** An ETag, or what HAPI calls one inside a bundle (`1`, `W/"1"`). */
export const versionOf = (etag: string | undefined): string | undefined => /(\d+)"?$/.exec(etag ?? '')?.[1];

/** An entry of a history; a deletion says neither when nor what, so `lastUpdated` is left to the caller. */
export function historyEntryOf(
  entry: BundleEntry,
): (Omit<HistoryEntry, 'lastUpdated'> & { lastUpdated?: string }) | undefined {
  const { method = '', url = '' } = entry.request ?? {};
  const [, type, id, version] = /([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]+)(?:\/_history\/(\d+))?$/.exec(url) ?? [];
  const resource = storedOf(entry.resource);
  const versionId = resource?.meta.versionId ?? version ?? versionOf(entry.response?.etag);
  if (versionId === undefined) return undefined;
  if (resource === undefined) {
    if (type === undefined || id === undefined) return undefined;
    return { type: type as ResourceType, id, versionId, method: 'DELETE' };
  }
  return {
    type: resource.resourceType,
    id: resource.id,
    versionId,
    lastUpdated: resource.meta.lastUpdated,
    method: method === 'POST' ? 'POST' : 'PUT',
    resource,
  };
}
