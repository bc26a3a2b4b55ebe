import { describe, expect, test } from '@jest/globals';
import {
  cancellation,
  codeOf,
  DIRECT,
  ifMatch,
  outcome,
  redirection,
  rejection,
  startFarSide,
  TRIAGE,
  worklistRequest,
} from './far-side.ts';

const UUID = 'c5d2d200-7613-4a69-9c5f-1bb68e04b8d8';
const operation = (ubrn: string, name: string): string => `/STU3/ReferralRequest/${ubrn}/$ers.${name}`;

const SPC = 'SERVICE_PROVIDER_CLINICIAN';
const SPCA = 'SERVICE_PROVIDER_CLINICIAN_ADMIN';
const SPA = 'SERVICE_PROVIDER_ADMIN';
const RC = 'REFERRING_CLINICIAN';
const RCA = 'REFERRING_CLINICIAN_ADMIN';
const RA = 'REFERRING_ADMIN';
const APP = 'application';
const ROLES = [RC, RCA, RA, SPC, SPCA, SPA];
const CLINICAL = [RC, RCA, SPC, SPCA];

/** The matrix of provider-api 1.3, written down here once more, on purpose: id, request, and who may make it. */
const MATRIX: [id: string, method: string, path: string, who: string[]][] = [
  ['A004', 'GET', '/STU3/CodeSystem/PRIORITY', [APP, ...CLINICAL]],
  ['A005', 'GET', '/STU3/ReferralRequest/{ubrn}', [APP, ...CLINICAL]],
  ['A006', 'GET', `/STU3/Binary/${UUID}`, [APP, ...CLINICAL]],
  ['A007', 'POST', operation('{ubrn}', 'generateCRI'), [APP, ...CLINICAL]],
  ['A008', 'POST', '/STU3/ReferralRequest/$ers.fetchworklist', [APP, RC, RCA, RA, SPC, SPCA, SPA]],
  ['A013', 'POST', operation('{ubrn}', 'acceptReferral'), [APP, SPC, SPCA]],
  ['A014', 'POST', operation('{ubrn}', 'rejectReferral'), [SPC, SPCA]],
  ['A020', 'POST', '/STU3/Binary', CLINICAL],
  ['A022', 'POST', operation('{ubrn}', 'cancelAppointmentActionLater'), [SPC, SPCA]],
  ['A024', 'GET', '/STU3/CommunicationRequest/{ubrn}', [APP, ...CLINICAL]],
  ['A025', 'GET', '/STU3/Communication?based-on=CommunicationRequest/{ubrn}/_history/1', [APP, ...CLINICAL]],
  ['A028', 'POST', operation('{ubrn}', 'recordReviewOutcome'), [APP, SPC, SPCA]],
  ['A029', 'GET', '/STU3/Task?focus=x&intent=proposal&status=ready', [APP, ...CLINICAL]],
  ['A030', 'GET', '/R4/PractitionerRole', ROLES],
  ['A036', 'POST', operation('{ubrn}', 'cancelReferral'), [APP, ...CLINICAL]],
  ['A038', 'GET', '/STU3/Appointment/1', CLINICAL],
  ['A040', 'GET', '/R4/Practitioner?_query=onBehalfOf', [SPCA]],
  ['A042', 'GET', `/R4/Binary/${UUID}`, [APP, ...CLINICAL]],
];

describe('modes, roles and headers', () => {
  test.each(MATRIX)(
    '%s is open to the modes and business functions that the matrix gives it, and to no other',
    async (_id, method, path, who) => {
      await using side = await startFarSide();
      const target = path.replace('{ubrn}', await side.create(DIRECT));
      const isRefused = async (options: { token?: string; headers?: Record<string, string> }): Promise<boolean> =>
        /^(REC_)?FORBIDDEN$/.test(codeOf(await side.send(method, target, options)) ?? '');
      const admitted = (await isRefused({})) ? [] : [APP];
      for (const role of ROLES) {
        const principal = '999000000042';
        const { token, headers } = await side.signIn({ roles: [role], onBehalfOf: [principal] });
        const names = role === SPCA && !path.includes('onBehalfOf');
        const behalf = names ? { 'NHSD-eRS-On-Behalf-Of-User-ID': principal } : {};
        if (!(await isRefused({ token, headers: { ...headers, ...behalf } }))) admitted.push(role);
      }
      expect(admitted.sort()).toEqual([...who].sort());
    },
  );

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

  test('an administrator is related to the referrals of the clinician for whom they act, whatever services are their own', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const asFor = async (services: string[], own: string[]): Promise<[number, number]> => {
      const principal = `99900000004${services[0]?.at(-1)}`;
      await side.signIn({ sdsUserId: principal, services });
      const { token, headers } = await side.signIn({ roles: [SPCA], onBehalfOf: [principal], services: own });
      const behalf = { token, headers: { ...headers, 'NHSD-eRS-On-Behalf-Of-User-ID': principal } };
      const json = worklistRequest('REFERRALS_FOR_REVIEW', '70101');
      return [
        (await side.send('GET', `/STU3/ReferralRequest/${ubrn}`, behalf)).status,
        (await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { ...behalf, json })).status,
      ];
    };
    expect(await asFor(['70101'], ['70102'])).toEqual([200, 200]);
    expect(await asFor(['70102'], ['70101'])).toEqual([422, 422]);
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

  test('a write that waits is held against the referral as it is when the wait is over: a change meanwhile makes it 409', async () => {
    await using side = await startFarSide();
    await side.token();
    const afterChange = async (event: string): Promise<[number, string | undefined, unknown[]]> => {
      const ubrn = await side.create(DIRECT);
      const headers = ifMatch(await side.versionOf(ubrn));
      await side.control('POST', '/faults', { endpoint: 'A013', ubrn, kind: 'delay', delayMs: 300 });
      const slow = side.send('POST', operation(ubrn, 'acceptReferral'), { headers });
      const hasArrived = async (): Promise<boolean> =>
        (await side.control('GET', '/calls')).json.calls.some((call: { ubrn?: string }) => call.ubrn === ubrn);
      while (!(await hasArrived()));
      await side.control('POST', `/referrals/${ubrn}/events`, { type: event });
      const reply = await slow;
      return [reply.status, codeOf(reply), (await side.control('GET', `/referrals/${ubrn}`)).json.decisions];
    };
    expect(await afterChange('priority-changed')).toEqual([409, undefined, []]);
    expect(await afterChange('moved-to-another-provider')).toEqual([422, 'NO_RELATIONSHIP', []]);
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

describe('headers of an answer', () => {
  const TAGGED = ['A005', 'A013', 'A014', 'A022', 'A024', 'A028', 'A038'];
  const NAMED = ['A006', 'A007'];
  const LOCATED = ['A020', 'A042'];

  test('ETag, Location, Content-Disposition and Content-Length stand where the table has them, and nowhere else', async () => {
    await using side = await startFarSide({ referrals: 24 });
    const user = await side.signIn();
    const attachments = [{ title: 'letter.pdf', contentType: 'application/pdf' }];
    const [first, second, third, fourth] = [
      await side.create({ ...DIRECT, attachments }),
      await side.create(DIRECT),
      await side.create(DIRECT),
      await side.create(TRIAGE),
    ];
    const { attachments: held, version } = (await side.control('GET', `/referrals/${first}`)).json;
    const { json } = await side.send('GET', `/STU3/ReferralRequest/${first}`);
    const appointment = /Appointment\/(\d+)/.exec(JSON.stringify(json.extension))?.[1];
    const { referrals } = (await side.control('GET', '/referrals')).json;
    const isAdvice = async ({ ubrn }: { ubrn: string }): Promise<boolean> =>
      (await side.send('GET', `/STU3/CommunicationRequest/${ubrn}`)).status === 200;
    let converted = '';
    for (const referral of referrals) if (converted === '' && (await isAdvice(referral))) converted = referral.ubrn;
    const advice = (await side.send('GET', `/STU3/CommunicationRequest/${converted}`)).json.meta.versionId;
    const write = async (ubrn: string, name: string, body?: unknown) => ({
      method: 'POST',
      path: operation(ubrn, name),
      token: user.token,
      headers: { ...user.headers, ...ifMatch(await side.versionOf(ubrn)) },
      ...(body !== undefined && { json: body }),
    });
    const read = (path: string) => ({ method: 'GET', path, token: user.token, headers: user.headers });
    const upload = { 'content-type': 'application/pdf', 'NHSD-eRS-File-Name': 'a.pdf' };
    const calls = {
      A004: read('/STU3/CodeSystem/PRIORITY'),
      A005: read(`/STU3/ReferralRequest/${first}`),
      A006: read(`/STU3/Binary/${held[0].binaryId}`),
      A007: { ...read(operation(first, 'generateCRI')), method: 'POST' },
      A008: {
        ...read('/STU3/ReferralRequest/$ers.fetchworklist'),
        method: 'POST',
        json: worklistRequest('REFERRALS_FOR_REVIEW', '70101'),
      },
      A020: { ...read('/STU3/Binary'), method: 'POST', headers: { ...user.headers, ...upload }, body: '%PDF' },
      A024: read(`/STU3/CommunicationRequest/${converted}`),
      A025: read(`/STU3/Communication?based-on=CommunicationRequest/${converted}/_history/${advice}`),
      A029: read(`/STU3/Task?focus=ReferralRequest/${first}/_history/${version}&intent=proposal&status=ready`),
      A030: read('/R4/PractitionerRole'),
      A038: read(`/STU3/Appointment/${appointment}`),
      A042: read(`/R4/Binary/${held[0].binaryId}`),
      A013: await write(first, 'acceptReferral'),
      A014: await write(second, 'rejectReferral', rejection()),
      A022: await write(third, 'cancelAppointmentActionLater', redirection('Rebook')),
      A028: await write(fourth, 'recordReviewOutcome', outcome('RETURN_TO_REFERRER_WITH_ADVICE', 'Advice')),
    };
    const replies = new Map<string, Awaited<ReturnType<typeof side.send>>>();
    for (const [id, { method, path, ...options }] of Object.entries(calls))
      replies.set(id, await side.send(method, path, options));
    const cancel = await write(first, 'cancelReferral', cancellation('PATIENT_DIED'));
    replies.set('A036', await side.send('POST', cancel.path, cancel));
    expect([...replies].filter(([, { status }]) => status >= 400)).toEqual([]);
    const withHeader = (name: string): string[] =>
      [...replies].flatMap(([id, { headers }]) => (headers.has(name) ? [id] : [])).sort();
    expect(withHeader('etag')).toEqual(TAGGED);
    expect(withHeader('location')).toEqual(LOCATED);
    expect(withHeader('content-disposition')).toEqual(NAMED);
    for (const id of NAMED) expect(Number(replies.get(id)?.headers.get('content-length'))).toBeGreaterThan(0);
    for (const { headers } of replies.values()) {
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}-\d+$/);
      expect(headers.has('x-correlation-id')).toBe(false);
    }
  });
});
