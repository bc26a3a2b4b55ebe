import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { searchParameters } from '../../conformance/index.ts';
import { type CopyEnd, type CopyProgress, copyStore } from '../../server/copy/index.ts';
import { type Store, systemClock, type TransactionEntry } from '../../server/core/index.ts';
import { openEmbeddedStore, writeRecord } from '../../server/store/index.ts';
import { DECISIONS, refer } from '../journeys/five-decisions.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { businessStatusOf } from '../sign-in.ts';
import { otherwise } from '../store-otherwise.ts';

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

/** What the database of a closed store holds, type by type, lease and notes of the copy left out; nothing of the code under test looks. */
function countsIn(name: string): Record<string, number> {
  const database = new DatabaseSync(join(root, name, 'store.sqlite'));
  const rows = database
    .prepare(
      `SELECT r.type, count(*) AS n FROM resource r JOIN version v ON v.seq = r.seq
       WHERE r.deleted = 0 AND v.content NOT LIKE '%Id/ers-lease%' AND v.content NOT LIKE '%Id/ers-copy%' GROUP BY r.type ORDER BY r.type`,
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
  return otherwise(store, {
    transaction: (...all) => write(() => store.transaction(...all)),
    putBinary: (...all) => write(() => store.putBinary(...all)),
  });
}

const kindOf = ({ kind }: CopyEnd) => kind;

describe('an installation on the embedded store', () => {
  let source: Store;
  let world: World;
  /** Referrals on which nobody has decided, on any store. */
  const waiting: Awaited<ReturnType<typeof refer>>[] = [];

  beforeAll(async () => {
    source = await open('source');
    world = await startWorld({ referrals: 30, returnedState: 'TRIAGE_RESPONSE', store: source });
    await world.settled();
    for (const decision of DECISIONS) {
      const { task } = await refer(world, decision.kind);
      expect((await world.patch(task, decision.patch)).status).toBe(200);
      await world.settled();
    }
    for (let ofEach = 0; ofEach < 2; ofEach += 1) waiting.push(await refer(world, 'booked-direct'));
    await world.product.stop();
  }, 120_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await source.close();
    rmSync(root, { recursive: true, force: true });
  });

  test.each(['hapi', 'medplum'] as const)(
    'is copied into a store dressed as %s though killed, cut off and stopped on the way: count and hash are equal, and what was there is not written again',
    async (kind) => {
      const target = await open(`killed-${kind}`, kind);
      await expect(copy(source, endingAfter(target, 3, 'dies'))).rejects.toThrow('killed');
      expect(await copy(source, endingAfter(target, 5, 'answer-lost'))).toMatchObject({
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
      expect(countsIn(`killed-${kind}`)).toEqual(
        Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
      );
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(500);
    },
    120_000,
  );

  const copies = new Map<string, Store>();

  test.each(['hapi', 'medplum'] as const)(
    'K2: the engine goes on over the copy in a store dressed as %s, and nothing clinical is written anew',
    async (kind) => {
      const target = await open(`taken-over-${kind}`, kind);
      copies.set(kind, target);
      expect(kindOf(await copy(source, target))).toBe('equal');
      const versions = async () => {
        const all: string[] = [];
        for (const type of ['Patient', 'ServiceRequest', 'Appointment', 'List', 'DocumentReference', 'Task'] as const) {
          const read = await target.search(type, '_count=500');
          if (read.ok) all.push(...read.value.matches.map(({ id, meta }) => `${type}/${id}/${meta.versionId}`));
        }
        return all.sort();
      };
      const before = await versions();
      expect(before.length).toBeGreaterThan(150);
      const second = await world.startAnother(target);
      await second.settled();
      expect(await versions()).toEqual(before);
      await second.stop();
    },
    120_000,
  );

  test.each(['hapi', 'medplum'] as const)(
    'D1: a decision over the copy in a store dressed as %s reaches e-RS once, and another copy is refused from then on',
    async (kind) => {
      const target = copies.get(kind);
      const undecided = waiting.shift();
      if (target === undefined || undecided === undefined) throw new Error('there is no copy, or nothing to decide');
      const { ubrn, task: known } = undecided;
      const sent = (await world.calls('A013')).length;
      const second = await world.startAnother(target);
      const { system = '', value = '' } = known.identifier?.[0] ?? {};
      const found = await target.findByIdentifier('Task', system, value);
      const [task] = found.ok ? found.value : [];
      expect(task?.id === known.id).toBe(kind === 'hapi');
      const patched = await fetch(`${second.url}/fhir/R4/Task/${task?.id}`, {
        method: 'PATCH',
        headers: { 'Content-Type': 'application/json-patch+json', 'If-Match': `W/"${task?.meta.versionId}"` },
        body: JSON.stringify(DECISIONS[0].patch),
      });
      expect([patched.status, await patched.text()]).toEqual([200, expect.any(String)]);
      await second.settled();
      const decided = await target.read('Task', task?.id ?? '');
      expect(decided.ok && businessStatusOf(decided.value)).toBe('accepted');
      expect((await world.calls('A013')).slice(sent).map((call) => [call.ubrn, call.status])).toEqual([[ubrn, 200]]);
      await second.stop();
      expect(await copy(source, target)).toEqual({ kind: 'target-in-use' });
      await target.close();
    },
    120_000,
  );

  test('what the target alone has, or has otherwise after all, is named, so that nobody takes it for a copy', async () => {
    const target = await open('other', 'hapi');
    expect(kindOf(await copy(source, target))).toBe('equal');
    const probe = { resourceType: 'Basic', id: 'ers-fhir-probe', code: { text: 'left by a start-up probe' } } as const;
    expect((await target.update(probe)).ok).toBe(true);
    expect(kindOf(await copy(source, target))).toBe('equal');
    const alien = await target.create({ resourceType: 'Patient', active: true });
    const place = `Patient/${alien.ok ? alien.value.resource.id : ''}`;
    expect(await copy(source, target)).toEqual({ kind: 'different', places: [place], onlyThere: [place] });
    await target.close();
  }, 120_000);

  test.each(['hapi', 'medplum'] as const)(
    'an engine that is started on a target dressed as %s ends the copy before the next type, or at the end of the comparison',
    async (kind) => {
      for (const at of ['Patient', 'AuditEvent'] as const) {
        const phase = at === 'Patient' ? 'copy' : 'verify';
        const target = await open(`engine-started-${kind}-${phase}`, kind);
        const seen: CopyProgress[] = [];
        let started: Promise<unknown> = Promise.resolve();
        // As an engine does first of all.
        const begin = () => writeRecord(target, 'ers-lease', 'engine', { holder: 'another' }, undefined);
        const slow = otherwise(target, {
          search: async (...all) => {
            await started;
            return target.search(...all);
          },
        });
        const end = await copy(source, slow, never, (now) => {
          seen.push(now);
          if (now.phase === phase && now.type === at) started = begin();
        });
        expect(end).toEqual({ kind: 'target-in-use' });
        if (phase === 'copy') expect(seen.at(-1)).toMatchObject({ phase, type: at });
        await target.close();
      }
    },
    120_000,
  );
});

test.each([
  ['hapi', 1 + 2 * 110],
  // Half of the pairs could not be referred to when they were created.
  ['medplum', 1 + 2 * 110 + 110],
] as const)(
  'what refers to each other across transactions is there in a store dressed as %s, whatever was written in between',
  async (kind, writes) => {
    const [source, target] = [await open(`pairs-${kind}`), await open(`paired-${kind}`, kind)];
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
    expect(await copy(source, target)).toMatchObject({ kind: 'equal', written: writes });
    await Promise.all([source.close(), target.close()]);
  },
  60_000,
);

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
