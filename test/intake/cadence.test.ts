import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PollsOf, SiteService, WorklistName } from '../../server/core/index.ts';
import { lostList, nextList, nextPollMs, planPolls, slotBefore } from '../../server/intake/cadence.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.parse('2027-03-01T09:00:00Z');
const RFR = 'REFERRALS_FOR_REVIEW';
const ASI = 'APPOINTMENT_SLOT_ISSUES';
const FIFTY = Array.from({ length: 50 }, (_, index) => String(70_100 + index));

const service = (more: Partial<SiteService> = {}): SiteService => ({
  id: '70101',
  lists: [RFR],
  unattended: [],
  ...more,
});
const polls = (nowMs: number, spent: readonly (readonly [number, WorklistName])[], nextAtMs = nowMs): PollsOf => ({
  now: new Date(nowMs),
  spent: spent.map(([atMs, list]) => ({ at: new Date(atMs), list })),
  left: 1,
  nextAt: new Date(nextAtMs),
});

describe('when a service is polled', () => {
  test('never polled before, fifty services are read within the first minute and not all at once', () => {
    const dues = FIFTY.map((id) =>
      nextPollMs({ service: id, perDay: 2, polls: polls(START, []), startedAtMs: START, count: FIFTY.length }),
    ).toSorted((a, b) => a - b);
    expect(dues.at(-1)).toBeLessThan(START + 60_000);
    // More than e-RS takes in a second would only wait for the pace.
    const busiest = Math.max(...dues.map((at) => dues.filter((other) => other >= at && other < at + 1_000).length));
    expect(busiest).toBeLessThanOrEqual(8);
  });

  test('a single service is read at once', () => {
    const due = nextPollMs({ service: '70101', perDay: 2, polls: polls(START, []), startedAtMs: START, count: 1 });
    expect(due).toBe(START);
  });

  test('its times of the day are its own, the same at each start, and spread over all services', () => {
    const hours = FIFTY.map((id) => (slotBefore(id, 2, START) % (12 * HOUR)) / HOUR);
    expect(hours).toEqual(FIFTY.map((id) => (slotBefore(id, 2, START + 40 * DAY) % (12 * HOUR)) / HOUR));
    for (let from = 0; from < 12; from += 3) {
      const count = hours.filter((hour) => hour >= from && hour < from + 3).length;
      expect(count).toBeGreaterThan(5);
      expect(count).toBeLessThan(20);
    }
  });

  test('however late it was, the next time is one of its own, between half a step and one and a half away', () => {
    fc.assert(
      fc.property(fc.nat(DAY), fc.integer({ min: 1, max: 8 }), fc.constantFrom(...FIFTY), (offset, perDay, id) => {
        const lastMs = START + offset;
        const due = nextPollMs({
          service: id,
          perDay,
          polls: polls(lastMs, [[lastMs, RFR]]),
          startedAtMs: START,
          count: 50,
        });
        const step = DAY / perDay;
        expect(due).toBeCloseTo(slotBefore(id, perDay, due), 0);
        expect((due - lastMs) / step).toBeGreaterThan(0.499);
        expect((due - lastMs) / step).toBeLessThan(1.501);
      }),
    );
  });

  test('it is never asked for before the ledger permits it', () => {
    const free = START + 20 * HOUR;
    const state = polls(START, [[START, RFR]], free);
    expect(nextPollMs({ service: '70101', perDay: 2, polls: state, startedAtMs: START, count: 1 })).toBe(free);
  });
});

describe('which list a poll reads', () => {
  const both = service({ lists: [RFR, ASI] });

  test('with one list all polls are its own; with slot issues each list gets half', () => {
    expect(planPolls(service(), 2)).toEqual({ perDay: 2, shares: new Map([[RFR, 1]]) });
    expect(planPolls(both, 2).shares).toEqual(
      new Map([
        [RFR, 0.5],
        [ASI, 0.5],
      ]),
    );
    const plan = planPolls(both, 2);
    expect(nextList(plan, polls(START, []))).toBe(RFR);
    expect(nextList(plan, polls(START + HOUR, [[START, RFR]]))).toBe(ASI);
    expect(
      nextList(
        plan,
        polls(START + 2 * HOUR, [
          [START, RFR],
          [START + HOUR, ASI],
        ]),
      ),
    ).toBe(RFR);
  });

  test('a split is kept to, over time, and leaves the rest to an operator', () => {
    const plan = planPolls(service({ lists: [RFR, ASI], pollSplit: { [RFR]: 3, [ASI]: 1 } }), 6);
    expect(plan.perDay).toBe(4);
    const spent: [number, WorklistName][] = [];
    for (let nowMs = START; nowMs < START + 10 * DAY; nowMs += 6 * HOUR) {
      const list = nextList(plan, polls(nowMs, spent.slice(-8)));
      if (list !== undefined) spent.push([nowMs, list]);
    }
    expect(spent.filter(([, list]) => list === ASI).length).toBeGreaterThanOrEqual(9);
    expect(spent.filter(([, list]) => list === RFR).length).toBeGreaterThanOrEqual(28);
  });

  test('a list whose reads fail keeps no turn from the other: turns go by what was spent, not by what was read', () => {
    const plan = planPolls(both, 2);
    const spent: [number, WorklistName][] = [[START, ASI]];
    expect(nextList(plan, polls(START + 12 * HOUR, spent))).toBe(RFR);
  });
});

describe('a poll whose answer died with its process', () => {
  const both = service({ lists: [RFR, ASI] });
  const spent = polls(START, [[START - 60_000, ASI]]);
  const [never, always] = [() => false, () => true];

  test('K1: is made again at once where its list was never read, or a first load would wait for half a day', () => {
    expect(lostList(both, spent, never, never)).toBe(ASI);
  });

  test('waits for its time where the list has been read before, or this process spent it, since e-RS may refuse it for long', () => {
    expect(lostList(both, spent, never, always)).toBeUndefined();
    expect(lostList(both, spent, always, never)).toBeUndefined();
    expect(lostList(both, polls(START, []), never, never)).toBeUndefined();
  });
});
