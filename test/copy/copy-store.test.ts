import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { searchParameters } from '../../conformance/index.ts';
import { type CopyEnd, type CopyProgress, copyStore } from '../../server/copy/index.ts';
import { type Store, systemClock, type TransactionEntry } from '../../server/core/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';
import { DECISIONS, refer } from '../journeys/five-decisions.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { businessStatusOf } from '../sign-in.ts';

const root = mkdtempSync(join(tmpdir(), 'ers-fhir-copy-'));
const open = (name: string, dressedAs?: 'hapi' | 'medplum') =>
  openEmbeddedStore({
    directory: join(root, name),
    clock: systemClock,
    searchParameters,
    ...(dressedAs === undefined ? {} : { dressedAs }),
  });
const never = new AbortController().signal;
const copy = (source: Store, target: Store, signal = never, progress: (now: CopyProgress) => void = () => undefined) =>
  copyStore({ source, target, signal, progress });

/** What the database of a closed store holds, type by type, the lease left out; nothing of the code under test looks. */
function countsIn(name: string): Record<string, number> {
  const database = new DatabaseSync(join(root, name, 'store.sqlite'));
  const rows = database
    .prepare(
      `SELECT r.type, count(*) AS n FROM resource r JOIN version v ON v.seq = r.seq
       WHERE r.deleted = 0 AND v.content NOT LIKE '%Id/ers-lease%' GROUP BY r.type ORDER BY r.type`,
    )
    .all();
  database.close();
  return Object.fromEntries(rows.map((row) => [String(row['type']), Number(row['n'])]));
}

/** A store whose writes end after so many: `dies` with the process, `answer-lost` once the write is done. */
function endingAfter(store: Store, writes: number, how: 'dies' | 'answer-lost'): Store {
  let left = writes;
  const write = async <T>(work: () => Promise<T>): Promise<T> => {
    if (left === 0 && how === 'dies') throw new Error('the process was killed');
    left -= 1;
    const done = await work();
    return left === 0 && how === 'answer-lost' ? ({ ok: false, code: 'unknown-outcome' } as T) : done;
  };
  return new Proxy(store, {
    get(whole, name) {
      if (name === 'transaction')
        return (...all: Parameters<Store['transaction']>) => write(() => whole.transaction(...all));
      if (name === 'putBinary') return (...all: Parameters<Store['putBinary']>) => write(() => whole.putBinary(...all));
      const member: unknown = Reflect.get(whole, name, whole);
      return typeof member === 'function' ? member.bind(whole) : member;
    },
  });
}

const kindOf = ({ kind }: CopyEnd) => kind;

describe('an installation on the embedded store', () => {
  let source: Store;
  let world: World;
  let undecided: Awaited<ReturnType<typeof refer>>;

  beforeAll(async () => {
    source = await open('source');
    world = await startWorld({ referrals: 30, returnedState: 'TRIAGE_RESPONSE', store: source });
    await world.settled();
    for (const decision of DECISIONS) {
      const { task } = await refer(world, decision.kind);
      expect((await world.patch(task, decision.patch)).status).toBe(200);
      await world.settled();
    }
    undecided = await refer(world, 'booked-direct');
    await world.product.stop();
  }, 120_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await source.close();
    rmSync(root, { recursive: true, force: true });
  });

  test('is copied into a store dressed as HAPI though killed, cut off and stopped on the way: count and hash are equal, and what was there is not written again', async () => {
    const target = await open('killed', 'hapi');
    await expect(copy(source, endingAfter(target, 3, 'dies'))).rejects.toThrow('killed');
    expect(await copy(source, endingAfter(target, 9, 'answer-lost'))).toMatchObject({
      kind: 'failed',
      failure: { code: 'unknown-outcome' },
    });
    const stop = new AbortController();
    const stopped = await copy(source, target, stop.signal, ({ type }) => {
      if (type === 'Binary') stop.abort();
    });
    expect(stopped.kind).toBe('interrupted');
    const seen: CopyProgress[] = [];
    const end = await copy(source, target, never, (now) => seen.push(now));
    expect(end).toMatchObject({ kind: 'equal' });
    const patients = seen.find(({ phase, type }) => phase === 'copy' && type === 'Patient');
    expect(patients).toMatchObject({ done: expect.any(Number), written: 0 });
    expect(seen.find(({ phase, type }) => phase === 'copy' && type === 'AuditEvent')?.written).toBeGreaterThan(0);
    expect(await copy(source, target)).toMatchObject({ kind: 'equal', written: 0 });
    const counts = end.kind === 'equal' ? Object.fromEntries(end.counts) : {};
    await target.close();
    expect(countsIn('killed')).toEqual(Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)));
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(500);
  }, 120_000);

  test('K2, D1: the engine goes on over the copy: nothing clinical is written anew, a decision reaches e-RS once, and another copy is refused from then on', async () => {
    const target = await open('taken-over', 'hapi');
    expect(kindOf(await copy(source, target))).toBe('equal');
    const versions = async () => {
      const read = await target.history('ServiceRequest', undefined, { count: 500 });
      return read.ok ? read.value.total : read.code;
    };
    const before = await versions();
    const second = await world.startAnother(target);
    await second.settled();
    expect(await versions()).toBe(before);
    const { id } = undecided.task;
    const waiting = await target.read('Task', id);
    const version = waiting.ok ? waiting.value.meta.versionId : waiting.code;
    const patched = await fetch(`${second.url}/fhir/R4/Task/${id}`, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json-patch+json', 'If-Match': `W/"${version}"` },
      body: JSON.stringify(DECISIONS[0].patch),
    });
    expect([patched.status, await patched.text()]).toEqual([200, expect.any(String)]);
    await second.settled();
    const task = await target.read('Task', id);
    expect(task.ok && businessStatusOf(task.value)).toBe('accepted');
    expect(
      (await world.calls('A013')).filter(({ ubrn }) => ubrn === undecided.ubrn).map(({ status }) => status),
    ).toEqual([200]);
    await second.stop();
    expect(await copy(source, target)).toEqual({ kind: 'target-in-use' });
    await target.close();
  }, 120_000);

  test('what the target alone has, or has otherwise after all, is named, so that nobody takes it for a copy', async () => {
    const target = await open('other', 'hapi');
    expect(kindOf(await copy(source, target))).toBe('equal');
    const probe = { resourceType: 'Basic', id: 'ers-fhir-probe', code: { text: 'left by a start-up probe' } } as const;
    expect((await target.update(probe)).ok).toBe(true);
    expect(kindOf(await copy(source, target))).toBe('equal');
    const alien = await target.create({ resourceType: 'Patient', active: true });
    expect(await copy(source, target)).toEqual({
      kind: 'different',
      places: [`Patient/${alien.ok ? alien.value.resource.id : ''}`],
    });
    await target.close();
  }, 120_000);

  test('is not copied where the server chooses ids: references and records would not stay true', async () => {
    const target = await open('medplum', 'medplum');
    expect(await copy(source, target)).toEqual({ kind: 'target-chooses-ids' });
    await target.close();
    expect(countsIn('medplum')).toEqual({});
  });
});

test('what refers to each other across transactions is written once, whatever was written in between', async () => {
  const [source, target] = [await open('pairs'), await open('paired', 'hapi')];
  const half = 110;
  const entries = Array.from({ length: 2 * half }, (_, index): TransactionEntry => {
    const other = { reference: `ServiceRequest/pair-${(index + half) % (2 * half)}` };
    return {
      kind: 'put',
      resource: {
        resourceType: 'ServiceRequest',
        id: `pair-${index}`,
        status: 'active',
        intent: 'order',
        subject: { reference: 'Patient/one' },
        replaces: [other],
      },
    };
  });
  const patient: TransactionEntry = { kind: 'put', resource: { resourceType: 'Patient', id: 'one' } };
  expect(await source.transaction([patient, ...entries])).toMatchObject({ ok: true });
  expect(await copy(source, target)).toMatchObject({ kind: 'equal', written: 1 + 2 * half });
  await Promise.all([source.close(), target.close()]);
}, 60_000);

test('D1, D2: nothing is copied while a decision is on its way, and the Task is named', async () => {
  const source = await open('in-flight');
  const target = await open('untouched', 'hapi');
  await using world = await startWorld({ referrals: 0, store: source });
  const { task } = await refer(world, 'booked-direct');
  await world.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 503 });
  expect((await world.patch(task, DECISIONS[0].patch)).status).toBe(200);
  await world.settled();
  await world.product.stop();
  expect(await copy(source, target)).toEqual({ kind: 'in-flight', taskIds: [task.id] });
  await Promise.all([source.close(), target.close()]);
  expect(countsIn('untouched')).toEqual({});
}, 60_000);
