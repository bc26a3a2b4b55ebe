import type { DispatchRecord, Store, Stored, TransactionEntry } from '../core/index.ts';
import { readRecord, writeRecord } from '../store/index.ts';
import type { LandedRecord } from './landed-record.ts';

/**
 * Puts the ids that the store chose into the records of a landing. Records are found by key and name ids only to spare
 * look-ups, so a crash before this is made good by the next landing. Where clients choose ids there is nothing to do.
 */
export async function settleIds(
  store: Store,
  entries: readonly TransactionEntry[],
  results: readonly (Stored | undefined)[],
  sync: LandedRecord,
  record: { readonly key: string; readonly data: DispatchRecord } | undefined,
): Promise<LandedRecord> {
  const chosen = entries.flatMap((entry, index) => {
    const id = results[index]?.id;
    return entry.kind === 'create' && entry.fullUrl !== undefined && id !== undefined
      ? [{ placeholder: entry.fullUrl, id, type: entry.resource.resourceType }]
      : [];
  });
  const settled = withChosen(sync, chosen);
  if (settled !== sync) await rewrite(store, 'ers-sync', sync.requestId, settled);
  if (record !== undefined) {
    const data = withChosen(record.data, chosen);
    if (data !== record.data) await rewrite(store, 'ers-dispatch', record.key, data);
  }
  return settled;
}

function withChosen<T>(value: T, chosen: readonly { placeholder: string; id: string; type: string }[]): T {
  const before = JSON.stringify(value);
  let text = before;
  for (const { placeholder, id, type } of chosen) {
    text = text
      .replaceAll(`"reference":"${placeholder}"`, `"reference":"${type}/${id}"`)
      .replaceAll(`"${placeholder}"`, `"${id}"`);
  }
  return text === before ? value : (JSON.parse(text) as T);
}

async function rewrite<T extends object>(store: Store, kind: 'ers-sync' | 'ers-dispatch', key: string, data: T) {
  const held = await readRecord<T & Pick<DispatchRecord, 'audited'>>(store, kind, key);
  if (!held.ok || held.value === undefined) return;
  // The end of its chain of AuditEvents is known to the record in the store only.
  const { audited } = held.value.data;
  await writeRecord(store, kind, key, audited === undefined ? data : { ...data, audited }, held.value);
}
