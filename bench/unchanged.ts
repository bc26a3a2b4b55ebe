import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { searchParameters } from '../conformance/index.ts';
import { idSpace } from '../mappings/index.ts';
import {
  alertBoard,
  type Budget,
  type ErsClient,
  type Fate,
  type Log,
  systemClock,
  Turns,
} from '../server/core/index.ts';
import { fingerprintOf, isTerminal } from '../server/decisions/index.ts';
import { createIntake } from '../server/intake/index.ts';
import { createLanding } from '../server/landing/index.ts';
import { createSentinel } from '../server/sentinel/index.ts';
import { openEmbeddedStore } from '../server/store/index.ts';
import { type Row, residentMb, rowOf, timeMs } from './measure.ts';
import { manyReferrals } from './sources.ts';

const ENTRIES = 5_000;
const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };
const LIST = JSON.parse(
  readFileSync(new URL('../test/fixtures/ers/a008-referrals-for-review.json', import.meta.url), 'utf8'),
) as {
  entry: {
    item: { reference: string };
    extension: { extension: { url: string; valueInteger?: number; valueReference?: object }[] }[];
  }[];
};

/** A worklist of many entries; the trailing blank makes another answer of it, byte by byte, that says the same. */
function worklist(version: number, blanks: number): string {
  const [entry] = LIST.entry;
  if (entry === undefined) throw new Error('the fixture has no entry');
  const entries = Array.from({ length: ENTRIES }, (_, index) => {
    const one = structuredClone(entry);
    one.item.reference = `ReferralRequest/${manyReferrals(index).id}`;
    for (const field of one.extension[0]?.extension ?? []) {
      if (field.url === 'referralRequestVersion') field.valueInteger = version;
      if (field.url === 'service')
        field.valueReference = { identifier: { system: 'http://fhir.nhs.net/Id/ers-service', value: '1' } };
    }
    return one;
  });
  return JSON.stringify({ ...LIST, entry: entries }) + ' '.repeat(blanks);
}

const ok = <T>(value: T): Promise<Fate<T>> => Promise.resolve({ kind: 'ok', value });
const no = (): Promise<Fate<never>> => Promise.resolve({ kind: 'refused', code: 'ERS_BUSINESS_RULE' });

/** A poll of 5,000 entries that say nothing new, with the store on disk and e-RS's answers made in this process. */
export async function benchUnchanged(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-'));
  const store = await openEmbeddedStore({ directory, clock: systemClock, searchParameters });
  let answer = worklist(5, 0);
  const referrals = new Map(Array.from({ length: ENTRIES }, (_, index) => [manyReferrals(index).id, index]));
  const ers: Partial<ErsClient> = {
    fetchWorklist: () => ok({ stream: Readable.from([Buffer.from(answer)]), contentType: 'application/fhir+json' }),
    fetchReferral: (ubrn) => ok({ source: manyReferrals(referrals.get(ubrn) ?? 0), version: 5 }),
    generateClinicalInformation: no,
    downloadAttachment: no,
    fetchCodeSystem: no,
  };
  const budget: Budget = {
    admit: async () => ({ sent: () => {}, ended: () => {} }),
    slowDown: () => {},
    hearErsTime: () => {},
    pollsOf: async () => ({ now: new Date(0), spent: [], left: undefined, nextAt: new Date(0) }),
    spendPoll: async () => ({ granted: true }),
    nextPollAt: async () => new Date(0),
  };
  const shared = {
    store,
    clock: systemClock,
    log: silent,
    ids: idSpace('bench'),
    alerts: alertBoard(() => new Date()),
  };
  const intake = createIntake({
    ...shared,
    ers: ers as ErsClient,
    budget,
    landing: createLanding({ ...shared, judge: { isTerminal, fingerprintOf } }),
    turns: new Turns(),
    services: [{ id: '1', lists: ['REFERRALS_FOR_REVIEW'], unattended: [] }],
    pollsPerDay: undefined,
  });
  try {
    const first = await timeMs(() => intake.runOnce());
    globalThis.gc?.();
    const before = residentMb();
    const equal: number[] = [];
    const rewritten: number[] = [];
    for (let run = 0; run < 5; run += 1) {
      equal.push(await timeMs(() => intake.runOnce()));
      answer = worklist(5, run + 1);
      rewritten.push(await timeMs(() => intake.runOnce()));
    }
    const sentinel = createSentinel({ ...shared, services: [{ id: '1', lists: [] }], everyMs: 60_000 });
    const account = await timeMs(() => sentinel.reconcile());
    const again: number[] = [];
    for (let run = 0; run < 5; run += 1) again.push(await timeMs(() => sentinel.reconcile()));
    const size = `${(answer.length / 1e6).toFixed(1)} MB`;
    return [
      rowOf(`first load of ${ENTRIES} referrals, e-RS's limit lifted, no files`, '1/s', [(ENTRIES / first) * 1000]),
      rowOf(`poll of ${ENTRIES} unchanged entries (${size}), answer byte-equal`, 'ms', equal, '≤ 500 ms'),
      rowOf(`poll of ${ENTRIES} unchanged entries (${size}), answer written anew`, 'ms', rewritten, '≤ 500 ms'),
      rowOf('memory more than before those polls', 'MB', [residentMb() - before], '≤ 100 MB'),
      rowOf(`account of ${ENTRIES} referrals, everything read`, 'ms', [account]),
      rowOf(`account of ${ENTRIES} referrals, nothing new`, 'ms', again),
    ];
  } finally {
    await intake.stop();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
