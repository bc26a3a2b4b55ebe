import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Basic, Bundle } from '@medplum/fhirtypes';
import { type LeaseRecord, type Log, type Store, systemClock } from '../../server/core/index.ts';
import { createLease } from '../../server/lease/index.ts';
import { connectHapiStore, readRecord, writeRecord } from '../../server/store/index.ts';
import { until } from '../journeys/process.ts';
import { type HapiServer, startHapi } from './server.ts';

const APPLICATION = 'a-hash-of-an-api-key';
const LEASE_MS = 6_000;
/** As many as the lease lets stand. */
const RENEWALS = 360;

let server: HapiServer;
let store: Store;
beforeAll(async () => {
  server = await startHapi();
  store = await connectHapiStore({ baseUrl: server.url, clock: systemClock, random: Math.random });
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

test('versions of the lease are dropped after 360 renewals, so that they do not fill the disk, and it is held meanwhile', async () => {
  let record = await writeRecord<LeaseRecord>(store, 'ers-lease', APPLICATION, {
    application: APPLICATION,
    leaseMs: LEASE_MS,
    renewal: 0,
  });
  for (let renewal = 1; renewal < RENEWALS - 1; renewal += 1) {
    if (!record.ok) throw new Error(record.code);
    const next = { application: APPLICATION, leaseMs: LEASE_MS, renewal };
    record = await writeRecord<LeaseRecord>(store, 'ers-lease', APPLICATION, next, record.value);
  }
  if (!record.ok) throw new Error(record.code);
  const { id } = record.value;
  /** As far as a page of HAPI goes; its totals come from a cache. */
  const versions = async () => {
    const answer = await fetch(`${server.url}/Basic/${id}/_history?_count=50`, {
      headers: { 'Cache-Control': 'no-cache' },
    });
    return ((await answer.json()) as Bundle<Basic>).entry?.length ?? 0;
  };
  expect([record.value.versionId, await versions()]).toEqual([String(RENEWALS - 1), 50]);

  const lines: string[] = [];
  const note = (event: string) => void lines.push(event);
  const log: Log = { info: note, warn: note, error: note };
  const lease = createLease({
    store,
    clock: systemClock,
    log,
    application: APPLICATION,
    address: 'http://127.0.0.1:8080',
    leaseMs: LEASE_MS,
    isSoleProcess: false,
    whenHeld: async () => undefined,
    whenLost: async () => undefined,
  });
  await using _ = { [Symbol.asyncDispose]: () => lease.stop() };
  await lease.start();
  await until(async () => {
    await systemClock.sleep(200);
    if (lines.includes('lease.versions.kept')) throw new Error('HAPI did not drop them');
    return (await versions()) < 20 ? true : undefined;
  });
  const renewalNow = async () => {
    const read = await readRecord<LeaseRecord>(store, 'ers-lease', APPLICATION);
    return read.ok ? (read.value?.data.renewal ?? 0) : 0;
  };
  const before = await renewalNow();
  await until(async () => ((await renewalNow()) > before ? true : undefined));
  expect(lease.isHeld()).toBe(true);
  expect(lines.filter((event) => event !== 'lease.record.unwritten')).toEqual(['lease.engine.active']);
}, 180_000);
