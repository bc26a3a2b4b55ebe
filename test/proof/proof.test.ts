import { describe, expect, test } from '@jest/globals';
import { PHASES } from './life.ts';
import { broken, decision, referral } from './lives.ts';
import { replay } from './prove.ts';
import { run } from './run.ts';
import { type Step, scriptOf } from './script.ts';

/** Fixed, so that the same commit always has the same answer; `npm run prove` goes further. */
const SEEDS = Array.from({ length: 24 }, (_, index) => 1 + index);

describe('the proof', () => {
  test.each(SEEDS)(
    'D1 D2 D3 D4 K1 K4: seed %i: whatever clients, e-RS, the store, the network and kills do, each decision is applied once or not at all and each Task is true',
    async (seed) => {
      const violations = await broken(seed, scriptOf(seed));
      expect({ replay: replay(seed), violations }).toEqual({ replay: replay(seed), violations: [] });
    },
    30_000,
  );

  test('the same seed makes the same run, to the millisecond and the last call, so that a failure can be replayed', async () => {
    const [one, other] = [
      await run(7, scriptOf(7), { isTraced: true }),
      await run(7, scriptOf(7), { isTraced: true }),
    ].map(({ trace }) =>
      trace.map((line) => line.replaceAll(/"(correlationId|ersRequestId|tookMs)":("[^"]*"|\d+)/g, '')),
    );
    expect(one?.length).toBeGreaterThan(30);
    expect(other).toEqual(one);
  }, 30_000);

  test('D3: a judge who could be deceived would be no judge: a Task that somebody forges with the engine dead is found out', async () => {
    const script: Step[] = [
      { do: 'refer', kind: 'booked-direct', priority: 'ROUTINE', attachments: 0, afterMs: 20_000 },
      { do: 'spoil', on: 0, how: 'forge-accepted', afterMs: 0 },
    ];
    const { violations } = await run(1, script, { isDeadAtTheEnd: true, deafness: 1 });
    expect(violations.join()).toMatch(/D3.*accepted.*has not recorded it/);
  }, 30_000);
});

/** By kind of referral and the choice that the client makes of it. */
const DECISIONS = [
  ['accept', 'booked-direct', 0],
  ['reject', 'booked-indirect', 1],
  ['redirect', 'booked-direct', 2],
  ['accept, book later', 'triage', 0],
  ['return with advice', 'triage', 1],
] as const;

const SIGNED_IN: Step = { do: 'session', is: 'in', afterMs: 0 };
const SHORT = 9 * 60_000;

/** Kills the process at each door that it passes from this step on, in each phase; answers what broke, and where it died. */
async function killedEverywhere(before: readonly Step[], after: readonly Step[]) {
  const counted = async (script: readonly Step[]) => (await run(3, script, { deafness: 0, settlingMs: 0 })).doors;
  const doors = (await counted([...before, ...after])) - (await counted(before));
  const violations: string[] = [];
  const deaths = new Set<string>();
  for (let door = 0; door < doors; door += 1) {
    for (const phase of PHASES) {
      const kill: Step = { do: 'kill', doors: door, phase, downMs: 50, afterMs: 0 };
      const verdict = await run(3, [...before, kill, ...after], { deafness: 0, settlingMs: SHORT });
      for (const death of verdict.deaths) deaths.add(death);
      for (const one of verdict.violations) violations.push(`door ${door}, ${phase}: ${one}`);
    }
  }
  return { violations, deaths: [...deaths].join('\n') };
}

/** Steps at which no process died in some phase. */
const spared = (deaths: string, ...steps: string[]): string[] =>
  steps.filter((step) => !PHASES.every((phase) => new RegExp(`${step}.* \\| ${phase}`).test(deaths)));

describe('a process killed at every door of intake and dispatch', () => {
  test('K1: of intake: before, after and in the middle of each write and each call, nothing is lost', async () => {
    const { violations, deaths } = await killedEverywhere([], [{ ...referral('booked-direct'), afterMs: 12_000 }]);
    expect(violations).toEqual([]);
    const steps = ['e-RS A008', 'file or list kept', 'record ers-seen', 'e-RS A005', 'e-RS A042', 'e-RS A007'];
    expect(spared(deaths, ...steps, 'shared Patient', 'landed with a review')).toEqual([]);
  }, 120_000);

  test.each(DECISIONS)(
    'D1 D2 D3: of %s: before, after and in the middle of each write and each call, it is recorded once',
    async (_, kind, choice) => {
      const landed: Step[] = [SIGNED_IN, { ...referral(kind), afterMs: 20_000 }];
      const { violations, deaths } = await killedEverywhere(landed, [{ ...decision(choice), afterMs: 8_000 }]);
      expect(violations).toEqual([]);
      expect(spared(deaths, 'dispatch 2', 'e-RS A0[12]', 'dispatch 4')).toEqual([]);
    },
    120_000,
  );
});
