import { describe, expect, test } from '@jest/globals';
import { DECISIONS, decision, referral, SIGNED_IN } from './lives.ts';
import type { Step } from './script.ts';
import { killedEverywhere, spared } from './sweep.ts';

const WITH_FILE = DECISIONS.filter(([, , , endpoint]) => endpoint === 'A022' || endpoint === 'A028');
const ofDispatch = (...steps: string[]) => steps.map((step) => `dispatch ${step}`);
const fault = (endpoint: string, more: Readonly<Record<string, unknown>>): Step => ({
  do: 'fault',
  fault: { endpoint, times: 1, after: 0, ...more },
  afterMs: 0,
});
/** Of the doors of a decision that is sent at once, the one of step 3. */
const CALL = 3;

describe('a process killed at every door of dispatch', () => {
  test.each(WITH_FILE)(
    'T-6 D1 D2 D3: of %s with a file: before, after and in the middle of each write and each call, the file is linked once',
    async (_, kind, choice, endpoint, end) => {
      const before: Step[] = [SIGNED_IN, { ...referral(kind), afterMs: 20_000 }];
      const during: Step[] = [{ ...decision(choice), file: 'store', afterMs: 8_000 }];
      const { violations, deaths, ends } = await killedEverywhere({ before, during });
      expect(violations).toEqual([]);
      const steps = ofDispatch('1a', '1b: A020', '1c', '2', `3: ${endpoint}`, '4: recorded');
      expect(spared(deaths, ...steps)).toEqual([]);
      expect(ends).toEqual([`ended ${end} 1`]);
    },
    120_000,
  );

  test.each(DECISIONS)(
    'D2 D3: of %s whose answer was lost: before, after and in the middle of each write and each call, it is recorded once',
    async (_, kind, choice, endpoint, end) => {
      const lost = fault(endpoint, { kind: 'lose-answer' });
      const before: Step[] = [SIGNED_IN, { ...referral(kind), afterMs: 20_000 }, lost];
      const during: Step[] = [{ ...decision(choice), afterMs: 100_000 }];
      const { violations, deaths, ends } = await killedEverywhere({ before, during, settlingMs: 16 * 60_000 });
      expect(violations).toEqual([]);
      const steps = ofDispatch('2', `3: ${endpoint}`, '4: what the answer means', '5c: A005', '5c: settled');
      expect(spared(deaths, ...steps)).toEqual([]);
      expect(ends).toEqual([`ended ${end} 1`]);
    },
    120_000,
  );

  test.each(DECISIONS)(
    'D2 D3: of %s whose process died before its answer came, and then the next one: it is recorded once',
    async (_, kind, choice, _endpoint, end) => {
      const before: Step[] = [SIGNED_IN, { ...referral(kind), afterMs: 20_000 }];
      const dies: Step = { do: 'kill', doors: CALL, phase: 'after', downMs: 50, afterMs: 0 };
      const during: Step[] = [dies, { ...decision(choice), afterMs: 20_000 }];
      const { violations, deaths, ends } = await killedEverywhere({ before, during, isNext: true });
      expect(violations).toEqual([]);
      expect(spared(deaths, ...ofDispatch('5a', '5c: A005', '5c: settled'))).toEqual([]);
      expect(ends).toEqual([`ended ${end} 1`]);
    },
    120_000,
  );

  test('D3: of a repair under an unknown outcome: before, after and in the middle of each write and each call, the Task is true', async () => {
    const before: Step[] = [
      SIGNED_IN,
      { ...referral('booked-direct'), afterMs: 20_000 },
      fault('A013', { kind: 'status', status: 502, applied: true }),
      { ...decision(0), afterMs: 60_000 },
    ];
    const during: Step[] = [{ do: 'spoil', on: 0, how: 'drop-status', afterMs: 1_000 }];
    // By this seed e-RS refuses to be asked twice, so that the probe leaves the accept unknown until a list tells.
    const sweep = await killedEverywhere({ seed: 4, before, during, settlingMs: 16 * 60_000 });
    expect(sweep.violations).toEqual([]);
    expect(spared(sweep.deaths, ...ofDispatch('5b', '5c: A005'))).toEqual([]);
    expect(sweep.ends).toEqual(['ended accepted 1']);
  }, 120_000);

  test('D1 D2 D3: of a decision that waits for a clinician: before, after and in the middle of each write and each call, it is recorded once', async () => {
    const before: Step[] = [
      { do: 'session', is: 'out', afterMs: 0 },
      { ...referral('booked-indirect'), afterMs: 20_000 },
    ];
    const during: Step[] = [
      { ...decision(1), afterMs: 1_000 },
      { ...SIGNED_IN, afterMs: 90_000 },
    ];
    const { violations, deaths, ends } = await killedEverywhere({ before, during });
    expect(violations).toEqual([]);
    expect(spared(deaths, ...ofDispatch('1: taken over', '2', '3: A014', '4: recorded'))).toEqual([]);
    expect(ends).toEqual(['ended rejected 1']);
  }, 120_000);
});
