import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Basic, CapabilityStatement } from '@medplum/fhirtypes';
import { isConformanceType, SERVED_TYPES, searchParameters } from '../../conformance/index.ts';
import { codeSystem, type Store } from '../../server/core/index.ts';
import { SEARCHES } from '../contract/questions.ts';
import {
  type Answer,
  copyAll,
  expectSameSearch,
  expectSimilarPage,
  liveALittle,
  provesAlike,
  startTwoFacades,
  type TwoFacades,
} from '../contract/two-facades.ts';
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
  Object.assign(some, await liveALittle(world));
  store = await project.connect();
  await copyAll(world, store);
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

  test.each(SEARCHES.filter((path) => !OWN.test(path) && !isPageById(path)))('search: %s', (path) =>
    expectSameSearch(facades, path),
  );

  test.each(SEARCHES.filter(isPageById))(
    'a page as long, of as many, and nothing on it that is otherwise: %s',
    (path) => expectSimilarPage(facades, path),
  );

  test.each(SEARCHES.filter((path) => OWN.test(path)))(
    'what Medplum cannot search for is refused: %s',
    async (path) => {
      expect(await facades.answers(path)).toMatchObject([{ status: 200 }, { status: 400 }]);
    },
  );

  test('its CapabilityStatement leaves out what Medplum cannot do, and nothing else', async () => {
    const [embedded, medplum] = await facades.answers<CapabilityStatement>('metadata');
    expect([embedded.status, medplum.status, medplum.headers]).toEqual([200, 200, embedded.headers]);
    const [can, canThere] = [new Set(namesIn(embedded)), new Set(namesIn(medplum))];
    const own = searchParameters.flatMap(({ base, code }) => (base ?? []).map((type) => `${type}?${code}`));
    const isOwnInclude = (name: string) =>
      own.includes(/ (?:includes|by) (\w+:[\w-]+)$/.exec(name)?.[1]?.replace(':', '?') ?? '');
    const ofHistory = [...can].filter((name) => name.endsWith(' history-type'));
    expect(ofHistory.length).toBeGreaterThan(0);
    expect(canThere.difference(can)).toEqual(new Set());
    expect(can.difference(canThere)).toEqual(new Set([...own, ...ofHistory, ...[...can].filter(isOwnInclude)]));
    expect(withoutLists(medplum)).toEqual(withoutLists(embedded));
  });

  provesAlike(() => facades);
});

/** All that it says can be done with a type, or with the whole. */
const namesIn = ({ body }: Answer<CapabilityStatement>): readonly string[] =>
  (body.rest ?? []).flatMap(({ resource = [], interaction = [], operation = [], searchParam = [] }) => [
    ...interaction.map(({ code }) => `whole ${code}`),
    ...operation.map(({ name }) => `whole $${name}`),
    ...searchParam.map(({ name }) => `whole ?${name}`),
    ...resource.flatMap((of) => [
      ...(of.searchParam ?? []).map(({ name }) => `${of.type}?${name}`),
      ...(of.interaction ?? []).map(({ code }) => `${of.type} ${code}`),
      ...(of.operation ?? []).map(({ name }) => `${of.type} $${name}`),
      ...(of.searchInclude ?? []).map((name) => `${of.type} includes ${name}`),
      ...(of.searchRevInclude ?? []).map((name) => `${of.type} is included by ${name}`),
    ]),
  ]);

/** The rest of what it says. */
const withoutLists = ({ body: { rest = [], ...about } }: Answer<CapabilityStatement>) => ({
  ...about,
  rest: rest.map(({ resource = [], ...of }) => ({
    ...of,
    resource: resource.map(
      ({ interaction: _, searchParam: __, searchInclude: ___, searchRevInclude: ____, ...more }) => more,
    ),
  })),
});
