import { describe, expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import type { TransactionEntry } from '../../server/core/index.ts';
import { businessStatusOf } from '../sign-in.ts';
import { openWard, successes, type Ward } from './ward.ts';

const PRIORITIES = ['ROUTINE', 'URGENT', 'TWO_WEEK_WAIT'] as const;
const URGENCY: readonly string[] = ['TWO_WEEK_WAIT', 'URGENT', 'ROUTINE'];
/** Dispatch looks at its start, and then goes by hints. */
const SELDOM = 3_600_000;

/** Lands so many referrals, a third of each priority; answers the priority of each. */
async function land(ward: Ward, count: number): Promise<ReadonlyMap<string, string>> {
  const service = ward.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  const priorities = new Map<string, string>();
  for (const [index, priority] of PRIORITIES.entries()) {
    const share = Math.floor((count + index) / PRIORITIES.length);
    const wish = { kind: 'booked-direct', service, priority, count: share };
    const { ubrns } = await ward.control<{ ubrns: string[] }>('POST', 'referrals', wish);
    for (const ubrn of ubrns) priorities.set(ubrn, priority);
  }
  await ward.poll();
  return priorities;
}

/** Another program's doing: all Tasks accepted in one transaction, the least urgent first. */
async function acceptAllAtOnce(ward: Ward, ubrns: Iterable<string>): Promise<void> {
  const entries: TransactionEntry[] = [];
  for (const ubrn of ubrns) {
    const task = await ward.taskOf(ubrn);
    entries.push({ kind: 'put', resource: { ...task, status: 'accepted' }, ifMatch: task.meta.versionId });
  }
  const written = await ward.store.transaction(entries);
  if (!written.ok) throw new Error(JSON.stringify(written));
}

const statusesOf = async (ward: Ward, ubrns: Iterable<string>): Promise<ReadonlySet<string | undefined>> => {
  const statuses = new Set<string | undefined>();
  for (const ubrn of ubrns) statuses.add(businessStatusOf((await ward.taskOf(ubrn)) as Task));
  return statuses;
};

/** Waits until each of these is accepted, whatever goes on besides. */
async function allAccepted(ward: Ward, ubrns: readonly string[]): Promise<void> {
  while ([...(await statusesOf(ward, ubrns))].join() !== 'accepted')
    await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('decisions in bulk, straight into the store', () => {
  test.each([
    { name: 'while the engine works', count: 500, isDown: false },
    { name: 'while the engine is down', count: 120, isDown: true },
  ])(
    'D1 D3: $count Tasks accepted in one transaction $name reach e-RS once each, two-week waits first',
    async ({ count, isDown }) => {
      await using ward = await openWard({ sweepEveryMs: SELDOM, scanEveryMs: SELDOM, parallel: 1 });
      const priorities = await land(ward, count);
      expect(priorities.size).toBe(count);
      await ward.dispatch.settled();
      if (isDown) await ward.dispatch.stop();
      await acceptAllAtOnce(ward, priorities.keys());
      if (isDown) await ward.restartDispatch();
      await ward.dispatch.settled();
      const calls = await ward.calls('A013');
      expect(calls.map(({ status }) => status)).toEqual(Array.from({ length: count }, () => 200));
      expect(new Set(calls.map(({ ubrn }) => ubrn))).toEqual(new Set(priorities.keys()));
      const order = calls.map(({ ubrn = '' }) => URGENCY.indexOf(priorities.get(ubrn) ?? ''));
      expect(order).toEqual(order.toSorted((a, b) => a - b));
      expect(await statusesOf(ward, priorities.keys())).toEqual(new Set(['accepted']));
      expect(await ward.control('GET', 'audit')).toMatchObject({ parallelWrites: 0 });
    },
    300_000,
  );
});

describe('decisions in bulk at e-RS’s pace', () => {
  test('B1: 500 Tasks accepted in one transaction are all sent, never more than ten a second, two-week waits before all others', async () => {
    const parallel = 16;
    await using ward = await openWard({ sweepEveryMs: SELDOM, scanEveryMs: SELDOM, requestsPerSecond: 10, parallel });
    const priorities = await land(ward, 500);
    await acceptAllAtOnce(ward, priorities.keys());
    await ward.dispatch.settled();
    const calls = await ward.calls('A013');
    expect(calls.map(({ status }) => status)).toEqual(Array.from({ length: 500 }, () => 200));
    expect(new Set(calls.map(({ ubrn }) => ubrn))).toEqual(new Set(priorities.keys()));
    const [first, last] = [calls[0], calls.at(-1)].map((call) => Date.parse(call?.at ?? ''));
    expect((last ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(((500 - 10) / 10) * 1_000);
    // What is on its way keeps its place: as many as are handled at the same time may be out of order.
    const order = calls.map(({ ubrn = '' }) => URGENCY.indexOf(priorities.get(ubrn) ?? ''));
    const sorted = order.toSorted((a, b) => a - b);
    for (const [index, urgency] of order.entries()) {
      expect(urgency).toBeGreaterThanOrEqual(sorted[Math.max(0, index - parallel)] ?? 0);
      expect(urgency).toBeLessThanOrEqual(sorted[Math.min(499, index + parallel)] ?? 0);
    }
  }, 300_000);
});

describe('a referral whose calls always time out', () => {
  test('keeps one place of those that there are, while e-RS says nothing: all others go on by the rest', async () => {
    await using ward = await openWard({ sweepEveryMs: SELDOM, scanEveryMs: SELDOM, parallel: 2 });
    const priorities = await land(ward, 31);
    const [hanging = '', ...others] = [...priorities.keys()].reverse();
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'delay', delayMs: SELDOM, ubrn: hanging });
    await acceptAllAtOnce(ward, priorities.keys());
    await allAccepted(ward, others);
    // The call of the first is still under way: nobody has waited for its end.
    const calls = await ward.calls('A013');
    expect(calls.filter(({ ubrn }) => ubrn === hanging).map(({ status }) => status)).toEqual([0]);
    expect(calls).toHaveLength(31);
    expect(businessStatusOf(await ward.taskOf(hanging))).toBe('decision-sending');
    await ward.simulator.close(); // ends the call
  }, 60_000);

  test('has one turn, then the next one has: even with a single place, and although it is the most urgent', async () => {
    await using ward = await openWard({ sweepEveryMs: SELDOM, scanEveryMs: SELDOM, parallel: 1 });
    const priorities = await land(ward, 31);
    const [broken = '', ...others] = [...priorities.keys()].reverse();
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-request', ubrn: broken, times: 1_000 });
    await acceptAllAtOnce(ward, priorities.keys());
    await allAccepted(ward, others);
    const order = (await ward.calls('A013')).map(({ ubrn }) => ubrn === broken);
    const lastOther = order.lastIndexOf(false);
    const twiceInARow = order.slice(0, lastOther).filter((isBroken, index) => isBroken && order[index - 1] === true);
    expect(order).toContain(true);
    expect(twiceInARow).toEqual([]);
    expect(await successes(ward, 'A013', broken)).toBe(0);
  }, 60_000);
});
