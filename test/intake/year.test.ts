import { describe, expect, test } from '@jest/globals';
import { simulateYear } from '../../bench/simulated-year.ts';
import { lossesOf, type Poll, rollingDayViolations, turnsOf } from '../../bench/year-judge.ts';

const HOUR = 3_600_000;
const START = Date.parse('2027-01-04T07:00:00Z');
const at = (hours: number, more: Partial<Poll> = {}): Poll => {
  const ms = START + hours * HOUR;
  return {
    service: '70101',
    list: 'REFERRALS_FOR_REVIEW',
    by: 'cadence',
    bornMs: START,
    spentMs: ms,
    arrivedMs: ms,
    answeredMs: ms,
    ...more,
  };
};

describe('a week of trouble', () => {
  test.each([1, 2])(
    'B1: restarts, kills, second processes, wrong clocks and outages: no poll over the limit, no slot lost without reason (%d)',
    async (seed) => {
      const report = await simulateYear({ days: 7, services: 5, seed, trouble: 6 });
      expect(report.kills + report.restarts).toBeGreaterThan(10);
      expect(report.clockSteps).toBeGreaterThan(2);
      expect(report.twoAtOnce).toBeGreaterThan(0);
      expect(report.overLimit).toBe(0);
      expect(report.unexplained).toEqual([]);
      expect(report.used).toBeGreaterThan(report.slots / 2);
      expect(report.turns).toMatchObject({ services: 2, outOfTurn: [] });
    },
    60_000,
  );

  test('with nothing in the way every slot is used, but for the ones given up to come to its own time', async () => {
    const report = await simulateYear({ days: 7, services: 5, seed: 3, trouble: 0.001 });
    expect(report.overLimit).toBe(0);
    expect(report.unexplained).toEqual([]);
    expect(report.slots - report.used).toBeLessThanOrEqual(5);
  }, 60_000);

  test('B1: a service with two lists has the two polls of any other, and its lists take turns, so that neither is forgotten', async () => {
    const { turns, ...report } = await simulateYear({ days: 7, services: 4, seed: 4, trouble: 0.001 });
    expect(report.overLimit).toBe(0);
    expect(turns).toMatchObject({ services: 2, readAgain: 0, outOfTurn: [] });
    const { REFERRALS_FOR_REVIEW: review = 0, APPOINTMENT_SLOT_ISSUES: slotIssues = 0 } = turns.polls;
    // 14 half days, of which the first may be late by its service's own time.
    expect(review + slotIssues).toBeGreaterThanOrEqual(2 * 13);
    expect(Math.abs(review - slotIssues)).toBeLessThanOrEqual(2);
  }, 60_000);
});

describe('the judge of the year', () => {
  const about = (polls: readonly Poll[], upHours = 72) => ({
    polls,
    up: [{ fromMs: START, toMs: START + upHours * HOUR }],
    outages: [],
    fromMs: START,
    toMs: START + 72 * HOUR,
  });

  test('counts a third poll within 24 hours by when it arrived, and none that never did', () => {
    expect(rollingDayViolations(['70101'], [at(0), at(12), at(24)], 2)).toBe(0);
    expect(rollingDayViolations(['70101'], [at(0), at(12), at(23.99)], 2)).toBe(1);
    const { arrivedMs: _, ...stopped } = at(13);
    expect(rollingDayViolations(['70101'], [at(0), at(12), stopped], 2)).toBe(0);
  });

  test('B1: counts a third poll whatever list it was of, since e-RS counts by service', () => {
    const slotIssues = { list: 'APPOINTMENT_SLOT_ISSUES' } as const;
    expect(rollingDayViolations(['70101'], [at(0), at(12, slotIssues), at(24)], 2)).toBe(0);
    expect(rollingDayViolations(['70101'], [at(0), at(12, slotIssues), at(23.99)], 2)).toBe(1);
  });

  test('sees a list that came twice in a row, and lets it pass only where its answer had died with another process', () => {
    const sites = [
      { id: '70101', lists: ['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES'], unattended: [] },
    ] as const;
    expect(turnsOf(sites, [at(0), at(12, { list: 'APPOINTMENT_SLOT_ISSUES' }), at(24)])).toMatchObject({
      polls: { REFERRALS_FOR_REVIEW: 2, APPOINTMENT_SLOT_ISSUES: 1 },
      readAgain: 0,
      outOfTurn: [],
    });
    expect(turnsOf(sites, [at(0), at(12)]).outOfTurn).toHaveLength(1);
    const reborn = { bornMs: START + HOUR };
    expect(turnsOf(sites, [at(0), at(12, reborn)]).outOfTurn).toHaveLength(1);
    const { answeredMs: _, ...died } = at(0);
    expect(turnsOf(sites, [died, at(12, reborn)])).toMatchObject({ readAgain: 1, outOfTurn: [] });
  });

  test('takes no excuse for an engine that was up and did not poll', () => {
    const idle = lossesOf(['70101'], about([]));
    expect(idle.unexplained).toHaveLength(idle.slots);
    const away = lossesOf(['70101'], about([], 0));
    expect(away.lost).toEqual({ 'no process was up': away.slots });
  });
});
