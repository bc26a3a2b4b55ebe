import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Basic, OperationOutcome, Parameters, Task } from '@medplum/fhirtypes';
import { searchParameters } from '../../conformance/index.ts';
import { type LeaseRecord, type Store, systemClock } from '../../server/core/index.ts';
import type { Product } from '../../server/product.ts';
import {
  contentOfRecord,
  type EngineRecord,
  openEmbeddedStore,
  readRecord,
  writeRecord,
} from '../../server/store/index.ts';
import { lineTo, type StoreLine } from '../lease/store-line.ts';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { until } from './process.ts';
import { startWorld, type World } from './world.ts';

// Two products of one process share one embedded store, as two processes share HAPI or Medplum.

const accept = [{ op: 'replace', path: '/status', value: 'accepted' }];

interface Pair extends AsyncDisposable {
  readonly world: World;
  /** The first to come, hence the active one. */
  readonly a: Product;
  readonly b: Product;
  readonly lineOfA: StoreLine;
  readonly store: Store;
}

async function startPair(leaseSeconds: number): Promise<Pair> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-pair-'));
  const store: Store = await openEmbeddedStore({ directory, clock: systemClock, searchParameters });
  const lineOfA = lineTo(store, systemClock);
  // Worklists are read on and on, since only a later one tells of an accept whose answer was lost (4.5).
  const world = await startWorld({ referrals: 0, store: lineOfA.store, leaseSeconds, pollIntervalMs: 1_000 });
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  for (let count = 0; count < 3; count += 1)
    await world.control('POST', 'referrals', { kind: 'booked-direct', service });
  await world.settled();
  const b = await world.startAnother(lineTo(store, systemClock).store);
  return {
    world,
    a: world.product,
    b,
    lineOfA,
    store,
    async [Symbol.asyncDispose]() {
      lineOfA.unshut();
      await world[Symbol.asyncDispose]();
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const engineOf = async ({ url }: Product) => {
  const answer = await fetch(`${url}/health/ready`);
  return [answer.status, ((await answer.json()) as { engine: string }).engine];
};

const openTasks = async ({ url }: Product): Promise<(Task & { id: string })[]> => {
  const bundle = (await (await fetch(`${url}/fhir/R4/Task?status=requested&_count=50`)).json()) as {
    entry?: { resource: Task & { id: string } }[];
  };
  return (bundle.entry ?? []).map(({ resource }) => resource);
};

const readTask = async ({ url }: Product, id: string) =>
  (await (await fetch(`${url}/fhir/R4/Task/${id}`)).json()) as Task;

const patch = ({ url }: Product, task: Task, headers: Record<string, string> = {}) =>
  fetch(`${url}/fhir/R4/Task/${task.id}`, {
    method: 'PATCH',
    headers: {
      'Content-Type': 'application/json-patch+json',
      'If-Match': `W/"${task.meta?.versionId}"`,
      ...headers,
    },
    body: JSON.stringify(accept),
  });

const accepted = (product: Product, id: string) =>
  until(async () => (businessStatusOf(await readTask(product, id)) === 'accepted' ? true : undefined));

const refusalOf = async (answer: Response) => {
  const outcome = (await answer.json()) as OperationOutcome;
  return [answer.status, outcome.issue?.[0]?.details?.coding?.[0]?.code, Number(answer.headers.get('retry-after')) > 0];
};
/** Until its holder renews it, the lease names an address where nobody is. */
async function leadAstray(store: Store): Promise<void> {
  const lease = await leaseIn(store);
  const { holder } = lease.data;
  if (holder === undefined) throw new Error('nobody has the lease');
  const data = { ...lease.data, holder: { ...holder, address: 'http://127.0.0.1:9' } };
  const written = await writeRecord(store, 'ers-lease', data.application, data, lease);
  if (!written.ok) throw new Error(written.code);
}

async function leaseIn(store: Store): Promise<EngineRecord<LeaseRecord>> {
  const found = await store.search('Basic', 'code=ers-lease&_count=1');
  const [basic] = found.ok ? found.value.matches : [];
  const content = basic && contentOfRecord<LeaseRecord>(basic as Basic, 'ers-lease');
  const read = await readRecord<LeaseRecord>(store, 'ers-lease', content?.key ?? '');
  if (!read.ok || read.value === undefined) throw new Error('there is no lease');
  return read.value;
}

const isLedBack = async ({ a, store }: Pair) => (await leaseIn(store)).data.holder?.address === a.url;

const UNAVAILABLE = [503, 'engine-unavailable', true];

describe('two engines on one store', () => {
  let pair: Pair;
  let task: Task & { id: string };
  beforeAll(async () => {
    pair = await startPair(30);
    const [first] = await openTasks(pair.b);
    if (first === undefined) throw new Error('no Task to decide');
    task = first;
  }, 60_000);
  afterAll(async () => pair[Symbol.asyncDispose]());

  test('one works and the other stands by, and both say so', async () => {
    expect(await engineOf(pair.a)).toEqual([200, 'active']);
    expect(await engineOf(pair.b)).toEqual([200, 'standby']);
  });

  const sessionOf = async () => {
    const { token, organisation, businessFunction } = await signIn(pair.world.simulator);
    return {
      'NHSD-User-Authorization': `Bearer ${token}`,
      'NHSD-End-User-Organisation-ODS': organisation,
      'NHSD-eRS-Business-Function': businessFunction,
    };
  };
  const operate = (path: string, parameters: object, headers: Record<string, string> = {}) =>
    fetch(`${pair.b.url}/fhir/R4/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/fhir+json', ...headers },
      body: JSON.stringify({ resourceType: 'Parameters', ...parameters }),
    });
  const byUbrn = { parameter: [{ name: 'ubrn', valueString: '000000070001' }] };

  test('what needs the engine is refused by a standby that does not reach it, with Retry-After, and nothing is stored', async () => {
    await leadAstray(pair.store);
    expect(await refusalOf(await operate('ServiceRequest/$ers-fetch', byUbrn))).toEqual(UNAVAILABLE);
    expect(await refusalOf(await operate(`${task.focus?.reference}/$ers-refresh`, {}))).toEqual(UNAVAILABLE);
    const session = await sessionOf();
    expect(await refusalOf(await operate(`Task/${task.id}/$ers-send-decision`, {}, session))).toEqual(UNAVAILABLE);
    expect(await refusalOf(await operate('Task/$ers-sign-and-send', {}, session))).toEqual(UNAVAILABLE);
    expect(await refusalOf(await patch(pair.b, task, session))).toEqual(UNAVAILABLE);
    expect((await readTask(pair.b, task.id)).meta?.versionId).toBe(task.meta?.versionId);
    expect(await pair.world.calls('A013')).toEqual([]);
    await until(async () => ((await isLedBack(pair)) ? true : undefined));
  }, 60_000);

  test('what needs the engine is handed by a standby to the process that has it', async () => {
    const answer = await operate(`${task.focus?.reference}/$ers-refresh`, {});
    expect(answer.status).toBe(200);
    expect((await operate('$ers-reconciliation', {})).status).toBe(200);
    expect((await operate('ServiceRequest/$ers-fetch', byUbrn)).status).not.toBe(503);
  });

  test('4.7: a session that is given to a standby sends the decision at once, once, from the active engine', async () => {
    const another = (await openTasks(pair.b)).find(({ id }) => id !== task.id);
    if (another === undefined) throw new Error('no Task to decide');
    const session = await sessionOf();
    const before = (await pair.world.calls('A013')).length;
    const answer = await patch(pair.b, another, session);
    expect([answer.status, businessStatusOf((await answer.json()) as Task)]).toEqual([200, 'accepted']);
    expect((await pair.world.calls('A013')).slice(before).map(({ status, mode }) => [status, mode])).toEqual([
      [200, 'user'],
    ]);
    const signed = await operate('Task/$ers-sign-and-send', {}, session);
    expect([signed.status, ((await signed.json()) as Parameters).parameter?.[0]]).toEqual([
      200,
      { name: 'sent', valueUnsignedInt: 0 },
    ]);
    const token = session['NHSD-User-Authorization'].slice('Bearer '.length);
    expect(JSON.stringify(pair.world.log)).not.toContain(token);
    expect(JSON.stringify(await pair.store.search('Basic', '_count=500'))).not.toContain(token);
  });

  test('D2: a decision through a standby’s facade is stored, found by the active engine, and sent once', async () => {
    expect((await patch(pair.b, task)).status).toBe(200);
    await accepted(pair.b, task.id);
    expect((await pair.world.calls('A013')).map(({ status, ubrn }) => [status, ubrn])).toContainEqual([
      200,
      task.focus?.identifier?.value,
    ]);
    expect(await pair.world.calls('A013')).toHaveLength(2);
  });
});

describe('hand-over', () => {
  test('K2 D2: when the active engine is stopped, the other works at its next look, and writes nothing clinical anew', async () => {
    await using pair = await startPair(9);
    const tasks = await openTasks(pair.b);
    const versions = tasks.map(({ id, meta }) => [id, meta?.versionId]);
    await pair.a.stop();
    await until(async () => ((await engineOf(pair.b))[1] === 'active' ? true : undefined));
    await pair.b.settled();
    expect((await openTasks(pair.b)).map(({ id, meta }) => [id, meta?.versionId])).toEqual(versions);
    const [task] = tasks;
    if (task === undefined) throw new Error('no Task to decide');
    expect((await patch(pair.b, task)).status).toBe(200);
    await accepted(pair.b, task.id);
    expect((await pair.world.calls('A013')).map(({ status }) => status)).toEqual([200]);
  }, 60_000);

  test('D2 B1: an engine that is cut off with a decision in flight is succeeded, and nothing is doubled when it comes back', async () => {
    await using pair = await startPair(6);
    const [task, next] = await openTasks(pair.b);
    if (task === undefined || next === undefined) throw new Error('no Tasks to decide');
    // The account may be taken while only the next worklist can tell of the accept: then it says so, as it must (4.5).
    const errors = () => pair.world.log.filter(({ level, code }) => level === 'error' && code !== 'outcome-unknown');
    await pair.world.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-answer', times: 1 });
    expect((await patch(pair.b, task)).status).toBe(200);
    await until(async () => ((await pair.world.calls('A013')).length > 0 ? true : undefined));
    pair.lineOfA.shut();
    await until(async () => ((await engineOf(pair.b))[1] === 'active' ? true : undefined));
    await accepted(pair.b, task.id);
    pair.lineOfA.unshut();
    await until(async () => ((await engineOf(pair.a))[1] === 'standby' ? true : undefined));
    expect(errors()).toEqual([]);
    expect((await patch(pair.a, await readTask(pair.a, next.id))).status).toBe(200);
    await accepted(pair.b, next.id);
    const recorded = (await pair.world.calls('A013')).filter(({ status }) => status === 200);
    expect(new Set(recorded.map(({ ubrn }) => ubrn)).size).toBe(recorded.length);
    expect(recorded).toHaveLength(2);
    expect(errors()).toEqual([]);
  }, 120_000);
});
