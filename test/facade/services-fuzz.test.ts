import { type IncomingMessage, request as send } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Bundle } from '@medplum/fhirtypes';
import fc from 'fast-check';
import { isConformanceType, SERVED_TYPES, type ServedType, searchEntriesOf } from '../../conformance/index.ts';
import { ANT, BEE, startTwoServices, ubrnOf } from './two-services.ts';
import type { World } from './world.ts';

/** The same searches each time; a failure prints the shortest one that still fails. */
const RUNS = { seed: 20261126, numRuns: 1200 };

const TYPES: readonly ServedType[] = SERVED_TYPES.filter((type) => type !== 'Binary' && !isConformanceType(type));
const REFERRALS = ['ant-1', 'ant-2', 'bee-1', 'bee-2', 'bee-moved'];
const IDS: Readonly<Partial<Record<ServedType, readonly string[]>>> = {
  Appointment: REFERRALS.map((id) => `${id}-appointment`),
  AuditEvent: REFERRALS.map((id) => `${id}-audit`),
  Device: ['device-1'],
  DocumentReference: REFERRALS.map((id) => `${id}-doc`),
  HealthcareService: ['service-ant', 'service-buzz'],
  List: REFERRALS.map((id) => `${id}-list`),
  Patient: ['shared', 'ant-patient', 'bee-patient'],
  Practitioner: ['practitioner-1'],
  Provenance: REFERRALS.map((id) => `${id}-provenance`),
  ServiceRequest: REFERRALS,
  Task: REFERRALS.map((id) => `${id}-task`),
};
const type = fc.constantFrom(...TYPES);
const idOf = (of: ServedType) => fc.constantFrom(...(IDS[of] ?? ['never-was']));
const reference = type.chain((of) => idOf(of).map((id) => `${of}/${id}`));
const token = fc.constantFrom(
  'active',
  'asap',
  'booked',
  'current',
  'female',
  'requested',
  'routine',
  'order',
  ANT,
  BEE,
  ...REFERRALS.map(ubrnOf),
);
const text = fc.constantFrom('ant', 'bee', 'shared', 'service', 'ant-patient', 'bee-patient');
const date = fc.constantFrom('2026', 'ge2026-01-01', 'lt2026-01-02', 'gt2027');

/** A condition on a type: a parameter, chained and turned round at random, with a value that some resource has. */
const condition = (of: ServedType, depth: number): fc.Arbitrary<readonly [string, string]> => {
  const entries = searchEntriesOf(of);
  return fc.constantFrom(...entries).chain((entry) => {
    if (depth > 0 && entry.targets !== undefined) {
      const targets = entry.targets === 'any' ? TYPES : entry.targets.filter((one) => TYPES.includes(one));
      const chained = fc
        .constantFrom(...targets)
        .chain((target) =>
          fc
            .tuple(condition(target, depth - 1), fc.boolean())
            .map(([[rest, value], isTyped]) => [`${entry.code}${isTyped ? `:${target}` : ''}.${rest}`, value] as const),
        );
      return fc.oneof(
        chained,
        reference.map((value) => [entry.code, value] as const),
      );
    }
    if (entry.code === '_id') return idOf(of).map((id) => ['_id', id] as const);
    const value =
      entry.targets !== undefined ? reference : entry.type === 'date' ? date : entry.type === 'string' ? text : token;
    const modifier = fc.constantFrom('', '', '', ':missing');
    return fc
      .tuple(modifier, value)
      .map(([m, v]) => [`${entry.code}${m}`, m === ':missing' ? String(v.length % 2 === 0) : v]);
  });
};
const turned = (of: ServedType): fc.Arbitrary<readonly [string, string]> =>
  type.chain((source) => {
    const codes = searchEntriesOf(source).filter(({ targets }) => targets === 'any' || targets?.includes(of));
    if (codes.length === 0) return condition(of, 0);
    return fc
      .tuple(fc.constantFrom(...codes), condition(source, 1))
      .map(([{ code }, [rest, value]]) => [`_has:${source}:${code}:${rest}`, value] as const);
  });
const inclusion: fc.Arbitrary<readonly [string, string]> = type.chain((source) => {
  const links = searchEntriesOf(source).filter(({ targets }) => targets !== undefined);
  return fc
    .tuple(
      fc.constantFrom('_include', '_revinclude', '_include:iterate', '_revinclude:iterate'),
      links.length === 0 ? fc.constant('subject') : fc.constantFrom(...links.map(({ code }) => code)),
      fc.option(type, { freq: 3 }),
    )
    .map(([name, code, target]) => [name, `${source}:${code}${target === null ? '' : `:${target}`}`] as const);
});
/** Back from a patient whom both services have, which the search above seldom hits upon. */
const fromPatient = fc.constantFrom<readonly [string, string]>(
  ['_has:ServiceRequest:subject:priority', 'asap'],
  ['_has:ServiceRequest:patient:_id', 'bee-1'],
  ['_has:Task:patient:_id', 'bee-1-task'],
  ['_has:DocumentReference:subject:description', 'bee'],
);
const shape = fc.constantFrom<readonly [string, string]>(
  ['_summary', 'count'],
  ['_total', 'accurate'],
  ['_count', '1'],
  ['_count', '2'],
  ['_count', '0'],
  ['_sort', '-_lastUpdated'],
  ['_sort', '_id'],
  ['_elements', 'status'],
  ['_summary', 'true'],
);
/** Inclusions that the search could have, so that many of them are followed. */
const own = fc.constantFrom<readonly [string, string]>(
  ['_include', 'Task:focus'],
  ['_include', 'Task:patient'],
  ['_include', 'ServiceRequest:subject'],
  ['_include', 'ServiceRequest:supporting-info'],
  ['_include', 'ServiceRequest:performer'],
  ['_revinclude', 'Task:focus'],
  ['_revinclude', 'DocumentReference:related'],
  ['_revinclude', 'ServiceRequest:subject'],
  ['_include', 'Task:focus:ServiceRequest'],
  ['_include:iterate', 'ServiceRequest:subject'],
);
const search = type.chain((of) =>
  fc
    .tuple(
      fc.array(
        fc.oneof(
          { weight: 3, arbitrary: condition(of, 2) },
          { weight: 2, arbitrary: turned(of) },
          { weight: of === 'Patient' ? 2 : 0, arbitrary: fromPatient },
        ),
        {
          maxLength: 2,
        },
      ),
      fc.array(fc.oneof(own, inclusion), { maxLength: 2 }),
      fc.array(shape, { maxLength: 2 }),
    )
    .map(([conditions, inclusions, shapes]) => {
      const query = new URLSearchParams(
        [...conditions, ...inclusions, ...shapes].map(([name, value]) => [name, value] as [string, string]),
      );
      return `/${of}?${query}`;
    }),
);

let both: World;
let alone: World;
beforeAll(async () => {
  both = await startTwoServices();
  alone = await startTwoServices({ hasBee: false });
});
afterAll(async () => {
  await both[Symbol.asyncDispose]();
  await alone[Symbol.asyncDispose]();
});

/** All pages of a search, as one client of the first service gets them; links count, but not what is sealed in them. */
async function pagesOf(world: World, path: string): Promise<{ said: string; entries: number }> {
  let said = '';
  let entries = 0;
  let at: string | undefined = path;
  for (let pages = 0; at !== undefined && pages < 12; pages++) {
    const sent = send(`${world.fhir}${at}`, { agent: false, headers: { 'x-services': ANT } });
    sent.end();
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve).once('error', reject);
    });
    const text = (await buffer(answer)).toString();
    said += `${answer.statusCode} ${text.replaceAll(world.url, '').replace(/_page=[\w-]+/g, '_page')}\n`;
    const bundle = JSON.parse(text) as Bundle;
    entries += bundle.entry?.length ?? 0;
    at = bundle.link?.find(({ relation }) => relation === 'next')?.url?.slice(world.fhir.length);
  }
  return { said, entries };
}

test('whatever a client of one service searches, the answer is as if the other service had nothing', async () => {
  const seen = { answered: 0, found: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(search, async (path) => {
      const [here, there] = [await pagesOf(both, path), await pagesOf(alone, path)];
      expect(here.said).toBe(there.said);
      if (here.said.startsWith('200')) seen.answered += 1;
      if (here.said.startsWith('403')) seen.refused += 1;
      if (here.entries > 0) seen.found += 1;
    }),
    RUNS,
  );
  // Or the searches would prove nothing: many must be answered, find something, and be refused for where they lead.
  expect(seen.answered).toBeGreaterThan(RUNS.numRuns / 5);
  expect(seen.found).toBeGreaterThan(RUNS.numRuns / 20);
  expect(seen.refused).toBeGreaterThan(RUNS.numRuns / 20);
}, 120_000);
