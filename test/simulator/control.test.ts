import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { FarSide, Reply } from './far-side.ts';
import {
  cancellation,
  codeOf,
  DIRECT,
  INDIRECT,
  ifMatch,
  SLOT_ISSUE,
  startFarSide,
  TRIAGE,
  ubrnsOf,
  worklistRequest,
} from './far-side.ts';

const accept = async (side: FarSide, ubrn: string): Promise<Reply> =>
  side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.acceptReferral`, {
    headers: ifMatch(await side.versionOf(ubrn)),
  });
const read = (side: FarSide, ubrn: string): Promise<Reply> => side.send('GET', `/STU3/ReferralRequest/${ubrn}`);
const fault = (side: FarSide, wish: Record<string, unknown>): Promise<Reply> => side.control('POST', '/faults', wish);
const calls = async (side: FarSide, query = ''): Promise<Record<string, unknown>[]> =>
  (await side.control('GET', `/calls${query}`)).json.calls;

describe('what the control door tells', () => {
  test('nothing to a page of a stranger whose name was made to point here', async () => {
    await using side = await startFarSide();
    const asked = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const { hostname, port } = new URL(side.simulator.controlUrl);
        get({ hostname, port, path: '/simulator/clock', headers: { Host: host } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        }).on('error', reject);
      });
    expect([await asked('evil.example'), await asked('127.0.0.1.evil.example')]).toEqual([421, 421]);
    expect([await asked('localhost:9100'), await asked('[::1]:9100')]).toEqual([200, 200]);
  });

  test('every e-RS request stands in order in the calls, with what it asked and how it ended, but no token call', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const version = await side.versionOf(ubrn);
    await side.send('GET', '/STU3/CodeSystem/PRIORITY');
    await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.acceptReferral`, {
      headers: { ...ifMatch(version), 'X-Correlation-ID': 'c-1' },
    });
    await side.send('GET', '/STU3/Nonsense');
    expect(await calls(side)).toEqual([
      {
        seq: 1,
        at: '2027-03-01T09:00:00.000Z',
        endpoint: 'A004',
        method: 'GET',
        path: '/FHIR/STU3/CodeSystem/PRIORITY',
        status: 200,
        mode: 'application',
      },
      {
        seq: 2,
        at: '2027-03-01T09:00:00.000Z',
        endpoint: 'A013',
        method: 'POST',
        path: `/FHIR/STU3/ReferralRequest/${ubrn}/$ers.acceptReferral`,
        status: 200,
        ubrn,
        ifMatch: `W/"${version}"`,
        mode: 'application',
        correlationId: 'c-1',
      },
      {
        seq: 3,
        at: '2027-03-01T09:00:00.000Z',
        endpoint: 'unknown',
        method: 'GET',
        path: '/FHIR/STU3/Nonsense',
        status: 404,
      },
    ]);
    expect((await calls(side, '?after=2')).map(({ seq }) => seq)).toEqual([3]);
  });

  test('bodies stand in the calls only for those who ask for them', async () => {
    await using side = await startFarSide();
    await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', {
      json: worklistRequest('REFERRALS_FOR_REVIEW', '70101'),
    });
    const [bare] = await calls(side);
    const [full] = await calls(side, '?bodies=true');
    expect(bare).not.toHaveProperty('requestBody');
    expect(full).toMatchObject({
      requestBody: expect.stringContaining('listType'),
      answerBody: expect.stringContaining('snapshot'),
    });
  });

  test('credentials and services are given to another process, so that it can call', async () => {
    await using side = await startFarSide();
    const { json } = await side.control('GET', '/credentials');
    expect(json).toMatchObject({
      ...side.simulator.credentials,
      baseUrl: side.simulator.baseUrl,
      tokenUrl: side.simulator.tokenUrl,
    });
    expect(json.jwks.keys[0]).toMatchObject({ kid: json.keyId, kty: 'RSA', alg: 'RS512' });
    const { services } = (await side.control('GET', '/services')).json;
    expect(services).toEqual(side.simulator.services);
    expect(new Set(services.map((each: { bookableType: string }) => each.bookableType))).toEqual(
      new Set(['DIRECTLY_BOOKABLE', 'INDIRECTLY_BOOKABLE', 'TRIAGE']),
    );
  });

  test('what the door does not know it refuses in words: unknown call, broken JSON, unknown field, unknown referral', async () => {
    await using side = await startFarSide();
    expect((await side.control('GET', '/nonsense')).status).toBe(404);
    expect((await side.control('POST', '/clock', { sideways: 1 })).status).toBe(400);
    expect((await side.control('POST', '/referrals', { ...DIRECT, colour: 'red' })).json.error).toContain('colour');
    expect((await side.control('POST', '/referrals', { kind: 'triage', service: '70101' })).json.error).toContain(
      'TRIAGE',
    );
    expect((await side.control('POST', '/referrals', { ...DIRECT, service: '1' })).status).toBe(400);
    expect((await side.control('POST', '/referrals/1/events', { type: 'accepted-in-ers' })).status).toBe(404);
    expect((await side.control('GET', '/calls?after=x')).status).toBe(400);
    const broken = await fetch(`${side.simulator.controlUrl}/clock`, { method: 'POST', body: '{' });
    expect(broken.status).toBe(400);
  });
});

describe('what others do', () => {
  const happen = async (
    side: FarSide,
    ubrn: string,
    event: Record<string, unknown>,
  ): Promise<Record<string, unknown>> => (await side.control('POST', `/referrals/${ubrn}/events`, event)).json;

  test('every event raises the version, as every change in e-RS does', async () => {
    await using side = await startFarSide();
    for (const type of [
      'attachment-added',
      'priority-changed',
      'clinical-information-updated',
      'appointment-moved',
      'cancelled-by-referrer',
      'accepted-in-ers',
      'rejected-in-ers',
      'triaged-in-ers',
      'internal-version-bump',
      'appointment-cancelled-by-patient',
      'did-not-attend',
      'rebooked',
    ]) {
      const ubrn = await side.create(type === 'triaged-in-ers' ? TRIAGE : DIRECT);
      const before = await side.versionOf(ubrn);
      expect([type, Number((await happen(side, ubrn, { type }))['version']) > before]).toEqual([type, true]);
    }
  });

  test('nothing happens to a referral in a state from which e-RS knows no such transition: 409, and no change', async () => {
    await using side = await startFarSide();
    const impossible: [wish: typeof DIRECT, first: string[], event: string][] = [
      ...['rebooked', 'accepted-in-ers', 'attachment-added', 'cancelled-by-referrer', 'deferred-to-provider'].map(
        (event): [typeof DIRECT, string[], string] => [DIRECT, ['cancelled-by-referrer'], event],
      ),
      [DIRECT, [], 'triaged-in-ers'],
      [DIRECT, [], 'deferred-to-provider'],
      [DIRECT, ['rejected-in-ers'], 'accepted-in-ers'],
      [DIRECT, ['did-not-attend'], 'appointment-moved'],
      [TRIAGE, [], 'rejected-in-ers'],
      [TRIAGE, [], 'rebooked'],
      [TRIAGE, ['triaged-in-ers'], 'returned-in-ers'],
      [SLOT_ISSUE, [], 'did-not-attend'],
    ];
    for (const [wish, first, type] of impossible) {
      const ubrn = await side.create(wish);
      for (const event of first) await happen(side, ubrn, { type: event });
      const before = (await side.control('GET', `/referrals/${ubrn}`)).json;
      const { status } = await side.control('POST', `/referrals/${ubrn}/events`, { type });
      expect([wish.kind, first, type, status]).toEqual([wish.kind, first, type, 409]);
      expect((await side.control('GET', `/referrals/${ubrn}`)).json).toEqual(before);
    }
  });

  test('an internal bump may come to a cancelled referral too', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await happen(side, ubrn, { type: 'cancelled-by-referrer' });
    const before = await side.versionOf(ubrn);
    expect((await happen(side, ubrn, { type: 'internal-version-bump' }))['version']).toBeGreaterThan(before);
  });

  test('files come and go', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const attachment = { title: 'late.pdf', contentType: 'application/pdf', bytes: 1234 };
    expect(await happen(side, ubrn, { type: 'attachment-added', attachment })).toMatchObject({
      attachments: [{ title: 'late.pdf', size: 1234 }],
    });
    expect((await read(side, ubrn)).json.supportingInfo).toHaveLength(1);
    expect(await happen(side, ubrn, { type: 'attachment-removed', title: 'late.pdf' })).toMatchObject({
      attachments: [],
    });
    expect((await read(side, ubrn)).json.supportingInfo).toEqual([]);
    expect((await side.control('POST', `/referrals/${ubrn}/events`, { type: 'attachment-removed' })).status).toBe(409);
  });

  test('an appointment moves with its length, and only where there is one', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await happen(side, ubrn, { type: 'appointment-moved', start: '2027-05-05T10:00:00.000Z' });
    const { json } = await read(side, ubrn);
    const appointment = json.contained.find((each: { resourceType: string }) => each.resourceType === 'Appointment');
    expect(appointment).toMatchObject({ start: '2027-05-05T10:00:00.000Z', end: '2027-05-05T10:15:00.000Z' });
    const event = { type: 'appointment-moved' };
    expect((await side.control('POST', `/referrals/${await side.create(TRIAGE)}/events`, event)).status).toBe(409);
  });

  test('an internal bump raises the version and changes nothing else', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(INDIRECT);
    const { version: before, ...plain } = (await side.control('GET', `/referrals/${ubrn}`)).json;
    const { version: after, ...bumped } = await happen(side, ubrn, { type: 'internal-version-bump' });
    expect(bumped).toEqual(plain);
    expect(Number(after)).toBeGreaterThan(before);
  });

  test('decisions made in e-RS itself look like those of the API', async () => {
    await using side = await startFarSide();
    const [accepted, rejected, triaged, gone] = [
      await side.create(DIRECT),
      await side.create(INDIRECT),
      await side.create(TRIAGE),
      await side.create(SLOT_ISSUE),
    ];
    expect(await happen(side, accepted, { type: 'accepted-in-ers' })).toMatchObject({ state: 'BOOKED', worklists: [] });
    expect(await happen(side, rejected, { type: 'rejected-in-ers', reason: 'OTHER' })).toMatchObject({
      state: 'REJECTED',
      reason: 'OTHER',
    });
    expect(await happen(side, triaged, { type: 'triaged-in-ers' })).toMatchObject({
      reason: 'ACCEPT_REFER_BOOK_LATER',
    });
    expect(await happen(side, gone, { type: 'cancelled-by-referrer' })).toMatchObject({
      state: 'CANCELLED_REFERRAL',
      status: 'cancelled',
    });
  });

  test('administrators book a redirected referral again, at a triage service or a bookable one, and it is back for review', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(TRIAGE);
    await happen(side, ubrn, { type: 'triaged-in-ers' });
    expect(await happen(side, ubrn, { type: 'rebooked', service: '70101' })).toMatchObject({
      state: 'BOOKED',
      worklists: ['REFERRALS_FOR_REVIEW'],
    });
    expect((await accept(side, ubrn)).status).toBe(200);
    expect(await happen(side, ubrn, { type: 'rebooked', service: '70103' })).toMatchObject({
      state: 'AWAITING_TRIAGE',
      reason: 'TRIAGE',
    });
    expect((await side.control('POST', `/referrals/${ubrn}/events`, { type: 'rebooked', service: '1' })).status).toBe(
      409,
    );
  });

  test('a missed appointment and a hidden referral leave the lists without any decision', async () => {
    await using side = await startFarSide();
    const [missed, hidden] = [await side.create(DIRECT), await side.create(DIRECT)];
    expect(await happen(side, missed, { type: 'did-not-attend' })).toMatchObject({
      state: 'DID_NOT_ATTEND',
      worklists: [],
    });
    expect(await happen(side, hidden, { type: 'hidden-from-worklists' })).toMatchObject({
      state: 'BOOKED',
      worklists: [],
    });
    expect(await happen(side, hidden, { type: 'hidden-from-worklists', isHidden: false })).toMatchObject({
      worklists: ['REFERRALS_FOR_REVIEW'],
    });
  });
});

describe('faults', () => {
  test('a status strikes before anything is done, with its body and Retry-After, as often as told and not before its time', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await fault(side, {
      endpoint: 'A005',
      kind: 'status',
      status: 503,
      retryAfterSeconds: 7,
      body: { resourceType: 'OperationOutcome' },
      times: 2,
      after: 1,
    });
    expect((await read(side, ubrn)).status).toBe(200);
    const struck = await read(side, ubrn);
    expect([struck.status, struck.headers.get('retry-after'), struck.json]).toEqual([
      503,
      '7',
      { resourceType: 'OperationOutcome' },
    ]);
    expect((await side.send('GET', '/STU3/CodeSystem/PRIORITY')).status).toBe(200);
    expect((await read(side, ubrn)).status).toBe(503);
    expect((await read(side, ubrn)).status).toBe(200);
  });

  test('a status has the body and the media type of whoever speaks: the gateway’s own JSON is no FHIR', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const body = {
      fault: { faultstring: 'Unresolved variable', detail: { errorcode: 'steps.raisefault.RaiseFault' } },
    };
    await fault(side, { endpoint: 'A005', kind: 'status', status: 500, body, contentType: 'application/json' });
    const struck = await read(side, ubrn);
    expect([struck.status, struck.headers.get('content-type'), struck.json]).toEqual([500, 'application/json', body]);
  });

  test('a 504 may hide a change that was made', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await fault(side, { endpoint: 'A013', kind: 'status', status: 504, applied: true });
    expect((await accept(side, ubrn)).status).toBe(504);
    expect((await side.control('GET', `/referrals/${ubrn}`)).json.isReviewed).toBe(true);
  });

  test.each([
    ['lose-answer', true],
    ['lose-request', false],
    ['reset', false],
  ])('%s breaks the connection; whether the change was made: %s', async (kind, isMade) => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await fault(side, { endpoint: 'A013', kind });
    await expect(accept(side, ubrn)).rejects.toThrow('fetch failed');
    expect((await side.control('GET', `/referrals/${ubrn}`)).json.isReviewed).toBe(isMade);
    expect(await calls(side)).toMatchObject([{ endpoint: 'A013', fault: kind, status: isMade ? 200 : 0 }]);
  });

  test('truncate promises the whole body and sends half, for FHIR as for a PDF', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await fault(side, { endpoint: '*', kind: 'truncate', times: 2 });
    await expect(read(side, ubrn)).rejects.toThrow();
    await expect(side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.generateCRI`)).rejects.toThrow();
    expect((await read(side, ubrn)).status).toBe(200);
  });

  test('garbage keeps status and headers and spoils the body', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const url = `${side.simulator.baseUrl}/STU3/ReferralRequest/${ubrn}`;
    await fault(side, { endpoint: 'A005', kind: 'garbage' });
    const response = await fetch(url, { headers: { authorization: `Bearer ${await side.token()}` } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/fhir+json']);
    const text = await response.text();
    expect(() => JSON.parse(text)).toThrow();
  });

  test('a fault may be aimed at one referral: others neither meet it nor use it up', async () => {
    await using side = await startFarSide();
    const [struck, spared] = [await side.create(DIRECT), await side.create(DIRECT)];
    await fault(side, { endpoint: '*', kind: 'status', status: 503, ubrn: struck, times: 2 });
    expect((await side.send('GET', '/STU3/CodeSystem/PRIORITY')).status).toBe(200);
    expect((await accept(side, spared)).status).toBe(200);
    expect([(await read(side, struck)).status, (await accept(side, struck)).status]).toEqual([503, 503]);
    expect((await accept(side, struck)).status).toBe(200);
  });

  test('a delay holds the answer back and the lock with it', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await side.token();
    await fault(side, { endpoint: 'A013', kind: 'delay', delayMs: 60 });
    const started = performance.now();
    const [slow, second] = await Promise.all([accept(side, ubrn), accept(side, ubrn)]);
    expect(performance.now() - started).toBeGreaterThan(50);
    expect([slow?.status, second?.status].sort()).toEqual([200, 423]);
  });

  test('tokens and downloads can fail too, and clearing the faults heals all', async () => {
    await using side = await startFarSide();
    await fault(side, { endpoint: 'TOKEN', kind: 'status', status: 500, times: 9 });
    await fault(side, { endpoint: 'OBJECT-STORE', kind: 'truncate', times: 9 });
    expect((await fetch(side.simulator.tokenUrl, { method: 'POST' })).status).toBe(500);
    const ubrn = await side.create({ ...DIRECT, attachments: [{ title: 'a.pdf', contentType: 'application/pdf' }] });
    const { binaryId } = (await side.control('GET', `/referrals/${ubrn}`)).json.attachments[0];
    expect((await side.control('GET', '/faults')).json.faults).toHaveLength(2);
    const path = `/R4/Binary/${binaryId}`;
    await fetch(`${side.simulator.controlUrl}/faults`, { method: 'DELETE' });
    await fault(side, { endpoint: 'OBJECT-STORE', kind: 'truncate' });
    const location = (await side.send('GET', path)).headers.get('location') ?? '';
    await expect(fetch(location).then((response) => response.arrayBuffer())).rejects.toThrow();
    expect((await fetch(location)).status).toBe(200);
  });
});

describe('the world', () => {
  const snapshot = async (seed: number): Promise<{ text: string; referrals: Record<string, unknown>[] }> => {
    await using side = await startFarSide({ seed, referrals: 24 });
    const { referrals } = (await side.control('GET', '/referrals')).json;
    const resources = await Promise.all(referrals.map(({ ubrn }: { ubrn: string }) => read(side, ubrn)));
    return { text: resources.map(({ text }: Reply) => text).join('\n'), referrals };
  };

  test('the same seed makes the same world to the byte, another seed another one', async () => {
    const [one, again, other] = [await snapshot(1), await snapshot(1), await snapshot(2)];
    expect(again.text).toBe(one.text);
    expect(other.text).not.toBe(one.text);
  });

  test('the sample trust holds every irregularity that real data are known for', async () => {
    const { text, referrals } = await snapshot(1);
    for (const sign of [
      '"_baseUrl_/STU3/CodeSystem/SPECIALTY"',
      '/STU3/v1/CodeSystem/SPECIALTY',
      'REQUEST-CANCELLATION-REASON',
      'APPT_CANCELLED_BY_PATIENT',
      '"THREATS FOUND"',
      '"supportingInfo":null',
      '"contained":null',
      '"extension":null',
      'http://hl7.org/fhir/ValueSet/encounter-participant-type',
      '"type":{"coding"',
      '"valueInstant"',
      'CommunicationRequest/',
      '"reference":"ReferralRequest/',
      'INTERPRETER',
    ])
      expect({ sign, isThere: text.includes(sign) }).toEqual({ sign, isThere: true });
    const resources = text.split('\n').map((line) => JSON.parse(line));
    expect(resources.some(({ specialty }) => specialty === undefined)).toBe(true);
    expect(text).toMatch(/\{"url":"reason"[^\]]*\{"url":"state"/);
    const booked = resources.filter(({ extension }) => JSON.stringify(extension).includes('"BOOKED"'));
    expect(booked.some(({ contained }) => !JSON.stringify(contained).includes('"Appointment"'))).toBe(true);
    const kinds = new Set(referrals.map(({ state }) => state));
    expect(kinds.size).toBeGreaterThanOrEqual(7);
    expect(new Set(referrals.map(({ priority }) => priority))).toEqual(new Set(['ROUTINE', 'URGENT', 'TWO_WEEK_WAIT']));
    const numbers = resources.flatMap(({ extension }) =>
      [/Appointment\/\d+/.exec(JSON.stringify(extension))?.[0] ?? []].flat(),
    );
    expect(new Set(numbers).size).toBeLessThan(numbers.length);
    const binariesOf = (line: string): string[] => [...new Set(line.match(/Binary\/[\w-]+/g))];
    const binaries = text.split('\n').flatMap(binariesOf);
    expect(new Set(binaries).size).toBeLessThan(binaries.length);
  });

  test('a member that is shown as null is so in every answer with the referral, though e-RS knows what it holds', async () => {
    await using side = await startFarSide({ referrals: 24 });
    const { referrals } = (await side.control('GET', '/referrals')).json;
    const isBare = async ({ ubrn }: { ubrn: string }): Promise<boolean> =>
      (await read(side, ubrn)).json.contained === null;
    const bare = (await Promise.all(referrals.map(isBare))).indexOf(true);
    const { ubrn, version, state, worklists } = referrals[bare];
    expect([state, worklists]).toEqual(['BOOKED', ['REFERRALS_FOR_REVIEW']]);
    const { token, headers } = await side.signIn();
    const reply = await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.cancelReferral`, {
      token,
      headers: { ...headers, ...ifMatch(version) },
      json: cancellation('PATIENT_DIED', 'Told by family'),
    });
    expect(reply.json.parameter).toMatchObject([
      { name: 'updatedReferralRequest', resource: { id: ubrn, contained: null } },
      { name: 'updatedAppointment', resource: { status: 'cancelled' } },
    ]);
  });

  test('one item of the sample trust is listed under an extension url that is written WorklistItem', async () => {
    await using side = await startFarSide({ referrals: 24 });
    const lists = await Promise.all(
      side.simulator.services.map(({ id }) =>
        side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', {
          json: worklistRequest('REFERRALS_FOR_REVIEW', id),
        }),
      ),
    );
    const text = lists.map((list) => list.text).join('');
    expect(text.match(/-WorklistItem-1/g)).toHaveLength(1);
    expect(text.match(/-WorkListItem-1/g)?.length).toBeGreaterThan(5);
  });

  test('every NHS number is a valid one of the range for tests, and every appointment lies ahead', async () => {
    const { text } = await snapshot(3);
    for (const line of text.split('\n')) {
      const referral = JSON.parse(line);
      const number: string = referral.subject.identifier.value;
      const sum = [...number.slice(0, 9)].reduce((total, digit, index) => total + Number(digit) * (10 - index), 0);
      expect(number).toMatch(/^999\d{7}$/);
      expect((11 - (sum % 11)) % 11).toBe(Number(number[9]));
      const start = /"start":"([^"]+)"/.exec(line)?.[1];
      expect(start === undefined || start > '2027-03-01T09:00').toBe(true);
    }
  });

  test('the clock can be set and moved, and tells where it stands', async () => {
    await using side = await startFarSide();
    expect((await side.control('POST', '/clock', { advanceSeconds: 90 })).json).toEqual({
      now: '2027-03-01T09:01:30.000Z',
    });
    expect((await side.control('POST', '/clock', { now: '2028-01-01T00:00:00.000Z' })).json).toEqual({
      now: '2028-01-01T00:00:00.000Z',
    });
    expect((await side.control('GET', '/clock')).json).toEqual({ now: '2028-01-01T00:00:00.000Z' });
  });
});

describe('loading a folder', () => {
  /** A folder with two referrals of one service, a write's answer, a worklist, reference data and rubbish. */
  async function makeFolder(): Promise<string> {
    await using source = await startFarSide();
    const wishes = [{ ...DIRECT, attachments: [{ title: 'a.pdf', contentType: 'application/pdf' }] }, TRIAGE];
    const resources = [];
    for (const wish of wishes) resources.push((await read(source, await source.create(wish))).json);
    const list = (
      await source.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', {
        json: worklistRequest('REFERRALS_FOR_REVIEW', '70101'),
      })
    ).json;
    const printed = list.entry[0].extension[0].extension.find(
      (each: { url: string }) => each.url === 'clinicalInfoPrinted',
    );
    printed.valueBoolean = true;
    const reasons = (await source.send('GET', '/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON')).json;
    const folder = mkdtempSync(join(tmpdir(), 'ers-folder-'));
    mkdirSync(join(folder, 'acceptReferral/responses'), { recursive: true });
    const write = (name: string, value: unknown): void => writeFileSync(join(folder, name), JSON.stringify(value));
    resources.forEach((resource, index) => {
      resource.contained.find((each: { resourceType: string }) => each.resourceType === 'Appointment').start &&=
        '2021-06-13T12:30:00.000Z';
      write(`a005-${index}.json`, resource);
    });
    write('acceptReferral/responses/answer.json', { ...resources[0], meta: { versionId: '99' } });
    write('worklist.json', list);
    write('reasons.json', { ...reasons, url: '_baseUrl_/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON' });
    write('patient.json', { resourceType: 'Patient' });
    writeFileSync(join(folder, 'broken.json'), '{');
    writeFileSync(join(folder, 'readme.txt'), 'text');
    return folder;
  }

  test('makes A005 files the state, derives the lists, lends worklist fields, and names every file that it ignores', async () => {
    const folder = await makeFolder();
    try {
      await using side = await startFarSide({ dataDirectory: folder });
      const { loaded } = side.simulator;
      expect(loaded?.referrals).toHaveLength(2);
      expect(loaded?.ignored.map(({ file }) => file)).toEqual([
        'acceptReferral/responses/answer.json',
        'broken.json',
        'patient.json',
        'readme.txt',
      ]);
      expect(side.simulator.services.map(({ id, bookableType }) => [id, bookableType])).toEqual([
        ['70101', 'DIRECTLY_BOOKABLE'],
        ['70103', 'TRIAGE'],
      ]);
      const [booked = ''] = loaded?.referrals ?? [];
      expect((await read(side, booked)).json.meta.versionId).not.toBe('99');
      const list = await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', {
        json: worklistRequest('REFERRALS_FOR_REVIEW', '70101'),
      });
      expect(ubrnsOf(list)).toEqual([booked]);
      expect(list.text).toContain('{"url":"clinicalInfoPrinted","valueBoolean":true}');
      expect((await side.send('GET', '/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON')).json.url).toContain(
        '_baseUrl_',
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('serves a small real file for a Binary that the folder lacks, and waives the rule on dates for what it loaded', async () => {
    const folder = await makeFolder();
    try {
      await using side = await startFarSide();
      const { json } = await side.control('POST', '/load', { directory: folder });
      const [booked = ''] = json.referrals;
      const { binaryId } = (await side.control('GET', `/referrals/${booked}`)).json.attachments[0];
      const redirect = await side.send('GET', `/R4/Binary/${binaryId}`);
      const file = await (await fetch(redirect.headers.get('location') ?? '')).text();
      expect(file.startsWith('%PDF-')).toBe(true);
      expect((await accept(side, booked)).status).toBe(200);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a folder that cannot be read is an error in words', async () => {
    await using side = await startFarSide();
    expect((await side.control('POST', '/load', { directory: '/no/such/folder' })).json.error).toContain('ENOENT');
  });
});

test('a user of the control door may belong to named services, and acts within them', async () => {
  await using side = await startFarSide();
  const ubrn = await side.create(DIRECT);
  const { token, headers } = await side.signIn({ services: ['70102'], expiresInSeconds: 60 });
  const path = `/STU3/ReferralRequest/${ubrn}`;
  expect(codeOf(await side.send('GET', path, { token, headers }))).toBe('NO_RELATIONSHIP');
  side.simulator.clock.advance(60_000);
  expect((await side.send('GET', path, { token, headers })).status).toBe(401);
});
