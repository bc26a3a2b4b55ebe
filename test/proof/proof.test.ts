import { describe, expect, test } from '@jest/globals';
import { broken, DECISIONS, decision, referral, SIGNED_IN } from './lives.ts';
import { replay } from './prove.ts';
import { run } from './run.ts';
import { type Step, scriptOf } from './script.ts';
import { killedEverywhere, spared } from './sweep.ts';

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

const landed: Step[] = [{ ...referral('booked-direct'), afterMs: 20_000 }];
const happens = (event: 'clinical-information-updated' | 'cancelled-by-referrer'): Step[] => [
  { do: 'happen', on: 0, event, afterMs: 0 },
  { do: 'poll', service: 0, times: 1, afterMs: 15_000 },
];
const arrives = (kind: string): Step[] => [{ ...referral(kind), afterMs: 12_000 }];
/** What A005 answers at first, under the number that the first referral of seed 3 has. */
const unlandable: Step = {
  do: 'fault',
  fault: {
    endpoint: 'A005',
    kind: 'status',
    status: 200,
    body: { resourceType: 'ReferralRequest', id: '000049030001', meta: { versionId: '1' } },
    times: 1,
    after: 0,
  },
  afterMs: 0,
};
const ofIntake = (step: string): string => `intake ${step}`;
const POLLED = ['1: A008', '2', '3'].map(ofIntake);
/** What somebody referred for the first time brings with it. */
const BROUGHT = [
  'shared Patient',
  'shared HealthcareService',
  ...['6: A042', '6: OBJECT-STORE', '6: a file', '6: A007'].map(ofIntake),
];

describe('a process killed at every door of intake', () => {
  test.each([
    [
      'a first referral',
      [],
      arrives('booked-direct'),
      [...BROUGHT, 'intake 8: landed with a review'],
      'awaiting-review',
    ],
    ['a changed one', landed, happens('clinical-information-updated'), ['intake 8: landed with'], 'referral-changed'],
    ['a cancelled one', landed, happens('cancelled-by-referrer'), ['intake 8: landed, the review closed'], 'withdrawn'],
    [
      'a slot issue',
      [],
      arrives('slot-issue'),
      [...BROUGHT, 'intake 7: A029', 'intake 8: landed with'],
      'awaiting-review',
    ],
    [
      'one that cannot be landed',
      [],
      [unlandable, ...arrives('booked-direct')],
      ['intake 8: what cannot be landed', 'intake 8: in quarantine'],
      'awaiting-review',
    ],
  ] satisfies [string, Step[], Step[], string[], string][])(
    'K1: of %s: before, after and in the middle of each write and each call, nothing is lost',
    async (_, before, during, own, end) => {
      const { violations, deaths, ends } = await killedEverywhere({ before, during, settlingMs: 13 * 60_000 });
      expect(violations).toEqual([]);
      expect(spared(deaths, ...POLLED, 'intake 4: A005', ...own, 'intake 9')).toEqual([]);
      expect(ends).toEqual([`ended ${end} 1`]);
    },
    120_000,
  );
});

test('K1: of one that lands after all: before, after and in the middle of each write and each call, it leaves quarantine', async () => {
  const before: Step[] = [unlandable, ...arrives('booked-direct')];
  const during: Step[] = [{ do: 'poll', service: 0, times: 1, afterMs: 15_000 }];
  const { violations, deaths, ends } = await killedEverywhere({ before, during });
  expect(violations).toEqual([]);
  expect(spared(deaths, 'intake 8: landed with a review', 'store: remove Basic', 'store: remove Binary')).toEqual([]);
  expect(ends).toEqual(['ended awaiting-review 1']);
}, 120_000);

test('K1 B1: of a poll that the ledger counts: before, after and in the middle of each write and each call, nothing is lost', async () => {
  const during = arrives('booked-direct');
  const sweep = await killedEverywhere({ before: [], during, settlingMs: 13 * 60_000, pollsPerDay: 480 });
  expect(sweep.violations).toEqual([]);
  expect(spared(sweep.deaths, 'intake 1: a poll', ...POLLED, 'intake 8: landed with a review')).toEqual([]);
  expect(sweep.ends).toEqual(['ended awaiting-review 1']);
}, 120_000);

describe('a process killed at every door of dispatch', () => {
  test.each(DECISIONS)(
    'D1 D2 D3: of %s: before, after and in the middle of each write and each call, it is recorded once',
    async (_, kind, choice, endpoint, end) => {
      // By this seed decisions are held back for 20 seconds, so that they are taken over before they are sent.
      const before: Step[] = [SIGNED_IN, { ...referral(kind), afterMs: 20_000 }];
      const during: Step[] = [{ ...decision(choice), afterMs: 28_000 }];
      const { violations, deaths, ends } = await killedEverywhere({ seed: 5, before, during });
      expect(violations).toEqual([]);
      const steps = ['1: taken over', '2', `3: ${endpoint}`, '4: recorded'];
      expect(spared(deaths, ...steps.map((step) => `dispatch ${step}`))).toEqual([]);
      expect(ends).toEqual([`ended ${end} 1`]);
    },
    120_000,
  );
});
