import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CodeableConcept, Provenance, Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, isSameJson, makeOutput } from '../../mappings/index.ts';
import type { DispatchRecord, UserSession } from '../../server/core/index.ts';
import { readRecord, writeRecord } from '../../server/store/index.ts';
import { businessStatusOf, sessionHeaders, signIn } from '../sign-in.ts';
import { accept, acceptAs } from './deciding.ts';
import { deaf, openWard, reach, successes, type Ward } from './ward.ts';

const REASON = { system: CODE_SYSTEM.appointmentCancellationReason, code: 'SERVICE_INAPPROPRIATE' };
const reject = [
  { op: 'replace', path: '/status', value: 'rejected' },
  { op: 'add', path: '/statusReason', value: { coding: [REASON] } },
];
const CLINICIAN = '555000000102';
const ANOTHER = '555000000103';

async function provenanceOf(ward: Ward, ubrn: string): Promise<Provenance | undefined> {
  const { taskId } = await ward.recordOf(ubrn);
  const found = await ward.store.search('Provenance', `target=Task/${taskId}`);
  if (!found.ok) throw new Error(found.code);
  return found.value.matches
    .map((one) => one as Provenance)
    .find(({ activity }) => activity?.coding?.[0]?.system?.endsWith('ers-decision'));
}

const agentsOf = (provenance: Provenance | undefined) =>
  (provenance?.agent ?? []).map(({ type, who, onBehalfOf, extension }) => [
    type?.coding?.[0]?.code,
    who?.identifier?.value ?? who?.reference,
    ...(onBehalfOf === undefined ? [] : ['for', onBehalfOf.identifier?.value]),
    ...(extension === undefined ? [] : ['unverified']),
  ]);

type Decision = NonNullable<DispatchRecord['decision']>;
async function rewriteDecision(ward: Ward, ubrn: string, change: (decision: Decision) => Decision): Promise<void> {
  const key = (await ward.taskOf(ubrn)).identifier?.find(({ system }) => system?.endsWith('review-task'))?.value ?? '';
  const record = await readRecord<DispatchRecord>(ward.store, 'ers-dispatch', key);
  if (!record.ok || record.value?.data.decision === undefined) throw new Error('no decision');
  const { data } = record.value;
  await writeRecord(
    ward.store,
    'ers-dispatch',
    key,
    { ...data, decision: change(record.value.data.decision) },
    record.value,
  );
}

/** What makes of a decided Task the open one that it was. */
const restored = ({ baseline }: DispatchRecord) =>
  (['input', 'businessStatus'] as const).map((name) => ({ op: 'replace', path: `/${name}`, value: baseline[name] }));

/** A session that e-RS takes for nobody's any more. */
const ENDED = (session: UserSession): UserSession => ({ ...session, token: 'a-token-that-has-ended' });

describe('a decision that came in a session', () => {
  let ward: Ward;
  beforeAll(async () => {
    // Both roads that must stay closed are open: a clinician who is always signed in, and accepts without any.
    ward = await openWard({ unattended: ['accept'] });
  });
  afterAll(async () => ward[Symbol.asyncDispose]());

  test.each<[string, string, (session: UserSession) => UserSession]>([
    ['has ended', 'ERS_USER_SESSION_ENDED', ENDED],
    ['claims an organisation that is not theirs', 'session-role-not-held', (one) => ({ ...one, organisation: 'R69' })],
    [
      'claims a role that they do not hold',
      'session-role-not-held',
      (one) => ({ ...one, businessFunction: 'SERVICE_PROVIDER_CLINICIAN_ADMIN', onBehalfOf: ANOTHER }),
    ],
  ])('4.7: which %s is sent by nobody else, and waits with the reason', async (_what, code, spoil) => {
    const ubrn = await ward.refer('booked-direct');
    const session = spoil(await signIn(ward.simulator));
    const answer = await ward.patch(ubrn, accept, undefined, sessionHeaders(session));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('warning')).toContain(code);
    expect(businessStatusOf((await answer.json()) as never)).toBe('awaiting-user-authorisation');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await ward.dispatch.settled();
    expect((await ward.calls('A013')).filter((call) => call.ubrn === ubrn)).toEqual([]);
    const task = await ward.taskOf(ubrn);
    expect(businessStatusOf(task)).toBe('awaiting-user-authorisation');
    expect(task.businessStatus?.text).toMatch(/session|role/);
    await ward.dispatch.send(task.id, await signIn(ward.simulator));
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('accepted');
  });

  test('4.7: which ends between identification and decision is sent by nobody else', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 401, ubrn });
    const answer = await ward.patch(ubrn, accept, undefined, sessionHeaders(await signIn(ward.simulator)));
    expect(answer.headers.get('warning')).toContain('ERS_USER_SESSION_ENDED');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await ward.dispatch.settled();
    expect((await ward.calls('A013')).filter((call) => call.ubrn === ubrn)).toHaveLength(1);
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('awaiting-user-authorisation');
  });

  test('4.7: waits for a session also when the engine died before it was told of the one', async () => {
    const ubrn = await ward.refer('booked-direct');
    const task = await ward.taskOf(ubrn);
    const session = await signIn(ward.simulator);
    await ward.control('POST', 'faults', { endpoint: 'A030', kind: 'delay', delayMs: 600 });
    const answering = ward.patch(ubrn, accept, task, sessionHeaders(session));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await ward.restartDispatch();
    expect(await reach(ward, ubrn, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
    await answering;
    expect((await ward.calls('A013')).filter((call) => call.ubrn === ubrn)).toEqual([]);
  });
});

describe('a session that was given for one decision', () => {
  let ward: Ward;
  beforeEach(async () => {
    // What was taken back is not heard of: the engine finds what stands there when the time to send has come.
    ward = await openWard({ isSignedIn: false, around: deaf, sweepEveryMs: 60_000, policy: { delayMs: 1_500 } });
  });
  afterEach(async () => ward[Symbol.asyncDispose]());

  const takeBack = async (ubrn: string) => {
    const answer = await ward.patch(ubrn, [{ op: 'replace', path: '/status', value: 'received' }]);
    expect(answer.status).toBe(200);
  };
  const decided = async (ubrn: string, operations: readonly unknown[], session?: UserSession) => {
    const answer = await ward.patch(ubrn, operations, undefined, session && sessionHeaders(session));
    expect(answer.status).toBe(200);
  };
  const waits = async (ubrn: string) => {
    expect(await reach(ward, ubrn, 'awaiting-user-authorisation', 'rejected', 'accepted')).toBe(
      'awaiting-user-authorisation',
    );
    for (const endpoint of ['A013', 'A014', 'A022']) expect(await ward.calls(endpoint)).toEqual([]);
  };

  test('4.7: does not send the decision of somebody else, who has taken that one back', async () => {
    const ubrn = await ward.refer('booked-direct');
    await decided(ubrn, accept, await signIn(ward.simulator));
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('decision-queued');
    await takeBack(ubrn);
    await decided(ubrn, reject);
    await waits(ubrn);
  }, 30_000);

  test('4.7: does not send the same decision, when somebody without a session makes it once more', async () => {
    const ubrn = await ward.refer('booked-direct');
    await decided(ubrn, accept, await signIn(ward.simulator));
    await takeBack(ubrn);
    await decided(ubrn, accept);
    await waits(ubrn);
  }, 30_000);

  test('4.7: sends that one, also where an earlier one with a session of its own was taken back', async () => {
    const ubrn = await ward.refer('booked-direct');
    await decided(ubrn, accept, await signIn(ward.simulator, { sdsUserId: ANOTHER }));
    await takeBack(ubrn);
    await decided(ubrn, reject, await signIn(ward.simulator, { sdsUserId: CLINICIAN }));
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
    expect(await ward.calls('A013')).toEqual([]);
    expect(agentsOf(await provenanceOf(ward, ubrn))[0]).toEqual(['author', CLINICIAN]);
  }, 30_000);

  test('4.7: by $ers-send-decision sends what waited then, not what took its place while e-RS was asked whose it is', async () => {
    const ubrn = await ward.refer('booked-direct');
    await decided(ubrn, accept);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await ward.control('POST', 'faults', { endpoint: 'A030', kind: 'delay', delayMs: 700 });
    const sent = ward.dispatch.send((await ward.taskOf(ubrn)).id, await signIn(ward.simulator));
    await new Promise((resolve) => setTimeout(resolve, 150));
    await takeBack(ubrn);
    await decided(ubrn, reject);
    expect(await sent).toEqual({ ok: false, code: 'decision-not-available' });
    await waits(ubrn);
  }, 30_000);

  test('4.7: by a page sends what the page has shown, not what took its place since', async () => {
    const ubrn = await ward.refer('booked-direct');
    await decided(ubrn, accept);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    const session = await signIn(ward.simulator);
    const listed = await ward.dispatch.waiting(session);
    const shown = listed.ok ? listed.value : [];
    await takeBack(ubrn);
    await decided(ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    const signed = await ward.dispatch.signAndSend(session, {
      waitMs: 10_000,
      taskIds: shown.map(({ taskId }) => taskId),
      shown: Object.fromEntries(shown.map(({ taskId, id }) => [taskId, id])),
    });
    expect(signed).toMatchObject({ value: [{ outcome: 'not-waiting', code: 'decision-not-available' }] });
    await waits(ubrn);
  }, 30_000);

  test('4.7: sends the decision for which it is given also where an older version has recorded that', async () => {
    const ubrn = await ward.refer('booked-direct');
    await decided(ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await rewriteDecision(ward, ubrn, ({ id: _, ...older }) => older);
    expect(await ward.dispatch.send((await ward.taskOf(ubrn)).id, await signIn(ward.simulator))).toMatchObject({
      ok: true,
    });
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('rejected');
  }, 30_000);
});

test('4.7: a decision without a session is not that of the one before it, which came in one and said the same', async () => {
  await using ward = await openWard({ isSignedIn: false });
  const ubrn = await ward.refer('booked-direct');
  // The engine finds what stands there at the end: it has to wait for the referral's turn.
  let answering: Promise<Response> | undefined;
  await ward.turns.take((await ward.recordOf(ubrn)).ubrn, async () => {
    answering = ward.patch(ubrn, accept, undefined, sessionHeaders(await signIn(ward.simulator)));
    while ((await ward.taskOf(ubrn)).status !== 'accepted') await new Promise((resolve) => setTimeout(resolve, 5));
    await ward.decide(ubrn, [{ op: 'replace', path: '/status', value: 'received' }]);
    await ward.decide(ubrn, [{ op: 'remove', path: '/output' }, ...restored(await ward.recordOf(ubrn))]);
    expect((await ward.patch(ubrn, accept)).status).toBe(200);
  });
  await answering;
  expect(await reach(ward, ubrn, 'awaiting-user-authorisation', 'accepted')).toBe('awaiting-user-authorisation');
  expect((await ward.recordOf(ubrn)).decision?.isInSession).toBeUndefined();
  expect(await ward.calls('A013')).toEqual([]);
}, 30_000);

test('4.7: a session sends no decision that was made while a file of its own decision was uploaded', async () => {
  await using ward = await openWard({ isSignedIn: false });
  const ubrn = await ward.refer('booked-direct');
  const reference = await ward.attach(ubrn);
  await ward.control('POST', 'faults', { endpoint: 'A020', kind: 'delay', delayMs: 2_000, times: 1 });
  const redirect = [
    { op: 'replace', path: '/status', value: 'accepted' },
    {
      op: 'add',
      path: '/statusReason',
      value: { coding: [{ system: CODE_SYSTEM.reviewOutcome, code: 'CANCEL_APPOINTMENT_ACTION_LATER' }] },
    },
    { op: 'add', path: '/note', value: [{ text: 'Rebook.' }] },
    { op: 'add', path: '/output', value: [makeOutput('attachment', { valueReference: { reference } })] },
  ];
  const answering = ward.patch(ubrn, redirect, undefined, sessionHeaders(await signIn(ward.simulator)));
  while ((await ward.recordOf(ubrn)).uploadNames === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  expect((await ward.patch(ubrn, [{ op: 'replace', path: '/status', value: 'received' }])).status).toBe(200);
  expect((await ward.patch(ubrn, reject)).status).toBe(200);
  await answering;
  expect(await reach(ward, ubrn, 'awaiting-user-authorisation', 'rejected')).toBe('awaiting-user-authorisation');
  for (const endpoint of ['A014', 'A022']) expect(await ward.calls(endpoint)).toEqual([]);
}, 30_000);

describe('who decided and who sent', () => {
  let ward: Ward;
  beforeAll(async () => {
    ward = await openWard({ isSignedIn: false });
  });
  afterAll(async () => ward[Symbol.asyncDispose]());

  async function waiting(user?: string): Promise<{ ubrn: string; taskId: string }> {
    const ubrn = await ward.refer('booked-direct');
    if (user === undefined) await ward.decide(ubrn, accept);
    else await acceptAs(ward, ubrn, user);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    return { ubrn, taskId: (await ward.taskOf(ubrn)).id };
  }

  test('4.7: the authenticated decider who sends it is its author', async () => {
    const { ubrn, taskId } = await waiting(CLINICIAN);
    expect((await ward.recordOf(ubrn)).decision?.user).toEqual({ name: CLINICIAN, sdsUserId: CLINICIAN });
    await ward.dispatch.send(taskId, await signIn(ward.simulator, { sdsUserId: CLINICIAN }));
    expect(agentsOf(await provenanceOf(ward, ubrn))).toEqual([
      ['author', CLINICIAN],
      ['performer', 'engine'],
    ]);
  });

  test('4.7, Q-10: somebody else may not send it, and it waits on with the reason', async () => {
    const { ubrn, taskId } = await waiting(CLINICIAN);
    const answer = await ward.dispatch.send(taskId, await signIn(ward.simulator, { sdsUserId: ANOTHER }));
    expect(answer).toEqual({ ok: false, code: 'sender-not-decider' });
    expect(await successes(ward, 'A013', ubrn)).toBe(0);
    expect((await ward.taskOf(ubrn)).businessStatus?.text).toContain('Somebody else made this decision');
  });

  test('4.7: an administrator sends it on the decider’s behalf, as A040 lets them, and both are named', async () => {
    const { ubrn, taskId } = await waiting(CLINICIAN);
    const roles = ['SERVICE_PROVIDER_CLINICIAN_ADMIN'];
    const session = await signIn(ward.simulator, { sdsUserId: ANOTHER, roles, onBehalfOf: [CLINICIAN] });
    const stranger = { ...session, onBehalfOf: '555000000109' };
    expect(await ward.dispatch.send(taskId, stranger)).toEqual({ ok: false, code: 'on-behalf-not-permitted' });
    expect(await successes(ward, 'A013', ubrn)).toBe(0);
    await ward.dispatch.send(taskId, { ...session, onBehalfOf: CLINICIAN });
    expect(await successes(ward, 'A013', ubrn)).toBe(1);
    expect(agentsOf(await provenanceOf(ward, ubrn))).toEqual([
      ['author', CLINICIAN],
      ['attester', ANOTHER, 'for', CLINICIAN],
      ['performer', 'engine'],
    ]);
  });

  test('4.7: a decision of nobody known is taken over by its sender; whom the Task names is marked unverified', async () => {
    const ubrn = await ward.refer('booked-direct');
    const somebody = await ward.store.create({ resourceType: 'Practitioner' });
    const owner = somebody.ok ? `Practitioner/${somebody.value.resource.id}` : '';
    await ward.decide(ubrn, [{ op: 'add', path: '/owner', value: { reference: owner } }]);
    await ward.dispatch.settled();
    await ward.decide(ubrn, accept);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await ward.dispatch.send((await ward.taskOf(ubrn)).id, await signIn(ward.simulator, { sdsUserId: ANOTHER }));
    expect(agentsOf(await provenanceOf(ward, ubrn))).toEqual([
      ['author', ANOTHER],
      ['enterer', owner, 'unverified'],
      ['performer', 'engine'],
    ]);
  });

  test('4.7: what the facade wrote of another decision says nothing of this one', async () => {
    const ubrn = await ward.refer('booked-direct');
    await acceptAs(ward, ubrn, CLINICIAN);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await ward.decide(ubrn, [{ op: 'replace', path: '/status', value: 'received' }]);
    await reach(ward, ubrn, 'under-review');
    await ward.decide(ubrn, accept);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    const { decision, deciding } = await ward.recordOf(ubrn);
    expect([decision?.user, deciding]).toEqual([undefined, undefined]);
    expect(isSameJson(decision?.command, { decision: 'accept' })).toBe(true);
  });

  test('4.7: who accepted through the facade did not decide what somebody wrote over it before the engine looked', async () => {
    const ubrn = await ward.refer('booked-direct');
    // The engine finds both together: it has to wait for the referral's turn.
    await ward.turns.take((await ward.recordOf(ubrn)).ubrn, async () => {
      await acceptAs(ward, ubrn, CLINICIAN);
      await ward.decide(ubrn, reject);
    });
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    const { decision, deciding } = await ward.recordOf(ubrn);
    expect([decision?.code, decision?.user, deciding]).toEqual(['reject', undefined, undefined]);
  });
});

describe('a decision that e-RS refuses in the session that was given for it', () => {
  test('E-6 4.7: was sent: whoever gave the session is not told that it was not', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await ward.control('POST', 'faults', { endpoint: 'A014', kind: 'status', status: 422, times: 1 });
    const { id } = await ward.taskOf(ubrn);
    expect(await ward.dispatch.send(id, await signIn(ward.simulator))).toEqual({ ok: true, value: undefined });
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('decision-refused');
  }, 30_000);

  test('4.7: decided, taken back and decided again, at both doors, with leftovers or without, is one rejection in e-RS', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await ward.refer('booked-direct');
    const back = [{ op: 'replace', path: '/status', value: 'received' }];
    const waits = async () => reach(ward, ubrn, 'awaiting-user-authorisation', 'decision-invalid');
    for (const operations of [reject, back, reject, back, reject])
      expect((await ward.patch(ubrn, operations)).status).toBe(200);
    expect(await waits()).toBe('awaiting-user-authorisation');
    expect(await ward.dispatch.reopen((await ward.taskOf(ubrn)).id)).toMatchObject({ ok: true });
    const open = await ward.taskOf(ubrn);
    const again: Task = { ...open, status: 'rejected', statusReason: reject[1]?.value as CodeableConcept };
    const put = await ward.store.update({ ...again, id: open.id }, { ifMatch: open.meta.versionId });
    expect([put.ok, await waits()]).toEqual([true, 'awaiting-user-authorisation']);
    await ward.decide(ubrn, back);
    await reach(ward, ubrn, 'under-review');
    await ward.decide(ubrn, reject);
    expect(await waits()).toBe('awaiting-user-authorisation');
    await ward.dispatch.send(open.id, await signIn(ward.simulator));
    expect(await successes(ward, 'A014', ubrn)).toBe(1);
  }, 60_000);
});

test('4.7: what the facade noted of a decision goes with it: the next one, in the store, did not come in that session', async () => {
  await using ward = await openWard({ isSignedIn: false });
  const ubrn = await ward.refer('booked-direct');
  const before = await ward.taskOf(ubrn);
  await ward.dispatch.stop();
  await ward.patch(ubrn, reject, before, sessionHeaders(await signIn(ward.simulator)));
  expect((await ward.recordOf(ubrn)).deciding).toMatchObject({ isInSession: true });
  await ward.store.update(before); // somebody puts it back as it was
  await ward.restartDispatch();
  await ward.dispatch.sweep();
  await ward.dispatch.settled();
  expect((await ward.recordOf(ubrn)).deciding).toBeUndefined();
  await ward.decide(ubrn, reject);
  expect(await reach(ward, ubrn, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
  expect((await ward.recordOf(ubrn)).decision).not.toHaveProperty('isInSession');
}, 30_000);
