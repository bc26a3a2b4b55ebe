import { describe, expect, test } from '@jest/globals';
import type { UserSession } from '../../server/core/index.ts';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { openWard, reach } from './ward.ts';

const accept = [{ op: 'replace', path: '/status', value: 'accepted' }];
const ANOTHER = '555000000777';

const headersOf = ({ token, organisation, businessFunction }: UserSession) => ({
  'NHSD-User-Authorization': `Bearer ${token}`,
  'NHSD-End-User-Organisation-ODS': organisation,
  'NHSD-eRS-Business-Function': businessFunction,
});

describe('a decision that comes with a session (4.7), while another clinician is signed in all the time', () => {
  test('is sent by that session, and by no other', async () => {
    await using ward = await openWard();
    const ubrn = await ward.refer('booked-direct');
    const session = await signIn(ward.simulator, { sdsUserId: ANOTHER });
    const answer = await ward.patch(ubrn, accept, undefined, headersOf(session));
    expect([answer.status, answer.headers.get('warning')]).toEqual([200, null]);
    expect(await reach(ward, ubrn, 'accepted')).toBe('accepted');
    const events = await ward.store.search('AuditEvent', '_count=50');
    expect(JSON.stringify(events)).toContain(ANOTHER);
    expect(await ward.calls('A013')).toHaveLength(1);
  }, 30_000);

  test.each([
    [
      'has ended',
      401,
      'ERS_USER_SESSION_ENDED',
      (session: UserSession) => ({ ...session, token: `${session.token}x` }),
    ],
    ['is of a role that may not', 403, 'ERS_FORBIDDEN', (session: UserSession) => session],
    [
      'is of another organisation',
      403,
      'ERS_FORBIDDEN',
      (session: UserSession) => ({ ...session, organisation: 'ZZ9' }),
    ],
  ] as const)(
    'decides nothing where the session %s: it is answered with %i %s, nothing is stored, nobody sends it',
    async (what, status, code, spoil) => {
      await using ward = await openWard();
      const ubrn = await ward.refer('booked-direct');
      const roles = what === 'is of a role that may not' ? ['REFERRING_CLINICIAN'] : ['SERVICE_PROVIDER_CLINICIAN'];
      const given = await signIn(ward.simulator, { sdsUserId: ANOTHER, roles });
      const session = spoil({ ...given, businessFunction: 'SERVICE_PROVIDER_CLINICIAN' });
      const answer = await ward.patch(ubrn, accept, undefined, headersOf(session));
      expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(code)]);
      await ward.dispatch.settled();
      expect((await ward.taskOf(ubrn)).status).toBe('requested');
      expect(await ward.calls('A013')).toEqual([]);
    },
    30_000,
  );

  test('is kept and waits for a session where e-RS cannot say whose it is, and nobody else sends it', async () => {
    await using ward = await openWard();
    const ubrn = await ward.refer('booked-direct');
    const session = await signIn(ward.simulator, { sdsUserId: ANOTHER });
    await ward.control('POST', 'faults', { endpoint: 'A030', kind: 'status', status: 503 });
    const answer = await ward.patch(ubrn, accept, undefined, headersOf(session));
    expect([answer.status, answer.headers.get('warning')]).toEqual([200, expect.stringContaining('ERS_UNAVAILABLE')]);
    expect(await reach(ward, ubrn, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
    await ward.control('DELETE', 'faults');
    await ward.dispatch.settled();
    expect(await ward.calls('A013')).toEqual([]);
    expect(await ward.dispatch.send((await ward.taskOf(ubrn)).id, session)).toEqual({ ok: true, value: undefined });
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('accepted');
  }, 30_000);
});
