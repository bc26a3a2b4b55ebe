import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bundle, Resource, Task } from '@medplum/fhirtypes';
import { Registry } from 'prom-client';
import { SERVED_TYPES, searchParameters } from '../../conformance/index.ts';
import { alertBoard, type ResourceType, type Store, type Stored, systemClock } from '../../server/core/index.ts';
import { createFacade } from '../../server/facade/index.ts';
import { connectHapiStore } from '../../server/store/index.ts';
import { READS, REFUSED, SEARCHES } from '../contract/questions.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { type HapiServer, startHapi } from './server.ts';

const SECRET = 'a secret of this test world';
const KEPT: readonly ResourceType[] = [
  'Organization',
  'HealthcareService',
  'Practitioner',
  'Device',
  'Patient',
  'ServiceRequest',
  'Appointment',
  'DocumentReference',
  'List',
  'Task',
  'Provenance',
  'AuditEvent',
  'CodeSystem',
  'Basic',
];

let world: World;
let server: HapiServer;
let store: Store;
let listener: Server;
/** Facades over the same resources: the embedded store's, HAPI's. */
let bases: readonly [string, string];
const some: Record<string, string> = {};

beforeAll(async () => {
  [world, server] = await Promise.all([startWorld({ referrals: 12 }), startHapi()]);
  await world.settled();
  await decideOne(world);
  store = await connectHapiStore({ baseUrl: server.url, clock: systemClock, random: Math.random, searchParameters });
  const probed = await store.probe();
  if (!probed.ok) throw new Error(JSON.stringify(probed));
  await copyAll(world.product.store, store);
  listener = createServer();
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  listener.on(
    'request',
    createFacade({
      store,
      engine: world.product.engine,
      alerts: alertBoard(() => new Date()),
      clock: systemClock,
      log: silent,
      publicUrl: url,
      registry: new Registry(),
      secret: SECRET,
      version: '0.0.0-test',
    }),
  );
  bases = [world.fhir, `${url}/fhir/R4`];
}, 300_000);
afterAll(async () => {
  listener.closeAllConnections();
  listener.close();
  await store.close();
  await Promise.all([world[Symbol.asyncDispose](), server.stop()]);
}, 60_000);

/** So that there are witnesses of a decision. */
async function decideOne({ get, patch, settled }: World): Promise<void> {
  const open = (await (await get('Task?status=requested&code=review-booking&_count=1')).json()) as Bundle<Task>;
  const task = open.entry?.[0]?.resource;
  if (task === undefined) throw new Error('nothing to decide');
  const answer = await patch(task, [{ op: 'replace', path: '/status', value: 'accepted' }]);
  if (!answer.ok) throw new Error(await answer.text());
  await settled();
}

/** Every resource under its own id, files included. */
async function copyAll(from: Store, to: Store): Promise<void> {
  const all: Stored[] = [];
  for (const type of KEPT) {
    let next: string | undefined;
    do {
      const page = await from.search(type, '_count=500', next);
      if (!page.ok) throw new Error(`${type}: ${page.code}`);
      all.push(...page.value.matches);
      next = page.value.next;
    } while (next !== undefined);
  }
  for (const resource of all) some[resource.resourceType] ??= resource.id;
  for (const id of new Set(JSON.stringify(all).match(/(?<=Binary\/)[\w-]+/g))) {
    const [opened, about] = [await from.openBinary(id), await from.read('Binary', id)];
    if (!opened.ok || !about.ok) throw new Error(`Binary: ${id}`);
    some['Binary'] ??= id;
    const context = about.value.securityContext?.reference;
    const put = await to.putBinary(opened.value.stream, {
      id,
      contentType: opened.value.contentType,
      ...(context === undefined ? {} : { securityContext: context }),
    });
    if (!put.ok) throw new Error(`Binary: ${put.code}`);
  }
  const written = await to.transaction(all.map((resource) => ({ kind: 'put', resource })));
  if (!written.ok) throw new Error(JSON.stringify(written));
}

/** The two answers with what has to differ taken out: when and as which version something was written, and the address. */
async function answers(path: string, init: RequestInit = {}): Promise<[unknown, unknown]> {
  const [one, other] = await Promise.all(bases.map((base) => answerOf(base, path, init)));
  return [one, other];
}

async function answerOf(base: string, path: string, init: RequestInit) {
  const answer = await fetch(`${base}/${filled(path)}`, init);
  const text = await answer.text();
  expect(text).not.toContain(server.url);
  const body = JSON.parse(text.replaceAll(base, 'BASE')) as Resource;
  const isSorted = path.includes('_sort');
  return { status: answer.status, body: isBundle(body) ? withoutAccidents(body, isSorted) : withoutMeta(body) };
}

const isBundle = (body: Resource): body is Bundle => body.resourceType === 'Bundle';

const filled = (path: string) => path.replace(/\{(\w+)\}/g, (_, type: string) => some[type] ?? 'none');

function withoutAccidents({ link, entry = [], ...bundle }: Bundle, isSorted: boolean) {
  const entries = entry.map(({ resource, ...rest }) => ({ ...rest, resource: withoutMeta(resource) }));
  return {
    ...bundle,
    // Tokens are encrypted anew each time.
    link: link?.map(({ relation, url }) => [relation, url?.replace(/_page=[\w-]+/, '_page=TOKEN')]),
    entry: isSorted ? entries : entries.toSorted((a, b) => ((a.fullUrl ?? '') < (b.fullUrl ?? '') ? -1 : 1)),
  };
}

function withoutMeta(resource: Resource | undefined): unknown {
  if (resource === undefined) return undefined;
  const { meta, ...rest } = resource;
  const { versionId: _, lastUpdated: __, ...others } = meta ?? {};
  return { ...rest, meta: { ...others, tag: others.tag?.map(({ system, code }) => ({ system, code })) } };
}

/** What is on it follows from an order that nobody asked for: all was written at one time, and PostgreSQL has its own among equals. */
const isAnyPage = (path: string) => /_count=[1-9]/.test(path) && !path.includes('_sort');

describe('the facade over HAPI answers as over the embedded store, for the same resources', () => {
  test('there is something to compare of every type', () => {
    expect(KEPT.filter((type) => SERVED_TYPES.some((served) => served === type) && some[type] === undefined)).toEqual(
      [],
    );
  });

  test.each(SEARCHES.filter((path) => !isAnyPage(path)))('search: %s', async (path) => {
    const [embedded, hapi] = await answers(path);
    expect((embedded as { status: number }).status).toBe(200);
    expect(hapi).toEqual(embedded);
  });

  test.each(SEARCHES.filter(isAnyPage))(
    'a page as long, of as many, and nothing on it that is otherwise: %s',
    async (path) => {
      const [embedded, hapi] = (await answers(path)) as { status: number; body: Bundle }[];
      const shapeOf = (one: typeof embedded) => [one?.status, one?.body.total, one?.body.entry?.length, one?.body.link];
      expect(embedded?.status).toBe(200);
      expect(shapeOf(hapi)).toEqual(shapeOf(embedded));
      const shown = (hapi?.body.entry ?? []).map(({ resource }) => resource);
      const held = shown.map((one) => answerOf(bases[0], `${one?.resourceType}/${one?.id}`, {}));
      expect(shown).toEqual((await Promise.all(held)).map(({ body }) => body));
    },
  );

  test.each(READS)('read: %s', async (path) => {
    const [embedded, hapi] = await answers(path);
    expect(hapi).toEqual(embedded);
  });

  test.each(REFUSED)('refusal: %s', async (path) => {
    const [embedded, hapi] = await answers(path);
    expect((embedded as { status: number }).status).toBeGreaterThanOrEqual(400);
    expect(hapi).toEqual(embedded);
  });

  test('a Task that has moved on is 412, whatever the store calls it', async () => {
    const [embedded, hapi] = await answers('Task/{Task}', {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json-patch+json', 'If-Match': 'W/"99"' },
      body: JSON.stringify([{ op: 'replace', path: '/status', value: 'accepted' }]),
    });
    expect(embedded).toMatchObject({ status: 412 });
    expect(hapi).toEqual(embedded);
  });

  test('pages lead to the end by links of the facade, and neither skip nor repeat', async () => {
    const seen: string[][] = [];
    for (const base of bases) {
      const ids: string[] = [];
      let url: string | undefined = `${base}/Task?_count=5&_sort=-authored-on`;
      while (url !== undefined) {
        expect(url.startsWith(base)).toBe(true);
        const bundle = (await (await fetch(url)).json()) as Bundle;
        ids.push(...(bundle.entry ?? []).map(({ resource }) => resource?.id ?? ''));
        url = bundle.link?.find(({ relation }) => relation === 'next')?.url;
      }
      seen.push(ids.toSorted());
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(new Set(seen[1]).size).toBe(seen[1]?.length);
  });
});
