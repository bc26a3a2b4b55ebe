import { randomUUID } from 'node:crypto';
import type { Resource } from '@medplum/fhirtypes';
import type { StoreCapabilities, Stored, StoreFailure, StoreResult, TransactionEntry } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import type { Ledger } from './ledger.ts';

export type RunTransaction = (entries: readonly TransactionEntry[]) => StoreResult<readonly (Stored | undefined)[]>;

/**
 * Runs the entries as one SQLite transaction. Ids are given and `urn:uuid` references resolved before the first write, so
 * that the order of the entries does not matter to references. Nothing is awaited in between: no other call can come
 * in. The first entry that fails undoes all, and its outcome says which it was.
 */
export function transactionRunner(ledger: Ledger, limits: StoreCapabilities): RunTransaction {
  return (entries) => {
    const refusal = checkShape(entries, limits);
    if (refusal) return refusal;
    const ids = entries.map((entry) => (entry.kind === 'create' ? randomUUID() : undefined));
    const places = new Map<string, string>();
    entries.forEach((entry, index) => {
      if (entry.kind === 'create' && entry.fullUrl !== undefined) {
        places.set(entry.fullUrl.toLowerCase(), `${entry.resource.resourceType}/${ids[index]}`);
      }
    });
    return ledger.transact((): StoreResult<readonly (Stored | undefined)[]> => {
      const stored: (Stored | undefined)[] = [];
      for (const [index, entry] of entries.entries()) {
        const written = run(entry, ids[index] ?? '', places);
        if (!written.ok) return atEntry(written, index);
        stored.push(written.value);
      }
      return { ok: true, value: stored };
    });
  };

  function run(
    entry: TransactionEntry,
    newId: string,
    places: ReadonlyMap<string, string>,
  ): StoreResult<Stored | undefined> {
    switch (entry.kind) {
      case 'create': {
        const written = ledger.create(resolve(entry.resource, places), newId);
        return written.ok ? { ok: true, value: written.value.stored } : written;
      }
      case 'put': {
        const { ifMatch } = entry;
        const condition = ifMatch === undefined ? { mustBeNew: true } : { ifMatch };
        const written = ledger.put(resolve(entry.resource, places), condition);
        return written.ok ? { ok: true, value: written.value.stored } : written;
      }
      case 'delete': {
        const removed = ledger.remove(entry.type, entry.id, {});
        return removed.ok ? { ok: true, value: undefined } : removed;
      }
    }
  }
}

function checkShape(entries: readonly TransactionEntry[], limits: StoreCapabilities): StoreFailure | undefined {
  if (entries.length > limits.maxTransactionEntries) {
    return failure('invalid', `A transaction here has at most ${limits.maxTransactionEntries} entries`);
  }
  const seen = new Set<string>();
  for (const entry of entries) {
    if (entry.kind !== 'delete' && entry.resource.resourceType === 'Binary') {
      return failure('not-supported', 'Binaries are streamed into the store before the transaction that names them');
    }
    const key = keyOf(entry);
    if (key !== undefined && seen.has(key)) return failure('invalid', 'A transaction may touch a resource only once');
    if (key !== undefined) seen.add(key);
  }
  return undefined;
}

function keyOf(entry: TransactionEntry): string | undefined {
  if (entry.kind === 'create') return entry.fullUrl?.toLowerCase();
  return entry.kind === 'put' ? `${entry.resource.resourceType}/${entry.resource.id}` : `${entry.type}/${entry.id}`;
}

function atEntry(fault: StoreFailure, index: number): StoreFailure {
  const issue = (fault.outcome?.issue ?? []).map((one) => ({
    ...one,
    details: { ...one.details, text: `Entry ${index}: ${one.details?.text ?? fault.code}` },
  }));
  return { ...fault, outcome: { resourceType: 'OperationOutcome', issue } };
}

/** Replaces fullUrls where a resource refers to them; identifiers and texts that look the same stay as they are. */
function resolve<T extends Resource>(resource: T, places: ReadonlyMap<string, string>): T {
  if (places.size === 0) return resource;
  return JSON.parse(JSON.stringify(resource), (key, value: unknown) => {
    const isReference = (key === 'reference' || key === 'url') && typeof value === 'string';
    return (isReference ? places.get(value.toLowerCase()) : undefined) ?? value;
  }) as T;
}
