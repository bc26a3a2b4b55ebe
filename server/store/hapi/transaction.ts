import type { Bundle, BundleEntry } from '@medplum/fhirtypes';
import type { TransactionEntry } from '../../core/index.ts';
import { ifMatchOf, placeOf } from '../remote/transaction.ts';

/** No version is older: with this as If-Match HAPI creates the resource, or refuses because it is there (measured, 8.8.0). */
export const NO_VERSION = '0';

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

/** Entries that should have replaced a version of something that was never there: HAPI makes it in silence (201). */
export function madeByMistake(entries: readonly TransactionEntry[], answer: Bundle): string[] {
  return entries.flatMap((entry, index) => {
    const status = answer.entry?.[index]?.response?.status ?? '';
    return entry.kind === 'put' && entry.ifMatch !== undefined && status.startsWith('201') ? [placeOf(entry)] : [];
  });
}
