import { createPublicKey } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose';
import type { ErsContext } from '../../server/core/index.ts';
import { createFakeClock } from '../budget/fake-clock.ts';
import { until } from '../journeys/process.ts';
import { ENDPOINTS } from './endpoints.ts';
import {
  ATTENDED,
  type Gateway,
  outcome,
  privateKey,
  referral,
  resetting,
  SESSION,
  saying,
  startClient,
  startGateway,
  UBRN,
  UNATTENDED,
} from './gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => gateway[Symbol.asyncDispose]());

/** The headers of the last request that name a person, an organisation or a role. */
const identityOf = (index = -1): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(gateway.received.at(index)?.headers ?? {}).filter(
      ([name]) => name.startsWith('nhsd-') || name === 'authorization',
    ),
  );

const ADMINISTRATOR: ErsContext = {
  ...ATTENDED,
  session: { ...SESSION, businessFunction: 'SERVICE_PROVIDER_CLINICIAN_ADMIN', onBehalfOf: '999000000001' },
};

describe('what e-RS receives', () => {
  test.each([
    ['A004', 'GET', '/FHIR/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON'],
    ['A005', 'GET', `/FHIR/STU3/ReferralRequest/${UBRN}`],
    ['A007', 'POST', `/FHIR/STU3/ReferralRequest/${UBRN}/$ers.generateCRI`],
    ['A008', 'POST', '/FHIR/STU3/ReferralRequest/$ers.fetchworklist'],
    ['A013', 'POST', `/FHIR/STU3/ReferralRequest/${UBRN}/$ers.acceptReferral`],
    ['A014', 'POST', `/FHIR/STU3/ReferralRequest/${UBRN}/$ers.rejectReferral`],
    ['A020', 'POST', '/FHIR/STU3/Binary'],
    ['A022', 'POST', `/FHIR/STU3/ReferralRequest/${UBRN}/$ers.cancelAppointmentActionLater`],
    ['A024', 'GET', `/FHIR/STU3/CommunicationRequest/${UBRN}`],
    [
      'A025',
      'GET',
      `/FHIR/STU3/Communication?based-on=CommunicationRequest/${UBRN}/_history/5&_include=Communication:requester-practitionerrole:PractitionerRole&_include=Communication:sender-practitionerrole:PractionerRole&_include=Communication:content-reference:DocumentReference`,
    ],
    ['A028', 'POST', `/FHIR/STU3/ReferralRequest/${UBRN}/$ers.recordReviewOutcome`],
    ['A029', 'GET', `/FHIR/STU3/Task?focus=ReferralRequest/${UBRN}/_history/8&intent=proposal&status=ready`],
    ['A030', 'GET', '/FHIR/R4/PractitionerRole'],
    ['A036', 'POST', `/FHIR/STU3/ReferralRequest/${UBRN}/$ers.cancelReferral`],
    ['A038', 'GET', '/FHIR/STU3/Appointment/70000'],
    ['A040', 'GET', '/FHIR/R4/Practitioner?_query=onBehalfOf'],
    ['A042', 'GET', '/FHIR/R4/Binary/c5d2d200-7613-4a69-9c5f-1bb68e04b8d8'],
  ])('%s goes as %s to %s with the correlation id', async (id, method, path) => {
    const endpoint = ENDPOINTS.find((each) => each.id === id);
    gateway.answer = saying(503);
    await endpoint?.run(startClient(gateway.origin).ers);
    expect(gateway.received.at(-1)).toMatchObject({
      method,
      path,
      headers: { 'x-correlation-id': endpoint?.context.correlationId },
    });
  });

  test('without a session none of the identity headers goes along, since e-RS refuses them of an application', async () => {
    for (const endpoint of ENDPOINTS) {
      gateway.answer = saying(503);
      await endpoint.run(startClient(gateway.origin).ers, UNATTENDED);
      const { authorization, ...others } = identityOf();
      expect(authorization).toMatch(/^Bearer token-\d+$/);
      const allowed = endpoint.id === 'A020' ? ['nhsd-ers-file-name', 'nhsd-ers-referral-id'] : [];
      expect(Object.keys(others).sort()).toEqual(allowed);
    }
  });

  test("with a session it is the clinician's token, organisation and role, and no application token is asked for", async () => {
    gateway.answer = saying(200, referral(8));
    const before = gateway.tokenRequests.length;
    await startClient(gateway.origin).ers.fetchReferral(UBRN, ATTENDED);
    expect(identityOf()).toEqual({
      authorization: 'Bearer user-token',
      'nhsd-end-user-organisation-ods': 'ZZ1',
      'nhsd-ers-business-function': 'SERVICE_PROVIDER_CLINICIAN',
    });
    expect(gateway.tokenRequests).toHaveLength(before);
  });

  test("a clinician's administrator says for whom, any other role never does", async () => {
    gateway.answer = saying(200, referral(8));
    const { ers } = startClient(gateway.origin);
    await ers.fetchReferral(UBRN, ADMINISTRATOR);
    expect(identityOf()).toHaveProperty('nhsd-ers-on-behalf-of-user-id', '999000000001');
    await ers.fetchReferral(UBRN, { ...ATTENDED, session: { ...SESSION, onBehalfOf: '999000000001' } });
    expect(identityOf()).not.toHaveProperty('nhsd-ers-on-behalf-of-user-id');
  });

  test('the questions of who somebody is (A030) and for whom they act (A040) carry no answer of their own', async () => {
    gateway.answer = saying(503);
    const { ers } = startClient(gateway.origin);
    await ers.fetchOwnRoles(ADMINISTRATOR);
    expect(identityOf()).toEqual({ authorization: 'Bearer user-token' });
    await ers.fetchOnBehalfOf(ADMINISTRATOR);
    expect(Object.keys(identityOf()).sort()).toEqual([
      'authorization',
      'nhsd-end-user-organisation-ods',
      'nhsd-ers-business-function',
    ]);
  });

  test('a decision carries the weak version in If-Match, its body as FHIR JSON, and an accept no body at all', async () => {
    gateway.answer = saying(200, referral(9));
    const { ers } = startClient(gateway.origin);
    const body = { resourceType: 'Parameters', parameter: [{ name: 'rejectionComments', valueString: 'è' }] };
    await ers.sendDecision({ operation: 'A014', ubrn: UBRN, version: 8, body }, ATTENDED);
    const reject = gateway.received.at(-1);
    expect(reject?.headers).toMatchObject({ 'if-match': 'W/"8"', 'content-type': 'application/fhir+json' });
    expect(JSON.parse(Buffer.from(reject?.body ?? '', 'latin1').toString())).toEqual(body);
    await ers.sendDecision({ operation: 'A013', ubrn: UBRN, version: 8 }, ATTENDED);
    const accept = gateway.received.at(-1);
    expect(accept?.body).toBe('');
    expect(accept?.headers).not.toHaveProperty('content-type');
  });

  test('an upload carries type, length, referral and a name that a header can hold, and the bytes as they are', async () => {
    gateway.answer = saying(201, '', { Location: 'Binary/19eb7224-dff3-4730-a5cb-67eac811f1a5' });
    const file = { ubrn: UBRN, fileName: 'Café, №1.pdf', contentType: 'application/pdf', size: 4 };
    const fate = await startClient(gateway.origin).ers.uploadFile(
      { ...file, stream: Readable.from([Buffer.from([1, 2, 3, 255])]) },
      ATTENDED,
    );
    expect(fate).toEqual({ kind: 'ok', value: { url: 'Binary/19eb7224-dff3-4730-a5cb-67eac811f1a5' } });
    expect(gateway.received.at(-1)).toMatchObject({
      body: '\x01\x02\x03\xff',
      headers: {
        'content-type': 'application/pdf',
        'content-length': '4',
        'nhsd-ers-file-name': 'Cafe, No1.pdf',
        'nhsd-ers-referral-id': UBRN,
      },
    });
  });

  test.each([
    ['is destroyed when nothing was sent', AbortSignal.abort()],
    ['is destroyed when e-RS hung up', undefined],
  ])("an upload's source %s, so that no file stays open", async (_what, signal) => {
    gateway.answer = resetting;
    const stream = Readable.from([Buffer.from('%PDF')]);
    const file = { ubrn: UBRN, fileName: 'a.pdf', contentType: 'application/pdf', size: 4, stream };
    await startClient(gateway.origin).ers.uploadFile(file, { ...ATTENDED, ...(signal && { signal }) });
    expect(stream.destroyed).toBe(true);
  });

  test('an upload whose source breaks, or holds another number of bytes, does not look uploaded', async () => {
    gateway.answer = saying(201, '', { Location: 'Binary/1' });
    const { ers } = startClient(gateway.origin);
    const broken = new Readable({ read: () => undefined });
    setImmediate(() => broken.destroy(new Error('The disk is gone.')));
    for (const [stream, size] of [
      [broken, 4],
      [Readable.from([Buffer.from('12')]), 4],
      [Readable.from([Buffer.from('123456')]), 4],
    ] as const) {
      const file = { ubrn: UBRN, fileName: 'a.pdf', contentType: 'application/pdf', size, stream };
      expect(await ers.uploadFile(file, ATTENDED)).toMatchObject({ kind: 'retry' });
    }
  });

  test('a session token that no header can hold is refused before anything is sent', async () => {
    const before = gateway.received.length;
    const context = { ...ATTENDED, session: { ...SESSION, token: 'two\r\nlines' } };
    expect(await startClient(gateway.origin).ers.fetchReferral(UBRN, context)).toEqual({
      kind: 'refused',
      code: 'ERS_REQUEST_WRONG',
    });
    expect(gateway.received).toHaveLength(before);
  });

  test('B1: every request takes one turn of its priority first, and the link of a file, on another host, none', async () => {
    for (const endpoint of ENDPOINTS) {
      const { ers, turns } = startClient(gateway.origin);
      gateway.answer = endpoint.good;
      await endpoint.run(ers);
      expect(turns).toEqual([endpoint.context.priority]);
    }
  });

  test('B1: after a 429 the next request waits, as long as e-RS said', async () => {
    const clock = createFakeClock();
    const { ers } = startClient(gateway.origin, { clock });
    gateway.answer = saying(429, '', { 'Retry-After': '30' });
    expect(await ers.fetchReferral(UBRN, ATTENDED)).toMatchObject({ kind: 'retry', code: 'ERS_BUSY', afterMs: 30_000 });
    gateway.answer = saying(200, referral(8));
    const before = gateway.received.length;
    const next = ers.fetchReferral(UBRN, ATTENDED);
    await clock.advance(29_999);
    expect(gateway.received).toHaveLength(before);
    await clock.advance(1);
    expect(await next).toMatchObject({ kind: 'ok' });
  });
});

describe('what is read', () => {
  test('a referral comes with every field that e-RS sent, known or not, and the version of its weak ETag', async () => {
    const source = referral(8, { extension: [{ url: 'urn:new', valueDecimal: 1.5 }] });
    gateway.answer = saying(200, source, { ETag: 'W/"12"' });
    expect(await startClient(gateway.origin).ers.fetchReferral(UBRN, UNATTENDED)).toEqual({
      kind: 'ok',
      value: { source, version: 12 },
    });
  });

  test('a strong ETag is a hash and no version: meta.versionId counts', async () => {
    gateway.answer = saying(200, referral(8), { ETag: '"12"' });
    expect(await startClient(gateway.origin).ers.fetchReferral(UBRN, UNATTENDED)).toHaveProperty('value.version', 8);
  });

  test("people: own roles with all functions, on whose behalf also where 'identifier' is a list or nobody is listed", async () => {
    const { ers } = startClient(gateway.origin);
    const bundle = (...entry: object[]) => saying(200, { resourceType: 'Bundle', ...(entry.length > 0 && { entry }) });
    const role = (person: string, organisation: string, ...codes: string[]) => ({
      resource: {
        practitioner: { identifier: { value: person } },
        organization: { identifier: { value: organisation } },
        code: codes.map((code) => ({ coding: [{ code }] })),
      },
    });
    gateway.answer = bundle(role('1', 'ZZ1', 'SERVICE_DEFINER', 'SERVICE_PROVIDER_CLINICIAN'), role('1', 'ZZ2'));
    expect(await ers.fetchOwnRoles(ATTENDED)).toHaveProperty('value', {
      sdsUserId: '1',
      roles: [
        { organisation: 'ZZ1', businessFunctions: ['SERVICE_DEFINER', 'SERVICE_PROVIDER_CLINICIAN'] },
        { organisation: 'ZZ2', businessFunctions: [] },
      ],
    });
    gateway.answer = bundle(role('1', 'ZZ1'), role('2', 'ZZ1'));
    expect(await ers.fetchOwnRoles(ATTENDED)).toMatchObject({ kind: 'retry', code: 'ERS_ANSWER_UNREADABLE' });
    gateway.answer = bundle();
    expect(await ers.fetchOwnRoles(ATTENDED)).toMatchObject({ kind: 'retry', code: 'ERS_ANSWER_UNREADABLE' });
    expect(await ers.fetchOnBehalfOf(ADMINISTRATOR)).toHaveProperty('value', []);
    expect(await ers.fetchAvailableActions(UBRN, 8, UNATTENDED)).toHaveProperty('value', []);
    gateway.answer = bundle(
      { resource: { identifier: [{ value: '3' }] } },
      { resource: { identifier: { value: '4' } } },
    );
    expect(await ers.fetchOnBehalfOf(ADMINISTRATOR)).toHaveProperty('value', ['3', '4']);
  });
});

describe("the application's token", () => {
  const good = () => saying(200, referral(8));

  test('is asked for with an assertion signed RS512: issuer, audience, a fresh id, and less than five minutes to live', async () => {
    const clock = createFakeClock('2026-03-02T09:00:00Z');
    const { ers } = startClient(gateway.origin, { clock });
    gateway.answer = good();
    await ers.fetchReferral(UBRN, UNATTENDED);
    const form = gateway.tokenRequests.at(-1);
    expect(form?.get('grant_type')).toBe('client_credentials');
    expect(form?.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    const assertion = form?.get('client_assertion') ?? '';
    await compactVerify(assertion, createPublicKey(privateKey), { algorithms: ['RS512'] });
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS512', typ: 'JWT', kid: 'test-1' });
    const { jti, exp, ...claims } = decodeJwt(assertion);
    expect(claims).toEqual({
      iss: 'test-application',
      sub: 'test-application',
      aud: 'https://api.example/oauth2/token',
    });
    expect(jti).toMatch(/^[0-9a-f-]{36}$/);
    const lifeSeconds = (exp ?? 0) - clock.now().getTime() / 1000;
    expect(lifeSeconds).toBeGreaterThan(60);
    expect(lifeSeconds).toBeLessThan(300);
  });

  test('is made once for all who ask at once, and again a minute before it ends', async () => {
    const clock = createFakeClock();
    const { ers } = startClient(gateway.origin, { clock });
    gateway.answer = good();
    const before = gateway.tokenRequests.length;
    await Promise.all(Array.from({ length: 20 }, () => ers.fetchReferral(UBRN, UNATTENDED)));
    expect(gateway.tokenRequests).toHaveLength(before + 1);
    await clock.advance(538_000);
    await ers.fetchReferral(UBRN, UNATTENDED);
    expect(gateway.tokenRequests).toHaveLength(before + 1);
    await clock.advance(2000);
    await ers.fetchReferral(UBRN, UNATTENDED);
    // Nobody waited for it: it may still be on its way.
    await until(async () => (gateway.tokenRequests.length > before + 1 ? true : undefined));
    await ers.fetchReferral(UBRN, UNATTENDED);
    expect(gateway.tokenRequests).toHaveLength(before + 2);
  });

  test('that still holds is used when its successor cannot be had', async () => {
    const clock = createFakeClock();
    await using own = await startGateway();
    own.answer = good();
    const { ers } = startClient(own.origin, { clock });
    await ers.fetchReferral(UBRN, UNATTENDED);
    own.answerToken = saying(503);
    await clock.advance(560_000);
    expect(await ers.fetchReferral(UBRN, UNATTENDED)).toMatchObject({ kind: 'ok' });
    await clock.advance(40_000);
    expect(await ers.fetchReferral(UBRN, UNATTENDED)).toMatchObject({ kind: 'retry', code: 'ERS_UNAVAILABLE' });
  });

  test('that still holds is used while its successor is long in coming, so that nobody queues for it (B1)', async () => {
    const clock = createFakeClock();
    await using own = await startGateway();
    own.answer = good();
    const { ers } = startClient(own.origin, { clock });
    await ers.fetchReferral(UBRN, UNATTENDED);
    own.answerToken = () => undefined;
    await clock.advance(545_000);
    expect(await ers.fetchReferral(UBRN, UNATTENDED)).toMatchObject({ kind: 'ok' });
    await clock.advance(40_000);
  });

  test('that e-RS no longer takes is renewed once, also for a write, which a 401 did not apply', async () => {
    const { ers, turns } = startClient(gateway.origin);
    let answered = 0;
    gateway.answer = (request, response) => {
      answered += 1;
      (answered === 1
        ? saying(401, '', { 'WWW-Authenticate': 'Bearer error="invalid_token"' })
        : saying(200, referral(9)))(request, response);
    };
    expect(await ers.sendDecision({ operation: 'A013', ubrn: UBRN, version: 8 }, UNATTENDED)).toMatchObject({
      kind: 'ok',
    });
    const [first, second] = gateway.received.slice(-2).map(({ headers }) => headers.authorization);
    expect(first).not.toBe(second);
    expect(turns).toHaveLength(2);
  });

  test('that e-RS refuses fresh is the end: two requests, then ERS_APPLICATION_REFUSED', async () => {
    gateway.answer = saying(401);
    const before = gateway.received.length;
    const fate = await startClient(gateway.origin).ers.fetchReferral(UBRN, UNATTENDED);
    expect(fate).toMatchObject({ kind: 'refused', code: 'ERS_APPLICATION_REFUSED' });
    expect(gateway.received).toHaveLength(before + 2);
  });

  test('is not renewed where e-RS says that it is the assurance that lacks', async () => {
    gateway.answer = saying(401, outcome('NO_ACCESS', 'forbidden'));
    const before = gateway.received.length;
    await startClient(gateway.origin).ers.fetchReferral(UBRN, UNATTENDED);
    expect(gateway.received).toHaveLength(before + 1);
  });

  test("E-7: a clinician's ended session is not tried again, and costs the application's token nothing", async () => {
    gateway.answer = saying(401);
    const [requests, tokens] = [gateway.received.length, gateway.tokenRequests.length];
    const fate = await startClient(gateway.origin).ers.fetchReferral(UBRN, ATTENDED);
    expect(fate).toMatchObject({ kind: 'refused', code: 'ERS_USER_SESSION_ENDED' });
    expect([gateway.received.length, gateway.tokenRequests.length]).toEqual([requests + 1, tokens]);
  });

  test.each([
    [401, '{"error":"invalid_request","error_description":"Invalid kid"}', 'refused', 'ERS_APPLICATION_REFUSED'],
    [400, '', 'refused', 'ERS_APPLICATION_REFUSED'],
    [429, '', 'retry', 'ERS_BUSY'],
    [500, 'oops', 'retry', 'ERS_UNAVAILABLE'],
    [503, '', 'retry', 'ERS_UNAVAILABLE'],
    [200, '{"access_token":"a"}', 'retry', 'ERS_UNAVAILABLE'],
    [200, '{"access_token":"two\\nlines","expires_in":"599"}', 'retry', 'ERS_UNAVAILABLE'],
    [200, '<html>', 'retry', 'ERS_UNAVAILABLE'],
    [302, '', 'retry', 'ERS_ANSWER_UNREADABLE'],
  ])(
    'cannot be had when its endpoint answers %i "%s": %s %s, nothing goes to e-RS and no turn is spent',
    async (status, body, kind, code) => {
      await using own = await startGateway();
      own.answerToken = saying(status, body);
      const { ers, turns } = startClient(own.origin);
      expect(await ers.sendDecision({ operation: 'A013', ubrn: UBRN, version: 8 }, UNATTENDED)).toMatchObject({
        kind,
        code,
      });
      expect([own.received.length, turns.length]).toEqual([0, 0]);
    },
  );

  test('cannot be had when its endpoint is gone, silent, or the key is none', async () => {
    const gone = startClient(gateway.origin, { tokenUrl: 'http://127.0.0.1:1/' });
    expect(await gone.ers.fetchReferral(UBRN, UNATTENDED)).toMatchObject({ kind: 'retry', code: 'ERS_UNAVAILABLE' });
    const keyless = startClient(gateway.origin, { privateKeyPem: 'no key' });
    expect(await keyless.ers.fetchReferral(UBRN, UNATTENDED)).toMatchObject({
      kind: 'refused',
      code: 'ERS_APPLICATION_REFUSED',
    });
    expect(keyless.lines).toMatchObject([{ level: 'error', event: 'ers.token.refused' }]);
    await using own = await startGateway();
    const asked = Promise.withResolvers<void>();
    own.answerToken = () => asked.resolve();
    const clock = createFakeClock();
    const pending = startClient(own.origin, { clock }).ers.fetchReferral(UBRN, UNATTENDED);
    await asked.promise;
    await clock.advance(30_000);
    expect(await pending).toMatchObject({ kind: 'retry', code: 'ERS_UNAVAILABLE' });
  });

  test('P1: neither token nor key nor assertion is ever logged', async () => {
    const { ers, lines } = startClient(gateway.origin);
    gateway.answer = saying(401);
    await ers.fetchReferral(UBRN, UNATTENDED);
    await ers.fetchReferral(UBRN, ATTENDED);
    const assertion = gateway.tokenRequests.at(-1)?.get('client_assertion') ?? 'none';
    const text = JSON.stringify(lines);
    for (const secret of ['user-token', `token-${gateway.tokenRequests.length}`, assertion, 'PRIVATE KEY', UBRN]) {
      expect(text).not.toContain(secret);
    }
  });
});
