import { get as httpGet } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bundle, OperationOutcome } from '@medplum/fhirtypes';
import request from 'supertest';
import { SYSTEM } from '../../mappings/index.ts';
import { NHS_NUMBER, PDF, startFacade, UBRN, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startFacade();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  request(world.url).get(`/fhir/R4${path}`).buffer(true).set(headers);
const issueOf = (body: OperationOutcome) => body.issue?.[0];
const codeOf = (body: OperationOutcome) => issueOf(body)?.details?.coding?.[0]?.code;

describe('a read', () => {
  test('answers the resource with its ETag, Last-Modified and media type', async () => {
    const answer = await get('/ServiceRequest/referral-1');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/fhir+json; charset=utf-8');
    expect(answer.headers['etag']).toBe(`W/"${answer.body.meta.versionId}"`);
    expect(Date.parse(answer.headers['last-modified'] ?? '')).not.toBeNaN();
    expect(answer.body.id).toBe('referral-1');
  });

  test('costs a client nothing that has the version: 304 by ETag, or by time', async () => {
    const first = await get('/ServiceRequest/referral-1');
    const etag = first.headers['etag'] ?? '';
    const modified = first.headers['last-modified'] ?? '';
    const again = await get('/ServiceRequest/referral-1', { 'If-None-Match': `"zzz", ${etag}` });
    expect([again.status, again.text, again.headers['etag']]).toEqual([304, '', etag]);
    expect((await get('/ServiceRequest/referral-1', { 'If-Modified-Since': modified })).status).toBe(304);
    const earlier = new Date(Date.parse(modified) - 1000).toUTCString();
    expect((await get('/ServiceRequest/referral-1', { 'If-Modified-Since': earlier })).status).toBe(200);
    const other = { 'If-None-Match': 'W/"zzz"', 'If-Modified-Since': modified };
    expect((await get('/ServiceRequest/referral-1', other)).status).toBe(200);
  });

  test('of a version answers that version, and 404 for one that never was', async () => {
    const { meta } = (await get('/Task/task-1')).body;
    expect((await get(`/Task/task-1/_history/${meta.versionId}`)).body.status).toBe('requested');
    expect((await get('/Task/task-1/_history/no-such-version')).status).toBe(404);
  });

  test('of the history answers a Bundle of versions with what was done', async () => {
    const answer = await get('/ServiceRequest/referral-1/_history');
    const [entry] = (answer.body as Bundle).entry ?? [];
    expect(answer.body.type).toBe('history');
    expect(entry?.request?.url).toMatch(/^ServiceRequest/);
    expect(entry?.response?.etag).toMatch(/^W\/"/);
    expect((await get('/ServiceRequest/referral-1/_history?_at=2026')).status).toBe(400);
  });

  test('of a deleted resource is 410, so that a client knows that it was there', async () => {
    await world.put({ resourceType: 'Organization', id: 'gone-1', name: 'Closed' });
    await world.store.remove('Organization', 'gone-1');
    expect((await get('/Organization/gone-1')).status).toBe(410);
  });

  test.each(['/Task/task-1?bogus=true', '/Task/task-1?_elements=status', '/Binary/binary-1?_summary=true'])(
    'of %s is refused, since a parameter that is passed over would seem obeyed',
    async (path) => {
      const refused = await get(path);
      expect([refused.status, codeOf(refused.body)]).toEqual([400, 'parameter-unknown']);
      expect((await get(path, { Prefer: 'handling=lenient' })).status).toBe(200);
    },
  );

  test('by HEAD answers the headers of GET without the body', async () => {
    const answer = await request(world.url).head('/fhir/R4/Task/task-1');
    expect([answer.status, answer.headers['etag']]).toEqual([200, expect.stringMatching(/^W\/"/)]);
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(100);
  });
});

describe('the format', () => {
  test.each([
    ['application/fhir+json', 200],
    ['application/json', 200],
    ['text/html, */*;q=0.8', 200],
    ['application/fhir+json; fhirVersion=4.0', 200],
    ['application/fhir+json; fhirVersion="4.0"', 200],
    ['', 200],
    ['application/fhir+json; fhirVersion=3.0', 406],
    ['application/fhir+json; fhirVersion="3.0"', 406],
    ['application/fhir+xml', 406],
    ['application/json;q=0', 406],
  ])('asked for as Accept %s is answered with %i, since JSON is all there is', async (accept, status) => {
    expect((await get('/Task/task-1', { Accept: accept })).status).toBe(status);
  });

  test('in _format wins over Accept, and a plus sign in it survives the URL', async () => {
    const xml = { Accept: 'application/fhir+xml' };
    expect((await get('/Task/task-1?_format=application/fhir+json', xml)).status).toBe(200);
    expect((await get('/Task/task-1?_format=json', xml)).status).toBe(200);
    const refused = await get('/Task/task-1?_format=xml');
    expect([refused.status, codeOf(refused.body)]).toEqual([406, 'not-acceptable']);
  });

  test('is indented for people with _pretty=true', async () => {
    expect((await get('/Task/task-1?_pretty=true')).text).toContain('\n  "resourceType"');
    expect((await get('/Task/task-1')).text).not.toContain('\n');
  });
});

describe('a Binary', () => {
  test('is its bytes by default, to be saved and not shown, with its length', async () => {
    const answer = await get('/Binary/binary-1', { Accept: '*/*' });
    expect(answer.headers['content-type']).toBe('application/pdf');
    expect(answer.headers['content-disposition']).toBe('attachment');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(Number(answer.headers['content-length'])).toBe(PDF.length);
    expect(Buffer.compare(answer.body, PDF)).toBe(0);
  });

  test('is a FHIR resource when FHIR JSON is asked for', async () => {
    const answer = await get('/Binary/binary-1', { Accept: 'application/fhir+json' });
    expect(answer.body.resourceType).toBe('Binary');
    expect(answer.body.contentType).toBe('application/pdf');
    expect(Buffer.compare(Buffer.from(answer.body.data, 'base64'), PDF)).toBe(0);
  });

  test.each([
    ['application/fhir+json;q=0.5, application/pdf', 'application/pdf'],
    ['application/pdf;q=0.1, application/fhir+json;q=0.9', 'application/fhir+json; charset=utf-8'],
  ])('asked for as Accept %s is what weighs most, %s, and says that it depends on Accept', async (accept, type) => {
    const { headers } = await get('/Binary/binary-1', { Accept: accept });
    expect([headers['content-type'], headers['vary']]).toEqual([type, 'Accept']);
  });

  test('that a client has already is not sent again', async () => {
    const { headers } = await request(world.url).head('/fhir/R4/Binary/binary-1');
    expect((await get('/Binary/binary-1', { 'If-None-Match': headers['etag'] ?? '' })).status).toBe(304);
  });

  test('without a patient is raw material of the engine and is not shown (P1)', async () => {
    expect((await get('/Binary/raw-1')).status).toBe(404);
  });
});

describe('a search', () => {
  test('takes a reference written in full, as bundles write it, for the same as one below the base', async () => {
    const bundle = (await get('/Task')).body as Bundle;
    const focus = bundle.entry?.flatMap(({ resource }) =>
      resource?.resourceType === 'Task' ? (resource.focus?.reference ?? []) : [],
    )[0];
    const [short, full, elsewhere] = await Promise.all(
      ['', `${world.url}/fhir/R4/`, 'http://elsewhere.example/fhir/R4/'].map((base) =>
        get(`/Task?focus=${base}${focus}&_total=accurate`),
      ),
    );
    expect([short?.body.total, full?.body.total, elsewhere?.body.total]).toEqual([1, 1, 0]);
  });

  test('S-1: answers the worklist with its referrals and patients in one Bundle', async () => {
    const answer = await get('/Task?status=requested&_include=Task:focus&_include=Task:patient&_total=accurate');
    const bundle = answer.body as Bundle;
    expect([answer.status, bundle.type, bundle.total]).toEqual([200, 'searchset', 1]);
    expect(bundle.entry?.map(({ fullUrl, search }) => [fullUrl, search?.mode])).toEqual([
      [`${world.fhir}/Task/task-1`, 'match'],
      [expect.stringMatching(/\/(ServiceRequest\/referral-1|Patient\/patient-1)$/), 'include'],
      [expect.stringMatching(/\/(ServiceRequest\/referral-1|Patient\/patient-1)$/), 'include'],
    ]);
    expect(bundle.link?.find(({ relation }) => relation === 'self')?.url).toContain(
      `${world.fhir}/Task?status=requested`,
    );
  });

  test('S-10: by NHS number in a body finds the referrals, and no link names the number (P1)', async () => {
    const answer = await request(world.url)
      .post('/fhir/R4/ServiceRequest/_search')
      .type('form')
      .send({ 'patient.identifier': `${SYSTEM.nhsNumber}|${NHS_NUMBER}` });
    expect((answer.body as Bundle).entry?.map(({ resource }) => resource?.id)).toEqual(['referral-1']);
    expect(JSON.stringify((answer.body as Bundle).link)).not.toContain(NHS_NUMBER);
  });

  test.each([
    ['S-1 by e-RS service', `/Task?ers-service=HealthcareService/service-1`],
    ['S-1 chained', `/Task?focus:ServiceRequest.performer=HealthcareService/service-1`],
    ['S-6', '/Task?business-status=awaiting-review'],
    ['S-9', `/ServiceRequest?identifier=${encodeURIComponent(`${SYSTEM.ubrn}|${UBRN}`)}&_revinclude=Task:focus`],
    ['S-11', '/ServiceRequest?ers-state=BOOKED'],
    ['S-11 base form', '/ServiceRequest?_has:Task:focus:business-status=awaiting-review'],
    ['S-14', '/ServiceRequest?supporting-info=DocumentReference/document-1'],
    ['S-15', '/DocumentReference?related=ServiceRequest/referral-1'],
    ['S-20', '/Task?_lastUpdated=ge2020-01-01&_sort=_lastUpdated'],
    ['S-21', '/ServiceRequest?ers-pathway-start=lt2026-01-03'],
    ['due reviews', '/Task?due=le2026-02-02'],
    ['e-RS priority', '/ServiceRequest?ers-priority=ROUTINE'],
  ])('%s finds what it should', async (_name, path) => {
    const answer = await get(path);
    expect([answer.status, (answer.body as Bundle).entry?.[0]?.search?.mode]).toEqual([200, 'match']);
  });

  test('is paged by opaque links that neither skip nor repeat, nor hold the query (P1)', async () => {
    for (const n of [1, 2, 3, 4, 5]) await world.put({ resourceType: 'Organization', id: `paged-${n}`, name: 'Paged' });
    const seen: string[] = [];
    let path: string | undefined = '/fhir/R4/Organization?name=Paged&_count=2&_sort=_id';
    let pages = 0;
    while (path !== undefined) {
      const bundle = (await request(world.url).get(path)).body as Bundle;
      pages += 1;
      seen.push(...(bundle.entry ?? []).map(({ resource }) => resource?.id ?? ''));
      const next = bundle.link?.find(({ relation }) => relation === 'next')?.url;
      expect(next ?? '').not.toContain('Paged');
      path = next?.slice(world.url.length);
    }
    expect([pages, seen]).toEqual([3, ['paged-1', 'paged-2', 'paged-3', 'paged-4', 'paged-5']]);
  });

  test('refuses a paging link that it did not make, or that is of another type', async () => {
    expect(codeOf((await get('/Organization?_page=Zm9yZ2VkZm9yZ2VkZm9yZ2VkZm9yZ2VkZm9yZ2Vk')).body)).toBe(
      'parameter-invalid',
    );
    const bundle = (await get('/Organization?_count=1')).body as Bundle;
    const token = bundle.link?.find(({ relation }) => relation === 'next')?.url.split('_page=')[1];
    expect((await get(`/Task?_page=${token}`)).status).toBe(400);
    expect((await get(`/Organization?_page=${token}&name=x`)).status).toBe(400);
  });

  test('by an unknown parameter is refused, or ignored and said so when the client asks for lenience', async () => {
    const refused = await get('/Task?colour=red');
    expect([refused.status, codeOf(refused.body)]).toEqual([400, 'parameter-unknown']);
    const lenient = await get('/Task?colour=red&status=requested', { Prefer: 'handling=lenient' });
    const outcomes = (lenient.body as Bundle).entry?.filter(({ search }) => search?.mode === 'outcome');
    expect(lenient.status).toBe(200);
    expect(JSON.stringify(outcomes)).toContain('Ignored: colour');
  });

  test.each([
    '/Task?status=',
    '/Task?_count=many',
    '/Task?_sort=colour',
    '/Task?_summary=perhaps',
    '/Task?authored-on=yesterday',
    '/Task?_include=Task:*',
    '/Task?_revinclude=Patient:name',
  ])('with a value that cannot be is refused: %s', async (path) => {
    const answer = await get(path);
    expect([answer.status, codeOf(answer.body)]).toEqual([400, 'parameter-invalid']);
  });

  test.each([
    '/Basic',
    '/Basic/any',
    '/Basic/_history',
    '/Task?_has:Basic:subject:code=ers-dispatch',
    '/Task?_revinclude=Basic:subject',
    '/Provenance?target:Basic.code=ers-dispatch',
    '/Provenance?target:Basic=1',
    '/Provenance?target.identifier=x',
    '/Task?_include=Task:focus:Basic',
    '/ServiceRequest?_include:iterate=Basic:subject',
  ])('never reaches the records of the engine: %s', async (path) => {
    const answer = await get(path);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  test('posted as anything but a form is 415', async () => {
    const answer = await request(world.url).post('/fhir/R4/Task/_search').type('json').send('{}');
    expect([answer.status, codeOf(answer.body)]).toEqual([415, 'media-type-unsupported']);
  });

  test('takes _elements, _summary and _total as R4 has them', async () => {
    const elements = (await get('/Task?_elements=status')).body as Bundle;
    expect(elements.entry?.[0]?.resource).not.toHaveProperty('input');
    const count = (await get('/Task?_summary=count')).body as Bundle;
    expect([count.total, count.entry]).toEqual([1, undefined]);
  });
});

describe('where patient identifiers are refused in URLs', () => {
  test('a GET by NHS number is 400 and a POST is not', async () => {
    await using strict = await startFacade({ refuseIdentifiersInUrls: true });
    const query = { identifier: `${SYSTEM.nhsNumber}|${NHS_NUMBER}` };
    const refused = await request(strict.url).get('/fhir/R4/Patient').query(query);
    expect([refused.status, codeOf(refused.body)]).toEqual([400, 'identifier-in-url']);
    const taken = await request(strict.url).post('/fhir/R4/Patient/_search').type('form').send(query);
    expect((taken.body as Bundle).entry).toHaveLength(1);
    const service = { identifier: `${SYSTEM.service}|1` };
    expect((await request(strict.url).get('/fhir/R4/HealthcareService').query(service)).status).toBe(200);
  });
});

describe('what cannot be done', () => {
  test.each([
    ['GET', '/Nope', 404, 'resource-unknown'],
    ['GET', '/Task/no-such-task', 404, 'resource-not-found'],
    ['GET', '/Task/bad_id', 404, 'resource-not-found'],
    ['POST', '/Task', 405, 'method-not-allowed'],
    ['PUT', '/ServiceRequest/referral-1', 405, 'method-not-allowed'],
    ['DELETE', '/Task/task-1', 405, 'method-not-allowed'],
    ['POST', '', 405, 'method-not-allowed'],
    ['POST', '/Task/task-1/$nope', 404, 'resource-not-found'],
    ['GET', '/Task/task-1/$ers-send-decision', 405, 'method-not-allowed'],
    ['GET', '/CodeSystem/ers-decision/_history', 405, 'method-not-allowed'],
    ['GET', '/Binary', 405, 'method-not-allowed'],
  ])('%s %s is answered with %i and names the remedy', async (method, path, status, code) => {
    const response = await fetch(`${world.fhir}${path}`, { method });
    const body = (await response.json()) as OperationOutcome;
    expect([response.status, codeOf(body)]).toEqual([status, code]);
    expect(issueOf(body)?.details?.text?.length).toBeGreaterThan(20);
    expect(response.headers.has('allow')).toBe(status === 405);
  });

  test('says with 405 what can be done instead', async () => {
    const answer = await request(world.url).delete('/fhir/R4/Task/task-1');
    expect(answer.headers['allow']).toBe('GET, PUT, PATCH, HEAD');
  });

  test.each(['//Task/task-1', '/Task/%E0%A4%A', '/Task/..%2f..%2fmetrics', '/Task/task-1/%24nope', '/[::1'])(
    'is no defect of this server, whatever the path: %s',
    async (path) => {
      const { port } = new URL(world.url);
      const status = await new Promise<number | undefined>((resolve) => {
        httpGet({ port, host: '127.0.0.1', path: `/fhir/R4${path}` }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
      });
      expect(status).toBeLessThan(500);
    },
  );

  test('with a body that is not what its headers say is 400 or 415, and not a defect', async () => {
    const post = (headers: Record<string, string>, body: string) =>
      fetch(`${world.fhir}/ServiceRequest/$ers-fetch`, { method: 'POST', headers, body });
    const json = 'application/fhir+json';
    expect((await post({ 'Content-Type': json }, '{"resourceType":')).status).toBe(400);
    expect((await post({ 'Content-Type': json }, '{"resourceType":"Patient"}')).status).toBe(400);
    expect((await post({ 'Content-Type': json }, 'null')).status).toBe(400);
    expect((await post({ 'Content-Type': 'application/xml' }, '<a/>')).status).toBe(415);
    expect((await post({ 'Content-Type': `${json}; charset=klingon` }, '{}')).status).toBe(415);
    expect((await post({ 'Content-Type': json, 'Content-Encoding': 'gzip' }, 'not gzip')).status).toBe(400);
  });

  test('outside the FHIR base is 404 with a way to it', async () => {
    expect((await request(world.url).get('/anything')).body.issue[0].details.text).toContain('/fhir/R4');
  });
});

describe('every answer', () => {
  test('has a request id, a correlation id if one came, and headers that keep browsers from guessing', async () => {
    const id = '4d0f2f53-7a42-4f43-9a73-0d4c5b4f0c55';
    const answer = await get('/Task/task-1', { 'X-Correlation-ID': id });
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers['x-correlation-id']).toBe(id);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['x-powered-by']).toBeUndefined();
    const told = await get('/Task/task-1', { 'X-Correlation-ID': NHS_NUMBER });
    expect(told.headers['x-correlation-id']).toBeUndefined();
  });

  test('tells browsers to come by https only, where this server is reached by that', async () => {
    await using world = await startFacade({ publicUrl: 'https://fhir.trust.example' });
    const answer = await fetch(`${world.fhir}/metadata`);
    expect(answer.headers.get('strict-transport-security')).toBe('max-age=31536000');
    expect((await get('/metadata')).headers['strict-transport-security']).toBeUndefined();
  });

  test('is logged by route pattern: no id, no identifier, no query (P1)', async () => {
    await get(`/Patient?identifier=${NHS_NUMBER}`);
    await get('/Patient/patient-1');
    const lines = world.log.filter(({ event }) => event === 'facade.request.answered');
    expect(lines.map(({ route }) => route)).toContain('/fhir/R4/Patient/:id');
    expect(JSON.stringify(world.log)).not.toContain(NHS_NUMBER);
    expect(JSON.stringify(world.log)).not.toContain('patient-1');
  });
});
