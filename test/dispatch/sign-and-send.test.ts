import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { acceptAs } from './deciding.ts';
import { openWard, reach, successes, type Ward } from './ward.ts';

const CLINICIAN = '555000000102';
const ANOTHER = '555000000103';
const WISH = { waitMs: 20_000 };

describe('$ers-sign-and-send', () => {
  let ward: Ward;
  beforeEach(async () => {
    ward = await openWard({ isSignedIn: false, parallel: 1 });
  });
  afterEach(async () => ward[Symbol.asyncDispose]());

  async function waitingOf(decider: string | undefined, count: number): Promise<string[]> {
    const ubrns: string[] = [];
    for (let n = 0; n < count; n += 1) {
      const ubrn = await ward.refer('booked-direct');
      ubrns.push(ubrn);
      if (decider === undefined) await ward.decide(ubrn, [{ op: 'replace', path: '/status', value: 'accepted' }]);
      else await acceptAs(ward, ubrn, decider);
      await reach(ward, ubrn, 'awaiting-user-authorisation');
    }
    return ubrns;
  }
  const statuses = (ubrns: readonly string[]) =>
    Promise.all(ubrns.map(async (ubrn) => businessStatusOf(await ward.taskOf(ubrn))));
  const signed = async (session: Awaited<ReturnType<typeof signIn>>, taskIds?: readonly string[]) => {
    const answer = await ward.dispatch.signAndSend(session, { ...WISH, ...(taskIds && { taskIds }) });
    if (!answer.ok) throw new Error(answer.code);
    return answer.value;
  };

  test('4.7: sends all that the clinician decided, each once, and nobody else’s', async () => {
    const own = await waitingOf(CLINICIAN, 3);
    const theirs = await waitingOf(ANOTHER, 1);
    const nobodys = await waitingOf(undefined, 1);
    const session = await signIn(ward.simulator, { sdsUserId: CLINICIAN });
    const listed = await ward.dispatch.waiting(session);
    expect(listed.ok && listed.value.map(({ isOwn }) => isOwn).toSorted()).toEqual([false, true, true, true]);
    expect((await signed(session)).map(({ outcome }) => outcome)).toEqual(['sent', 'sent', 'sent']);
    expect(await statuses([...own, ...theirs, ...nobodys])).toEqual([
      ...['accepted', 'accepted', 'accepted'],
      ...['awaiting-user-authorisation', 'awaiting-user-authorisation'],
    ]);
    for (const ubrn of own) expect(await successes(ward, 'A013', ubrn)).toBe(1);
    expect((await ward.calls('A030')).length).toBe(2);
  }, 40_000);

  test('4.7: a session that ends on the way loses nothing: what was not sent waits on with the reason, and the next one sends it', async () => {
    const own = await waitingOf(CLINICIAN, 5);
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 401, after: 2, times: 1 });
    const results = await signed(await signIn(ward.simulator, { sdsUserId: CLINICIAN }));
    expect(results.map(({ outcome, code }) => code ?? outcome).toSorted()).toEqual([
      ...['ERS_USER_SESSION_ENDED', 'ERS_USER_SESSION_ENDED', 'ERS_USER_SESSION_ENDED', 'sent', 'sent'],
    ]);
    const calls = await ward.calls('A013');
    expect(calls).toHaveLength(3);
    const left = [];
    for (const ubrn of own) if ((await successes(ward, 'A013', ubrn)) === 0) left.push(ubrn);
    for (const ubrn of left) {
      expect(await reach(ward, ubrn, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
      expect((await ward.taskOf(ubrn)).businessStatus?.text).toContain('session with e-RS has ended');
    }
    await signed(await signIn(ward.simulator, { sdsUserId: CLINICIAN }));
    expect(await statuses(own)).toEqual(own.map(() => 'accepted'));
    for (const ubrn of own) expect(await successes(ward, 'A013', ubrn)).toBe(1);
  }, 40_000);

  test('4.7: a session that e-RS does not confirm sends nothing and says why', async () => {
    const own = await waitingOf(CLINICIAN, 1);
    const session = await signIn(ward.simulator, { sdsUserId: CLINICIAN });
    expect(await ward.dispatch.signAndSend({ ...session, token: 'ended' }, WISH)).toMatchObject({
      code: 'ERS_USER_SESSION_ENDED',
    });
    expect(await ward.dispatch.signAndSend({ ...session, organisation: 'R69' }, WISH)).toMatchObject({
      code: 'session-role-not-held',
    });
    expect(await ward.calls('A013')).toEqual([]);
    expect(await statuses(own)).toEqual(['awaiting-user-authorisation']);
  }, 40_000);

  test('4.7: decisions of nobody known go when they are named; those of somebody else do not', async () => {
    const [nobodys = ''] = await waitingOf(undefined, 1);
    const [theirs = ''] = await waitingOf(ANOTHER, 1);
    const ids = [(await ward.taskOf(nobodys)).id, (await ward.taskOf(theirs)).id, 'no-such-task'];
    const results = await signed(await signIn(ward.simulator, { sdsUserId: CLINICIAN }), ids);
    expect(results.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['sent', undefined],
      ['waiting', 'sender-not-decider'],
      ['not-waiting', 'resource-not-found'],
    ]);
    expect(await statuses([nobodys, theirs])).toEqual(['accepted', 'awaiting-user-authorisation']);
  }, 40_000);

  test('4.7: what e-RS refuses by its rules is given back, and said so', async () => {
    await waitingOf(CLINICIAN, 1);
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 422 });
    const results = await signed(await signIn(ward.simulator, { sdsUserId: CLINICIAN }));
    expect(results.map(({ outcome }) => outcome)).toEqual(['given-back']);
  }, 40_000);
});
