import { randomInt, randomUUID } from 'node:crypto';
import type { Patient } from '@medplum/fhirtypes';
import { idSpace } from '../mappings/index.ts';
import {
  alertBoard,
  type Log,
  type Store,
  type StoreResult,
  systemClock,
  type TransactionEntry,
} from '../server/core/index.ts';
import { fingerprintOf, isTerminal } from '../server/decisions/index.ts';
import { createLanding } from '../server/landing/index.ts';
import { medianOf, ratesOf, timeMs } from './measure.ts';
import { manyReferrals } from './sources.ts';

const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };
const IDENTIFIER = 'https://bench.example/Id/patient';
const ROUNDS = 5;
const CALLERS = 16;

/** What was measured of one store, by what. */
export type Figures = Map<string, number>;

const must = <T>(answer: StoreResult<T>): T => {
  if (!answer.ok) throw new Error(`${answer.code} ${JSON.stringify(answer.outcome ?? '')}`);
  return answer.value;
};

/** The driver in this process: medians of five rounds after one that is not counted. */
export async function measureDoor(store: Store): Promise<Figures> {
  const run = randomUUID();
  const patient = (index: number): Patient => ({
    resourceType: 'Patient',
    identifier: [{ system: IDENTIFIER, value: `${run}-${index}` }],
    active: true,
  });
  let made = 0;
  const ids: string[] = [];
  const create = async () => {
    made += 1;
    ids.push(must(await store.create(patient(made))).resource.id);
  };
  const figures: Figures = new Map();
  const rate = async (what: string, times: number, work: (index: number) => Promise<unknown>) => {
    figures.set(`${what}, 1/s`, medianOf(await ratesOf(ROUNDS, times, work)));
  };

  await rate('create, one caller', 50, create);
  figures.set(`create, ${CALLERS} callers, 1/s`, await together(20, create));
  await rate('transaction of ten creations', 10, async () => {
    const entries = Array.from({ length: 10 }, (): TransactionEntry => {
      made += 1;
      return { kind: 'create', resource: patient(made) };
    });
    must(await store.transaction(entries));
  });
  await rate('read by id, one caller', 100, async (index) => must(await read(store, ids, index)));
  let asked = 0;
  figures.set(
    `read by id, ${CALLERS} callers, 1/s`,
    await together(50, async () => {
      asked += 1;
      must(await read(store, ids, asked));
    }),
  );
  await rate('search by identifier', 50, async (index) => {
    const wanted = `${run}-${(index % ids.length) + 1}`;
    if (must(await store.findByIdentifier('Patient', IDENTIFIER, wanted)).length !== 1) throw new Error('not found');
  });

  const landing = createLanding({
    store,
    ids: idSpace(run),
    clock: systemClock,
    log: SILENT,
    alerts: alertBoard(() => new Date()),
    judge: { isTerminal, fingerprintOf },
  });
  // A store that is not empty has not met these before.
  const from = randomInt(9_000_000);
  await rate('landing of a referral', 15, async (index) => {
    const source = manyReferrals(from + index);
    const landed = await landing.land({ source, items: [], review: () => ({ alerts: [] }) });
    if (landed.kind !== 'landed') throw new Error(landed.kind);
  });
  return figures;
}

const read = (store: Store, ids: readonly string[], index: number) =>
  store.read('Patient', ids[index % ids.length] ?? '');

/** Operations a second of several callers, each doing so many, after a round that is not counted. */
async function together(each: number, work: () => Promise<void>): Promise<number> {
  const round = () =>
    timeMs(() =>
      Promise.all(
        Array.from({ length: CALLERS }, async () => {
          for (let time = 0; time < each; time += 1) await work();
        }),
      ),
    );
  await round();
  const rounds = [await round(), await round(), await round()];
  return (CALLERS * each * 1000) / medianOf(rounds);
}
