import { expect, test } from '@jest/globals';
import { conformanceResources } from '../../conformance/index.ts';
import { codeSystem } from '../../mappings/index.ts';
import { refusal } from '../ers-refusal.ts';
import { startWorld, type World, type WorldOptions } from '../journeys/world.ts';
import { accept, exceptionsOf, rawWorklist, refer, reject, reportFrom, standingIn, statusOf, until } from './report.ts';

const HOUR = 3_600_000;

/** How a code of the account comes about, as it does in life. */
interface Row {
  readonly options?: WorldOptions;
  happens(world: World): Promise<void>;
  /** How much later the process that tells of it starts. */
  readonly afterMs?: number;
  /**
   * What e-RS does then: where another room would tell of it as well, it learns nothing from e-RS, so that it is the
   * sentinel that raises the alert, from the store alone.
   */
  readonly afterwards?: (world: World) => Promise<void>;
}

const fails =
  (endpoint: string, status: number, more: object = {}) =>
  (world: World) =>
    world.control('POST', 'faults', {
      endpoint,
      kind: 'status',
      status,
      retryAfterSeconds: 0,
      times: 10_000,
      ...more,
    }) as Promise<void>;

async function decide(world: World, ubrn: string, operations: readonly unknown[], becomes: string): Promise<void> {
  expect((await world.patch(await world.taskOf(ubrn), operations)).status).toBe(200);
  await until(async () => (await statusOf(world, ubrn)) === becomes);
}

const ROWS: Readonly<Record<string, Row>> = {
  'referral-vanished': {
    async happens(world) {
      const [ubrn = ''] = await refer(world, 1);
      const { id } = await world.referralOf(ubrn);
      const { store } = world.product;
      const records = await store.search('Basic', '_count=500');
      const isSync = (one: unknown) => JSON.stringify(one).includes(`\\"serviceRequestId\\":\\"${id}\\",\\"patientId`);
      const sync = records.ok ? records.value.matches.find(isSync) : undefined;
      expect((await store.remove('Basic', sync?.id ?? '')).ok).toBe(true);
    },
    // The next list would bring it back.
    afterwards: fails('A005', 503),
  },
  'referral-quarantined': {
    async happens(world) {
      await fails('A005', 422)(world);
      await refer(world, 1);
    },
  },
  'referral-overdue': {
    async happens(world) {
      await fails('A005', 503)(world);
      await refer(world, 1);
    },
    afterMs: 25 * HOUR,
  },
  'file-overdue': {
    async happens(world) {
      await fails('A007', 500)(world);
      await refer(world, 1);
    },
    afterMs: 25 * HOUR,
  },
  'decision-overdue': {
    options: { unattended: ['accept'], isSignedIn: false },
    async happens(world) {
      const [ubrn = ''] = await refer(world, 1);
      await fails('A013', 503)(world);
      await decide(world, ubrn, accept, 'decision-queued');
    },
    afterMs: 1.1 * HOUR,
  },
  'outcome-unknown': {
    async happens(world) {
      const [ubrn = ''] = await refer(world, 1);
      await world.control('POST', 'faults', { endpoint: 'A014', kind: 'lose-answer', times: 1 });
      await fails('A005', 422, { body: refusal('NO_RELATIONSHIP') })(world);
      await decide(world, ubrn, reject, 'decision-sending');
      await until(async () => (await standingIn(world)).length > 0);
      await world.control('DELETE', 'faults');
    },
    afterwards: fails('A005', 503),
  },
  'poll-overdue': {
    async happens(world) {
      await refer(world, 1);
    },
    afterMs: 3 * HOUR,
    afterwards: fails('A008', 503),
  },
  'decided-but-listed': {
    async happens(world) {
      const [ubrn = ''] = await refer(world, 1);
      const before = JSON.parse(await rawWorklist(world));
      await decide(world, ubrn, accept, 'accepted');
      await fails('A008', 200, { body: before })(world);
    },
    afterwards: fails('A005', 503),
  },
};

test('the table has every code of the account', () => {
  const url = codeSystem('ers-account-exception');
  const published = conformanceResources().flatMap((one) =>
    one.resourceType === 'CodeSystem' && one.url === url ? (one.concept ?? []) : [],
  );
  expect(Object.keys(ROWS).toSorted()).toEqual(published.map(({ code }) => code).toSorted());
});

test.each(Object.entries(ROWS))(
  'K1: %s is an alert, an exception and a count in both metrics, by the account that the next process makes',
  async (code, { options = {}, happens, afterMs = 0, afterwards }) => {
    await using world = await startWorld({ referrals: 0, ...options });
    await happens(world);
    await afterwards?.(world);
    await world.restart(afterMs);
    await world.settled();
    const report = await reportFrom(world);
    expect([...new Set(exceptionsOf(report).map((one) => one.code))]).toEqual([code]);
    const ready = await (await fetch(`${world.product.url}/health/ready`)).json();
    expect(ready).toMatchObject({ account: { exceptions: [{ code, count: expect.any(Number) }] } });
    expect(await standingIn(world)).toContainEqual({ code, count: expect.any(Number) });
    const metrics = await (await fetch(`${world.product.url}/metrics`)).text();
    for (const name of ['standing_alerts', 'account_exceptions'])
      expect(metrics).toMatch(new RegExp(`^${name}\\{code="${code}"\\} [1-9]`, 'm'));
  },
  60_000,
);
