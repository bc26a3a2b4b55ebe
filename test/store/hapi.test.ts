import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as passed } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Patient } from '@medplum/fhirtypes';
import { type Clock, type Store, systemClock } from '../../server/core/index.ts';
import { openHapiWire } from '../../server/store/hapi/client.ts';
import { installSearchParameters } from '../../server/store/hapi/search-parameters.ts';
import { connectHapi, type HapiOptions } from '../../server/store/hapi/store.ts';
import {
  type Answerer,
  type Gateway,
  hanging,
  type Received,
  resetting,
  saying,
  startGateway,
  truncating,
} from '../ers/gateway.ts';

const patient: Patient & { id: string } = { resourceType: 'Patient', id: 'patient-1', active: true };
const stored = { ...patient, meta: { versionId: '7', lastUpdated: '2026-01-05T09:00:00.000+00:00', source: '#abc' } };
const SLOW = { callMs: 300, fileMs: 300 };

let gateway: Gateway;
const stores: Store[] = [];
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await gateway[Symbol.asyncDispose]();
});

/** The driver, before a server that answers what the test says. */
function connect(options: Partial<HapiOptions> = {}): Store {
  const store = connectHapi({ baseUrl: `${gateway.origin}/fhir`, clock: systemClock, random: () => 0, ...options });
  stores.push(store);
  return store;
}

/** An address at which nobody listens. */
async function desertedUrl(): Promise<string> {
  await using closed = await startGateway();
  return `${closed.origin}/fhir`;
}

/** One answer after another; the last one for ever. */
const inTurn =
  (...answers: readonly Answerer[]): Answerer =>
  (request, response) =>
    (answers[Math.min(gateway.received.length, answers.length) - 1] ?? hanging)(request, response);

const linesOf = (received: readonly Received[]) => received.map(({ method, path }) => `${method} ${path}`);

describe('what the driver sees of an answer, although fhir-kit-client hides it', () => {
  test.each([409, 412, 429])('status, ETag and Retry-After of a %i', async (status) => {
    gateway.answer = saying(
      status,
      { resourceType: 'OperationOutcome' },
      { ETag: 'W/"7"', 'Retry-After': '40', 'Content-Type': 'application/fhir+json' },
    );
    const wire = openHapiWire({ baseUrl: gateway.origin, clock: systemClock, random: () => 0 });
    const asked = await wire.ask('write', (client, options) =>
      client.update({ resourceType: 'Patient', id: patient.id, body: patient as never, options }),
    );
    await wire.close();
    if (status === 429) expect(asked).toMatchObject({ ok: false, code: 'unavailable', retryAfterMs: 40_000 });
    else {
      const answer = asked.ok ? asked.value : undefined;
      expect([answer?.status, answer?.header('etag'), answer?.header('retry-after')]).toEqual([status, 'W/"7"', '40']);
    }
  });

  test.each([409, 412])('a precondition that failed is a conflict, whether the server says %i', async (status) => {
    gateway.answer = saying(status, { resourceType: 'OperationOutcome' });
    const store = connect();
    expect(await store.update(patient, { ifMatch: '6' })).toMatchObject({ ok: false, code: 'conflict' });
    expect(gateway.received.map(({ headers }) => headers['if-match'])).toEqual(['W/"6"']);
  });

  test('a version that is no number cannot be the current one, so it is a conflict and nothing is sent', async () => {
    const store = connect();
    expect(await store.update(patient, { ifMatch: '6", W/"7' })).toMatchObject({ ok: false, code: 'conflict' });
    expect(gateway.received).toEqual([]);
  });

  test("the server's note of the request that wrote a version is no content", async () => {
    gateway.answer = saying(200, stored);
    const read = await connect().read('Patient', patient.id);
    expect(read.ok && read.value.meta).toEqual({ versionId: '7', lastUpdated: stored.meta.lastUpdated });
  });
});

describe('silence', () => {
  test.each([
    ['a reset', resetting],
    ['half an answer', truncating(201, '{"resourceType"')],
    ['an error of the server', saying(500, { resourceType: 'OperationOutcome' })],
    ['a gateway that gave up', saying(504)],
    [
      'a proxy that lost the server behind it',
      saying(503, 'upstream connect error or disconnect/reset before headers'),
    ],
    ['a page that is no FHIR', saying(200, '<html>')],
  ])('after a create was sent, %s leaves its outcome unknown, and it is not sent again', async (_name, answer) => {
    gateway.answer = answer;
    expect(await connect().create(patient)).toMatchObject({ ok: false, code: 'unknown-outcome' });
    expect(linesOf(gateway.received)).toEqual(['POST /fhir/Patient']);
  });

  test('a transaction that is not answered within its deadline has an unknown outcome', async () => {
    gateway.answer = hanging;
    const store = connect({ limits: SLOW });
    expect(await store.transaction([{ kind: 'create', resource: patient }])).toMatchObject({ code: 'unknown-outcome' });
    expect(linesOf(gateway.received)).toEqual(['POST /fhir/']);
  });

  test('a write that never left is unavailable: nothing can have happened', async () => {
    const store = connect({ baseUrl: await desertedUrl() });
    expect(await store.create(patient)).toMatchObject({ ok: false, code: 'unavailable' });
    const file = Readable.from([Buffer.from('bytes')]);
    expect(await store.putBinary(file, { contentType: 'text/plain' })).toMatchObject({ code: 'unavailable' });
  });

  test('a read is asked again', async () => {
    gateway.answer = inTurn(resetting, saying(502), saying(200, stored));
    expect(await connect().read('Patient', patient.id)).toMatchObject({ ok: true });
    expect(gateway.received).toHaveLength(3);
  });

  test('a conditional create is sent again, because the condition keeps it from making two', async () => {
    gateway.answer = inTurn(resetting, saying(200, stored));
    const made = await connect().create(patient, { ifNoneExist: 'identifier=a|b' });
    expect(made).toMatchObject({ ok: true, value: { created: false } });
    expect(gateway.received.map(({ headers }) => headers['if-none-exist'])).toEqual([
      'identifier=a|b',
      'identifier=a|b',
    ]);
  });

  test.each([
    ['lost', resetting],
    ['a 503 that does not say when to come again', saying(503)],
  ])('a file whose answer is %s may be there or not', async (_name, answer) => {
    gateway.answer = answer;
    const file = Readable.from([Buffer.from('bytes')]);
    expect(await connect().putBinary(file, { contentType: 'text/plain' })).toMatchObject({ code: 'unknown-outcome' });
  });

  test('503 that does not say when to come again: a read and a deletion are asked again, a transaction is not', async () => {
    gateway.answer = inTurn(saying(503), saying(200, stored), saying(503), saying(200, {}), saying(503));
    const store = connect();
    expect(await store.read('Patient', patient.id)).toMatchObject({ ok: true });
    expect(await store.remove('Patient', patient.id)).toMatchObject({ ok: true });
    expect(await store.transaction([{ kind: 'create', resource: patient }])).toMatchObject({ code: 'unknown-outcome' });
    expect(gateway.received).toHaveLength(5);
  });

  const thenGone: Answerer = (request, response) => {
    resetting(request, response);
    void gateway[Symbol.asyncDispose]();
  };
  test.each([
    ['is turned away', () => inTurn(resetting, saying(429, '', { 'Retry-After': '60' }))],
    ['cannot be sent', () => thenGone],
    ['is no longer let in', () => inTurn(resetting, saying(401))],
  ])(
    'a write that may be repeated, whose first answer was lost and whose repeat %s, may have happened',
    async (_name, answers) => {
      gateway.answer = answers();
      const made = await connect().create(patient, { ifNoneExist: 'identifier=a|b' });
      expect(made).toMatchObject({ ok: false, code: 'unknown-outcome' });
    },
  );

  test('a write that may be repeated, whose first answer was lost and whose turn does not come again, may have happened', async () => {
    gateway.answer = inTurn(resetting, saying(429, '', { 'Retry-After': '60' }));
    const store = connect();
    const made = store.create(patient, { ifNoneExist: 'identifier=a|b' });
    await passed(50);
    expect(await store.read('Patient', 'a')).toMatchObject({ ok: false, retryAfterMs: 60_000 });
    expect(await made).toMatchObject({ ok: false, code: 'unknown-outcome' });
    expect(gateway.received).toHaveLength(2);
  });
});

describe("the store's own back-pressure", () => {
  test.each([429, 503])('%i with Retry-After is obeyed, and the write is then sent once more', async (status) => {
    const waits: number[] = [];
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => {
        if (signal === undefined) waits.push(ms);
        return systemClock.sleep(ms, signal);
      },
    };
    gateway.answer = inTurn(saying(status, '', { 'Retry-After': '1' }), saying(201, stored));
    expect(await connect({ clock }).create(patient)).toMatchObject({ ok: true, value: { created: true } });
    expect([gateway.received.length, waits[0]]).toEqual([2, 1_000]);
  });

  test('a wait that is longer than the call is passed on, and nobody else asks meanwhile', async () => {
    gateway.answer = saying(429, '', { 'Retry-After': '240' });
    const store = connect();
    expect(await store.read('Patient', 'a')).toMatchObject({ code: 'unavailable', retryAfterMs: 240_000 });
    const second = await store.read('Patient', 'b');
    expect(second).toMatchObject({ ok: false, code: 'unavailable', retryAfterMs: expect.any(Number) });
    expect(gateway.received).toHaveLength(1);
  });

  test.each([
    ['86400', 'seconds'],
    ['Fri, 31 Dec 2100 23:59:59 GMT', 'a date'],
  ])('a wait of %s (%s) is one of five minutes: then the store is asked again', async (value) => {
    let nowMs = 0;
    const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
    gateway.answer = inTurn(saying(429, '', { 'Retry-After': value }), saying(200, stored));
    const store = connect({ clock });
    expect(await store.read('Patient', 'a')).toMatchObject({ code: 'unavailable', retryAfterMs: 300_000 });
    nowMs = 250_000;
    expect(await store.read('Patient', 'a')).toMatchObject({ code: 'unavailable', retryAfterMs: 50_000 });
    nowMs = 300_000;
    expect(await store.read('Patient', 'a')).toMatchObject({ ok: true });
    expect(gateway.received).toHaveLength(2);
  });

  test('no more calls are under way than there are places; the others come in their turn, or not at all', async () => {
    let running = 0;
    let most = 0;
    gateway.answer = (request, response) => {
      running += 1;
      most = Math.max(most, running);
      setTimeout(() => {
        running -= 1;
        saying(200, stored)(request, response);
      }, 20);
    };
    const store = connect({ limits: { parallel: 2 } });
    const reads = await Promise.all(Array.from({ length: 8 }, () => store.read('Patient', patient.id)));
    expect([reads.every(({ ok }) => ok), most]).toEqual([true, 2]);

    gateway.answer = hanging;
    // A file has longer than a call: its place is not free before the time of the next one is over.
    const crowded = connect({ limits: { callMs: 200, fileMs: 2_000, files: 1 } });
    const put = () => crowded.putBinary(Readable.from([Buffer.from('x')]), { contentType: 'text/plain' });
    const file = put();
    expect(await put()).toMatchObject({ ok: false, code: 'unavailable' });
    expect(await file).toMatchObject({ ok: false, code: 'unknown-outcome' });
  });

  test('readers of files, however slow, hold up no call: files have places of their own', async () => {
    const isFile = ({ path }: Received) => path.includes('Binary');
    gateway.answer = (request, response) => {
      if (!isFile(request)) return saying(200, stored)(request, response);
      response.writeHead(200, { ETag: 'W/"1"', 'Content-Type': 'application/pdf' });
      response.write('slow');
    };
    const store = connect({ limits: { parallel: 2, files: 2, callMs: 300 } });
    const opened = await Promise.all(['a', 'b', 'c'].map((id) => store.openBinary(id)));
    expect(opened.map(({ ok }) => ok).toSorted()).toEqual([false, true, true]);
    const reads = await Promise.all(['a', 'b', 'c'].map((id) => store.read('Patient', id)));
    expect(reads.every(({ ok }) => ok)).toBe(true);
    for (const one of opened) if (one.ok) one.value.stream.destroy();
  });

  test('409 without a precondition of ours is another writer in the way: it is tried again', async () => {
    gateway.answer = inTurn(saying(409), saying(409), saying(200, stored));
    expect(await connect().update(patient)).toMatchObject({ ok: true });
    expect(gateway.received).toHaveLength(3);
  });
});

describe('what HAPI does in silence', () => {
  test('an update of a version of what never was is created there: that is undone, and a conflict', async () => {
    gateway.answer = inTurn(saying(201, stored), saying(200, { resourceType: 'OperationOutcome' }));
    expect(await connect().update(patient, { ifMatch: '6' })).toMatchObject({ ok: false, code: 'conflict' });
    expect(linesOf(gateway.received)).toEqual(['PUT /fhir/Patient/patient-1', 'DELETE /fhir/Patient/patient-1']);
  });

  test('a transaction that is answered with 200 and holds a refusal is not taken for done', async () => {
    const entry = [{ response: { status: '201 Created' }, resource: stored }, { response: { status: '412' } }];
    gateway.answer = saying(200, { resourceType: 'Bundle', type: 'transaction-response', entry });
    const entries = [
      { kind: 'create', resource: patient },
      { kind: 'create', resource: patient },
    ] as const;
    expect(await connect().transaction(entries)).toMatchObject({ ok: false, code: 'unknown-outcome' });
  });

  test('its words, which may quote what was sent, are not passed on', async () => {
    const diagnostics = 'HAPI-0450: [element="family"] Invalid attribute value "Synthetic-Name"';
    gateway.answer = saying(400, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', diagnostics }] });
    const refused = await connect().create(patient);
    expect(refused).toMatchObject({ ok: false, code: 'invalid' });
    expect([JSON.stringify(refused).includes('Synthetic-Name'), JSON.stringify(refused).includes('HAPI-0450')]).toEqual(
      [false, true],
    );
  });
});

describe('pages with more to be included than HAPI includes', () => {
  /** Eight Patients, and so many others beside each; HAPI stops at a thousand. */
  const crowd =
    (each: number): Answerer =>
    ({ path, body }, response) => {
      const asked = new URLSearchParams(path.includes('?') ? path.slice(path.indexOf('?')) : body);
      const from = Number(asked.get('_getpagesoffset') ?? 0);
      const ids = [1, 2, 3, 4, 5, 6, 7, 8].slice(from, from + Number(asked.get('_count')));
      const matches = ids.map((id) => ({ resource: { ...stored, id: `p${id}` }, search: { mode: 'match' } }));
      const others = ids.flatMap((id) => Array.from({ length: each }, (_, at) => `${id}-${at}`)).slice(0, 1_000);
      const includes = others.map((id) => ({
        resource: { ...stored, resourceType: 'Task', id },
        search: { mode: 'include' },
      }));
      const end = from + ids.length;
      const url = `http://other.example/fhir?_getpages=a&_getpagesoffset=${end}&_count=${ids.length}`;
      const link = end < 8 ? [{ relation: 'next', url }] : [];
      saying(200, { resourceType: 'Bundle', entry: [...matches, ...includes], link })(undefined as never, response);
    };
  const query = '_revinclude=Task:patient&_count=6';

  test('none is left out: such a page is put together from smaller ones', async () => {
    gateway.answer = crowd(300);
    const store = connect();
    const first = await store.search('Patient', query);
    if (!first.ok) throw new Error(first.code);
    expect([first.value.matches.length, first.value.includes.length]).toEqual([6, 1_800]);
    const second = await store.search('Patient', query, first.value.next);
    if (!second.ok) throw new Error(second.code);
    expect([second.value.matches.length, second.value.includes.length]).toEqual([2, 600]);
    expect(second.value.next).toBeUndefined();
  });

  test('where one match alone has too many, the search is refused instead', async () => {
    gateway.answer = crowd(1_200);
    const refused = await connect().search('Patient', query);
    expect(refused).toMatchObject({ ok: false, code: 'invalid' });
    expect(JSON.stringify(refused)).toContain('leave the inclusion out');
  });
});

describe('what stands in URLs', () => {
  const link = (path: string) => [{ relation: 'next', url: `http://other.example/x/fhir${path}` }];
  const page = (url: string) => ({ resourceType: 'Bundle', entry: [{ resource: stored }], link: link(url) });

  test('P1: a search is posted, so that no identifier is in a URL, and its pages are asked of the address we know', async () => {
    gateway.answer = inTurn(
      saying(
        200,
        page('?_getpages=5c1c7b0e-1111-4222-8333-944445555666&_getpagesoffset=1&_count=1&_bundletype=searchset'),
      ),
      saying(200, { resourceType: 'Bundle' }),
    );
    const store = connect();
    const first = await store.search('Patient', 'identifier=https://fhir.nhs.uk/Id/nhs-number|9990000018&_count=1');
    const next = first.ok ? first.value.next : undefined;
    expect(await store.search('Patient', 'identifier=x&_count=1', next)).toMatchObject({ ok: true });
    await store.findByIdentifier('Patient', 'https://fhir.nhs.uk/Id/nhs-number', '9990000018');
    const asked = linesOf(gateway.received);
    expect(asked[0]).toBe('POST /fhir/Patient/_search');
    expect(asked[1]).toMatch(/^GET \/fhir\?_getpages=5c1c7b0e/);
    expect(JSON.stringify(asked)).not.toContain('9990000018');
    expect(JSON.stringify(next)).not.toContain('9990000018');
    expect(gateway.received.every(({ headers }) => headers['cache-control'] === 'no-cache')).toBe(true);
  });

  test('a mark of a page that is none of this server is not followed', async () => {
    const store = connect();
    for (const next of ['../Basic', '_getpages=a&_getpagesoffset=1&x=y', 'https://other.example/', '_getpages=a#'])
      expect(await store.search('Task', 'status=requested', next)).toMatchObject({ ok: false, code: 'invalid' });
    for (const next of ['_offset=1&_include=*', '../Basic'])
      expect(await store.history('Task', undefined, { next })).toMatchObject({ ok: false, code: 'invalid' });
    expect(gateway.received).toEqual([]);
  });

  test('credentials go with every call, with files too', async () => {
    const store = connect({ credentials: { id: 'ers', secret: 'hush' } });
    gateway.answer = saying(200, stored);
    await store.read('Patient', 'a');
    await store.putBinary(Readable.from([Buffer.from('x')]), { contentType: 'text/plain' });
    await store.openBinary('b');
    const expected = `Basic ${Buffer.from('ers:hush').toString('base64')}`;
    expect(gateway.received.map(({ headers }) => headers.authorization)).toEqual([expected, expected, expected]);
  });

  test('a file that a proxy sends on in chunks comes without a size, and not with one that is no number', async () => {
    gateway.answer = (_request, response) => {
      response.writeHead(200, { ETag: 'W/"1"', 'Content-Type': 'application/pdf' });
      response.write('by');
      setTimeout(() => response.end('tes'), 10);
    };
    const store = connect();
    const opened = await store.openBinary('b');
    if (!opened.ok) throw new Error(opened.code);
    expect(opened.value).not.toHaveProperty('size');
    expect(await text(opened.value.stream)).toBe('bytes');
    gateway.answer = saying(200, 'bytes', { ETag: 'W/"1"', 'Content-Type': 'application/pdf' });
    const sized = await store.openBinary('b');
    if (!sized.ok) throw new Error(sized.code);
    expect(sized.value.size).toBe(5);
    expect(await text(sized.value.stream)).toBe('bytes');
  });

  test('a file that came whole and that nobody reads (HEAD, 304) is given back, and its line too', async () => {
    gateway.answer = saying(200, 'bytes', { ETag: 'W/"1"', 'Content-Type': 'application/pdf' });
    const store = connect({ limits: { files: 1 } });
    for (let files = 0; files < 3; files++) {
      const opened = await store.openBinary('b');
      if (!opened.ok) throw new Error(opened.code);
      // All bytes are there: only now is undici's error nobody's.
      await passed(50);
      await new Promise((resolve) => opened.value.stream.destroy().once('close', resolve));
    }
    expect(gateway.received).toHaveLength(3);
  });

  test('a file whose source breaks is never ended on the wire, so the server keeps nothing', async () => {
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('half');
        await passed(50);
        throw new Error('the line went dead');
      })(),
    );
    expect(await connect().putBinary(broken, { contentType: 'text/plain' })).toMatchObject({ code: 'invalid' });
    await passed(50);
    expect(gateway.received).toEqual([]);
  });
});

describe('the probe', () => {
  const statement = (fhirVersion: string, name = 'HAPI FHIR Server') =>
    saying(200, { resourceType: 'CapabilityStatement', fhirVersion, software: { name, version: '8.8.0' } });
  const bundle = (...entry: object[]) => saying(200, { resourceType: 'Bundle', entry });

  /** A server that keeps every promise, but for what a test takes from it. */
  const server =
    (faults: Partial<Record<'metadata' | 'stale' | 'transaction' | 'dangling' | 'history', Answerer>>): Answerer =>
    (request, response) => {
      const { method, path, headers } = request;
      const answer = (): Answerer => {
        if (path.includes('metadata')) return faults.metadata ?? statement('4.0.1');
        if (headers['if-match'] !== undefined) return faults.stale ?? saying(409);
        if (path === '/fhir/') return faults.transaction ?? saying(409);
        if (path.includes('_history')) return faults.history ?? bundle();
        if (path.endsWith('_search')) return bundle();
        if (method === 'POST') return faults.dangling ?? saying(400);
        return saying(200, stored, { ETag: 'W/"1"' });
      };
      answer()(request, response);
    };

  test.each([
    ['no FHIR server', { metadata: saying(200, '<html>') }, 'name the FHIR base'],
    ['another FHIR', { metadata: statement('5.0.0') }, 'hapi.fhir.fhir_version'],
    ['another server', { metadata: statement('4.0.1', 'Medplum') }, 'no HAPI'],
    ['a closed door', { metadata: saying(401) }, 'STORE_CLIENT_ID'],
    ['If-Match unheeded', { stale: saying(200, stored) }, 'If-Match'],
    ['a transaction that is a batch', { transaction: bundle() }, 'undo a transaction'],
    ['references unchecked', { dangling: saying(201, stored) }, 'enforce_referential_integrity_on_write'],
    ['no type history', { history: saying(404) }, 'history of a type'],
  ])('%s: the server is refused with what to change', async (_name, faults, remedy) => {
    gateway.answer = server(faults);
    const probed = await connect().probe();
    expect(probed.ok).toBe(false);
    expect(JSON.stringify(probed)).toContain(remedy);
  });

  test('a server that takes our search parameters and does not search by them is refused with the setting', async () => {
    let nowMs = 0;
    const clock: Clock = {
      ...systemClock,
      monotonicMs: () => nowMs,
      sleep: async (ms, signal) => {
        if (signal === undefined) nowMs += ms;
        else await systemClock.sleep(ms, signal);
      },
    };
    gateway.answer = (request, response) => {
      const isQuestion = request.path.includes('business-status');
      (isQuestion ? saying(400, { resourceType: 'OperationOutcome' }) : server({}))(request, response);
    };
    const wire = openHapiWire({ baseUrl: `${gateway.origin}/fhir`, clock, random: () => 0 });
    const installed = await installSearchParameters(wire, [], clock);
    await wire.close();
    expect(JSON.stringify(installed)).toContain('hapi.fhir.supported_resource_types');
    expect(JSON.stringify(installed)).toContain('Task?business-status:missing');
  });

  test('nobody there: it says so', async () => {
    const probed = await connect({ baseUrl: await desertedUrl() }).probe();
    expect(JSON.stringify(probed)).toContain('no server answers there');
  });
});
