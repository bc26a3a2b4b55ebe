import { setTimeout as passed } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Resource } from '@medplum/fhirtypes';
import { inTrouble } from '../contract/in-trouble.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { type HapiServer, startHapi } from './server.ts';
import { acceptStraight, allOf } from './straight.ts';
import { type Trouble, type TroubledStore, troubled } from './troubled.ts';

const REFERRALS = 10;

let server: HapiServer;
let store: TroubledStore;
let world: World;
let trial: ReturnType<typeof inTrouble>;
beforeAll(async () => {
  server = await startHapi();
  store = await troubled(server.url);
  world = await startWorld({
    referrals: REFERRALS,
    remoteStore: { kind: 'hapi', url: store.url, credentials: undefined },
  });
  trial = inTrouble({
    world,
    store,
    allOf: <T extends Resource>(type: T['resourceType']) => allOf<T>(server.url, type),
  });
}, 300_000);
afterAll(async () => {
  store.trouble = 'none';
  await world[Symbol.asyncDispose]();
  await store.close();
  await server.stop();
}, 60_000);

describe('a store in trouble', () => {
  test('K1: a first load through lost answers, conflicts and refusals brings every referral in, and none twice', async () => {
    await trial.expectFirstLoadWhole();
  }, 400_000);

  test('D1 D2 D3: decisions through lost answers, conflicts, refusals and slowness reach e-RS once each', async () => {
    await trial.expectDecisionsOnce();
  }, 400_000);

  test('D3: a decision written straight into HAPI, just before it goes down, reaches e-RS once when it is back', async () => {
    const [task = ''] = await trial.openBookings();
    await acceptStraight(server.url, task);
    await server.restart();
    await trial.untilAccepted([task]);
    await trial.expectAcceptedOnce([task]);
  }, 400_000);

  /** What is wrong, and for how long (ms); 0: until the decisions are through. Where nothing is, the server is restarted. */
  const TROUBLES: readonly [string, Trouble, number][] = [
    ['is restarted in the middle of them', 'none', 0],
    ['refuses everything for a minute, so that the lease itself runs out', 'refuses', 60_000],
    ['answers every write with 409 for half a minute', 'only-conflicts', 30_000],
    ['is slow by two seconds until they are through', 'is-slow', 0],
    ['loses every other answer for half a minute', 'loses-answers', 30_000],
  ];

  test.each(TROUBLES)(
    'D1 D2: a store that %s: a decision by the facade and one straight into HAPI reach e-RS once each, and nobody has to lend a hand',
    async (_what, trouble, lastsMs) => {
      const [byFacade, straight] = await twoNewTasks();
      store.trouble = trouble;
      await acceptStraight(server.url, straight);
      const decided = trial.insist(byFacade);
      if (trouble === 'none') await server.restart();
      if (lastsMs > 0) {
        await passed(lastsMs);
        store.trouble = 'none';
      }
      await decided;
      await trial.untilAccepted([byFacade, straight]);
      store.trouble = 'none';
      await trial.expectAcceptedOnce([byFacade, straight]);
      if (trouble !== 'none') expect(store.struck[trouble]).toBeGreaterThan(0);
    },
    400_000,
  );
});

/** Two more bookings of e-RS, landed. */
async function twoNewTasks(): Promise<[string, string]> {
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id ?? '';
  const before = new Set(await trial.openBookings());
  for (let count = 0; count < 2; count += 1)
    await world.control('POST', 'referrals', { kind: 'booked-direct', service });
  const news = async () => (await trial.openBookings()).filter((id) => !before.has(id));
  await trial.until('they are there', async () => {
    await world.product.engine.poll(service, 'REFERRALS_FOR_REVIEW');
    return (await news()).length >= 2;
  });
  const [one, other] = await news();
  if (one === undefined || other === undefined) throw new Error('no new Tasks');
  return [one, other];
}
