import { setTimeout as passed } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Resource, ServiceRequest, Task } from '@medplum/fhirtypes';
import { outputsOf, SYSTEM } from '../../mappings/index.ts';
import type { Trouble, TroubledStore } from '../hapi/troubled.ts';
import type { Call, World } from '../journeys/world.ts';
import { businessStatusOf } from '../sign-in.ts';

const TYPES = [
  'Patient',
  'ServiceRequest',
  'Task',
  'Appointment',
  'List',
  'DocumentReference',
  'HealthcareService',
] as const;

/** A product over a store that is a server of its own, and the way to that server in which troubles can be made. */
export interface TroubledSite {
  readonly world: World;
  readonly store: TroubledStore;
  /** All resources of a type, past the trouble. */
  allOf<T extends Resource>(type: T['resourceType']): Promise<T[]>;
}

/** What is tried on every distributed store: the same troubles, the same promises. */
export function inTrouble({ world, store, allOf }: TroubledSite) {
  /** Lets the product work until something holds; three minutes at most. */
  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const startedMs = performance.now();
    while (!(await holds())) {
      if (performance.now() - startedMs > 180_000) {
        const lately = world.log.slice(-15).map((line) => JSON.stringify(line));
        throw new Error(`never: ${what}. Lately: ${lately.join('\n')}`);
      }
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

  const ubrnsThere = async () => (await world.control<{ referrals: { ubrn: string }[] }>('GET', 'referrals')).referrals;

  /** Ids of the open Tasks that are bookings to review. */
  const openBookings = async (): Promise<string[]> =>
    (await allOf<Task>('Task')).flatMap(({ id, status, code }) =>
      status === 'requested' && code?.coding?.some((one) => one.code === 'review-booking') ? (id ?? []) : [],
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

  const tasksOf = async (ids: readonly string[]) =>
    (await allOf<Task>('Task')).filter(({ id }) => id !== undefined && ids.includes(id));

  const untilAccepted = (taskIds: readonly string[]) =>
    until('e-RS has recorded them', async () => {
      const tasks = await tasksOf(taskIds).catch(() => []);
      return tasks.length === taskIds.length && tasks.every((task) => businessStatusOf(task) === 'accepted');
    });

  /**
   * One accept that e-RS took. Where its answer, or our note of it, was lost, there may be the one probe after a reading (e-RS
   * shows no trace of an accept): it is refused, and only the next worklist tells. Source: target-model 4.5
   */
  async function expectAcceptedOnce(taskIds: readonly string[]): Promise<void> {
    const tasks = await tasksOf(taskIds);
    expect(tasks.map(businessStatusOf)).toEqual(taskIds.map(() => 'accepted'));
    const requests = new Map((await allOf<ServiceRequest>('ServiceRequest')).map((one) => [one.id, one]));
    const calls = await world.calls();
    for (const task of tasks) {
      const referral = requests.get(task.focus?.reference?.split('/')[1]);
      const ubrn = referral?.identifier?.find(({ system }) => system === SYSTEM.ubrn)?.value;
      const [accept, probe, ...more] = calls.filter((call) => call.endpoint === 'A013' && call.ubrn === ubrn);
      expect([accept?.status, more]).toEqual([200, []]);
      if (accept === undefined || probe === undefined) continue;
      expect([probe.status, outputsOf(task, 'outcome-inferred')[0]?.valueBoolean]).toEqual([422, true]);
      const isReadBetween = ({ endpoint, ubrn: of, seq }: Call) =>
        endpoint === 'A005' && of === ubrn && seq > accept.seq && seq < probe.seq;
      expect(calls.some(isReadBetween)).toBe(true);
    }
  }

  /** K1: through lost answers, conflicts and refusals every referral comes in, and none twice. */
  async function expectFirstLoadWhole(): Promise<void> {
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
  }

  /** D1 D2 D3: through lost answers, conflicts, refusals and slowness decisions reach e-RS once each. */
  async function expectDecisionsOnce(): Promise<void> {
    const tasks = (await openBookings()).slice(0, 3);
    expect(tasks).toHaveLength(3);
    await under(['loses-answers', 'refuses', 'conflicts', 'is-slow', 'loses-answers'], async () => {
      await Promise.all(tasks.map(insist));
      await untilAccepted(tasks);
    });
    await expectAcceptedOnce(tasks);
    expect(store.struck.refuses).toBeGreaterThan(0);
  }

  return { until, openBookings, insist, untilAccepted, expectAcceptedOnce, expectFirstLoadWhole, expectDecisionsOnce };
}
