import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Provenance } from '@medplum/fhirtypes';
import { CODE_SYSTEM, isSameJson } from '../../mappings/index.ts';
import type { UserSession } from '../../server/core/index.ts';
import { businessStatusOf, sessionHeaders, signIn } from '../sign-in.ts';
import { acceptAs } from './deciding.ts';
import { openWard, reach, successes, type Ward } from './ward.ts';

const accept = [{ op: 'replace', path: '/status', value: 'accepted' }];
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
