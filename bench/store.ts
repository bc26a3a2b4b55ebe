import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Patient } from '@medplum/fhirtypes';
import { searchParameters } from '../conformance/index.ts';
import { idSpace } from '../mappings/index.ts';
import { alertBoard, type Log, systemClock } from '../server/core/index.ts';
import { fingerprintOf, isTerminal } from '../server/decisions/index.ts';
import { createLanding } from '../server/landing/index.ts';
import { openEmbeddedStore } from '../server/store/index.ts';
import { type Row, ratesOf, rowOf } from './measure.ts';
import { manyReferrals } from './sources.ts';

const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };
const IDENTIFIER = 'https://bench.example/Id/patient';

const patient = (index: number): Patient => ({
  resourceType: 'Patient',
  identifier: [{ system: IDENTIFIER, value: `p${index}` }],
  active: true,
});

/** The embedded store in this process, one caller, every write durable: reads, searches, creates, landings a second. */
export async function benchStore(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-'));
  const store = await openEmbeddedStore({ directory, clock: systemClock, searchParameters });
  try {
    const created: string[] = [];
    const creates = await ratesOf(5, 400, async (index) => {
      const answer = await store.create(patient(index));
      if (!answer.ok) throw new Error(answer.code);
      created.push(answer.value.resource.id);
    });
    const reads = await ratesOf(5, 20_000, (index) => store.read('Patient', created[index % created.length] ?? ''));
    const searches = await ratesOf(5, 1_000, (index) =>
      store.findByIdentifier('Patient', IDENTIFIER, `p${index % created.length}`),
    );
    const landing = createLanding({
      store,
      ids: idSpace('bench'),
      clock: systemClock,
      log: silent,
      alerts: alertBoard(() => new Date()),
      judge: { isTerminal, fingerprintOf },
    });
    const landings = await ratesOf(5, 100, async (index) => {
      const landed = await landing.land({ source: manyReferrals(index), items: [], review: () => ({ alerts: [] }) });
      if (landed.kind !== 'landed') throw new Error(landed.kind);
    });
    return [
      rowOf('embedded store: read by id', '1/s', reads),
      rowOf('embedded store: search by identifier', '1/s', searches),
      rowOf('embedded store: create, durable', '1/s', creates),
      rowOf('landing of a referral (one transaction), durable', '1/s', landings),
    ];
  } finally {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
