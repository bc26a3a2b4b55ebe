import { describe, expect, test } from '@jest/globals';
import { codeOf, DIRECT, ifMatch, rejection, startFarSide, TRIAGE, worklistRequest } from './far-side.ts';

const UUID = 'c5d2d200-7613-4a69-9c5f-1bb68e04b8d8';
const operation = (ubrn: string, name: string): string => `/STU3/ReferralRequest/${ubrn}/$ers.${name}`;

describe('modes, roles and headers', () => {
  test.each([
    ['A014', 'POST', operation('1', 'rejectReferral')],
    ['A020', 'POST', '/STU3/Binary'],
    ['A022', 'POST', operation('1', 'cancelAppointmentActionLater')],
    ['A030', 'GET', '/R4/PractitionerRole'],
    ['A038', 'GET', '/STU3/Appointment/1'],
    ['A040', 'GET', '/R4/Practitioner?_query=onBehalfOf'],
  ])('%s is closed to unattended applications: 403', async (_id, method, path) => {
    await using side = await startFarSide();
    const reply = await side.send(method, path);
    expect(reply.status).toBe(403);
    expect(codeOf(reply)).toMatch(/^(REC_)?FORBIDDEN$/);
  });

  test('an application that sends an identity header is refused, and the audit names the header', async () => {
    await using side = await startFarSide();
    const reply = await side.send('GET', '/STU3/CodeSystem/PRIORITY', {
      headers: { 'NHSD-eRS-Business-Function': 'X' },
    });
    expect([reply.status, codeOf(reply)]).toEqual([403, 'FORBIDDEN']);
    const audit = await side.control('GET', '/audit');
    expect(audit.json.badHeaders).toEqual({ 'nhsd-ers-business-function': 1 });
  });

  test("the gateway's own header names are never accepted from outside: 403 as empty text", async () => {
    await using side = await startFarSide();
    const reply = await side.send('GET', '/STU3/CodeSystem/PRIORITY', { headers: { 'x-ers-ods-code': 'ZZ1' } });
    expect([reply.status, reply.text]).toEqual([403, '']);
    expect(reply.headers.get('content-type')).toContain('text/plain');
  });

  test('a user who names no organisation is told so by the gateway: 400 MISSING_HEADER', async () => {
    await using side = await startFarSide();
    const { token } = await side.signIn();
    const reply = await side.send('GET', '/STU3/CodeSystem/PRIORITY', { token });
    expect([reply.status, codeOf(reply)]).toEqual([400, 'MISSING_HEADER']);
  });

  test('a user may not claim the role of an application: 403 in the words of the path they called', async () => {
    await using side = await startFarSide();
    const { token, headers } = await side.signIn();
    const claim = { ...headers, 'NHSD-eRS-Business-Function': 'PROVIDER_AUTHORISED_APPLICATION' };
    expect(codeOf(await side.send('GET', '/STU3/CodeSystem/PRIORITY', { token, headers: claim }))).toBe('NO_ACCESS');
    expect(codeOf(await side.send('GET', `/R4/Binary/${UUID}`, { token, headers: claim }))).toBe('ACCESS_DENIED');
  });

  test('a role that the user does not hold, or that the endpoint does not take, is FORBIDDEN', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const { token, headers } = await side.signIn({ roles: ['SERVICE_PROVIDER_CLINICIAN', 'SERVICE_PROVIDER_ADMIN'] });
    const as = async (role: string): Promise<number> =>
      (
        await side.send('GET', `/STU3/ReferralRequest/${ubrn}`, {
          token,
          headers: { ...headers, 'NHSD-eRS-Business-Function': role },
        })
      ).status;
    expect(await as('SERVICE_PROVIDER_CLINICIAN')).toBe(200);
    expect(await as('SERVICE_PROVIDER_ADMIN')).toBe(403);
    expect(await as('REFERRING_CLINICIAN')).toBe(403);
  });

  test("a clinician's administrator acts for somebody who allows it, and nobody else may name a principal", async () => {
    await using side = await startFarSide();
    const admin = await side.signIn({ roles: ['SERVICE_PROVIDER_CLINICIAN_ADMIN'], onBehalfOf: ['999000000042'] });
    const clinician = await side.signIn();
    const read = async (who: typeof admin, principal?: string): Promise<number> => {
      const headers = {
        ...who.headers,
        ...(principal !== undefined && { 'NHSD-eRS-On-Behalf-Of-User-ID': principal }),
      };
      return (await side.send('GET', '/STU3/CodeSystem/PRIORITY', { token: who.token, headers })).status;
    };
    expect(await read(admin)).toBe(403);
    expect(await read(admin, '999000000099')).toBe(403);
    expect(await read(admin, '999000000042')).toBe(200);
    expect(await read(clinician, '999000000042')).toBe(403);
  });

  test('without a token an R4 path answers 401 as FHIR, a STU3 path with nothing', async () => {
    await using side = await startFarSide();
    const r4 = await side.send('GET', `/R4/Binary/${UUID}`, { token: 'unknown' });
    expect([r4.status, codeOf(r4)]).toEqual([401, 'ACCESS_DENIED']);
    const stu3 = await side.send('GET', '/STU3/CodeSystem/PRIORITY', { token: 'unknown' });
    expect([stu3.status, stu3.text]).toEqual([401, '']);
  });
});

test('a user whose identity or authentication is too weak is refused at the gateway: 401 with the reason as issue code', async () => {
  await using side = await startFarSide();
  const issue = async (wish: Record<string, unknown>): Promise<[number, string]> => {
    const reply = await side.send('GET', '/STU3/CodeSystem/PRIORITY', await side.signIn(wish));
    return [reply.status, reply.json.issue[0].code];
  };
  expect(await issue({ ial: 2 })).toEqual([401, 'forbidden']);
  expect(await issue({ aal: 1 })).toEqual([401, 'login']);
  expect((await side.send('GET', '/STU3/CodeSystem/PRIORITY', await side.signIn({ aal: 2 }))).status).toBe(200);
});

describe('the order and shape of refusals', () => {
  test('more requests in a second than granted are 429: empty on STU3 paths, FHIR on R4 paths, and counted', async () => {
    await using side = await startFarSide({ requestsPerSecond: 3 });
    const paths = ['/STU3/CodeSystem/PRIORITY', '/STU3/CodeSystem/PRIORITY', '/STU3/CodeSystem/PRIORITY'];
    for (const path of paths) expect((await side.send('GET', path)).status).toBe(200);
    const stu3 = await side.send('GET', '/STU3/CodeSystem/PRIORITY');
    expect([stu3.status, stu3.text]).toEqual([429, '']);
    const r4 = await side.send('GET', `/R4/Binary/${UUID}`);
    expect([r4.status, codeOf(r4)]).toEqual([429, 'TOO_MANY_REQUESTS']);
    const { json } = await side.control('GET', '/audit');
    expect(json).toMatchObject({ busiestSecond: 5, requestsPerSecondLimit: 3, requestsOverLimit: 2 });
  });

  test('an answer that the client cannot take is 406 in plain text', async () => {
    await using side = await startFarSide();
    const reply = await side.send('GET', '/STU3/CodeSystem/PRIORITY', { accept: 'text/html' });
    expect([reply.status, reply.headers.get('content-type')]).toEqual([406, 'text/plain;charset=utf-8']);
  });

  test('a body that does not call itself FHIR JSON is 415, one that is none is 400', async () => {
    await using side = await startFarSide();
    const path = '/STU3/ReferralRequest/$ers.fetchworklist';
    const body = JSON.stringify(worklistRequest('REFERRALS_FOR_REVIEW', '70101'));
    const fhir = { 'content-type': 'application/fhir+json' };
    expect((await side.send('POST', path, { body, headers: { 'content-type': 'application/json' } })).status).toBe(415);
    expect((await side.send('POST', path, { body: '{', headers: fhir })).status).toBe(400);
    expect((await side.send('POST', path, { body: '{}', headers: fhir })).status).toBe(400);
  });

  test('an unknown UBRN is 404 without a body', async () => {
    await using side = await startFarSide();
    const reply = await side.send('GET', '/STU3/ReferralRequest/000000000000');
    expect([reply.status, reply.text]).toEqual([404, '']);
  });

  test('a referral that moved to another provider is NO_RELATIONSHIP, a sensitive patient PATIENT_ERROR', async () => {
    await using side = await startFarSide();
    const moved = await side.create(DIRECT);
    await side.control('POST', `/referrals/${moved}/events`, { type: 'moved-to-another-provider' });
    expect(codeOf(await side.send('GET', `/STU3/ReferralRequest/${moved}`))).toBe('NO_RELATIONSHIP');
    const sensitive = await side.create(DIRECT);
    await side.control('POST', `/referrals/${sensitive}/events`, { type: 'patient-restricted' });
    expect(codeOf(await side.send('GET', `/STU3/ReferralRequest/${sensitive}`))).toBe('PATIENT_ERROR');
  });

  test("a user who does not work for the referral's service has no relationship with it", async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const path = `/STU3/ReferralRequest/${ubrn}`;
    expect(codeOf(await side.send('GET', path, await side.signIn({ services: ['70102'] })))).toBe('NO_RELATIONSHIP');
    expect((await side.send('GET', path, await side.signIn({ services: ['70101'] }))).status).toBe(200);
    const elsewhere = await side.signIn({ organisations: ['ZZ9'] });
    expect(codeOf(await side.send('GET', path, elsewhere))).toBe('NO_RELATIONSHIP');
  });

  test('If-Match decides before anything is done: absent 412, malformed 400, stale 409', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const version = await side.versionOf(ubrn);
    const accept = async (headers: Record<string, string>): Promise<number> =>
      (await side.send('POST', operation(ubrn, 'acceptReferral'), { headers })).status;
    expect(await accept({})).toBe(412);
    expect(await accept({ 'If-Match': `"${version}"` })).toBe(400);
    expect(await accept(ifMatch(version - 1))).toBe(409);
    expect(await accept(ifMatch(version + 1))).toBe(409);
    expect(await side.versionOf(ubrn)).toBe(version);
    expect(await accept(ifMatch(version))).toBe(200);
  });

  test('two writes at once on one UBRN: the second is 423, and the audit has seen it', async () => {
    await using side = await startFarSide({ writeMs: 50 });
    const ubrn = await side.create(DIRECT);
    const headers = ifMatch(await side.versionOf(ubrn));
    await side.token();
    const both = await Promise.all([1, 2].map(() => side.send('POST', operation(ubrn, 'acceptReferral'), { headers })));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 423]);
    expect((await side.control('GET', '/audit')).json.parallelWrites).toBe(1);
  });

  test('a body where none belongs is 400, since A013 takes none', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const headers = ifMatch(await side.versionOf(ubrn));
    expect((await side.send('POST', operation(ubrn, 'acceptReferral'), { headers, json: {} })).status).toBe(400);
  });

  test('the correlation id comes back unchanged, the request id is of e-RS, and the ETag is the version', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(TRIAGE);
    const headers = { 'X-Correlation-ID': 'abc 123', 'X-Request-ID': 'mine' };
    const reply = await side.send('GET', `/STU3/ReferralRequest/${ubrn}`, { headers });
    expect(reply.headers.get('x-correlation-id')).toBe('abc 123');
    expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}-\d+$/);
    expect(reply.headers.get('etag')).toBe(`W/"${reply.json.meta.versionId}"`);
  });

  test('role is checked before the body is read, so a wrong body of a wrong role is 403', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const { token, headers } = await side.signIn({ roles: ['SERVICE_PROVIDER_ADMIN'] });
    expect(
      (await side.send('POST', operation(ubrn, 'rejectReferral'), { token, headers, json: rejection() })).status,
    ).toBe(403);
    expect((await side.send('POST', operation(ubrn, 'rejectReferral'), { token, headers, json: [] })).status).toBe(403);
  });
});
