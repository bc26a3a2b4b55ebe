import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createBudget } from '../../server/budget/index.ts';
import type { Budget, Clock, Log, Store } from '../../server/core/index.ts';
import { openEmbeddedStore, readRecord } from '../../server/store/index.ts';
import { createFakeClock } from './fake-clock.ts';

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const DAY_MS = 24 * 3_600_000;
const MARGIN_MS = 60_000;
const RFR = 'REFERRALS_FOR_REVIEW';
const ASI = 'APPOINTMENT_SLOT_ISSUES';

let directory: string;
let store: Store;
const budgetOver = (clock: Clock, pollsPerDay: number | undefined = 2, over: Store = store): Budget =>
  createBudget({ store: over, clock, random: () => 0, log: SILENT, requestsPerSecond: undefined, pollsPerDay });

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'poll-ledger-'));
  store = await openEmbeddedStore({ directory, clock: createFakeClock() });
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

describe('the poll ledger', () => {
  test('B1: once e-RS was heard its clock counts: ours, set forward before a restart, grants nothing', async () => {
    const clock = createFakeClock('2026-03-02T09:00:00Z');
    const before = budgetOver(clock);
    before.hearErsTime(clock.now());
    await before.spendPoll('70101', RFR);
    await before.spendPoll('70101', RFR);
    await clock.advance(3_600_000);
    clock.setWall('2026-03-04T00:00:00Z');
    const after = budgetOver(clock);
    after.hearErsTime(new Date('2026-03-02T10:00:00Z'));
    // By our clock: as long from now as it is by e-RS's.
    const nextAt = new Date(Date.parse('2026-03-04T23:00:00Z') + MARGIN_MS);
    expect(await after.spendPoll('70101', RFR)).toEqual({ granted: false, reason: 'spent', nextAt });
  });

  test('once e-RS was heard our clock, set back, keeps nothing from being polled', async () => {
    const clock = createFakeClock('2026-03-02T09:00:00Z');
    const budget = budgetOver(clock);
    budget.hearErsTime(clock.now());
    await budget.spendPoll('70101', RFR);
    await budget.spendPoll('70101', RFR);
    clock.setWall('2026-02-20T09:00:00Z');
    await clock.advance(DAY_MS + MARGIN_MS);
    expect((await budget.spendPoll('70101', RFR)).granted).toBe(true);
  });

  test('it says what was spent on which list, how many are left, and when the next is free', async () => {
    const clock = createFakeClock('2026-03-02T09:00:00Z');
    const budget = budgetOver(clock);
    expect(await budget.pollsOf('70101')).toEqual({ now: clock.now(), spent: [], left: 2, nextAt: clock.now() });
    await budget.spendPoll('70101', RFR);
    await clock.advance(3_600_000);
    await budget.spendPoll('70101', ASI);
    const at = ['2026-03-02T09:00:00Z', '2026-03-02T10:00:00Z'].map((text) => new Date(text));
    expect(await budget.pollsOf('70101')).toEqual({
      now: clock.now(),
      spent: [
        { at: at[0], list: RFR },
        { at: at[1], list: ASI },
      ],
      left: 0,
      nextAt: new Date(Date.parse('2026-03-03T09:00:00Z') + MARGIN_MS),
    });
  });

  test('B1: both lists of a service together spend its polls, and the refusal names the instant when one is free', async () => {
    const clock = createFakeClock();
    const budget = budgetOver(clock);
    const start = clock.now().getTime();
    expect(await budget.spendPoll('70101', RFR)).toEqual({ granted: true });
    await clock.advance(3_600_000);
    expect(await budget.spendPoll('70101', ASI)).toEqual({ granted: true });
    const nextAt = new Date(start + DAY_MS + MARGIN_MS);
    expect(await budget.spendPoll('70101', RFR)).toEqual({ granted: false, reason: 'spent', nextAt });
    expect(await budget.nextPollAt('70101')).toEqual(nextAt);
    expect(await budget.spendPoll('70102', RFR)).toEqual({ granted: true });
    await clock.advance(nextAt.getTime() - clock.now().getTime() - 1);
    expect((await budget.spendPoll('70101', RFR)).granted).toBe(false);
    await clock.advance(1);
    expect(await budget.spendPoll('70101', RFR)).toEqual({ granted: true });
    expect((await budget.spendPoll('70101', RFR)).granted).toBe(false);
  });

  test('a service that was never polled is free now', async () => {
    const clock = createFakeClock();
    expect(await budgetOver(clock).nextPollAt('70101')).toEqual(clock.now());
  });

  test('B1: polls outlive the process and the store that were open when they were spent', async () => {
    const clock = createFakeClock();
    await budgetOver(clock).spendPoll('70101', RFR);
    await store.close();
    store = await openEmbeddedStore({ directory, clock });
    const budget = budgetOver(clock);
    expect((await budget.spendPoll('70101', RFR)).granted).toBe(true);
    expect((await budget.spendPoll('70101', RFR)).granted).toBe(false);
  });

  test('B1: engines that race for one service over one store get no more polls than there are', async () => {
    const clock = createFakeClock();
    const engines = Array.from({ length: 6 }, () => budgetOver(clock, 5));
    const grants = await Promise.all(engines.flatMap((engine) => [1, 2, 3].map(() => engine.spendPoll('70101', RFR))));
    expect(grants.filter(({ granted }) => granted)).toHaveLength(5);
    const record = await readRecord<{ polls: unknown[] }>(store, 'ers-poll-ledger', '70101');
    expect(record.ok && record.value?.data.polls).toHaveLength(5);
  });

  test('B1: a clock that is set back grants nothing before the day of the polls has passed', async () => {
    const clock = createFakeClock('2026-03-02T09:00:00Z');
    const spent = budgetOver(clock);
    await spent.spendPoll('70101', RFR);
    await spent.spendPoll('70101', RFR);
    clock.setWall('2026-02-27T09:00:00Z');
    const budget = budgetOver(clock);
    const nextAt = new Date(Date.parse('2026-03-03T09:00:00Z') + MARGIN_MS);
    expect(await budget.spendPoll('70101', RFR)).toEqual({ granted: false, reason: 'spent', nextAt });
  });

  test('B1: a clock that is set forward grants nothing to a process that remembers when it polled', async () => {
    const clock = createFakeClock('2026-03-02T09:00:00Z');
    const budget = budgetOver(clock);
    await budget.spendPoll('70101', RFR);
    await budget.spendPoll('70101', RFR);
    await clock.advance(3_600_000);
    clock.setWall('2026-04-01T00:00:00Z');
    const nextAt = new Date(Date.parse('2026-04-01T23:00:00Z') + MARGIN_MS);
    expect(await budget.spendPoll('70101', RFR)).toEqual({ granted: false, reason: 'spent', nextAt });
    await clock.advance(nextAt.getTime() - clock.now().getTime());
    expect((await budget.spendPoll('70101', RFR)).granted).toBe(true);
  });

  test.each(['2026-03-28T23:30:00Z', '2026-10-24T23:30:00Z'])(
    'B1: the night when British clocks change (%s) makes a day of twenty-four hours all the same',
    async (start) => {
      const clock = createFakeClock(start);
      const budget = budgetOver(clock, 1);
      await budget.spendPoll('70101', RFR);
      await clock.advance(DAY_MS - 1);
      expect((await budget.spendPoll('70101', RFR)).granted).toBe(false);
      await clock.advance(MARGIN_MS + 1);
      expect((await budget.spendPoll('70101', RFR)).granted).toBe(true);
    },
  );

  test('nothing may be polled while the ledger cannot be read, since nobody knows what is left', async () => {
    const clock = createFakeClock();
    const budget = budgetOver(clock, 2, {
      ...store,
      capabilities: store.capabilities,
      read: async () => ({ ok: false, code: 'unavailable' }),
    });
    expect(await budget.spendPoll('70101', RFR)).toEqual({ granted: false, reason: 'unavailable' });
    expect(await budget.nextPollAt('70101')).toBeUndefined();
  });

  test('B1: a poll whose writing has an unknown outcome is not made, for it may be in the ledger', async () => {
    const clock = createFakeClock();
    const losing: Store = {
      ...store,
      capabilities: store.capabilities,
      read: (type, id) => store.read(type, id),
      transaction: async (entries) => {
        await store.transaction(entries);
        return { ok: false, code: 'unknown-outcome' };
      },
    };
    expect(await budgetOver(clock, 1, losing).spendPoll('70101', RFR)).toEqual({
      granted: false,
      reason: 'unavailable',
    });
    expect((await budgetOver(clock, 1).spendPoll('70101', RFR)).granted).toBe(false);
  });

  test('with the limit lifted, as in the demo, every poll is granted and none is written down', async () => {
    const clock = createFakeClock();
    const lifted = createBudget({
      store,
      clock,
      random: () => 0,
      log: SILENT,
      requestsPerSecond: undefined,
      pollsPerDay: undefined,
    });
    for (let i = 0; i < 20; i += 1) expect(await lifted.spendPoll('70101', RFR)).toEqual({ granted: true });
    expect(await lifted.nextPollAt('70101')).toEqual(clock.now());
    expect(await readRecord(store, 'ers-poll-ledger', '70101')).toEqual({ ok: true, value: undefined });
  });

  test('B1: however tries, restarts and clock jumps back are mixed, no day has more polls than the limit, and each free one is granted', async () => {
    const step = fc.record({
      afterMs: fc.nat(DAY_MS),
      act: fc.constantFrom('try', 'try', 'try', 'restart', 'jump-back'),
      list: fc.constantFrom(RFR, ASI),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        fc.uuid(),
        async (steps, limit, service) => {
          const clock = createFakeClock();
          let budget = budgetOver(clock, limit);
          const grantedMs: number[] = [];
          let hasJumped = false;
          for (const { afterMs, act, list } of steps) {
            await clock.advance(afterMs);
            if (act === 'restart') budget = budgetOver(clock, limit);
            if (act === 'jump-back') clock.setWall(new Date(clock.now().getTime() - 5_400_000).toISOString());
            hasJumped ||= act === 'jump-back';
            const nowMs = clock.monotonicMs();
            const isFree = grantedMs.filter((atMs) => atMs > nowMs - DAY_MS - MARGIN_MS).length < limit;
            const { granted } = await budget.spendPoll(service, list);
            if (granted) expect(isFree).toBe(true);
            if (isFree && !hasJumped) expect(granted).toBe(true);
            if (granted) grantedMs.push(nowMs);
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});
