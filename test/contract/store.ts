import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Basic, Patient, Resource, ServiceRequest, Task } from '@medplum/fhirtypes';
import type { ResourceType, Store, Stored, StoreResult } from '../../server/core/index.ts';
import { readRecord, recordEntry, writeRecord } from '../../server/store/index.ts';
import { searchWorld } from './search-world.ts';

/** A store under the contract, with a way to end it as a process ends and to open it again; undefined: it cannot be. */
export interface StoreUnderContract {
  readonly store: Store;
  reopen?(): Promise<Store>;
  close(): Promise<void>;
}

const SYSTEM = 'https://contract.example/Id/thing';
const patient = (value: string): Patient => ({
  resourceType: 'Patient',
  active: true,
  identifier: [{ system: SYSTEM, value }],
});

/** The value of a result that has to be good. */
function good<T>(result: StoreResult<T>): T {
  if (!result.ok) throw new Error(`${result.code}: ${result.outcome?.issue?.[0]?.details?.text ?? ''}`);
  return result.value;
}

const created = async <T extends Resource>(store: Store, resource: T): Promise<Stored<T>> =>
  good(await store.create(resource)).resource;

async function everyMatch(
  store: Store,
  type: ResourceType,
  query: string,
  between?: (page: number) => Promise<void>,
): Promise<Stored[]> {
  const found: Stored[] = [];
  let next: string | undefined;
  let page = 0;
  do {
    const answer = good(await store.search(type, query, next));
    found.push(...answer.matches);
    next = answer.next;
    await between?.(page);
    page += 1;
  } while (next !== undefined);
  return found;
}

/** What the rest of the product may rely on, whichever store stands behind the door. Source: stores.md 7, rule 13 */
export function storeContract(name: string, open: () => Promise<StoreUnderContract>): void {
  describe(`the store contract over ${name}`, () => {
    let under: StoreUnderContract;
    let store: Store;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    }, 180_000);
    afterAll(async () => under.close());

    test('the probe finds that it keeps its promises', async () => {
      expect(await store.probe()).toMatchObject({ ok: true });
    });

    test('what was written is read at once, by id, by identifier and by search', async () => {
      const one = await created(store, patient('read-your-writes'));
      expect(good(await store.read('Patient', one.id))).toEqual(one);
      expect(good(await store.findByIdentifier('Patient', SYSTEM, 'read-your-writes')).map(({ id }) => id)).toEqual([
        one.id,
      ]);
      expect((await everyMatch(store, 'Patient', `identifier=${SYSTEM}|read-your-writes`)).map(({ id }) => id)).toEqual(
        [one.id],
      );
    });

    test('compare-and-set: of eight writers of one version, one wins, seven see a conflict', async () => {
      const one = await created(store, patient('race'));
      const writes = Array.from(
        { length: 8 },
        (_, index) =>
          ({ ...one, gender: index % 2 ? 'female' : 'male', birthDate: `19${10 + index}-01-01` }) as Stored<Patient>,
      );
      const results = await Promise.all(writes.map((write) => store.update(write, { ifMatch: one.meta.versionId })));
      expect(results.filter(({ ok }) => ok)).toHaveLength(1);
      expect(results.flatMap((result) => (result.ok ? [] : [result.code]))).toEqual(Array(7).fill('conflict'));
      expect(good(await store.history('Patient', one.id, {})).entries).toHaveLength(2);
    });

    test('a patch with a stale version is a conflict, and a failing test operation changes nothing', async () => {
      const one = await created(store, patient('patched'));
      const next = good(
        await store.patch('Patient', one.id, [{ op: 'replace', path: '/active', value: false }], {
          ifMatch: one.meta.versionId,
        }),
      );
      expect(next.active).toBe(false);
      const stale = await store.patch('Patient', one.id, [{ op: 'replace', path: '/active', value: true }], {
        ifMatch: one.meta.versionId,
      });
      expect(stale).toMatchObject({ ok: false, code: 'conflict' });
      const failed = await store.patch('Patient', one.id, [{ op: 'test', path: '/active', value: true }]);
      expect(failed.ok).toBe(false);
      expect(good(await store.read('Patient', one.id)).meta.versionId).toBe(next.meta.versionId);
    });

    test('K2: an update that changes nothing makes no new version', async () => {
      const one = await created(store, patient('same'));
      expect(good(await store.update(one)).meta.versionId).toBe(one.meta.versionId);
    });

    test('a deleted resource is gone, is not resurrected by a stale update, and its past can be read', async () => {
      const one = await created(store, patient('deleted'));
      good(await store.remove('Patient', one.id));
      expect(await store.read('Patient', one.id)).toMatchObject({ ok: false, code: 'gone' });
      expect(await store.update({ ...one, active: false }, { ifMatch: one.meta.versionId })).toMatchObject({
        ok: false,
        code: 'conflict',
      });
      expect(await store.read('Patient', one.id)).toMatchObject({ ok: false, code: 'gone' });
      expect(good(await store.readVersion('Patient', one.id, one.meta.versionId)).active).toBe(true);
    });

    test('what was deleted is not resurrected by a stale write in a transaction, which leaves nothing of itself', async () => {
      const one = await created(store, patient('deleted-before-a-transaction'));
      const later = good(await store.update({ ...one, active: false }));
      good(await store.remove('Patient', one.id));
      for (const { versionId } of [one.meta, later.meta]) {
        const write = await store.transaction([
          { kind: 'create', resource: patient('beside-the-deleted') },
          { kind: 'put', resource: { ...one, birthDate: '1970-01-01' }, ifMatch: versionId },
        ]);
        expect(write).toMatchObject({ ok: false, code: 'conflict' });
      }
      expect(await store.read('Patient', one.id)).toMatchObject({ ok: false, code: 'gone' });
      expect(good(await store.findByIdentifier('Patient', SYSTEM, 'beside-the-deleted'))).toEqual([]);
    });

    test('a transaction is all or nothing, and its references lead where its entries went', async () => {
      const subject = await created(store, patient('transaction'));
      const request: ServiceRequest = {
        resourceType: 'ServiceRequest',
        status: 'active',
        intent: 'order',
        subject: { reference: `Patient/${subject.id}` },
      };
      const task: Task = {
        resourceType: 'Task',
        status: 'requested',
        intent: 'order',
        focus: { reference: 'urn:uuid:0c8b5c2e-8f5d-4a37-9a55-2f0f3a1c9a01' },
      };
      const [stored, storedTask] = good(
        await store.transaction([
          { kind: 'create', resource: request, fullUrl: 'urn:uuid:0c8b5c2e-8f5d-4a37-9a55-2f0f3a1c9a01' },
          { kind: 'create', resource: task },
        ]),
      );
      expect((storedTask as Stored<Task>).focus?.reference).toBe(`ServiceRequest/${stored?.id}`);
      const failed = await store.transaction([
        { kind: 'create', resource: patient('rolled-back') },
        { kind: 'put', resource: { ...subject, active: false }, ifMatch: '999' },
      ]);
      expect(failed).toMatchObject({ ok: false, code: 'conflict' });
      expect(good(await store.findByIdentifier('Patient', SYSTEM, 'rolled-back'))).toEqual([]);
    });

    test('no reference dangles: a write that points at nothing is refused, alone and in a transaction', async () => {
      const lost: Task = {
        resourceType: 'Task',
        status: 'requested',
        intent: 'order',
        for: { reference: 'Patient/4f6a1d1e-0000-4000-8000-00000000dead' },
      };
      expect(await store.create(lost)).toMatchObject({ ok: false, code: 'invalid' });
      expect(await store.transaction([{ kind: 'create', resource: lost }])).toMatchObject({
        ok: false,
        code: 'invalid',
      });
    });

    test('conditional creates: of eight at once, one creates and all answer the same resource', async () => {
      const results = await Promise.all(
        Array.from({ length: 8 }, () => store.create(patient('once'), { ifNoneExist: `identifier=${SYSTEM}|once` })),
      );
      const answers = results.map(good);
      expect(answers.filter((answer) => answer.created)).toHaveLength(1);
      expect(new Set(answers.map(({ resource }) => resource.id)).size).toBe(1);
      expect(good(await store.findByIdentifier('Patient', SYSTEM, 'once'))).toHaveLength(1);
    });

    test('conditional creates beside transactions that refer to what they make leave no reference to nothing, and make it once', async () => {
      const value = 'once-and-referred-to';
      const make = () => store.create(patient(value), { ifNoneExist: `identifier=${SYSTEM}|${value}` });
      const refer = async () => {
        const subject = good(await make()).resource;
        return store.transaction([
          {
            kind: 'create',
            resource: {
              resourceType: 'ServiceRequest',
              status: 'draft',
              intent: 'order',
              identifier: [{ system: SYSTEM, value }],
              subject: { reference: `Patient/${subject.id}` },
            },
          },
          {
            kind: 'create',
            resource: {
              ...patient(`${value}-beside`),
              link: [{ type: 'seealso', other: { reference: `Patient/${subject.id}` } }],
            },
          },
        ]);
      };
      const referred = await Promise.all(
        Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? make() : refer())),
      );
      referred.map((result) => good<unknown>(result));
      const [subject, ...more] = good(await store.findByIdentifier('Patient', SYSTEM, value));
      expect(more).toEqual([]);
      const requests = good(await store.findByIdentifier('ServiceRequest', SYSTEM, value));
      expect(requests.map(({ subject: to }) => to.reference)).toEqual(Array(8).fill(`Patient/${subject?.id}`));
      const beside = good(await store.findByIdentifier('Patient', SYSTEM, `${value}-beside`));
      expect(beside.flatMap(({ link = [] }) => link.map(({ other }) => other.reference))).toEqual(
        Array(8).fill(`Patient/${subject?.id}`),
      );
    });

    test('concurrent transactions do not interleave: of eight that take one record forward, each step is there once', async () => {
      good(await writeRecord(store, 'ers-lease', 'contract', { count: 0 }, undefined));
      const step = async (): Promise<void> => {
        for (;;) {
          const read = good(await readRecord<{ count: number }>(store, 'ers-lease', 'contract'));
          if (read === undefined) throw new Error('the record is gone');
          const entry = recordEntry(store, 'ers-lease', 'contract', { count: read.data.count + 1 }, read);
          const witness: Basic = {
            resourceType: 'Basic',
            code: { text: 'witness' },
            identifier: [{ system: SYSTEM, value: `step-${read.data.count}` }],
          };
          if ((await store.transaction([entry, { kind: 'create', resource: witness }])).ok) return;
        }
      };
      await Promise.all(Array.from({ length: 8 }, step));
      expect(good(await readRecord<{ count: number }>(store, 'ers-lease', 'contract'))?.data.count).toBe(8);
      for (let count = 0; count < 8; count += 1) {
        expect(good(await store.findByIdentifier('Basic', SYSTEM, `step-${count}`))).toHaveLength(1);
      }
    });

    test('base validation: what is not R4 is refused, naming the element', async () => {
      const bogus = { ...patient('bogus'), active: 'yes' } as unknown as Patient;
      const answer = await store.create(bogus);
      expect(answer).toMatchObject({ ok: false, code: 'invalid' });
      expect(JSON.stringify(answer)).toContain('Patient.active');
      const badStatus = { resourceType: 'Task', status: 'bogus', intent: 'order' } as unknown as Task;
      expect(await store.create(badStatus)).toMatchObject({ ok: false, code: 'invalid' });
    });

    test('paging neither skips nor repeats, although others write between the pages', async () => {
      const wanted: string[] = [];
      for (let index = 0; index < 25; index += 1)
        wanted.push((await created(store, { ...patient(`page-${index}`), gender: 'other' })).id);
      const found = await everyMatch(store, 'Patient', 'gender=other&_count=4', async (page) => {
        good(await store.create({ ...patient(`late-${page}`), gender: 'unknown' }));
        const touched = good(await store.read('Patient', wanted[page] ?? ''));
        good(await store.update({ ...touched, birthDate: '1970-01-01' }));
      });
      const ids = found.map(({ id }) => id);
      expect(ids.toSorted()).toEqual(wanted.toSorted());
    });

    test.each([
      ['birthdate', 'Dayup'],
      ['-birthdate', 'Daydown'],
      ['-family,birthdate', 'Family'],
    ])(
      'sorted by %s, pages neither skip nor repeat what is alike, keep the order, and stay so while others write',
      async (sort, family) => {
        const wanted: string[] = [];
        // Three of each day: the order among equals is the store's, but must be one.
        for (let index = 0; index < 21; index += 1) {
          const birthDate = `1980-01-0${1 + (index % 7)}`;
          wanted.push((await created(store, { ...patient(`${family}-${index}`), name: [{ family }], birthDate })).id);
        }
        const query = `family=${family}&_sort=${sort}&_count=4`;
        const found = await everyMatch(store, 'Patient', query, async (page) => {
          const late = {
            ...patient(`${family}-late-${page}`),
            name: [{ family: 'Otherwise' }],
            birthDate: '1980-01-03',
          };
          good(await store.create(late));
          const touched = good(await store.read('Patient', wanted[page * 3] ?? ''));
          good(await store.update({ ...touched, active: false } as Stored<Patient>));
        });
        expect(found.map(({ id }) => id).toSorted()).toEqual(wanted.toSorted());
        const days = found.map((one) => (one as Patient).birthDate ?? '');
        expect(days).toEqual(sort.startsWith('-birth') ? days.toSorted().reverse() : days.toSorted());
      },
    );

    test('a list of hundreds of values finds what a list of one finds: a cohort is asked for at once', async () => {
      const cohort = [];
      for (const value of ['cohort-1', 'cohort-2', 'cohort-3']) {
        const subject = await created(store, { ...patient(value), name: [{ family: `Cohorte${value.slice(-1)}` }] });
        const reference = { reference: `Patient/${subject.id}` };
        const asked: ServiceRequest = {
          resourceType: 'ServiceRequest',
          status: 'draft',
          intent: 'order',
          subject: reference,
        };
        cohort.push({ value, subject, request: await created(store, asked) });
      }
      const others = Array.from({ length: 600 }, (_, index) => `cohort-none-${index}`);
      const find = async (type: ResourceType, name: string, wanted: readonly string[]) => {
        const query = new URLSearchParams({
          [name]: [...others.slice(0, 300), ...wanted, ...others.slice(300)].join(),
        });
        return (await everyMatch(store, type, query.toString())).map(({ id }) => id).sort();
      };
      const patients = cohort.map(({ subject }) => subject.id).sort();
      const requests = cohort.map(({ request }) => request.id).sort();
      expect(await find('Patient', '_id', patients)).toEqual(patients);
      const tokens = cohort.map(({ value }) => `${SYSTEM}|${value}`);
      expect(await find('Patient', 'identifier', [...tokens, 'cohort-3'])).toEqual(patients);
      expect(await find('Patient', 'family', ['cohorte1', 'Cohorte2', 'cohorte3'])).toEqual(patients);
      expect(await find('Patient', 'family:exact', ['Cohorte1', 'Cohorte2', 'cohorte3'])).toHaveLength(2);
      const references = patients.map((id) => `Patient/${id}`);
      expect(await find('ServiceRequest', 'subject', [...references, 'Patient/cohort-none'])).toEqual(requests);
      expect(await find('ServiceRequest', 'subject:Patient.identifier', tokens)).toEqual(requests);
    });

    test('an unknown parameter or modifier is refused and named, never ignored', async () => {
      const answer = await store.search('Task', 'colour=blue');
      expect(answer).toMatchObject({ ok: false, code: 'invalid' });
      expect(JSON.stringify(answer)).toContain('colour');
    });

    test('history: every version newest first, the type too where the store has it', async () => {
      const one = await created(store, patient('history'));
      const two = good(await store.update({ ...one, active: false }));
      const entries = good(await store.history('Patient', one.id, {})).entries;
      expect(entries.map(({ versionId }) => versionId)).toEqual([two.meta.versionId, one.meta.versionId]);
      const ofType = await store.history('Patient', undefined, { count: 5 });
      if (store.capabilities.typeHistory) expect(good(ofType).entries[0]?.id).toBe(one.id);
      else expect(ofType).toMatchObject({ ok: false, code: 'not-supported' });
    });

    test('a Binary of 20 MB goes in and out by stream, and is the same byte by byte', async () => {
      const chunk = randomBytes(1_000_000);
      const source = Readable.from(
        (function* () {
          for (let index = 0; index < 20; index += 1) yield chunk;
        })(),
      );
      const stored = good(await store.putBinary(source, { contentType: 'application/pdf' }));
      const hash = createHash('sha1');
      for (let index = 0; index < 20; index += 1) hash.update(chunk);
      expect([stored.size, stored.sha1]).toEqual([20_000_000, hash.digest('base64')]);
      const read = createHash('sha1');
      const opened = good(await store.openBinary(stored.id));
      for await (const part of opened.stream) read.update(part as Buffer);
      expect([opened.contentType, read.digest('base64')]).toEqual(['application/pdf', stored.sha1]);
    }, 60_000);

    test('a Binary whose source breaks, or is longer than permitted, leaves nothing', async () => {
      const broken = Readable.from(
        (async function* () {
          yield Buffer.from('half');
          throw new Error('the line went dead');
        })(),
      );
      expect((await store.putBinary(broken, { contentType: 'text/plain' })).ok).toBe(false);
      const long = Readable.from([Buffer.alloc(1_000)]);
      expect(await store.putBinary(long, { contentType: 'text/plain', maxBytes: 10 })).toMatchObject({
        ok: false,
        code: 'invalid',
      });
    });

    test('what was acknowledged is there after the store is opened again', async () => {
      if (under.reopen === undefined) throw new Error('this store cannot be opened again by a test');
      const one = await created(store, patient('durable'));
      const file = good(await store.putBinary(Readable.from([Buffer.from('kept')]), { contentType: 'text/plain' }));
      store = await under.reopen();
      expect(good(await store.read('Patient', one.id)).meta.versionId).toBe(one.meta.versionId);
      expect((await buffer(good(await store.openBinary(file.id)).stream)).toString()).toBe('kept');
    });

    test('onChange tells of a write, whoever made it', async () => {
      const told: string[] = [];
      const stop = store.onChange(({ type, id }) => told.push(`${type}/${id}`));
      const one = await created(store, patient('hint'));
      for (let turns = 0; turns < 100 && told.length === 0; turns += 1)
        await new Promise((resolve) => setImmediate(resolve));
      stop();
      expect(told).toContain(`Patient/${one.id}`);
    });

    searchWorld(() => store);
  });
}
