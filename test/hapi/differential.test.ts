import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SERVED_TYPES, searchParameters } from '../../conformance/index.ts';
import { type ResourceType, type Store, systemClock } from '../../server/core/index.ts';
import { connectHapiStore } from '../../server/store/index.ts';
import { SEARCHES } from '../contract/questions.ts';
import {
  copyAll,
  expectSameSearch,
  expectSimilarPage,
  liveALittle,
  provesAlike,
  startTwoFacades,
  type TwoFacades,
} from '../contract/two-facades.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { type HapiServer, startHapi } from './server.ts';

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
let facades: TwoFacades;
const some: Record<string, string> = {};

beforeAll(async () => {
  [world, server] = await Promise.all([startWorld({ referrals: 12 }), startHapi()]);
  await world.settled();
  Object.assign(some, await liveALittle(world));
  store = await connectHapiStore({ baseUrl: server.url, clock: systemClock, random: Math.random, searchParameters });
  const probed = await store.probe();
  if (!probed.ok) throw new Error(JSON.stringify(probed));
  await copyAll(world, store);
  await readIds(world.product.store);
  facades = await startTwoFacades({
    world,
    store,
    names: { there: (id) => id, here: (id) => id },
    some,
    hidden: server.url,
    isSorted: (path) => path.includes('_sort'),
  });
}, 300_000);
afterAll(async () => {
  await facades[Symbol.asyncDispose]();
  await store.close();
  await Promise.all([world[Symbol.asyncDispose](), server.stop()]);
}, 60_000);

/** An id of each type. */
async function readIds(from: Store): Promise<void> {
  for (const type of KEPT) {
    const page = await from.search(type, '_count=500');
    if (!page.ok) throw new Error(`${type}: ${page.code}`);
    for (const { id } of page.value.matches) some[type] ??= id;
  }
}

/** What is on it follows from an order that nobody asked for: all was written at one time, and PostgreSQL has its own among equals. */
const isAnyPage = (path: string) => /_count=[1-9]/.test(path) && !path.includes('_sort');

describe('the facade over HAPI answers as over the embedded store, for the same resources', () => {
  test('there is something to compare of every type', () => {
    expect(KEPT.filter((type) => SERVED_TYPES.some((served) => served === type) && some[type] === undefined)).toEqual(
      [],
    );
  });

  test.each(SEARCHES.filter((path) => !isAnyPage(path)))('search: %s', (path) => expectSameSearch(facades, path));

  test.each(SEARCHES.filter(isAnyPage))('a page as long, of as many, and nothing on it that is otherwise: %s', (path) =>
    expectSimilarPage(facades, path),
  );

  test('it says of itself that it can do the same', async () => {
    const [embedded, hapi] = await facades.answers('metadata');
    expect(embedded.status).toBe(200);
    expect(hapi).toEqual(embedded);
  });

  provesAlike(() => facades);
});
