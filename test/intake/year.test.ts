import { describe, expect, test } from '@jest/globals';
import { simulateYear } from '../../bench/simulated-year.ts';
import { lossesOf, type Poll, rollingDayViolations } from '../../bench/year-judge.ts';

const HOUR = 3_600_000;
const START = Date.parse('2027-01-04T07:00:00Z');
const at = (hours: number, more: Partial<Poll> = {}): Poll => {
  const ms = START + hours * HOUR;
  return { service: '70101', by: 'cadence', spentMs: ms, arrivedMs: ms, ...more };
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
    },
    60_000,
  );

  test('with nothing in the way every slot is used, but for the ones given up to come to its own time', async () => {
    const report = await simulateYear({ days: 7, services: 5, seed: 3, trouble: 0.001 });
    expect(report.overLimit).toBe(0);
    expect(report.unexplained).toEqual([]);
    expect(report.slots - report.used).toBeLessThanOrEqual(5);
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
    const stopped: Poll = { service: '70101', by: 'cadence', spentMs: START + 13 * HOUR };
    expect(rollingDayViolations(['70101'], [at(0), at(12), stopped], 2)).toBe(0);
  });

  test('takes no excuse for an engine that was up and did not poll', () => {
    const idle = lossesOf(['70101'], about([]));
    expect(idle.unexplained).toHaveLength(idle.slots);
    const away = lossesOf(['70101'], about([], 0));
    expect(away.lost).toEqual({ 'no process was up': away.slots });
  });
});
