import { taskKey } from '../../mappings/index.ts';
import type { DispatchRecord, Store, StoreResult } from '../core/index.ts';
import type { SyncIndex } from '../landing/index.ts';
import { listRecords, readRecord } from '../store/index.ts';

/** How far back the first look for writes on closed reviews goes, and how far back each look overlaps the one before. */
const FIRST_LOOK_MS = 7 * 24 * 3_600_000;
const OVERLAP_MS = 120_000;

/**
 * The reviews that dispatch watches over: a Task that was deleted, or lost its identifier, is found by it. Nobody need
 * tell of a review that intake has opened: a store's hints are hints only.
 */
export class KnownReviews {
  /** By Task id. */
  readonly #open = new Map<string, { key: string; priority: string | undefined }>();
  readonly #closed = new Map<string, string>();
  readonly #keys = new Set<string>();
  #isLoaded = false;
  #lookedAtMs: number | undefined;

  note(key: string, { taskId, baseline, ended }: DispatchRecord): void {
    this.#keys.add(key);
    if (ended === undefined) this.#open.set(taskId, { key, priority: baseline.priority });
    else {
      this.#open.delete(taskId);
      this.#closed.set(taskId, key);
    }
  }

  keyOf(taskId: string): string | undefined {
    return this.#open.get(taskId)?.key ?? this.#closed.get(taskId);
  }

  open(): readonly { readonly taskId: string; readonly priority: string | undefined }[] {
    return [...this.#open].map(([taskId, { priority }]) => ({ taskId, priority }));
  }

  /** Learns of the reviews that are there: all at first, then those that have landed since. */
  async learn(store: Store, index: SyncIndex): Promise<StoreResult<void>> {
    if (!this.#isLoaded) {
      const records = await listRecords<DispatchRecord>(store, 'ers-dispatch');
      if (!records.ok) return records;
      for (const { key, data } of records.value) this.note(key, data);
      this.#isLoaded = true;
    }
    for (const { requestId, episode } of index.all()) {
      const key = episode === 0 ? undefined : taskKey(requestId, episode).value;
      if (key === undefined || this.#keys.has(key)) continue;
      const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
      if (!record.ok) return record;
      if (record.value) this.note(key, record.value.data);
    }
    return { ok: true, value: undefined };
  }

  /** Closed reviews whose Tasks were written on, or deleted, lately: what is closed is restored, too (architecture 4). */
  async closedAndWritten(store: Store, now: Date): Promise<StoreResult<readonly string[]>> {
    const sinceMs = this.#lookedAtMs === undefined ? now.getTime() - FIRST_LOOK_MS : this.#lookedAtMs - OVERLAP_MS;
    const since = new Date(sinceMs).toISOString();
    const written = await (store.capabilities.typeHistory ? inHistory(store, since) : bySearch(store, since));
    if (!written.ok) return written;
    this.#lookedAtMs = now.getTime();
    return { ok: true, value: [...new Set(written.value)].filter((id) => this.#closed.has(id)) };
  }
}

async function inHistory(store: Store, since: string): Promise<StoreResult<string[]>> {
  const ids: string[] = [];
  let next: string | undefined;
  do {
    const page = await store.history('Task', undefined, { since, count: 200, ...(next === undefined ? {} : { next }) });
    if (!page.ok) return page;
    ids.push(...page.value.entries.map(({ id }) => id));
    next = page.value.next;
  } while (next !== undefined);
  return { ok: true, value: ids };
}

/** Deletions are not found so; the sentinel misses what was deleted. */
async function bySearch(store: Store, since: string): Promise<StoreResult<string[]>> {
  const ids: string[] = [];
  let next: string | undefined;
  do {
    const page = await store.search('Task', `_lastUpdated=ge${since}&_count=200&_sort=_lastUpdated`, next);
    if (!page.ok) return page;
    ids.push(...page.value.matches.map(({ id }) => id));
    next = page.value.next;
  } while (next !== undefined);
  return { ok: true, value: ids };
}
