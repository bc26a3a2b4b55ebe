import type { Bundle } from '@medplum/fhirtypes';
import type { StoreCapabilities, Stored, StoreFailure, TransactionEntry } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import type { ReadStored } from './bundles.ts';
import type { Change } from './remote-store.ts';

export const ifMatchOf = (versionId: string): string => `W/"${versionId}"`;

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
  storedOf: ReadStored,
): readonly (Stored | undefined)[] | undefined {
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
  return stored;
}

/** What a transaction changed, with the ids that the store gave. */
export const changesOf = (entries: readonly TransactionEntry[], stored: readonly (Stored | undefined)[]): Change[] =>
  entries.map((entry, index) =>
    entry.kind === 'delete'
      ? { type: entry.type, id: entry.id }
      : { type: entry.resource.resourceType, id: stored[index]?.id ?? '' },
  );
