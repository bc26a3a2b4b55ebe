import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bundle, CapabilityStatement, CapabilityStatementRestResource } from '@medplum/fhirtypes';
import { startFacade, type World } from './world.ts';

let world: World;
let statement: CapabilityStatement;
beforeAll(async () => {
  world = await startFacade();
  statement = (await (await fetch(`${world.fhir}/metadata`)).json()) as CapabilityStatement;
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const resources = (): CapabilityStatementRestResource[] => statement.rest?.[0]?.resource ?? [];
const statusOf = async (path: string, init?: RequestInit) => {
  const response = await fetch(`${world.fhir}${path}`, init);
  await response.arrayBuffer();
  return response.status;
};
const search = (path: string) => statusOf(path, { headers: { Accept: 'application/fhir+json' } });

/** Something that a parameter of each type can be asked for. */
const VALUE: Readonly<Record<string, string>> = {
  token: 'x',
  string: 'x',
  date: '2026-01-01',
  uri: 'https://example.org/x',
  reference: 'Patient/x',
};

/** One request for each interaction that R4 defines, on an id that is not there. */
const INTERACTIONS: Readonly<Record<string, (type: string) => [path: string, init?: RequestInit]>> = {
  read: (type) => [`/${type}/none`],
  vread: (type) => [`/${type}/none/_history/1`],
  'history-instance': (type) => [`/${type}/none/_history`],
  'history-type': (type) => [`/${type}/_history?_count=1`],
  'search-type': (type) => [`/${type}?_count=1`],
  update: (type) => [
    `/${type}/none`,
    {
      method: 'PUT',
      headers: { 'Content-Type': 'application/fhir+json', 'If-Match': 'W/"1"' },
      body: JSON.stringify({ resourceType: type, id: 'none', status: 'requested', intent: 'order' }),
    },
  ],
  patch: (type) => [
    `/${type}/none`,
    {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json-patch+json', 'If-Match': 'W/"1"' },
      body: '[{"op":"test","path":"/status","value":"requested"}]',
    },
  ],
  create: (type) => [`/${type}`, { method: 'POST', body: '{}' }],
  delete: (type) => [`/${type}/none`, { method: 'DELETE' }],
};

describe('the CapabilityStatement is true to the byte', () => {
  test('it says where it is, what it runs on, and is the resource that a read answers', async () => {
    expect(statement).toMatchObject({ kind: 'instance', fhirVersion: '4.0.1', implementation: { url: world.fhir } });
    const read = await (await fetch(`${world.fhir}/CapabilityStatement/ers-facade`)).json();
    expect(read).toEqual(statement);
  });

  test('every interaction that it names is carried out, and every other is 405', async () => {
    for (const { type = '', interaction } of resources()) {
      const named = new Set(interaction?.map(({ code }) => String(code)));
      for (const [code, ask] of Object.entries(INTERACTIONS)) {
        const status = await statusOf(...ask(type));
        const expected = { type, code, isRefused: !named.has(code) };
        expect({ type, code, isRefused: status === 405 }).toEqual(expected);
        expect(status).toBeLessThan(500);
      }
    }
  });

  test('every resource type that it does not name is unknown, the engine’s own among them', async () => {
    const named = new Set(resources().map(({ type }) => type));
    for (const type of [
      'Basic',
      'Slot',
      'Communication',
      'PractitionerRole',
      'Observation',
      'Subscription',
      'Bundle',
    ]) {
      expect(named.has(type as never)).toBe(false);
      expect([type, await statusOf(`/${type}`)]).toEqual([type, 404]);
      expect([type, await statusOf(`/${type}/x`)]).toEqual([type, 404]);
    }
  });

  test('every search parameter that it names is searched by, and has its definition', async () => {
    for (const { type, searchParam = [] } of resources()) {
      for (const { name, type: kind = '', definition } of searchParam) {
        const status = await search(`/${type}?${name}=${encodeURIComponent(VALUE[kind] ?? '')}`);
        expect({ type, name, status }).toEqual({ type, name, status: 200 });
        expect(definition).toMatch(/\/SearchParameter\//);
      }
    }
  });

  test('every base parameter that it does not name is refused', async () => {
    const never = [
      '_text',
      '_content',
      '_list',
      '_filter',
      '_query',
      '_contained',
      'encounter',
      'phonetic',
      'specimen',
    ];
    for (const { type, searchParam } of resources()) {
      if (!searchParam) continue;
      for (const name of never) expect([type, name, await search(`/${type}?${name}=x`)]).toEqual([type, name, 400]);
    }
  });

  test('every inclusion that it names is carried out, and no other', async () => {
    const all = resources();
    const everyInclude = all.flatMap(({ searchInclude = [] }) => searchInclude);
    for (const { type, searchParam, searchInclude = [], searchRevInclude = [] } of all) {
      if (!searchParam) continue;
      for (const value of searchInclude)
        expect([type, value, await search(`/${type}?_include=${value}`)]).toEqual([type, value, 200]);
      for (const value of searchRevInclude)
        expect([type, value, await search(`/${type}?_revinclude=${value}`)]).toEqual([type, value, 200]);
      for (const value of everyInclude) {
        if (!searchInclude.includes(value)) expect(await search(`/${type}?_include=${value}`)).toBe(400);
        if (!searchRevInclude.includes(value)) expect(await search(`/${type}?_revinclude=${value}`)).toBe(400);
      }
    }
  });

  test('every operation that it names is there, with a definition that can be read', async () => {
    const system = { type: undefined, operation: statement.rest?.[0]?.operation };
    expect(system.operation).not.toHaveLength(0);
    for (const { type, operation = [] } of [...resources(), system]) {
      for (const { name, definition = '' } of operation) {
        const body = JSON.stringify({ resourceType: 'Parameters' });
        const headers = { 'Content-Type': 'application/fhir+json' };
        const asked = type === undefined ? [`/$${name}`] : [`/${type}/$${name}`, `/${type}/none/$${name}`];
        const answers = await Promise.all(
          asked.map(async (path) => {
            const response = await fetch(`${world.fhir}${path}`, { method: 'POST', headers, body });
            return JSON.stringify(await response.json());
          }),
        );
        expect(answers.some((text) => !text.includes('no such operation'))).toBe(true);
        if (definition.startsWith('http://hl7.org/')) continue;
        const found = (await (
          await fetch(`${world.fhir}/OperationDefinition?url=${encodeURIComponent(definition)}`)
        ).json()) as Bundle;
        expect(found.total).toBe(1);
      }
    }
  });

  test('every profile of ours that it names can be read', async () => {
    for (const profile of resources().flatMap(({ supportedProfile = [] }) => supportedProfile)) {
      if (!profile.startsWith('https://ers-fhir.example/')) continue;
      const found = await fetch(`${world.fhir}/StructureDefinition?url=${encodeURIComponent(profile)}`);
      expect(((await found.json()) as Bundle).total).toBe(1);
    }
  });
});

test('over a store that can do less, the facade says less and does less', async () => {
  await using less = await startFacade({ capabilities: { typeHistory: false, customSearchParameters: false } });
  const text = await (await fetch(`${less.fhir}/metadata`)).text();
  expect(text).not.toMatch(/history-type|ers-state|ers-service"/);
  expect((await fetch(`${less.fhir}/Task/_history`)).status).toBe(405);
  expect((await fetch(`${less.fhir}/ServiceRequest?ers-state=BOOKED`)).status).toBe(400);
  expect((await fetch(`${less.fhir}/Task?_include=Task:ers-service`)).status).toBe(400);
});

describe('artefacts', () => {
  test('are found by url, name, status and id, and read with an ETag', async () => {
    const url = encodeURIComponent('https://ers-fhir.example/CodeSystem/ers-decision');
    for (const query of [`url=${url}`, 'name=ErsDecision&status=draft', '_id=ers-decision', `system=${url}`]) {
      const bundle = (await (await fetch(`${world.fhir}/CodeSystem?${query}`)).json()) as Bundle;
      expect([query, bundle.entry?.map(({ resource }) => resource?.id)]).toEqual([
        query,
        expect.arrayContaining(['ers-decision']),
      ]);
    }
    const read = await fetch(`${world.fhir}/CodeSystem/ers-decision`);
    const etag = read.headers.get('etag') ?? '';
    const again = await fetch(`${world.fhir}/CodeSystem/ers-decision`, { headers: { 'If-None-Match': etag } });
    expect([read.status, again.status]).toEqual([200, 304]);
  });

  test('have an ETag made of what they say, and no date, so that a release which changes one reaches whoever kept it', async () => {
    const answers = await Promise.all(
      ['CodeSystem/ers-decision', 'ValueSet/ers-decision', 'metadata'].map((path) => fetch(`${world.fhir}/${path}`)),
    );
    expect(new Set(answers.map(({ headers }) => headers.get('etag'))).size).toBe(3);
    expect(answers.map(({ headers }) => headers.get('last-modified'))).toEqual([null, null, null]);
    const since = { 'If-Modified-Since': new Date().toUTCString() };
    expect((await fetch(`${world.fhir}/metadata`, { headers: since })).status).toBe(200);
  });

  test('the statement of another instance is the same, byte by byte, but for its address', async () => {
    await using other = await startFacade();
    const [here, there] = await Promise.all(
      [world, other].map(async ({ fhir }) => (await fetch(`${fhir}/metadata`)).text()),
    );
    expect(there?.replaceAll(other.url, world.url).replace(/"versionId":"[^"]+"/, '')).toBe(
      here?.replace(/"versionId":"[^"]+"/, ''),
    );
  });

  test('are listed with the mirrors of A004 that the store holds, page by page', async () => {
    const seen: (string | undefined)[] = [];
    let url: string | undefined = `${world.fhir}/CodeSystem?_count=4`;
    while (url !== undefined) {
      const bundle = (await (await fetch(url)).json()) as Bundle;
      seen.push(...(bundle.entry ?? []).map(({ resource }) => resource?.id));
      url = bundle.link?.find(({ relation }) => relation === 'next')?.url;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(['ers-decision', 'ers-appointment-cancellation-reason']));
    const mirror = await fetch(`${world.fhir}/CodeSystem/ers-appointment-cancellation-reason`);
    expect(mirror.status).toBe(200);
  });
});
