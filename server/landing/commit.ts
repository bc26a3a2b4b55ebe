import type { Store, StoreCapabilities, Stored, StoreResult, TransactionEntry } from '../core/index.ts';
import type { CoreWrites } from './core-writes.ts';

/** One transaction; nothing to write is no transaction. */
export const commit = (
  store: Store,
  entries: readonly TransactionEntry[],
): Promise<StoreResult<readonly (Stored | undefined)[]>> =>
  entries.length === 0 ? Promise.resolve({ ok: true, value: [] }) : store.transaction(entries);

const bytesOf = (entry: TransactionEntry): number =>
  200 + (entry.kind === 'delete' ? 0 : Buffer.byteLength(JSON.stringify(entry.resource)));

/**
 * What has to go ahead of a landing that is too large for one transaction of this store: the bare referral, so that
 * documents have something to refer to; else the documents, in transactions of their own. Undefined: it fits.
 * Source: architecture 2; stores.md 7
 */
export function aheadOf(
  { maxTransactionEntries, maxTransactionBytes }: StoreCapabilities,
  writes: CoreWrites,
  sealing: readonly TransactionEntry[],
): readonly (readonly TransactionEntry[])[] | undefined {
  const all = [...writes.core, ...writes.documents, ...sealing];
  const bytes = all.reduce((sum, entry) => sum + bytesOf(entry), 0);
  if (all.length <= maxTransactionEntries && bytes <= maxTransactionBytes) return undefined;
  if (writes.documents.length === 0) return undefined;
  if (writes.foundation !== undefined) return [writes.foundation];
  const chunks: TransactionEntry[][] = [[]];
  let size = 0;
  for (const entry of writes.documents) {
    const last = chunks.at(-1) ?? [];
    const grown = size + bytesOf(entry);
    if (last.length > 0 && (last.length >= maxTransactionEntries || grown > maxTransactionBytes)) {
      chunks.push([entry]);
      size = bytesOf(entry);
    } else {
      last.push(entry);
      size = grown;
    }
  }
  return chunks;
}
