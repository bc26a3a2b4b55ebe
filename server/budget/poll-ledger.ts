import type { Clock, Log, PollGrant, PollLedgerRecord, Store, WorklistName } from '../core/index.ts';
import { readRecord, writeRecord } from '../store/index.ts';

export interface PollLedgerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Permitted polls of a service in any rolling 24 hours, both lists together; undefined: lifted. */
  readonly pollsPerDay: number | undefined;
}

/** Who may poll when: kept in the store, so that it outlives processes and is shared by them. */
export interface PollLedger {
  spendPoll(service: string, list: WorklistName): Promise<PollGrant>;
  nextPollAt(service: string): Promise<Date | undefined>;
}

/**
 * A poll counts for a day and a minute: e-RS counts from its arrival, which follows the spending by however long token,
 * turn and connection take.
 */
const WINDOW_MS = 24 * 3_600_000 + 60_000;
const TRIES = 8;

/**
 * The poll ledger. Wall clocks may be set back: a poll "from the future" counts until its day has passed. Set forward,
 * the polls of this process still count by the monotonic clock.
 * Source: architecture 1 (`ers-poll-ledger`), 6 (B1); provider-api 3
 */
export function createPollLedger({ store, clock, log, pollsPerDay }: PollLedgerOptions): PollLedger {
  /** When this process spent, by its monotonic clock. */
  const own = new Map<string, number[]>();

  /** The instant from which one more poll is permitted; not later than now: at once. */
  function freeAt(service: string, record: PollLedgerRecord | undefined, permitted: number): number {
    const nowMs = clock.now().getTime();
    const monotonicMs = clock.monotonicMs();
    const ends = (record?.polls ?? []).map(({ at }) => Date.parse(at) + WINDOW_MS);
    const ownEnds = (own.get(service) ?? []).map((spentMs) => nowMs + (spentMs + WINDOW_MS - monotonicMs));
    return Math.max(nthLast(ends, permitted), nthLast(ownEnds, permitted));
  }

  const read = (service: string) => readRecord<PollLedgerRecord>(store, 'ers-poll-ledger', service);

  async function spendPoll(service: string, list: WorklistName): Promise<PollGrant> {
    if (pollsPerDay === undefined) return { granted: true };
    for (let tries = 0; tries < TRIES; tries += 1) {
      const held = await read(service);
      if (!held.ok) return unavailable(service, list);
      const now = clock.now();
      const nextAt = freeAt(service, held.value?.data, pollsPerDay);
      if (nextAt > now.getTime()) return { granted: false, reason: 'spent', nextAt: new Date(nextAt) };
      const counted = (held.value?.data.polls ?? []).filter(({ at }) => Date.parse(at) + WINDOW_MS > now.getTime());
      const next: PollLedgerRecord = { service, polls: [...counted, { at: now.toISOString(), list }] };
      const written = await writeRecord(store, 'ers-poll-ledger', service, next, held.value);
      if (written.ok) {
        const monotonicMs = clock.monotonicMs();
        const live = (own.get(service) ?? []).filter((spentMs) => spentMs + WINDOW_MS > monotonicMs);
        own.set(service, [...live, monotonicMs]);
        log.info('budget.poll.spent', { service, list, count: next.polls.length });
        return { granted: true };
      }
      // Somebody else wrote first: look again. Any other failure may have spent it, and is not tried again.
      if (written.code !== 'conflict') return unavailable(service, list);
    }
    return unavailable(service, list);
  }

  function unavailable(service: string, list: WorklistName): PollGrant {
    log.warn('budget.poll.unavailable', { service, list, code: 'store-unavailable' });
    return { granted: false, reason: 'unavailable' };
  }

  async function nextPollAt(service: string): Promise<Date | undefined> {
    const now = clock.now();
    if (pollsPerDay === undefined) return now;
    const held = await read(service);
    if (!held.ok) return undefined;
    return new Date(Math.max(now.getTime(), freeAt(service, held.value?.data, pollsPerDay)));
  }

  return { spendPoll, nextPollAt };
}

/** The nth from the end of the sorted instants: when it ends, fewer than n are left. None: long ago. */
function nthLast(ends: readonly number[], n: number): number {
  return ends.toSorted((a, b) => a - b).at(-n) ?? 0;
}
