import type { Bundle, BundleEntry } from '@medplum/fhirtypes';
import type { StoreCapabilities, Stored, StoreFailure, StoreResult, TransactionEntry } from '../../core/index.ts';
import { failure } from '../embedded/outcome.ts';
import { storedOf } from './resources.ts';

/** No version is older: with this as If-Match HAPI creates the resource, or refuses because it is there (measured, 8.8.0). */
export const NO_VERSION = '0';

export const ifMatchOf = (versionId: string): string => `W/"${versionId}"`;

/**
 * The Bundle of a transaction.
 * @param tombstones versions of the deletions that creations under a chosen id are to follow, by `Type/id`
 */
export function bundleOf(entries: readonly TransactionEntry[], tombstones: ReadonlyMap<string, string>): Bundle {
  return { resourceType: 'Bundle', type: 'transaction', entry: entries.map((entry) => entryOf(entry, tombstones)) };
}

function entryOf(entry: TransactionEntry, tombstones: ReadonlyMap<string, string>): BundleEntry {
  switch (entry.kind) {
    case 'create': {
      const { id: _, ...resource } = entry.resource;
      return {
        ...(entry.fullUrl === undefined ? {} : { fullUrl: entry.fullUrl }),
        resource: resource as BundleEntry['resource'] & object,
        request: { method: 'POST', url: entry.resource.resourceType },
      };
    }
    case 'put': {
      const url = placeOf(entry);
      const version = entry.ifMatch ?? tombstones.get(url) ?? NO_VERSION;
      return { resource: entry.resource, request: { method: 'PUT', url, ifMatch: ifMatchOf(version) } };
    }
    case 'delete':
      return { request: { method: 'DELETE', url: placeOf(entry) } };
  }
}

export const placeOf = (entry: Exclude<TransactionEntry, { kind: 'create' }>): string =>
  entry.kind === 'put' ? `${entry.resource.resourceType}/${entry.resource.id}` : `${entry.type}/${entry.id}`;

/** Why a transaction cannot be sent as it is. */
export function checkShape(entries: readonly TransactionEntry[], limits: StoreCapabilities): StoreFailure | undefined {
  if (entries.length > limits.maxTransactionEntries)
    return failure('invalid', `A transaction here has at most ${limits.maxTransactionEntries} entries`);
  const seen = new Set<string>();
  for (const entry of entries) {
    if (entry.kind !== 'delete' && entry.resource.resourceType === 'Binary')
      return failure('not-supported', 'Binaries are streamed into the store before the transaction that names them');
    const key = entry.kind === 'create' ? entry.fullUrl : placeOf(entry);
    if (key !== undefined && seen.has(key)) return failure('invalid', 'A transaction may touch a resource only once');
    if (key !== undefined) seen.add(key);
  }
  return undefined;
}

/** What was stored, entry by entry; undefined where the answer does not say of each that it was done. */
export function storedBy(
  entries: readonly TransactionEntry[],
  answer: Bundle,
): StoreResult<readonly (Stored | undefined)[]> | undefined {
  const answers = answer.entry ?? [];
  if (answers.length !== entries.length) return undefined;
  const stored: (Stored | undefined)[] = [];
  for (const [index, entry] of entries.entries()) {
    const { response, resource } = answers[index] ?? {};
    if (!/^2\d\d\b/.test(response?.status ?? '')) return undefined;
    const one = entry.kind === 'delete' ? undefined : storedOf(resource);
    if (entry.kind !== 'delete' && one === undefined) return undefined;
    stored.push(one);
  }
  return { ok: true, value: stored };
}

/** Entries that should have replaced a version of something that was never there: HAPI makes it in silence (201). */
export function madeByMistake(entries: readonly TransactionEntry[], answer: Bundle): string[] {
  return entries.flatMap((entry, index) => {
    const status = answer.entry?.[index]?.response?.status ?? '';
    return entry.kind === 'put' && entry.ifMatch !== undefined && status.startsWith('201') ? [placeOf(entry)] : [];
  });
}
