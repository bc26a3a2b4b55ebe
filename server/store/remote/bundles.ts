import type { Bundle, Resource } from '@medplum/fhirtypes';
import type { Stored } from '../../core/index.ts';

/** How a store's own resource becomes one as the rest of the product expects it; undefined: it is none. */
export type ReadStored = (body: unknown) => Stored | undefined;

/** A resource that a store keeps: with an id and a version. */
export function isStored<T extends Resource>(body: unknown): body is Stored<T> {
  if (typeof body !== 'object' || body === null || !('resourceType' in body)) return false;
  const { id, meta } = body as Stored<T>;
  return id !== undefined && meta?.versionId !== undefined;
}

export const isBundle = (body: unknown): body is Bundle =>
  typeof body === 'object' && body !== null && 'resourceType' in body && body.resourceType === 'Bundle';

export const resourcesOf = (bundle: Bundle, mode: 'match' | 'include', storedOf: ReadStored): Stored[] =>
  (bundle.entry ?? []).flatMap((entry) => {
    const stored = (entry.search?.mode ?? 'match') === mode ? storedOf(entry.resource) : undefined;
    return stored ? [stored] : [];
  });

/** What is included beside matches: each resource once, and none that matches itself. */
export function includedBeside(matches: readonly Stored[], includes: readonly Stored[]): Stored[] {
  const places = new Map(includes.map((one) => [placeOf(one), one]));
  for (const match of matches) places.delete(placeOf(match));
  return [...places.values()];
}

const placeOf = ({ resourceType, id }: Stored): string => `${resourceType}/${id}`;

/** What follows the question mark in the link to the next page: the server's name for itself may not be ours. */
export function nextQueryOf(bundle: Bundle): string | undefined {
  const url = bundle.link?.find(({ relation }) => relation === 'next')?.url;
  return url === undefined ? undefined : url.slice(url.indexOf('?') + 1);
}
