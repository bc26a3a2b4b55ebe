import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Basic, Bundle, CapabilityStatement } from '@medplum/fhirtypes';
import { isConformanceType, SERVED_TYPES, searchParameters } from '../../conformance/index.ts';
import { copyStore } from '../../server/copy/index.ts';
import { codeSystem, type Store } from '../../server/core/index.ts';
import { READS, SEARCHES } from '../contract/questions.ts';
import { type Answer, decideOne, provesAlike, startTwoFacades, type TwoFacades } from '../contract/two-facades.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { emptyProject, type MedplumProject } from './project.ts';

let world: World;
let project: MedplumProject;
let store: Store;
let facades: TwoFacades;
/** What a resource of the embedded store is called in Medplum, and back. */
const there = new Map<string, string>();
const here = new Map<string, string>();
const some: Record<string, string> = {};

beforeAll(async () => {
  [world, project] = await Promise.all([startWorld({ referrals: 12 }), emptyProject()]);
  await world.settled();
  await decideOne(world);
  store = await project.connect();
  const copied = await copyStore({
    source: world.product.store,
    target: store,
    signal: new AbortController().signal,
    progress: () => undefined,
  });
  if (copied.kind !== 'equal') throw new Error(JSON.stringify(copied));
  await readNames();
  facades = await startTwoFacades({
    world,
    store,
    names: { there: (id) => there.get(id) ?? id, here: (id) => here.get(id) ?? id },
    some,
    hidden: new URL(project.url).host,
    isSorted: (path) => path.includes('_sort') && !path.includes('_sort=_id'),
  });
}, 300_000);
afterAll(async () => {
  await facades[Symbol.asyncDispose]();
  await store.close();
  await world[Symbol.asyncDispose]();
}, 60_000);

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
    const [embedded, medplum] = await facades.answers(path);
    expect(embedded.status).toBe(200);
    expect(medplum).toEqual(embedded);
  });

  test.each(SEARCHES.filter(isPageById))('a page as long, of as many: %s', async (path) => {
    const [embedded, medplum] = await facades.answers<Bundle>(path);
    const shapeOf = ({ status, body }: Answer<Bundle>) => [status, body.total, body.entry?.length];
    expect(embedded.status).toBe(200);
    expect(shapeOf(medplum)).toEqual(shapeOf(embedded));
  });

  test.each(SEARCHES.filter((path) => OWN.test(path)))(
    'what Medplum cannot search for is refused: %s',
    async (path) => {
      expect(await facades.answers(path)).toMatchObject([{ status: 200 }, { status: 400 }]);
    },
  );

  test.each(READS.filter((path) => path !== 'metadata'))('read: %s', async (path) => {
    const [embedded, medplum] = await facades.answers(path);
    expect(medplum).toEqual(embedded);
  });

  test('its CapabilityStatement leaves out what Medplum cannot do, and nothing else', async () => {
    const [embedded, medplum] = (await facades.answers<CapabilityStatement>('metadata')).map(namesIn);
    const left = (embedded ?? []).filter((name) => !medplum?.includes(name));
    expect(medplum?.filter((name) => !embedded?.includes(name))).toEqual([]);
    const own = searchParameters.flatMap(({ base, code }) => (base ?? []).map((type) => `${type}?${code}`));
    expect(left.filter((name) => !own.includes(name) && !name.endsWith(' history-type'))).toEqual([]);
    expect(left.length).toBeGreaterThan(own.length - 1);
  });

  test('a file has the same bytes', async () => {
    const id = some['Binary'] ?? '';
    const [one, other] = await Promise.all(
      facades.bases.map(async (base, at) => {
        const answer = await fetch(`${base}/Binary/${at === 0 ? id : there.get(id)}`);
        const bytes = Buffer.from(await answer.arrayBuffer()).toString('base64');
        return [answer.status, answer.headers.get('content-type'), bytes];
      }),
    );
    expect(other).toEqual(one);
  });

  provesAlike(() => facades);
});

const namesIn = ({ body }: Answer<CapabilityStatement>): readonly string[] =>
  (body.rest?.[0]?.resource ?? []).flatMap(({ type, searchParam = [], interaction = [] }) => [
    ...searchParam.map(({ name }) => `${type}?${name}`),
    ...interaction.map(({ code }) => `${type} ${code}`),
  ]);
