import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import type { Bundle, DocumentReference, Reference, Resource, ServiceRequest, Task } from '@medplum/fhirtypes';
import { Registry } from 'prom-client';
import { SYSTEM } from '../../mappings/index.ts';
import { copyStore } from '../../server/copy/index.ts';
import { alertBoard, type Store, systemClock } from '../../server/core/index.ts';
import { createFacade } from '../../server/facade/index.ts';
import type { World } from '../journeys/world.ts';
import { READS, REFUSED } from './questions.ts';

/** What the other store calls what the embedded one calls otherwise. */
export interface Names {
  /** Of an id of the embedded store. */
  there(id: string): string;
  /** Back. */
  here(id: string): string;
}

export interface FacadesOf {
  /** Runs the facade over the embedded store. */
  readonly world: World;
  /** Holds the same resources. */
  readonly store: Store;
  readonly names: Names;
  /** An id of the embedded store for each type, which `{Type}` in a question stands for. */
  readonly some: Readonly<Record<string, string>>;
  /** Must not stand in any answer: where the other store is. */
  readonly hidden: string;
  /** Whether the order of the answers to a question is to be the same. */
  isSorted(path: string): boolean;
}

/** An answer, with what has to differ taken out: when and as which version something was written, its ids, and addresses. */
export interface Answer<Body = unknown> {
  readonly status: number;
  readonly headers: AnsweredHeaders;
  readonly body: Body;
}

/** Those that a client goes by; what version an ETag names is left out, how it is written is not. */
interface AnsweredHeaders {
  readonly contentType: string | null;
  readonly etag: string | undefined;
  readonly isDated: boolean;
  readonly location: string | undefined;
  readonly contentLocation: string | undefined;
}

/** A facade over the embedded store, and one over another that holds the same. */
export interface TwoFacades extends AsyncDisposable {
  readonly bases: readonly [embedded: string, other: string];
  readonly names: Names;
  /** Where each facade answers a question. */
  addressesOf(path: string): readonly [embedded: string, other: string];
  answers<Body = unknown>(path: string, init?: RequestInit): Promise<readonly [Answer<Body>, Answer<Body>]>;
  /** Of the facade over the embedded store. */
  here<Body = unknown>(path: string): Promise<Answer<Body>>;
}

/**
 * Lets happen what the questions ask for: one review decided, one claimed by a clinician, one whose referral changed after it
 * was opened, and what other programs of a hospital keep beside all that. Answers the ids that the questions are about.
 * None is queued: a store with a decision on its way is not copied.
 */
export async function liveALittle(world: World): Promise<Readonly<Record<string, string>>> {
  const { get, patch, settled, product } = world;
  const found = (await (await get('Task?status=requested&code=review-booking&_count=3')).json()) as Bundle<Task>;
  const [decided, claimed, changed] = (found.entry ?? []).flatMap(({ resource }) => resource ?? []);
  if (decided === undefined || claimed === undefined || changed === undefined) throw new Error('too little to decide');
  const doing = async (task: Task, operations: readonly unknown[]) => {
    const answer = await patch(task, operations);
    if (!answer.ok) throw new Error(await answer.text());
  };
  const made = async (resource: Resource) => {
    const created = await product.store.create(resource);
    if (!created.ok) throw new Error(`${resource.resourceType}: ${created.code}`);
    return created.value.resource.id;
  };
  const clinician = await made({ resourceType: 'Practitioner', name: [{ family: 'Zqcanary' }] });
  const stranger = await made({ resourceType: 'Patient', name: [{ family: 'Zqcanary' }], birthDate: '1950-05-05' });
  await made({ resourceType: 'Task', status: 'draft', intent: 'plan', for: { reference: `Patient/${stranger}` } });
  await doing(decided, [{ op: 'replace', path: '/status', value: 'accepted' }]);
  await doing(claimed, [
    { op: 'replace', path: '/status', value: 'received' },
    { op: 'replace', path: '/owner', value: { reference: `Practitioner/${clinician}`, type: 'Practitioner' } },
  ]);
  const referral = (await (await get(changed.focus?.reference ?? '')).json()) as ServiceRequest;
  const ubrn = referral.identifier?.find(({ system }) => system === SYSTEM.ubrn)?.value;
  await world.control('POST', `referrals/${ubrn}/events`, { type: 'priority-changed', priority: 'URGENT' });
  await settled();
  const idIn = (reference: Reference | undefined) => reference?.reference?.split('/')[1] ?? 'none';
  const files = (await (
    await get(`DocumentReference?related=${decided.focus?.reference}&contenttype=application/pdf`)
  ).json()) as Bundle<DocumentReference>;
  const letter = files.entry?.[0]?.resource;
  const history = await product.store.history('Binary', undefined, { count: 500 });
  const written = history.ok ? history.value.entries : [];
  const gone = new Set(written.flatMap(({ method, id }) => (method === 'DELETE' ? [id] : [])));
  const raw = written.find(
    ({ id, resource }) =>
      !gone.has(id) && resource?.resourceType === 'Binary' && resource.securityContext === undefined,
  );
  if (letter === undefined || raw === undefined) throw new Error('too few files');
  return {
    DocumentReference: letter.id ?? 'none',
    Binary: letter.content?.[0]?.attachment.url?.split('/').at(-1) ?? 'none',
    RawBinary: raw.id,
    Task: decided.id ?? 'none',
    Patient: idIn(decided.for),
    ServiceRequest: idIn(decided.focus),
    Practitioner: clinician,
    OpenTask: changed.id ?? 'none',
  };
}

/** Brings all that the world's store holds into another one, by the product's own copy. */
export async function copyAll({ product }: World, target: Store): Promise<void> {
  const { signal } = new AbortController();
  const copied = await copyStore({ source: product.store, target, signal, progress: () => undefined });
  if (copied.kind !== 'equal') throw new Error(JSON.stringify(copied));
}

export async function startTwoFacades(of: FacadesOf): Promise<TwoFacades> {
  const { world, store, names, some } = of;
  const listener = createServer();
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
      secret: 'a secret of this test world',
      version: '0.0.0-test',
    }),
  );
  const bases = [world.fhir, `${url}/fhir/R4`] as const;

  const namedHere = (text: string, base: string) =>
    text.replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => names.here(id)).replaceAll(base, 'BASE');
  const answerOf = async <Body>(base: string, path: string, init: RequestInit): Promise<Answer<Body>> => {
    const answer = await fetch(`${base}/${path}`, init);
    const text = await answer.text();
    expect(text).not.toContain(of.hidden);
    expect(JSON.stringify([...answer.headers])).not.toContain(of.hidden);
    const placeIn = (header: string) => {
      const place = answer.headers.get(header);
      return place === null ? undefined : namedHere(place, base);
    };
    const body = JSON.parse(namedHere(text, base)) as Resource;
    const same = isBundle(body) ? withoutAccidents(body, of.isSorted(path)) : withoutMeta(body);
    return {
      status: answer.status,
      headers: {
        contentType: answer.headers.get('content-type'),
        etag: answer.headers.get('etag')?.replace(/^W\/"[A-Za-z0-9.-]{1,64}"$/, 'W/"VERSION"'),
        isDated: answer.headers.has('last-modified'),
        location: placeIn('location'),
        contentLocation: placeIn('content-location'),
      },
      body: same as Body,
    };
  };
  const filled = (path: string, called: (id: string) => string) =>
    path.replace(/\{(\w+)\}/g, (_, type: string) => called(some[type] ?? 'none'));
  const asked = (path: string) => [filled(path, (id) => id), filled(path, (id) => names.there(id))] as const;
  return {
    bases,
    names,
    addressesOf(path) {
      const [here, there] = asked(path);
      return [`${bases[0]}/${here}`, `${bases[1]}/${there}`];
    },
    async answers<Body>(path: string, init: RequestInit = {}) {
      const [here, there] = asked(path);
      return Promise.all([answerOf<Body>(bases[0], here, init), answerOf<Body>(bases[1], there, init)]);
    },
    here: <Body>(path: string) => answerOf<Body>(bases[0], asked(path)[0], {}),
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections();
      listener.close();
    },
  };
}

const isBundle = (body: Resource): body is Bundle => body.resourceType === 'Bundle';

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

/** That a search finds something, so that two answers are not alike for want of any. */
function expectFound(path: string, { status, body }: Answer<Bundle>): void {
  expect(status).toBe(200);
  const ofMode = (wanted: string) => (body.entry ?? []).filter(({ search }) => search?.mode === wanted).length;
  const isCount = path.includes('_count=0') || path.includes('_summary=count');
  expect(isCount ? body.total : ofMode('match')).toBeGreaterThan(0);
  if (path.includes('include=')) expect(ofMode('include')).toBeGreaterThan(0);
}

export async function expectSameSearch(facades: TwoFacades, path: string): Promise<void> {
  const [embedded, other] = await facades.answers<Bundle>(path);
  expectFound(path, embedded);
  expect(other).toEqual(embedded);
}

/** Where a page shows what the other store's order puts there: it is as long, of as many, and all on it is what the embedded store finds too. */
export async function expectSimilarPage(facades: TwoFacades, path: string): Promise<void> {
  const [embedded, other] = await facades.answers<Bundle>(path);
  expectFound(path, embedded);
  const shapeOf = ({ status, headers, body }: Answer<Bundle>) =>
    [status, headers, body.total, body.entry?.length, body.link] as const;
  expect(shapeOf(other)).toEqual(shapeOf(embedded));
  const all = await facades.here<Bundle>(path.replace(/_count=\d+/, '_count=200'));
  expect([all.status, JSON.stringify(all.body.link)]).toEqual([200, expect.not.stringContaining('"next"')]);
  expect(all.body.entry).toEqual(expect.arrayContaining(other.body.entry ?? []));
}

/** What holds over every store, whatever it can do: tests, to be called inside a `describe`. The last of them writes. */
export function provesAlike(facades: () => TwoFacades): void {
  test.each(READS)('read: %s is %d', async (path, status) => {
    const [embedded, other] = await facades().answers(path);
    expect(embedded.status).toBe(status);
    expect(other).toEqual(embedded);
  });

  test.each(REFUSED)('refusal: %s', async (path) => {
    const [embedded, other] = await facades().answers(path);
    expect(embedded.status).toBeGreaterThanOrEqual(400);
    expect(embedded.status).toBeLessThan(500);
    expect(other).toEqual(embedded);
  });

  test('a Task that has moved on is 412, whatever the store calls it', async () => {
    const [embedded, other] = await facades().answers('Task/{Task}', {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json-patch+json', 'If-Match': 'W/"99"' },
      body: JSON.stringify([{ op: 'replace', path: '/status', value: 'accepted' }]),
    });
    expect(embedded).toMatchObject({ status: 412 });
    expect(other).toEqual(embedded);
  });

  test('pages lead to the end by links of the facade, and neither skip nor repeat', async () => {
    const { bases, names } = facades();
    const [embedded = [], other = []] = await Promise.all(bases.map(idsOfAllPages));
    const named = other.map((id) => names.here(id));
    expect(named.toSorted()).toEqual(embedded.toSorted());
    expect(new Set(named).size).toBe(named.length);
  });

  test('a file has the same bytes', async () => {
    const [one, other] = await Promise.all(
      facades()
        .addressesOf('Binary/{Binary}')
        .map(async (address) => {
          const answer = await fetch(address);
          const bytes = Buffer.from(await answer.arrayBuffer());
          const headers = ['content-type', 'content-disposition', 'vary'].map((name) => answer.headers.get(name));
          return { status: answer.status, headers, size: bytes.length, bytes: bytes.toString('base64') };
        }),
    );
    expect(one?.status).toBe(200);
    expect(one?.size).toBeGreaterThan(0);
    expect(other).toEqual(one);
  });

  test('what is made is answered alike, under an address of the facade that made it', async () => {
    const answers = await facades().answers<DocumentReference>('Task/{OpenTask}/$ers-attach', {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain', 'Content-Disposition': 'attachment; filename="letter.txt"' },
      body: 'Synthetic.',
    });
    const [embedded, other] = answers.map(({ status, headers, body }) => {
      expect([status, headers.location]).toEqual([201, `BASE/DocumentReference/${body.id}`]);
      const { id: _, identifier, date, content, ...rest } = body;
      const systems = identifier?.map(({ system }) => system);
      const files = content?.map(({ attachment: { url, creation, ...about } }) => [url?.split('/')[0], about]);
      return { headers: { ...headers, location: undefined }, systems, isDated: date !== undefined, files, rest };
    });
    expect(other).toEqual(embedded);
  });
}

/** Follows the links from page to page; there are some. */
async function idsOfAllPages(base: string): Promise<readonly string[]> {
  const ids: string[] = [];
  let pages = 0;
  let url: string | undefined = `${base}/Task?_count=5&_sort=-authored-on`;
  while (url !== undefined) {
    expect(url.startsWith(base)).toBe(true);
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    const bundle = (await answer.json()) as Bundle;
    ids.push(...(bundle.entry ?? []).map(({ resource }) => resource?.id ?? ''));
    url = bundle.link?.find(({ relation }) => relation === 'next')?.url;
    pages += 1;
  }
  expect(pages).toBeGreaterThan(2);
  return ids;
}
