import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import type { Bundle, Resource, Task } from '@medplum/fhirtypes';
import { Registry } from 'prom-client';
import { alertBoard, type Store, systemClock } from '../../server/core/index.ts';
import { createFacade } from '../../server/facade/index.ts';
import type { World } from '../journeys/world.ts';
import { REFUSED } from './questions.ts';

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
  readonly body: Body;
}

/** A facade over the embedded store, and one over another that holds the same. */
export interface TwoFacades extends AsyncDisposable {
  readonly bases: readonly [embedded: string, other: string];
  readonly names: Names;
  answers<Body = unknown>(path: string, init?: RequestInit): Promise<readonly [Answer<Body>, Answer<Body>]>;
  /** Of the facade over the embedded store. */
  here(path: string): Promise<Answer>;
}

/** So that there are witnesses of a decision. */
export async function decideOne({ get, patch, settled }: World): Promise<void> {
  const open = (await (await get('Task?status=requested&code=review-booking&_count=1')).json()) as Bundle<Task>;
  const task = open.entry?.[0]?.resource;
  if (task === undefined) throw new Error('nothing to decide');
  const answer = await patch(task, [{ op: 'replace', path: '/status', value: 'accepted' }]);
  if (!answer.ok) throw new Error(await answer.text());
  await settled();
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

  const answerOf = async <Body>(base: string, path: string, init: RequestInit): Promise<Answer<Body>> => {
    const answer = await fetch(`${base}/${path}`, init);
    const text = await answer.text();
    expect(text).not.toContain(of.hidden);
    const named = text.replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => names.here(id));
    const body = JSON.parse(named.replaceAll(base, 'BASE')) as Resource;
    const same = isBundle(body) ? withoutAccidents(body, of.isSorted(path)) : withoutMeta(body);
    return { status: answer.status, body: same as Body };
  };
  const filled = (path: string, called: (id: string) => string) =>
    path.replace(/\{(\w+)\}/g, (_, type: string) => called(some[type] ?? 'none'));
  return {
    bases,
    names,
    answers: async <Body>(path: string, init: RequestInit = {}) =>
      Promise.all([
        answerOf<Body>(
          bases[0],
          filled(path, (id) => id),
          init,
        ),
        answerOf<Body>(
          bases[1],
          filled(path, (id) => names.there(id)),
          init,
        ),
      ]),
    here: (path) => answerOf(bases[0], path, {}),
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

/** What holds over every store, whatever it can do: tests, to be called inside a `describe`. */
export function provesAlike(facades: () => TwoFacades): void {
  test.each(REFUSED)('refusal: %s', async (path) => {
    const [embedded, other] = await facades().answers(path);
    expect(embedded.status).toBeGreaterThanOrEqual(400);
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
    const [embedded, other = []] = await Promise.all(bases.map(idsOfAllPages));
    const named = other.map((id) => names.here(id));
    expect(named.toSorted()).toEqual(embedded?.toSorted());
    expect(new Set(named).size).toBe(named.length);
  });
}

async function idsOfAllPages(base: string): Promise<readonly string[]> {
  const ids: string[] = [];
  let url: string | undefined = `${base}/Task?_count=5&_sort=-authored-on`;
  while (url !== undefined) {
    expect(url.startsWith(base)).toBe(true);
    const bundle = (await (await fetch(url)).json()) as Bundle;
    ids.push(...(bundle.entry ?? []).map(({ resource }) => resource?.id ?? ''));
    url = bundle.link?.find(({ relation }) => relation === 'next')?.url;
  }
  return ids;
}
