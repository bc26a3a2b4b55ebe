import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Subscription, Task } from '@medplum/fhirtypes';
import { until } from '../journeys/process.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { businessStatusOf } from '../sign-in.ts';
import { type HapiServer, startHapi } from './server.ts';
import { acceptStraight, allOf } from './straight.ts';

const SECRET = 'a secret of these hints';
const DECISIONS = 6;

let server: HapiServer;
let world: World;
beforeAll(async () => {
  server = await startHapi();
  world = await startWorld({
    referrals: 0,
    remoteStore: { kind: 'hapi', url: server.url, credentials: undefined },
    hintSecret: SECRET,
  });
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  for (let count = 0; count < DECISIONS; count += 1)
    await world.control('POST', 'referrals', { kind: 'booked-direct', service });
  await world.settled();
}, 300_000);
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await server.stop();
}, 60_000);

const hinted = () => world.log.filter(({ route, status }) => route === '/hints/store' && status === 204).length;

test('HAPI makes the Subscription active, which has no payload: nothing of a patient travels with a hint', async () => {
  await until(async () => (world.log.some(({ event }) => event === 'main.hints.active') ? true : undefined));
  const [held] = await allOf<Subscription>(server.url, 'Subscription');
  expect([held?.status, held?.channel?.payload]).toEqual(['active', undefined]);
});

test('a decision written straight into HAPI is told by it, and reaches e-RS sooner than the scan would find it by itself', async () => {
  const took: number[] = [];
  for (const { id = '' } of await allOf<Task>(server.url, 'Task')) {
    const [hintsBefore, callsBefore] = [hinted(), (await world.calls('A013')).length];
    const startedMs = performance.now();
    await acceptStraight(server.url, id);
    await until(async () => ((await world.calls('A013')).length > callsBefore ? true : undefined));
    took.push(performance.now() - startedMs);
    await until(async () => (hinted() > hintsBefore ? true : undefined));
    await until(async () =>
      (await allOf<Task>(server.url, 'Task')).some((one) => one.id === id && businessStatusOf(one) === 'accepted')
        ? true
        : undefined,
    );
  }
  expect(took).toHaveLength(DECISIONS);
  // By its scan alone the engine needs a second on average, and two at most.
  expect(took.toSorted((a, b) => a - b)[DECISIONS / 2]).toBeLessThan(1_000);
  expect((await world.calls('A013')).map(({ status }) => status)).toEqual(took.map(() => 200));
}, 120_000);
