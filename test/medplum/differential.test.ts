import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Basic, Bundle, CapabilityStatement, Resource, Task } from '@medplum/fhirtypes';
import { Registry } from 'prom-client';
import { isConformanceType, SERVED_TYPES, searchParameters } from '../../conformance/index.ts';
import { copyStore } from '../../server/copy/index.ts';
import { alertBoard, codeSystem, type Store, systemClock } from '../../server/core/index.ts';
import { createFacade } from '../../server/facade/index.ts';
import { READS, REFUSED, SEARCHES } from '../contract/questions.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { emptyProject, type MedplumProject } from './project.ts';

const SECRET = 'a secret of this test world';

let world: World;
let project: MedplumProject;
let store: Store;
let listener: Server;
/** Facades over the same resources: the embedded store's, Medplum's. */
let bases: readonly [string, string];
/** What a resource of the embedded store is called in Medplum, and back. */
const there = new Map<string, string>();
const here = new Map<string, string>();
const some: Record<string, string> = {};

beforeAll(async () => {
  [world, project] = await Promise.all([startWorld({ referrals: 12 }), emptyProject()]);
  await world.settled();
  await decideOne(world);
  store = await project.connect();
  const never = new AbortController().signal;
  const copied = await copyStore({
    source: world.product.store,
    target: store,
    signal: never,
    progress: () => undefined,
  });
  if (copied.kind !== 'equal') throw new Error(JSON.stringify(copied));
  await readNames();
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
  await world[Symbol.asyncDispose]();
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

async function readNames(): Promise<void> {
  const notes = await store.search(
    'Basic',
    `code=${encodeURIComponent(`${codeSystem('ers-record')}|ers-copy`)}&_count=500`,
  );
  if (!notes.ok) throw new Error(notes.code);
  for (const { extension = [] } of notes.value.matches as readonly Basic[])
    for (const { extension: [from, to] = [] } of extension) {
      const [type = '', id = ''] = (from?.valueString ?? '').split('/');
      const [, name = ''] = (to?.valueReference?.reference ?? '').split('/');
      there.set(id, name);
      here.set(name, id);
      some[type] ??= id;
    }
}

/** The two answers with what has to differ taken out: when and as which version something was written, ids, and the address. */
async function answers(path: string, init: RequestInit = {}): Promise<[unknown, unknown]> {
  const [one, other] = await Promise.all([
    answerOf(
      bases[0],
      filled(path, (id) => id),
      init,
    ),
    answerOf(
      bases[1],
      filled(path, (id) => there.get(id) ?? id),
      init,
    ),
  ]);
  return [one, other];
}

async function answerOf(base: string, path: string, init: RequestInit) {
  const answer = await fetch(`${base}/${path}`, init);
  const text = await answer.text();
  expect(text).not.toContain(new URL(project.url).host);
  const named = text.replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => here.get(id) ?? id);
  const body = JSON.parse(named.replaceAll(base, 'BASE')) as Resource;
  const isSorted = path.includes('_sort') && !path.includes('_sort=_id');
  return { status: answer.status, body: isBundle(body) ? withoutAccidents(body, isSorted) : withoutMeta(body) };
}

const isBundle = (body: Resource): body is Bundle => body.resourceType === 'Bundle';

const filled = (path: string, called: (id: string) => string) =>
  path.replace(/\{(\w+)\}/g, (_, type: string) => called(some[type] ?? 'none'));

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

/** Search parameters of ours: Medplum does not take them. */
const OWN = new RegExp(`[?&](${searchParameters.map(({ code }) => code).join('|')})\\b`);

/** Which resources are on it follows from their ids, or from when they were copied. */
const isPageById = (path: string) =>
  /_count=[1-9]/.test(path) && (!path.includes('_sort') || path.includes('_sort=_id'));

describe('the facade over Medplum answers as over the embedded store, for the same resources', () => {
  test('there is something to compare of every type that the store keeps', () => {
    const isKept = (type: string) => type === 'CodeSystem' || !isConformanceType(type);
    expect(SERVED_TYPES.filter((type) => isKept(type) && some[type] === undefined)).toEqual([]);
  });

  test.each(SEARCHES.filter((path) => !OWN.test(path) && !isPageById(path)))('search: %s', async (path) => {
    const [embedded, medplum] = await answers(path);
    expect((embedded as { status: number }).status).toBe(200);
    expect(medplum).toEqual(embedded);
  });

  test.each(SEARCHES.filter(isPageById))('a page as long, of as many: %s', async (path) => {
    const [embedded, medplum] = (await answers(path)) as { status: number; body: Bundle }[];
    const shapeOf = (one: typeof embedded) => [one?.status, one?.body.total, one?.body.entry?.length];
    expect(embedded?.status).toBe(200);
    expect(shapeOf(medplum)).toEqual(shapeOf(embedded));
  });

  test.each(SEARCHES.filter((path) => OWN.test(path)))(
    'what Medplum cannot search for is refused: %s',
    async (path) => {
      const [embedded, medplum] = await answers(path);
      expect([embedded, medplum]).toMatchObject([{ status: 200 }, { status: 400 }]);
    },
  );

  test.each(READS.filter((path) => path !== 'metadata'))('read: %s', async (path) => {
    const [embedded, medplum] = await answers(path);
    expect(medplum).toEqual(embedded);
  });

  test('its CapabilityStatement leaves out what Medplum cannot do, and nothing else', async () => {
    const [embedded, medplum] = (await answers('metadata')) as { body: CapabilityStatement }[];
    const namesOf = (one: { body: CapabilityStatement } | undefined) =>
      (one?.body.rest?.[0]?.resource ?? []).flatMap(({ type, searchParam = [], interaction = [] }) => [
        ...searchParam.map(({ name }) => `${type}?${name}`),
        ...interaction.map(({ code }) => `${type} ${code}`),
      ]);
    const left = namesOf(embedded).filter((name) => !namesOf(medplum).includes(name));
    expect(namesOf(medplum).filter((name) => !namesOf(embedded).includes(name))).toEqual([]);
    const own = searchParameters.flatMap(({ base, code }) => (base ?? []).map((type) => `${type}?${code}`));
    expect(left.filter((name) => !own.includes(name) && !name.endsWith(' history-type'))).toEqual([]);
    expect(left.length).toBeGreaterThan(own.length - 1);
  });

  test.each(REFUSED)('refusal: %s', async (path) => {
    const [embedded, medplum] = await answers(path);
    expect((embedded as { status: number }).status).toBeGreaterThanOrEqual(400);
    expect(medplum).toEqual(embedded);
  });

  test('a Task that has moved on is 412, whatever the store calls it', async () => {
    const [embedded, medplum] = await answers('Task/{Task}', {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json-patch+json', 'If-Match': 'W/"99"' },
      body: JSON.stringify([{ op: 'replace', path: '/status', value: 'accepted' }]),
    });
    expect(embedded).toMatchObject({ status: 412 });
    expect(medplum).toEqual(embedded);
  });

  test('a file has the same bytes', async () => {
    const [one, other] = await Promise.all(
      bases.map(async (base, at) => {
        const id = some['Binary'] ?? '';
        const answer = await fetch(`${base}/Binary/${at === 0 ? id : there.get(id)}`);
        const bytes = Buffer.from(await answer.arrayBuffer()).toString('base64');
        return [answer.status, answer.headers.get('content-type'), bytes];
      }),
    );
    expect(other).toEqual(one);
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
      seen.push(ids.map((id) => here.get(id) ?? id).toSorted());
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(new Set(seen[1]).size).toBe(seen[1]?.length);
  });
});
