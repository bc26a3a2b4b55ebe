import { setTimeout as passed } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Resource, Task } from '@medplum/fhirtypes';
import { SYSTEM } from '../../mappings/index.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { businessStatusOf } from '../sign-in.ts';
import { type HapiServer, startHapi } from './server.ts';
import { acceptStraight, allOf as allOfHapi } from './straight.ts';
import { type Trouble, type TroubledStore, troubled } from './troubled.ts';

const REFERRALS = 10;
const TYPES = ['Patient', 'ServiceRequest', 'Task', 'Appointment', 'List', 'DocumentReference', 'HealthcareService'];

let server: HapiServer;
let store: TroubledStore;
let world: World;
beforeAll(async () => {
  server = await startHapi();
  store = await troubled(server.url);
  world = await startWorld({
    referrals: REFERRALS,
    remoteStore: { kind: 'hapi', url: store.url, credentials: undefined },
  });
}, 300_000);
afterAll(async () => {
  store.trouble = 'none';
  await world[Symbol.asyncDispose]();
  await store.close();
  await server.stop();
}, 60_000);

/** Lets the product work until something holds; three minutes at most. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedMs > 180_000) throw new Error(`never: ${what}`);
    await Promise.race([world.settled(), passed(5_000)]);
  }
}

/** Goes through troubles for as long as `work` takes, a second and a half each. */
async function under(troubles: readonly Trouble[], work: () => Promise<void>): Promise<void> {
  let isOver = false;
  const ended = work().finally(() => {
    isOver = true;
  });
  for (let turn = 0; !isOver; turn += 1) {
    store.trouble = troubles[turn % troubles.length] ?? 'none';
    await Promise.race([passed(1_500), ended.catch(() => undefined)]);
  }
  store.trouble = 'none';
  await ended;
}

const allOf = <T extends Resource>(type: string) => allOfHapi<T>(server.url, type);

const ubrnsThere = async () => (await world.control<{ referrals: { ubrn: string }[] }>('GET', 'referrals')).referrals;
const openBookings = async () =>
  (await allOf<Task>('Task')).filter(
    ({ status, code }) => status === 'requested' && code?.coding?.some((one) => one.code === 'review-booking'),
  );

/** A client that means it: reads, patches, and looks again when it was not told that it was heard. */
async function insist(taskId: string): Promise<void> {
  await until('the decision is taken over', async () => {
    const read = await world.get(`Task/${taskId}`).catch(() => undefined);
    if (!read?.ok) return false;
    const task = (await read.json()) as Task;
    if (task.status === 'accepted') return true;
    await world.patch(task, [{ op: 'replace', path: '/status', value: 'accepted' }]).catch(() => undefined);
    return false;
  });
}

async function expectAccepted(taskIds: readonly string[]): Promise<void> {
  const tasks = (await allOf<Task>('Task')).filter(({ id }) => taskIds.includes(id ?? ''));
  expect(tasks.map(businessStatusOf)).toEqual(taskIds.map(() => 'accepted'));
  const requests = new Map((await allOf('ServiceRequest')).map((one) => [`ServiceRequest/${one.id}`, one]));
  const calls = await world.calls('A013');
  for (const { focus } of tasks) {
    const referral = requests.get(focus?.reference ?? '') as { identifier?: { system?: string; value?: string }[] };
    const ubrn = referral.identifier?.find(({ system }) => system === SYSTEM.ubrn)?.value;
    expect(calls.filter((call) => call.ubrn === ubrn).map(({ status }) => status)).toEqual([200]);
  }
}

describe('a store in trouble', () => {
  test('K1: a first load through lost answers, conflicts and refusals brings every referral in, and none twice', async () => {
    await under(['loses-answers', 'conflicts', 'none', 'refuses', 'loses-answers'], () =>
      until(
        'all referrals are there',
        async () => (await allOf('ServiceRequest')).length >= (await ubrnsThere()).length,
      ),
    );
    await until('all Tasks are there', async () => (await openBookings()).length > 3);
    await world.settled();
    for (const type of TYPES) {
      const keys = (await allOf(type)).flatMap((one) =>
        'identifier' in one && Array.isArray(one.identifier)
          ? one.identifier.slice(0, 1).map((own) => `${type} ${own.system}|${own.value}`)
          : [],
      );
      expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
    }
    expect(store.struck['loses-answers'] + store.struck.conflicts).toBeGreaterThan(5);
  }, 400_000);

  test('D1 D2 D3: decisions through lost answers, conflicts, refusals and slowness reach e-RS once each', async () => {
    const tasks = (await openBookings()).slice(0, 3).map(({ id }) => id ?? '');
    expect(tasks).toHaveLength(3);
    await under(['loses-answers', 'refuses', 'conflicts', 'is-slow', 'loses-answers'], async () => {
      await Promise.all(tasks.map(insist));
      await until('e-RS has recorded them', async () =>
        (await allOf<Task>('Task'))
          .filter(({ id }) => tasks.includes(id ?? ''))
          .every((task) => businessStatusOf(task) === 'accepted'),
      );
    });
    await expectAccepted(tasks);
    expect(store.struck.refuses).toBeGreaterThan(0);
  }, 400_000);

  test('D3: a decision written straight into HAPI, just before it goes down, reaches e-RS once when it is back', async () => {
    const task = (await openBookings())[0]?.id ?? '';
    await acceptStraight(server.url, task);
    await server.restart();
    await until('e-RS has recorded it', async () =>
      (await allOf<Task>('Task')).some((one) => one.id === task && businessStatusOf(one) === 'accepted'),
    );
    await expectAccepted([task]);
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
      const decided = insist(byFacade);
      if (trouble === 'none') await server.restart();
      if (lastsMs > 0) {
        await passed(lastsMs);
        store.trouble = 'none';
      }
      await decided;
      await until('e-RS has recorded them', async () =>
        (await allOf<Task>('Task'))
          .filter(({ id }) => id === byFacade || id === straight)
          .every((task) => businessStatusOf(task) === 'accepted'),
      );
      store.trouble = 'none';
      await expectAccepted([byFacade, straight]);
      if (trouble !== 'none') expect(store.struck[trouble]).toBeGreaterThan(0);
    },
    400_000,
  );
});

/** Two more bookings of e-RS, landed. */
async function twoNewTasks(): Promise<[string, string]> {
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id ?? '';
  const before = new Set((await openBookings()).map(({ id }) => id));
  for (let count = 0; count < 2; count += 1)
    await world.control('POST', 'referrals', { kind: 'booked-direct', service });
  await until('they are there', async () => {
    await world.product.engine.poll(service, 'REFERRALS_FOR_REVIEW');
    return (await openBookings()).length >= before.size + 2;
  });
  const [one, other] = (await openBookings()).flatMap(({ id }) => (id === undefined || before.has(id) ? [] : [id]));
  if (one === undefined || other === undefined) throw new Error('no new Tasks');
  return [one, other];
}
