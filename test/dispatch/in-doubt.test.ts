import { describe, expect, test } from '@jest/globals';
import type { Provenance } from '@medplum/fhirtypes';
import { availableDecisionsOf, idSpace, parseUbrn } from '../../mappings/index.ts';
import type { Store } from '../../server/core/index.ts';
import { planReview } from '../../server/decisions/index.ts';
import { writeRecord } from '../../server/store/index.ts';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { accept, reject } from './deciding.ts';
import { heldRecordOf, openWard, reach, until, type Ward } from './ward.ts';

const HIDDEN_SUCCESS = { kind: 'status', status: 503, applied: true, times: 1 };

/** A store whose next read of a Task waits, once somebody asks for that. */
function holdingReads() {
  let held: { until: Promise<void>; isReached: () => void } | undefined;
  const around = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (name !== 'read') return typeof value === 'function' ? value.bind(target) : value;
        return async (type: 'Task', id: string) => {
          if (type === 'Task' && held !== undefined) {
            const { until: released, isReached } = held;
            held = undefined;
            isReached();
            await released;
          }
          return target.read(type, id);
        };
      },
    });
  const hold = () => {
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    held = { until: released.promise, isReached: reached.resolve };
    return { reached: reached.promise, release: released.resolve };
  };
  return { around, hold };
}

describe('a decision that e-RS may have recorded', () => {
  test('D3 E-9a: a 503 hid its success, then the application is refused until its attempts end: it is not given back', async () => {
    await using ward = await openWard({ isSignedIn: false, unattended: ['accept'], policy: { maxAttempts: 2 } });
    const ubrn = await ward.refer('booked-direct');
    await ward.control('POST', 'faults', { endpoint: 'A013', ...HIDDEN_SUCCESS });
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 401, times: 100 });
    const seen = new Set<string | undefined>();
    await ward.decide(ubrn, accept);
    await until(async () => {
      seen.add(businessStatusOf(await ward.taskOf(ubrn)));
      return (await ward.recordOf(ubrn)).decision?.isUnknowable === true;
    });
    expect([...seen]).not.toContain('delivery-failed');
    // The list names it no more, so that it was recorded.
    await ward.poll(ubrn);
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('accepted');
  }, 30_000);

  test.each([
    { decision: 'a reject', operations: reject, endpoint: 'A014', status: 'rejected' },
    { decision: 'an accept', operations: accept, endpoint: 'A013', status: 'accepted' },
  ])(
    'E-4: $decision that a worklist or the referral shows as recorded has its Provenance',
    async (one) => {
      await using ward = await openWard();
      const ubrn = await ward.refer('booked-direct');
      const fault = { ...HIDDEN_SUCCESS, retryAfterSeconds: 600 };
      await ward.control('POST', 'faults', { endpoint: one.endpoint, ...fault });
      await ward.decide(ubrn, one.operations);
      await until(async () => (await ward.recordOf(ubrn)).decision?.wasUnknown === true);
      await ward.poll(ubrn);
      const task = await ward.taskOf(ubrn);
      expect(businessStatusOf(task)).toBe(one.status);
      const found = await ward.store.search('Provenance', `target=Task/${task.id}`);
      const witnesses = found.ok ? (found.value.matches as Provenance[]) : [];
      expect(witnesses).toHaveLength(1);
      const author = witnesses[0]?.agent[0]?.who.reference?.split('/')[1] ?? '';
      expect(await ward.store.read('Practitioner', author)).toMatchObject({ ok: true });
    },
    30_000,
  );

  test('E-8b: while e-RS does not show the referral, it is asked at growing intervals', async () => {
    await using ward = await openWard({ sweepEveryMs: 60_000 });
    const ubrn = await ward.refer('booked-direct');
    const before = (await ward.calls('A005')).length;
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-answer', times: 1 });
    await ward.control('POST', 'faults', { endpoint: 'A005', kind: 'status', status: 503, times: 1000 });
    await ward.decide(ubrn, accept);
    const longestGapMs = async () => {
      const starts = (await ward.calls('A005')).slice(before).map(({ at }) => Date.parse(at));
      return Math.max(...starts.map((atMs, index) => atMs - (starts[index - 1] ?? atMs)));
    };
    // Two seconds apart at first.
    await until(async () => (await longestGapMs()) > 3_500);
  }, 30_000);
});

/** As `$ers-refresh` does: the lists are not asked. */
async function refresh(ward: Ward, ubrn: string): Promise<void> {
  const parsed = parseUbrn(ubrn);
  if (parsed === undefined) throw new Error('no UBRN');
  const read = await ward.ers.fetchReferral(parsed, { correlationId: 'ward', priority: 'decision' });
  if (read.kind !== 'ok') throw new Error(read.code);
  await ward.landing.land({
    source: read.value.source,
    items: undefined,
    review: (situation) => {
      const plan = planReview({ ...situation, ids: idSpace('ward'), listed: undefined });
      return plan.kind === 'none' ? { alerts: plan.alerts } : plan;
    },
  });
}

describe('an accept that a 503 hid, and whose next attempt was sent with a later version', () => {
  test.each([
    { how: 'when its attempts end', maxAttempts: 2, retryAfterSeconds: 1 },
    { how: 'at an operator’s wish', maxAttempts: 12, retryAfterSeconds: 600 },
  ])(
    'D3 E-9a: is not given back as not recorded $how',
    async ({ maxAttempts, retryAfterSeconds }) => {
      await using ward = await openWard({ isSignedIn: false, unattended: ['accept'], policy: { maxAttempts } });
      const ubrn = await ward.refer('booked-direct');
      await ward.control('POST', 'faults', { endpoint: 'A013', ...HIDDEN_SUCCESS, retryAfterSeconds: 2 });
      const unavailable = { endpoint: 'A013', kind: 'status', status: 503, times: 100, retryAfterSeconds };
      await ward.control('POST', 'faults', unavailable);
      await ward.decide(ubrn, accept);
      const attempts = async () => (await ward.recordOf(ubrn)).decision;
      await until(async () => (await attempts())?.lastAttempt?.outcome === 'not-applied');
      await refresh(ward, ubrn);
      if (maxAttempts > 2) {
        await until(
          async () => (await attempts())?.attempts === 2 && (await attempts())?.lastAttempt?.outcome !== 'unknown',
        );
        const { taskId } = await ward.recordOf(ubrn);
        expect(await ward.dispatch.reopen(taskId)).toEqual({ ok: false, code: 'outcome-unknown' });
      } else await until(async () => (await attempts()) === undefined || (await attempts())?.isUnknowable === true);
      expect((await ward.taskOf(ubrn)).status).toBe('accepted');
      await ward.control('DELETE', 'faults');
      await ward.poll(ubrn);
      expect(businessStatusOf(await ward.taskOf(ubrn))).toMatch(/^(accepted|decision-sending|decision-queued)$/);
    },
    40_000,
  );
});

describe('what e-RS hid for a while', () => {
  test('D2: is unknown no longer than e-RS hides it, whoever reads it again', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, accept);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 503, times: 1 });
    const { taskId } = await ward.recordOf(ubrn);
    await ward.dispatch.send(taskId, await signIn(ward.simulator));
    await ward.restartDispatch(); // the session is gone with it
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await ward.control('POST', 'faults', { endpoint: 'A005', kind: 'status', status: 404, times: 1 });
    expect(await ward.dispatch.reopen(taskId)).toMatchObject({ ok: false });
    expect((await ward.recordOf(ubrn)).decision?.hiddenSince).toBeDefined();
    await ward.control('DELETE', 'faults');
    await ward.poll(ubrn);
    expect((await ward.recordOf(ubrn)).decision?.hiddenSince).toBeUndefined();
    expect(ward.alerts.standing().map(({ code }) => code)).not.toContain('outcome-unknown');
  }, 30_000);
});

describe('what comes late', () => {
  test('D3 4.6: a 200 whose referral has gone on, and whose review another engine has ended, rewrites nothing', async () => {
    const { around, hold } = holdingReads();
    await using ward = await openWard({ around, writeMs: 800 });
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, accept);
    await until(async () => (await ward.calls('A013')).some((call) => call.ubrn === ubrn));
    const { reached, release } = hold();
    await reached; // e-RS has said 200, and this engine has not acted on it yet
    await ward.control('POST', `referrals/${ubrn}/events`, { type: 'cancelled-by-referrer' });
    const record = await heldRecordOf(ward, ubrn);
    const { decision } = record.data;
    if (decision?.lastAttempt === undefined) throw new Error('no attempt');
    // As the engine that took over leaves it, which then reads the cancellation.
    const lastAttempt = { ...decision.lastAttempt, isWitnessed: true };
    const theirs = { ...record.data, decision: { ...decision, wasUnknown: true, isUnknowable: true, lastAttempt } };
    expect(await writeRecord(ward.store, 'ers-dispatch', record.key, theirs, record)).toMatchObject({ ok: true });
    await ward.poll(ubrn);
    const { ended } = await ward.recordOf(ubrn);
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('withdrawn');
    release();
    await until(async () => ward.lines.some((line) => line.includes('dispatch.decision.answered')));
    await ward.dispatch.settled();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const task = await ward.taskOf(ubrn);
    expect([task.status, businessStatusOf(task)]).toEqual(['cancelled', 'withdrawn']);
    expect((await ward.recordOf(ubrn)).ended).toEqual(ended);
  }, 30_000);
});

describe('a conflict', () => {
  test('E-5 T-10: of a slot issue offers the decisions again that it offered before', async () => {
    await using ward = await openWard({ isReviewable: true });
    const ubrn = await ward.refer('slot-issue');
    const offered = availableDecisionsOf(await ward.taskOf(ubrn));
    expect(offered).toEqual(['accept-book-later', 'return-with-advice']);
    await ward.control('POST', `referrals/${ubrn}/events`, { type: 'clinical-information-updated' });
    await ward.decide(ubrn, [...accept, { op: 'add', path: '/note', value: [{ text: 'Book later.' }] }]);
    expect(await reach(ward, ubrn, 'decision-conflict')).toBe('decision-conflict');
    expect(availableDecisionsOf(await ward.taskOf(ubrn))).toEqual(offered);
  }, 30_000);
});
