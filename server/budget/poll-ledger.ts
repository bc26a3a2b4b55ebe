import type {
  Clock,
  Log,
  PollGrant,
  PollLedgerRecord,
  PollsOf,
  Store,
  StoreFailure,
  WorklistName,
} from '../core/index.ts';
import { readRecord, writeRecord } from '../store/index.ts';

export interface PollLedgerOptions {
  /** Undefined: there is no ledger, and so no poll. */
  readonly store: Store | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Permitted polls of a service in any rolling 24 hours, both lists together; undefined: lifted. */
  readonly pollsPerDay: number | undefined;
}

/** Who may poll when: kept in the store, so that it outlives processes and is shared by them. */
export interface PollLedger {
  spendPoll(service: string, list: WorklistName): Promise<PollGrant>;
  nextPollAt(service: string): Promise<Date | undefined>;
  pollsOf(service: string): Promise<PollsOf | undefined>;
  hearErsTime(ersNow: Date): void;
}

/** A poll counts for a day and a minute: e-RS counts from its arrival, which follows the spending by the connection's time. */
const WINDOW_MS = 24 * 3_600_000 + 60_000;
const TRIES = 8;
const NO_LEDGER: StoreFailure = { ok: false, code: 'unavailable' };
/** Polls that no longer count, but tell the cadence what was read when. */
const REMEMBERED = 4;

/**
 * The poll ledger. It goes by e-RS's clock, once that was heard, for it is e-RS that counts: a wall clock of ours that is
 * set forward or back changes nothing then. Before that, by our own: a poll "from the future" counts until its day has
 * passed. The polls of this process count by the monotonic clock besides.
 * Source: architecture 1 (`ers-poll-ledger`), 6 (B1); provider-api 3
 */
export function createPollLedger({ store, clock, log, pollsPerDay }: PollLedgerOptions): PollLedger {
  /** When this process spent, by its monotonic clock. */
  const own = new Map<string, number[]>();
  let heard: { readonly ersMs: number; readonly monotonicMs: number } | undefined;

  const ledgerNowMs = () =>
    heard === undefined ? clock.now().getTime() : heard.ersMs + (clock.monotonicMs() - heard.monotonicMs);
  /** An instant of the ledger's by our own clock, which whoever waits for it will look at. */
  const byOurClock = (ledgerMs: number) => new Date(clock.now().getTime() + (ledgerMs - ledgerNowMs()));

  /** When the polls that count will count no more. */
  function endsOf(service: string, record: PollLedgerRecord | undefined): { held: number[]; own: number[] } {
    const [nowMs, monotonicMs] = [ledgerNowMs(), clock.monotonicMs()];
    return {
      held: (record?.polls ?? []).map(({ at }) => Date.parse(at) + WINDOW_MS),
      own: (own.get(service) ?? []).map((spentMs) => nowMs + (spentMs + WINDOW_MS - monotonicMs)),
    };
  }

  /** The instant from which one more poll is permitted; not later than now: at once. */
  function freeAt(service: string, record: PollLedgerRecord | undefined, permitted: number): number {
    const ends = endsOf(service, record);
    return Math.max(nthLast(ends.held, permitted), nthLast(ends.own, permitted));
  }

  const read = async (service: string) =>
    store === undefined ? NO_LEDGER : readRecord<PollLedgerRecord>(store, 'ers-poll-ledger', service);

  async function spendPoll(service: string, list: WorklistName): Promise<PollGrant> {
    if (pollsPerDay === undefined) return { granted: true };
    for (let tries = 0; tries < TRIES; tries += 1) {
      const held = await read(service);
      if (!held.ok || store === undefined) return unavailable(service, list);
      const nowMs = ledgerNowMs();
      const nextAt = freeAt(service, held.value?.data, pollsPerDay);
      if (nextAt > nowMs) return { granted: false, reason: 'spent', nextAt: byOurClock(nextAt) };
      const before = held.value?.data.polls ?? [];
      const kept = before.filter(
        ({ at }, index) => index >= before.length - REMEMBERED || Date.parse(at) + WINDOW_MS > nowMs,
      );
      const next: PollLedgerRecord = { service, polls: [...kept, { at: new Date(nowMs).toISOString(), list }] };
      const written = await writeRecord(store, 'ers-poll-ledger', service, next, held.value);
      if (written.ok) {
        const monotonicMs = clock.monotonicMs();
        const live = (own.get(service) ?? []).filter((spentMs) => spentMs + WINDOW_MS > monotonicMs);
        own.set(service, [...live, monotonicMs]);
        log.info('budget.poll.spent', { service, list, left: leftOf(service, next, pollsPerDay) });
        return { granted: true };
      }
      // Somebody else wrote first: look again. Any other failure may have spent it, and is not tried again.
      if (written.code !== 'conflict') return unavailable(service, list);
    }
    return unavailable(service, list);
  }

  function leftOf(service: string, record: PollLedgerRecord | undefined, permitted: number): number {
    const nowMs = ledgerNowMs();
    const ends = endsOf(service, record);
    const counting = [ends.held, ends.own].map((some) => some.filter((endMs) => endMs > nowMs).length);
    return Math.max(0, permitted - Math.max(...counting));
  }

  function unavailable(service: string, list: WorklistName): PollGrant {
    log.warn('budget.poll.unavailable', { service, list, code: 'store-unavailable' });
    return { granted: false, reason: 'unavailable' };
  }

  async function pollsOf(service: string): Promise<PollsOf | undefined> {
    const now = new Date(ledgerNowMs());
    if (pollsPerDay === undefined) return { now, spent: [], left: undefined, nextAt: now };
    const held = await read(service);
    if (!held.ok) return undefined;
    const record = held.value?.data;
    return {
      now,
      spent: (record?.polls ?? []).map(({ at, list }) => ({ at: new Date(at), list })),
      left: leftOf(service, record, pollsPerDay),
      nextAt: new Date(Math.max(now.getTime(), freeAt(service, record, pollsPerDay))),
    };
  }

  async function nextPollAt(service: string): Promise<Date | undefined> {
    const polls = await pollsOf(service);
    return polls && byOurClock(polls.nextAt.getTime());
  }

  return {
    spendPoll,
    pollsOf,
    nextPollAt,
    hearErsTime(ersNow) {
      heard = { ersMs: ersNow.getTime(), monotonicMs: clock.monotonicMs() };
    },
  };
}

/** The nth from the end of the sorted instants: when it ends, fewer than n are left. None: long ago. */
function nthLast(ends: readonly number[], n: number): number {
  return ends.toSorted((a, b) => a - b).at(-n) ?? 0;
}
