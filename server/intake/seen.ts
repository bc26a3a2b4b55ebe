import type { SeenRecord, SiteService, Store, StoreResult, TransactionEntry, WorklistName } from '../core/index.ts';
import { type EngineRecord, listRecords, recordEntry } from '../store/index.ts';

/** Referrals on one page: a poll with news rewrites the last page only, some 15 kB. */
const PAGE_SIZE = 1_000;

/** What one complete answer names, in its order. */
export interface Named {
  readonly list: WorklistName;
  readonly polledAt: string;
  readonly ubrns: Iterable<string>;
}

/** What is to be written of an answer, and what to call once that is in the store. */
export interface SeenWrites {
  readonly entries: readonly TransactionEntry[];
  /** `stored`: what the store answered to the entries, in their order. */
  readonly note: (stored: readonly ({ id: string; meta: { versionId: string } } | undefined)[]) => void;
}

/**
 * Every referral that the worklists ever named, by service: noted when a worklist is read, and so before anything is made
 * of it. What follows is held against it by the sentinel; what has not come of it is brought in by intake.
 * Source: K1; docs/decisions/0005
 */
export class Seen {
  readonly #ubrns = new Map<string, Set<string>>();
  readonly #last = new Map<string, EngineRecord<SeenRecord>>();

  async load(store: Store): Promise<StoreResult<void>> {
    const records = await listRecords<SeenRecord>(store, 'ers-seen');
    if (!records.ok) return records;
    this.#ubrns.clear();
    this.#last.clear();
    for (const record of records.value) this.#note(record);
    return { ok: true, value: undefined };
  }

  of({ id }: SiteService): ReadonlySet<string> {
    return this.#ubrns.get(id) ?? new Set();
  }

  /** The writes that note what is new in an answer; none where nothing is. */
  writes(store: Store, service: string, { list, polledAt, ubrns }: Named): SeenWrites {
    const known = this.#ubrns.get(service);
    const fresh = [...new Set(ubrns)].filter((ubrn) => known?.has(ubrn) !== true);
    const pages: { data: SeenRecord; previous?: EngineRecord<SeenRecord> }[] = [];
    let last = this.#last.get(service);
    for (let begin = 0; begin < fresh.length; ) {
      const room = PAGE_SIZE - (last === undefined ? PAGE_SIZE : sizeOf(last.data));
      const previous = room > 0 ? last : undefined;
      const page = previous?.data.page ?? (pages.at(-1)?.data.page ?? last?.data.page ?? 0) + 1;
      const part = fresh.slice(begin, begin + (previous === undefined ? PAGE_SIZE : room));
      const polls = [...(previous?.data.polls ?? []), { list, polledAt, ubrns: part }];
      pages.push({ data: { service, page, polls }, ...(previous === undefined ? {} : { previous }) });
      begin += part.length;
      // A page that was begun here is full, or the last.
      last = previous === undefined ? undefined : { ...previous, data: { service, page, polls } };
    }
    return {
      entries: pages.map(({ data, previous }) => recordEntry(store, 'ers-seen', keyOf(data), data, previous)),
      note: (stored) => {
        for (const [index, { data }] of pages.entries()) {
          const written = stored[index];
          if (written !== undefined)
            this.#note({ key: keyOf(data), data, id: written.id, versionId: written.meta.versionId });
        }
      },
    };
  }

  #note(record: EngineRecord<SeenRecord>): void {
    const { service, page, polls } = record.data;
    const ubrns = this.#ubrns.get(service) ?? new Set();
    for (const poll of polls) for (const ubrn of poll.ubrns) ubrns.add(ubrn);
    this.#ubrns.set(service, ubrns);
    if (page >= (this.#last.get(service)?.data.page ?? 0)) this.#last.set(service, record);
  }
}

const keyOf = ({ service, page }: SeenRecord): string => `${service}.${page}`;
const sizeOf = ({ polls }: SeenRecord): number => polls.reduce((sum, { ubrns }) => sum + ubrns.length, 0);
