import { describe, expect, test } from '@jest/globals';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { accept, reject } from './deciding.ts';
import { openWard, reach, successes, until, type Ward } from './ward.ts';

const shownOf = async (ward: Ward, ubrn: string) => {
  const task = await ward.taskOf(ubrn);
  return [task.status, businessStatusOf(task), task.statusReason?.coding?.[0]?.code];
};
const reopen = async (ward: Ward, ubrn: string) => ward.dispatch.reopen((await ward.recordOf(ubrn)).taskId);
const GIVEN_BACK = ['requested', 'delivery-failed', 'reopened-by-operator'];

/** A decision whose attempt ended in doubt, and an engine that forgot its session: what is known is what the store holds. */
async function leftInDoubt(
  ward: Ward,
  operations: readonly unknown[],
  endpoint: string,
  kind: string,
): Promise<string> {
  const ubrn = await ward.refer('booked-direct');
  await ward.decide(ubrn, operations);
  await reach(ward, ubrn, 'awaiting-user-authorisation');
  await ward.control('POST', 'faults', { endpoint, kind, times: 1 });
  await ward.control('POST', 'faults', { endpoint: 'A005', kind: 'status', status: 503, times: 1000 });
  await ward.dispatch.send((await ward.recordOf(ubrn)).taskId, await signIn(ward.simulator));
  expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('decision-sending');
  await ward.restartDispatch();
  return ubrn;
}

describe('$ers-reopen', () => {
  test('E-9a: a decision that waits for a user is given back, and a later session does not send it', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    expect(await reopen(ward, ubrn)).toEqual({ ok: true, value: undefined });
    expect(await shownOf(ward, ubrn)).toEqual(GIVEN_BACK);
    await ward.dispatch.send((await ward.taskOf(ubrn)).id, await signIn(ward.simulator));
    expect(await ward.calls('A014')).toEqual([]);
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'nothing-to-reopen' });
  }, 30_000);

  test('E-9a: a queued decision is given back, also one that dispatch has not taken over yet', async () => {
    await using ward = await openWard({ policy: { delayMs: 3_600_000 } });
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, accept);
    expect(await reopen(ward, ubrn)).toEqual({ ok: true, value: undefined });
    expect(await shownOf(ward, ubrn)).toEqual(GIVEN_BACK);
    // Decided again, it is a decision like any other.
    await ward.decide(ubrn, accept);
    expect(await reach(ward, ubrn, 'decision-queued')).toBe('decision-queued');
    expect(await ward.calls('A013')).toEqual([]);
  }, 30_000);

  test('E-9a: a decision in doubt is given back once e-RS, read anew, shows that it was not applied', async () => {
    await using ward = await openWard({ isSignedIn: false, policy: { attemptMaxMs: 0 } });
    const ubrn = await leftInDoubt(ward, reject, 'A014', 'lose-request');
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'ers-unavailable' });
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('decision-sending');
    await ward.control('DELETE', 'faults');
    expect(await reopen(ward, ubrn)).toEqual({ ok: true, value: undefined });
    expect(await shownOf(ward, ubrn)).toEqual(GIVEN_BACK);
    expect(await successes(ward, 'A014', ubrn)).toBe(0);
  }, 30_000);

  test('D3 E-9a: what a 503 hid is not opened before e-RS was read: while it cannot be read the decision stays', async () => {
    await using ward = await openWard();
    const ubrn = await ward.refer('booked-direct');
    await ward.control('POST', 'faults', {
      endpoint: 'A014',
      kind: 'status',
      status: 503,
      applied: true,
      retryAfterSeconds: 600,
      times: 1,
    });
    await ward.decide(ubrn, reject);
    await until(async () => (await ward.recordOf(ubrn)).decision?.wasUnknown === true);
    await ward.control('POST', 'faults', { endpoint: 'A005', kind: 'status', status: 503, times: 1000 });
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'ers-unavailable' });
    expect((await ward.taskOf(ubrn)).status).toBe('rejected');
    await ward.control('DELETE', 'faults');
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'task-closed' });
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('rejected');
  }, 30_000);

  test('D3: while its request may still be at work in e-RS a decision is not given back, whatever reading shows', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await leftInDoubt(ward, reject, 'A014', 'lose-request');
    await ward.control('DELETE', 'faults');
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'outcome-unknown' });
    expect((await ward.taskOf(ubrn)).status).toBe('rejected');
  }, 30_000);

  test('D3: a decision that e-RS did record is not given back: the Task ends as it was decided', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await leftInDoubt(ward, reject, 'A014', 'lose-answer');
    await ward.control('DELETE', 'faults');
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'task-closed' });
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('rejected');
  }, 30_000);

  test('D2 D3: an accept that reading cannot tell stays as it is, and the operator is told', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await leftInDoubt(ward, accept, 'A013', 'lose-answer');
    await ward.control('DELETE', 'faults');
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'outcome-unknown' });
    expect(businessStatusOf(await ward.taskOf(ubrn))).not.toBe('delivery-failed');
    expect((await ward.taskOf(ubrn)).status).toBe('accepted');
    expect(await successes(ward, 'A013', ubrn)).toBe(1);
  }, 30_000);

  test('E-5: a decision in doubt under which the referral changed is open by the reading itself, and says so', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await leftInDoubt(ward, reject, 'A014', 'lose-request');
    await ward.control('POST', `referrals/${ubrn}/events`, { type: 'clinical-information-updated' });
    await ward.control('DELETE', 'faults');
    const answer = await reopen(ward, ubrn);
    // Whoever read e-RS first, the operator or the engine: the review is open.
    expect([{ ok: true }, { ok: false, code: 'nothing-to-reopen' }]).toContainEqual(
      answer.ok ? { ok: true } : { ok: false, code: answer.code },
    );
    expect(await shownOf(ward, ubrn)).toEqual(['requested', 'decision-conflict', 'referral-changed']);
  }, 30_000);

  test('a review that is open, or that is none, has nothing to give back', async () => {
    await using ward = await openWard();
    const ubrn = await ward.refer('booked-direct');
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'nothing-to-reopen' });
    expect(await ward.dispatch.reopen('none')).toEqual({ ok: false, code: 'resource-not-found' });
    await ward.decide(ubrn, accept);
    await reach(ward, ubrn, 'accepted');
    expect(await reopen(ward, ubrn)).toEqual({ ok: false, code: 'task-closed' });
  }, 30_000);
});
