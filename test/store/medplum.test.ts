import { Readable } from 'node:stream';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DocumentReference, Patient } from '@medplum/fhirtypes';
import { type Clock, type Store, systemClock } from '../../server/core/index.ts';
import { openMedplumWire } from '../../server/store/medplum/client.ts';
import { connectMedplum } from '../../server/store/medplum/store.ts';
import type { WireOptions } from '../../server/store/remote/wire.ts';
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

const ID = '0f4f9f3e-1f00-4a53-9a0e-8f1a54a7c101';
const VERSION = '7b1c2d3e-1f00-4a53-9a0e-8f1a54a7c102';
const patient: Patient & { id: string } = { resourceType: 'Patient', id: ID, active: true };
const meta = { versionId: VERSION, lastUpdated: '2026-01-05T09:00:00.000Z' };
const notes = {
  author: { reference: 'ClientApplication/a' },
  project: ID,
  compartment: [{ reference: `Project/${ID}` }],
};
const stored = { ...patient, meta: { ...meta, ...notes } };
const JSON_TYPE = { 'Content-Type': 'application/fhir+json' };
const json = (status: number, body: object, headers: Record<string, string> = {}) =>
  saying(status, body, { ...JSON_TYPE, ...headers });
const outcome = { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'processing' }] };

let gateway: Gateway;
const stores: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await gateway[Symbol.asyncDispose]();
});

const optionsOf = (options: Partial<WireOptions>): WireOptions => ({
  baseUrl: gateway.origin,
  clock: systemClock,
  random: () => 0,
  credentials: { id: 'client', secret: 'hush' },
  ...options,
});

function connect(options: Partial<WireOptions> = {}): Store {
  const store = connectMedplum(optionsOf(options));
  stores.push(store);
  return store;
}

const isWhoAmI = ({ path }: Received) => path === '/auth/me';
const whoAmI = json(200, { project: { resourceType: 'Project', id: ID } });

/** Who has no token is refused, as Medplum would; who asks is told of the project; the rest is as the test says. */
const toMembers =
  (answer: Answerer): Answerer =>
  (request, response) => {
    if (!request.headers.authorization?.startsWith('Bearer token')) return json(401, outcome)(request, response);
    return (isWhoAmI(request) ? whoAmI : answer)(request, response);
  };

/** Requests that came with a token, but those for the project. */
const asked = (): Received[] =>
  gateway.received.filter((one) => one.headers.authorization !== undefined && !isWhoAmI(one));
const lines = () => asked().map(({ method, path }) => `${method} ${path}`);
const inTurn =
  (...answers: readonly Answerer[]): Answerer =>
  (request, response) =>
    (answers[Math.min(asked().length, answers.length) - 1] ?? hanging)(request, response);

describe('what the driver sees of an answer, although MedplumClient hides it', () => {
  test.each([409, 412, 429])('status, ETag and Retry-After of a %i', async (status) => {
    gateway.answer = toMembers(json(status, outcome, { ETag: `W/"${VERSION}"`, 'Retry-After': '40' }));
    const wire = openMedplumWire(optionsOf({}));
    stores.push(wire);
    const answer = await wire.ask('write', (client, options) =>
      client.put(client.fhirUrl('Patient', ID), patient, 'application/fhir+json', options),
    );
    if (status === 429) return expect(answer).toMatchObject({ ok: false, code: 'unavailable', retryAfterMs: 40_000 });
    if (!answer.ok) throw new Error(answer.code);
    const { value } = answer;
    expect([value.status, value.header('etag'), value.header('retry-after')]).toEqual([status, `W/"${VERSION}"`, '40']);
  });

  test('a token is had once by client credentials, and renewed when the server no longer takes it', async () => {
    gateway.answer = toMembers(json(200, stored));
    const store = connect();
    for (let reads = 0; reads < 3; reads += 1) expect(await store.read('Patient', ID)).toMatchObject({ ok: true });
    expect(gateway.tokenRequests.map((form) => form.get('grant_type'))).toEqual(['client_credentials']);
    gateway.answer = (request, response) =>
      (request.headers.authorization === 'Bearer token-2' ? json(200, stored) : json(401, outcome))(request, response);
    expect(await store.read('Patient', ID)).toMatchObject({ ok: true });
    expect(gateway.tokenRequests).toHaveLength(2);
  });
});

describe('one bad answer of the token endpoint', () => {
  const html = saying(200, '<html>Synthetic proxy</html>', { 'Content-Type': 'text/html' });
  const patience = { callMs: 2_000, tokenMs: 100 };

  test.each([
    ['no answer at all', hanging],
    ['half an answer', truncating(200, '{"access_token"', { 'Content-Type': 'application/json' })],
    ['the page of a proxy', html],
    ['JSON that is no token', json(200, { hello: 'world' })],
    ['a reset', resetting],
    ['an error', saying(500)],
  ])('%s ends the calls that need it in time, and the store works again with the next good one', async (_name, bad) => {
    gateway.answer = toMembers(json(200, stored));
    const good = gateway.answerToken;
    gateway.answerToken = bad;
    const store = connect({ limits: { ...patience, parallel: 2 } });
    const began = performance.now();
    const reads = await Promise.all(Array.from({ length: 5 }, () => store.read('Patient', ID)));
    expect(reads.map((read) => !read.ok && read.code)).toEqual(Array.from({ length: 5 }, () => 'unavailable'));
    expect(performance.now() - began).toBeLessThan(patience.callMs);
    expect(JSON.stringify(await store.probe())).toContain('STORE_URL');
    expect(gateway.received).toEqual([]);
    gateway.answerToken = good;
    expect(await store.read('Patient', ID)).toMatchObject({ ok: true });
    // A file too, whose line no library sees.
    expect(await store.openBinary(ID)).toMatchObject({ ok: false });
    expect(asked().length).toBeGreaterThan(1);
  });

  test('a call ends within its own time although it waits for a token that takes longer', async () => {
    gateway.answerToken = hanging;
    const store = connect({ limits: { callMs: 100, tokenMs: 1_000 } });
    expect(await store.create(patient)).toMatchObject({ ok: false, code: 'unavailable' });
    expect(gateway.received).toEqual([]);
  });

  test('a token is renewed before it runs out, and one that says nothing of its life until the server refuses it', async () => {
    let nowMs = 0;
    const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
    gateway.answer = toMembers(json(200, stored));
    const store = connect({ clock });
    await store.read('Patient', ID);
    nowMs = 500_000;
    await store.read('Patient', ID);
    expect(gateway.tokenRequests).toHaveLength(1);
    nowMs = 590_000;
    gateway.answerToken = json(200, { access_token: 'token-of-no-age' });
    await store.read('Patient', ID);
    nowMs = 10_000_000;
    await store.read('Patient', ID);
    expect(asked().map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-of-no-age',
      'Bearer token-of-no-age',
    ]);
  });

  test('a library that waits for something of its own holds neither the call nor its place', async () => {
    gateway.answer = toMembers(json(200, stored));
    const wire = openMedplumWire(optionsOf({ limits: { callMs: 100, parallel: 1, attempts: 1 } }));
    stores.push(wire);
    expect(await wire.ask('read', () => new Promise(() => undefined))).toMatchObject({ code: 'unavailable' });
    expect(await wire.ask('read', (client, options) => client.get('fhir/R4/Patient/1', options))).toMatchObject({
      ok: true,
    });
  });
});

describe('silence and back-pressure', () => {
  test.each([
    ['a reset', resetting],
    ['half an answer', truncating(201, '{"resourceType"', JSON_TYPE)],
    ['an error of the server', json(500, outcome)],
  ])('after a create was sent, %s leaves its outcome unknown, and it is not sent again', async (_name, answer) => {
    gateway.answer = toMembers(answer);
    expect(await connect().create(patient)).toMatchObject({ ok: false, code: 'unknown-outcome' });
    expect(lines()).toEqual(['POST /fhir/R4/Patient']);
  });

  test('a read is asked again, a conditional create too', async () => {
    gateway.answer = toMembers(inTurn(resetting, json(200, stored), resetting, json(200, stored)));
    const store = connect();
    expect(await store.read('Patient', ID)).toMatchObject({ ok: true });
    expect(await store.create(patient, { ifNoneExist: 'identifier=a|b' })).toMatchObject({ value: { created: false } });
    expect(asked().map(({ headers }) => headers['if-none-exist'])).toEqual([
      undefined,
      undefined,
      `identifier=a|b&_project=${ID}`,
      `identifier=a|b&_project=${ID}`,
    ]);
  });

  test.each([
    ['Retry-After', '1'],
    ['RateLimit', '"fhirInteractions";r=0;t=1'],
  ])('429 with %s is obeyed, and the write is then sent once more', async (name, value) => {
    const waits: number[] = [];
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => {
        if (signal === undefined) waits.push(ms);
        return systemClock.sleep(ms, signal);
      },
    };
    gateway.answer = toMembers(inTurn(json(429, outcome, { [name]: value }), json(201, stored)));
    expect(await connect({ clock }).create(patient)).toMatchObject({ ok: true, value: { created: true } });
    expect([lines().length, waits[0]]).toEqual([2, 1_000]);
  });
});

describe('what Medplum does in silence', () => {
  test('its words, which may quote what was sent, are not passed on', async () => {
    const details = { text: 'Invalid value "Synthetic-Name" (Patient.name.family)' };
    gateway.answer = toMembers(json(400, { ...outcome, issue: [{ severity: 'error', code: 'invalid', details }] }));
    const refused = await connect().create({ resourceType: 'Patient', active: true });
    expect(refused).toMatchObject({ ok: false, code: 'invalid' });
    expect(JSON.stringify(refused)).not.toContain('Synthetic-Name');
  });

  test('P1: of an answer that is no JSON nothing is printed, although MedplumClient prints why', async () => {
    const printed: unknown[] = [];
    const { error } = console;
    console.error = (...words: unknown[]) => printed.push(words);
    try {
      gateway.answer = toMembers(saying(200, Buffer.from('{"family":Synthetic-Name}'), JSON_TYPE));
      expect(await connect({ limits: { attempts: 1 } }).read('Patient', ID)).toMatchObject({ ok: false });
    } finally {
      console.error = error;
    }
    expect(printed).not.toEqual([]);
    expect(inspect(printed)).not.toContain('Synthetic');
  });

  test("its notes of who wrote what are no content, and a file's address that opens without authorisation is not passed on", async () => {
    const attachment = {
      contentType: 'application/pdf',
      url: `${gateway.origin}/storage/${ID}/${VERSION}?Expires=1&Key-Pair-Id=k&Signature=s`,
    };
    const document = { resourceType: 'DocumentReference', id: ID, status: 'current', content: [{ attachment }] };
    gateway.answer = toMembers(json(200, { ...document, meta: { ...meta, ...notes } }));
    const read = await connect().read('DocumentReference', ID);
    const value = (read.ok ? read.value : undefined) as DocumentReference | undefined;
    expect(value?.meta).toEqual(meta);
    expect(value?.content?.[0]?.attachment?.url).toBe(`Binary/${ID}`);
  });

  test('what belongs to another project of the same Medplum, such as its own CodeSystems, is neither read nor found', async () => {
    const foreign = { ...patient, meta: { ...meta, project: VERSION } };
    gateway.answer = toMembers(json(200, foreign));
    const store = connect();
    expect(await store.read('Patient', ID)).toMatchObject({ ok: false, code: 'not-found' });
    expect(await store.update(patient)).toMatchObject({ ok: false, code: 'not-found' });
    gateway.answer = toMembers(json(200, { resourceType: 'Bundle', entry: [] }));
    expect(await store.search('Patient', 'active=true')).toMatchObject({ ok: true });
    expect(new URLSearchParams(asked().at(-1)?.body).get('_project')).toBe(ID);
  });

  test('a stale update of a deleted resource would resurrect it, so it is looked at first', async () => {
    gateway.answer = toMembers(json(410, outcome));
    expect(await connect().update(patient, { ifMatch: VERSION })).toMatchObject({ ok: false, code: 'conflict' });
    expect(lines()).toEqual([`GET /fhir/R4/Patient/${ID}`]);
  });

  test('a transaction that is run as a batch answers 200 with refusals inside, and is not taken for done', async () => {
    const entry = [{ response: { status: '201' }, resource: stored }, { response: { status: '400' } }];
    gateway.answer = toMembers(json(200, { resourceType: 'Bundle', type: 'transaction-response', entry }));
    const entries = [
      { kind: 'create', resource: patient },
      { kind: 'create', resource: patient },
    ] as const;
    expect(await connect().transaction(entries)).toMatchObject({ ok: false, code: 'unknown-outcome' });
  });

  test('bytes are read back before they count as stored, and what was not kept is taken away', async () => {
    const binary = { resourceType: 'Binary', id: ID, contentType: 'text/plain', meta };
    gateway.answer = toMembers((request, response) => {
      const isBytes = request.method === 'GET' && !request.headers.accept?.includes('fhir');
      (isBytes ? saying(200, 'other bytes') : json(request.method === 'POST' ? 201 : 200, binary))(request, response);
    });
    const store = connect();
    await store.read('Binary', ID);
    const put = await store.putBinary(Readable.from([Buffer.from('bytes')]), { contentType: 'text/plain' });
    expect(put).toMatchObject({ ok: false, code: 'unavailable' });
    expect(lines().at(-1)).toBe(`DELETE /fhir/R4/Binary/${ID}`);
  });
});

describe('what stands in URLs, and pages', () => {
  test('P1: a search is posted, and its later pages are asked for by id, so that writes in between move nothing', async () => {
    const ids = [ID, VERSION, '3c1c2d3e-1f00-4a53-9a0e-8f1a54a7c103'];
    gateway.answer = toMembers((request, response) => {
      const form = new URLSearchParams(request.body);
      const wanted = form.get('_id')?.split(',') ?? ids.slice(0, Number(form.get('_count')));
      const entry = wanted.map((id) => ({ resource: { ...stored, id }, search: { mode: 'match' } }));
      json(200, { resourceType: 'Bundle', entry })(request, response);
    });
    const store = connect();
    const query = 'identifier=https://fhir.nhs.uk/Id/nhs-number|9990000018&_count=2';
    const first = await store.search('Patient', query);
    if (!first.ok || first.value.next === undefined) throw new Error('there is no second page');
    const second = await store.search('Patient', query, first.value.next);
    const found = [first, second].flatMap((page) => (page.ok ? page.value.matches.map(({ id }) => id) : []));
    expect(found.toSorted()).toEqual(ids.toSorted());
    expect(new Set(lines())).toEqual(new Set(['POST /fhir/R4/Patient/_search']));
    expect(JSON.stringify([first.value.next, lines()])).not.toContain('9990000018');
    expect(await store.search('Patient', query, 'forged')).toMatchObject({ ok: false, code: 'invalid' });
  });
});

describe('pages with more to be included than Medplum includes', () => {
  const ids = [1, 2, 3, 4, 5, 6, 7, 8].map((at) => `3c1c2d3e-1f00-4a53-9a0e-8f1a54a7c10${at}`);
  const limit = { text: 'Search with _(rev)include reached query scope limit: depth=1, results=1801' };
  const crowd = (each: number): Answerer =>
    toMembers(({ body, ...request }, response) => {
      const form = new URLSearchParams(body);
      const wanted = form.get('_id')?.split(',') ?? ids.slice(0, Number(form.get('_count')));
      const others = form.has('_revinclude')
        ? wanted.flatMap((id) => Array.from({ length: each }, (_, at) => `${id}-${at}`))
        : [];
      const answer =
        wanted.length + others.length > 1_000
          ? json(400, { ...outcome, issue: [{ severity: 'error', code: 'invalid', details: limit }] })
          : json(200, {
              resourceType: 'Bundle',
              entry: [
                ...wanted.map((id) => ({ resource: { ...stored, id }, search: { mode: 'match' } })),
                ...others.map((id) => ({
                  resource: { ...stored, resourceType: 'Task', id },
                  search: { mode: 'include' },
                })),
              ],
            });
      answer({ body, ...request }, response);
    });

  test.each([6, 50])('a page of %i is put together from portions, and none is left out', async (count) => {
    gateway.answer = crowd(300);
    const store = connect();
    let next: string | undefined;
    const found: string[] = [];
    let included = 0;
    do {
      const page = await store.search('Patient', `_revinclude=Task:patient&_count=${count}`, next);
      if (!page.ok) throw new Error(JSON.stringify(page));
      found.push(...page.value.matches.map(({ id }) => id));
      included += page.value.includes.length;
      next = page.value.next;
    } while (next !== undefined);
    expect([found.toSorted(), included]).toEqual([ids, 2_400]);
  });

  test('where one match alone has too many, the search is refused with what to do', async () => {
    gateway.answer = crowd(1_200);
    const refused = await connect().search('Patient', '_revinclude=Task:patient');
    expect(JSON.stringify(refused)).toContain('leave the inclusion out');
  });
});

describe('what a limit of Medplum is called', () => {
  const refusing = (text: string) =>
    json(400, { ...outcome, issue: [{ severity: 'error', code: 'invalid', details: { text } }] });

  test('a search that leads further on than it reads is told what to do, and no transaction is spoken of', async () => {
    gateway.answer = toMembers(refusing('Search offset exceeds maximum (got 11000, max 10000)'));
    const read = JSON.stringify(await connect().search('Task', 'status=requested'));
    expect(read).toContain('leave _sort out');
    expect(read).toContain('maxSearchOffset');
    expect(read).not.toContain('transaction');
  });

  test('a transaction that is too large is called that', async () => {
    gateway.answer = toMembers(refusing('Transaction contains more entries than strict isolation allows'));
    const written = await connect().transaction([{ kind: 'create', resource: patient }]);
    expect(JSON.stringify(written)).toContain('more entries or bytes');
  });
});

describe('the probe', () => {
  const metadata = json(200, { resourceType: 'CapabilityStatement', fhirVersion: '4.0.1' });

  test('a secret that is wrong: it says so', async () => {
    gateway.answerToken = json(400, outcome);
    gateway.answer = toMembers(json(200, stored));
    expect(JSON.stringify(await connect().probe())).toContain('STORE_CLIENT_SECRET');
  });

  test('a Project without transaction-bundles is refused with what to add', async () => {
    gateway.answer = toMembers((request, response) => {
      const { method, path, headers } = request;
      if (path.endsWith('metadata'))
        return json(200, { resourceType: 'CapabilityStatement', fhirVersion: '4.0.1' })(request, response);
      if (method === 'GET' && !path.endsWith('/Basic')) return json(404, outcome)(request, response);
      if (headers['if-match'] !== undefined) return json(412, outcome)(request, response);
      if (/^\/fhir\/R4\/?$/.test(path) || path.endsWith('_search'))
        return json(200, { resourceType: 'Bundle', entry: [] })(request, response);
      return json(method === 'POST' ? 201 : 200, { ...stored, resourceType: 'Basic' })(request, response);
    });
    expect(JSON.stringify(await connect().probe())).toContain('transaction-bundles');
  });

  test('an access policy that forgets a type is refused with its name', async () => {
    gateway.answer = toMembers((request, response) => {
      const { path } = request;
      if (path.endsWith('metadata'))
        return json(200, { resourceType: 'CapabilityStatement', fhirVersion: '4.0.1' })(request, response);
      return json(path.includes('/Slot/') ? 403 : 404, outcome)(request, response);
    });
    expect(JSON.stringify(await connect().probe())).toContain('bars it from Slot');
  });

  test('an access policy that lets a type be read only is refused with its name', async () => {
    gateway.answer = toMembers((request, response) => {
      const { method, path } = request;
      if (path.endsWith('metadata')) return metadata(request, response);
      json(method === 'PUT' && /\/(Task|ServiceRequest)\//.test(path) ? 403 : 404, outcome)(request, response);
    });
    expect(JSON.stringify(await connect().probe())).toContain('bars it from ServiceRequest, Task');
  });

  test.each(['Basic', 'Binary'])('an access policy that does not let a %s be deleted is refused', async (barred) => {
    const bytes = new Map<string, string>();
    gateway.answer = toMembers((request, response) => {
      const { method, path, headers, body } = request;
      const [, , , type = '', id = ''] = path.split('/');
      if (type === 'metadata') return metadata(request, response);
      if (headers['if-match'] !== undefined || type === '') return json(412, outcome)(request, response);
      if (id === '_search') return json(200, { resourceType: 'Bundle', entry: [] })(request, response);
      if (method === 'DELETE') return json(type === barred ? 403 : 200, outcome)(request, response);
      if (method === 'POST' && type === 'Binary') bytes.set(ID, body);
      if (method === 'GET' && type === 'Binary' && !headers.accept?.includes('fhir'))
        return saying(200, bytes.get(id) ?? '')(request, response);
      if (method === 'POST' && body.includes('Patient/')) return json(400, outcome)(request, response);
      const isThere = method === 'POST' || bytes.has(id);
      const resource = { ...stored, resourceType: type, contentType: 'application/pdf' };
      return json(isThere ? 201 : 404, isThere ? resource : outcome)(request, response);
    });
    expect(JSON.stringify(await connect().probe())).toContain(`does not let it delete a ${barred}`);
  });
});
