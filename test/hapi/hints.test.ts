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
    scanEveryMs: 3_600_000,
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

test('a decision written straight into HAPI is told by it, and reaches e-RS long before the engine would look by itself', async () => {
  const tasks = await allOf<Task>(server.url, 'Task');
  expect(tasks).toHaveLength(DECISIONS);
  for (const { id = '' } of tasks) {
    const hintsBefore = hinted();
    await acceptStraight(server.url, id);
    await until(async () => (hinted() > hintsBefore ? true : undefined));
    await until(async () =>
      (await allOf<Task>(server.url, 'Task')).some((one) => one.id === id && businessStatusOf(one) === 'accepted')
        ? true
        : undefined,
    );
  }
  expect((await world.calls('A013')).map(({ status }) => status)).toEqual(tasks.map(() => 200));
}, 120_000);
