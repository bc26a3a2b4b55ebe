import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CODE_SYSTEM, outputsOf } from '../../mappings/index.ts';
import { refusal } from '../ers-refusal.ts';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { accept, reject } from './deciding.ts';
import { openWard, reach, successes, type Ward } from './ward.ts';

describe('delivery', () => {
  let ward: Ward;
  beforeAll(async () => {
    ward = await openWard();
  }, 30_000);
  afterAll(async () => ward[Symbol.asyncDispose]());
  const fault = (endpoint: string, more: object) => ward.control('POST', 'faults', { endpoint, times: 1, ...more });

  test('D3: an accept that was written straight into the store is sent once, and the Task ends accepted', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, accept);
    expect(await reach(ward, ubrn, 'accepted')).toBe('accepted');
    expect(await successes(ward, 'A013', ubrn)).toBe(1);
  });

  test('E-8: a 503 is known not to have been applied, so the same decision is sent again', async () => {
    const ubrn = await ward.refer('booked-direct');
    await fault('A013', { kind: 'status', status: 503 });
    await ward.decide(ubrn, accept);
    expect(await reach(ward, ubrn, 'accepted')).toBe('accepted');
    expect(await successes(ward, 'A013', ubrn)).toBe(1);
  });

  test('D2: a reject whose answer was lost is settled by reading e-RS, so one reject succeeds there', async () => {
    const ubrn = await ward.refer('booked-direct');
    await fault('A014', { kind: 'lose-answer' });
    await ward.decide(ubrn, reject);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
    expect(await successes(ward, 'A014', ubrn)).toBe(1);
  });

  test('D2: a reject whose request was lost is sent again once reading shows that it was not applied', async () => {
    const ubrn = await ward.refer('booked-direct');
    await fault('A014', { kind: 'lose-request' });
    await ward.decide(ubrn, reject);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
    expect(await successes(ward, 'A014', ubrn)).toBe(1);
  });

  test('D2 4.5: an accept whose answer was lost leaves no trace: after one probe it stays visible as unknown, never open', async () => {
    const ubrn = await ward.refer('booked-direct');
    await fault('A013', { kind: 'lose-answer' });
    await ward.decide(ubrn, accept);
    const startedMs = performance.now();
    while (
      !ward.alerts.standing().some(({ code }) => code === 'outcome-unknown') &&
      performance.now() - startedMs < 12_000
    ) {
      await ward.dispatch.settled();
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('decision-sending');
    expect((await ward.recordOf(ubrn)).decision?.isUnknowable).toBe(true);
    expect((await ward.calls('A013')).filter((call) => call.ubrn === ubrn)).toHaveLength(2);
    expect(await successes(ward, 'A013', ubrn)).toBe(1);
  }, 30_000);

  test('E-5: a referral that changed under the decision is not decided: the Task is open again and says why', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.control('POST', `referrals/${ubrn}/events`, { type: 'clinical-information-updated' });
    await ward.decide(ubrn, reject);
    expect(await reach(ward, ubrn, 'decision-conflict')).toBe('decision-conflict');
    const task = await ward.taskOf(ubrn);
    expect([task.status, task.statusReason?.coding?.[0]?.code]).toEqual(['requested', 'referral-changed']);
    expect(await successes(ward, 'A014', ubrn)).toBe(0);
  });

  test('E-12 4.5: a version that moved without a change of content is resent once with the new version', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.control('POST', `referrals/${ubrn}/events`, { type: 'internal-version-bump' });
    await ward.decide(ubrn, reject);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
    expect((await ward.calls('A014')).filter((call) => call.ubrn === ubrn).map(({ status }) => status)).toEqual([
      409, 200,
    ]);
  });

  test('E-6: a business rule of e-RS opens the Task again with the code that an engineer can look up', async () => {
    const ubrn = await ward.refer('booked-direct');
    await fault('A014', { kind: 'status', status: 422, body: refusal('UNABLE_TO_CANCEL_APPOINTMENT') });
    await ward.decide(ubrn, reject);
    expect(await reach(ward, ubrn, 'decision-refused')).toBe('decision-refused');
    expect((await ward.taskOf(ubrn)).statusReason?.coding?.[0]?.code).toBe('UNABLE_TO_CANCEL_APPOINTMENT');
  });

  test('E-7: what e-RS refuses the standing session waits for another one and is not resent by itself', async () => {
    const ubrn = await ward.refer('booked-direct');
    await fault('A014', { kind: 'status', status: 403 });
    await ward.decide(ubrn, reject);
    expect(await reach(ward, ubrn, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
    await ward.dispatch.settled();
    expect((await ward.calls('A014')).filter((call) => call.ubrn === ubrn)).toHaveLength(1);
    const session = await signIn(ward.simulator);
    const task = await ward.taskOf(ubrn);
    expect(await ward.dispatch.send(task.id, session)).toEqual({ ok: true, value: undefined });
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('rejected');
  });

  test('E-9c D4: a reject without its reason is opened again with every broken rule, and e-RS is not called', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, [{ op: 'replace', path: '/status', value: 'rejected' }]);
    expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
    const task = await ward.taskOf(ubrn);
    expect([task.status, task.statusReason?.coding?.[0]?.code]).toEqual(['requested', 'reason-required']);
    expect(outputsOf(task, 'outcome')).toHaveLength(1);
    expect((await ward.calls('A014')).filter((call) => call.ubrn === ubrn)).toEqual([]);
  });

  const repairedTasks = () =>
    ward.alerts.standing().flatMap(({ code, subject }) => (code === 'task-repaired' ? [subject] : []));
  const shown = (code: string) => ({
    op: 'replace',
    path: '/businessStatus',
    value: { coding: [{ system: CODE_SYSTEM.reviewStatus, code }] },
  });
  const WRONG: readonly [string, object][] = [
    ['a forged final', shown('accepted')],
    ['a forged in-flight', shown('decision-sending')],
    ['an impossible', shown('nonsense')],
    ['a dropped', { op: 'remove', path: '/businessStatus' }],
  ];

  test.each(WRONG)(
    'architecture 4: %s businessStatus is restored, alerted, and never taken for a decision',
    async (_what, wrong) => {
      const ubrn = await ward.refer('booked-direct');
      await ward.decide(ubrn, [wrong]);
      expect(await reach(ward, ubrn, 'awaiting-review')).toBe('awaiting-review');
      const { id, status } = await ward.taskOf(ubrn);
      expect(repairedTasks()).toContain(id);
      expect([status, (await ward.recordOf(ubrn)).decision, await successes(ward, 'A013', ubrn)]).toEqual([
        'requested',
        undefined,
        0,
      ]);
    },
  );

  test.each(WRONG)(
    'architecture 4 D3: %s businessStatus beside an accept is alerted, and the accept is sent all the same',
    async (_what, wrong) => {
      const ubrn = await ward.refer('booked-direct');
      await ward.decide(ubrn, [...accept, wrong]);
      const startedMs = performance.now();
      while ((await ward.recordOf(ubrn)).ended === undefined && performance.now() - startedMs < 10_000) {
        await ward.dispatch.settled();
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      const task = await ward.taskOf(ubrn);
      expect([task.status, businessStatusOf(task), (await ward.recordOf(ubrn)).ended?.recorded]).toEqual([
        'accepted',
        'accepted',
        true,
      ]);
      expect(repairedTasks()).toContain(task.id);
      expect(await successes(ward, 'A013', ubrn)).toBe(1);
    },
  );

  test('what the store will not keep of a Task is an alert that names it, not a silent repetition', async () => {
    const ubrn = await ward.refer('booked-direct');
    const { id } = await ward.taskOf(ubrn);
    const unwritable = () =>
      ward.alerts.standing().flatMap(({ code, subject }) => (code === 'task-unwritable' ? [subject] : []));
    // Each of them is a string that FHIR takes; the engine's record of both together is not.
    const notes = ['a', 'b'].map((letter) => ({ text: letter.repeat(700_000) }));
    await ward.decide(ubrn, [{ op: 'add', path: '/note', value: notes }]);
    await ward.dispatch.settled();
    expect(unwritable()).toEqual([id]);
    await ward.decide(ubrn, [{ op: 'remove', path: '/note' }]);
    await ward.dispatch.settled();
    expect(unwritable()).toEqual([]);
  });

  test('T-7 E-9c: a Task that was moved to another referral or patient as it was decided decides nothing, and is restored', async () => {
    const ubrn = await ward.refer('booked-direct');
    const other = await ward.refer('booked-direct');
    const { focus, for: patient } = await ward.taskOf(other);
    await ward.decide(ubrn, [
      { op: 'replace', path: '/focus', value: focus },
      { op: 'replace', path: '/for', value: patient },
      { op: 'replace', path: '/status', value: 'accepted' },
    ]);
    expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
    const own = await ward.taskOf(ubrn);
    expect([own.focus, own.for]).not.toContainEqual(focus);
    expect([own.focus, own.for]).not.toContainEqual(patient);
    expect((await ward.calls('A013')).filter((call) => call.ubrn === ubrn || call.ubrn === other)).toEqual([]);
    expect(await reach(ward, other, 'awaiting-review')).toBe('awaiting-review');
    expect(ward.alerts.standing().map(({ code }) => code)).toContain('task-repaired');
  });

  test('architecture 4: a Task that somebody deleted is made again', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.dispatch.settled();
    const task = await ward.taskOf(ubrn);
    await ward.store.remove('Task', task.id);
    const startedMs = performance.now();
    while (!(await ward.store.read('Task', task.id)).ok && performance.now() - startedMs < 10_000) {
      await ward.dispatch.sweep();
      await ward.dispatch.settled();
    }
    expect((await ward.taskOf(ubrn)).status).toBe('requested');
    expect(repairedTasks()).toContain(task.id);
  });
});

describe('without a signed-in clinician', () => {
  test('4.7: a reject waits, an accept that the site may send unattended goes, and a session sends what waited', async () => {
    await using ward = await openWard({ isSignedIn: false, unattended: ['accept'] });
    const accepted = await ward.refer('booked-direct');
    const rejected = await ward.refer('booked-direct');
    await ward.decide(accepted, accept);
    await ward.decide(rejected, reject);
    expect(await reach(ward, accepted, 'accepted')).toBe('accepted');
    expect(await reach(ward, rejected, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
    expect(await successes(ward, 'A014', rejected)).toBe(0);
    const session = await signIn(ward.simulator);
    await ward.dispatch.send((await ward.taskOf(rejected)).id, session);
    expect(await successes(ward, 'A014', rejected)).toBe(1);
    expect(ward.lines.join('\n')).not.toContain(session.token);
  }, 30_000);

  test('T-14: a decision that waits can be taken back, and is then not sent', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await ward.decide(ubrn, [{ op: 'replace', path: '/status', value: 'received' }]);
    expect(await reach(ward, ubrn, 'under-review')).toBe('under-review');
    expect((await ward.recordOf(ubrn)).decision).toBeUndefined();
    const sent = await ward.dispatch.send((await ward.taskOf(ubrn)).id, await signIn(ward.simulator));
    expect(sent).toEqual({ ok: false, code: 'decision-not-available' });
    await ward.dispatch.settled();
    expect([await ward.calls('A014'), (await ward.taskOf(ubrn)).status]).toEqual([[], 'received']);
  }, 30_000);
});
