import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bundle } from '@medplum/fhirtypes';
import { SYSTEM } from '../../mappings/index.ts';
import { describeError, type Readiness } from '../../server/core/index.ts';
import { DECISIONS } from '../journeys/five-decisions.ts';
import { startWorld, type World } from '../journeys/world.ts';
import { CANARY, leaksOf } from './canary.ts';

const NHS_NUMBER = '9990000018';
const TOKEN = 'eyJhbGciOiJub25lIn0.canary-of-a-token.x';
/** What each fault makes of an answer; a garbled one quotes the patient. */
const FAULTS = [
  { kind: 'status', status: 500, body: { issue: [{ diagnostics: `${CANARY} ${NHS_NUMBER}` }] } },
  { kind: 'status', status: 422, body: { issue: [{ diagnostics: `${CANARY} ${NHS_NUMBER}` }] } },
  { kind: 'lose-answer' },
  { kind: 'lose-request' },
  { kind: 'reset' },
  { kind: 'truncate' },
  { kind: 'garbage', body: `${CANARY} ${NHS_NUMBER}` },
];
const PATCH = { 'If-Match': 'W/"1"', 'Content-Type': 'application/json-patch+json' };
const session = {
  'NHSD-User-Authorization': `Bearer ${TOKEN}`,
  'NHSD-End-User-Organisation-ODS': 'R69',
  'NHSD-eRS-Business-Function': 'SERVICE_PROVIDER_CLINICIAN',
};

let world: World;
/** Answers to requests that were wrong, in ways that name a patient. */
const refusals: string[] = [];

async function decideUnder(index: number): Promise<void> {
  const decision = DECISIONS[index % DECISIONS.length];
  const fault = FAULTS[index % FAULTS.length];
  if (decision === undefined || fault === undefined) return;
  const { kind, patch, endpoint } = decision;
  const service = world.simulator.services.find(({ bookableType, lists }) =>
    kind === 'triage'
      ? bookableType === 'TRIAGE'
      : kind === 'slot-issue'
        ? lists.includes('APPOINTMENT_SLOT_ISSUES')
        : bookableType === (kind === 'booked-direct' ? 'DIRECTLY_BOOKABLE' : 'INDIRECTLY_BOOKABLE'),
  )?.id;
  for (const at of ['A005', 'A006', 'A007', 'A042'])
    await world.control('POST', 'faults', { endpoint: at, times: 1, ...fault });
  const { ubrn } = await world.control<{ ubrn: string }>('POST', 'referrals', {
    kind,
    service,
    nhsNumber: NHS_NUMBER,
    attachments: [{ title: `${CANARY} letter.pdf`, contentType: 'application/pdf', bytes: 2000 }],
  });
  await world.settled();
  await world.control('DELETE', 'faults');
  await world.product.engine.fetch(ubrn as never);
  await world.settled();
  const task = await world.taskOf(ubrn);
  await world.control('POST', 'faults', { endpoint, times: 1, ...fault });
  await world.patch(task, patch);
  await world.settled();
  await world.control('DELETE', 'faults');
}

beforeAll(async () => {
  world = await startWorld({ referrals: 2 });
  for (let index = 0; index < 10; index += 1) await decideUnder(index);
  // One that stays an exception: e-RS shows it on a list, and not to us.
  await world.control('POST', 'faults', { endpoint: 'A005', times: 1000, kind: 'status', status: 422 });
  await world.control('POST', 'referrals', { kind: 'booked-direct', service: '70101', nhsNumber: NHS_NUMBER });
  await world.settled();
  await world.control('DELETE', 'faults');
  const { fhir } = world;
  await fetch(`${world.product.url}/${CANARY}/${NHS_NUMBER}`);
  await fetch(`${fhir}/metadata`, { headers: { 'X-Correlation-ID': CANARY, 'X-Request-Id': CANARY } });
  for (const [path, init] of [
    [`Patient/${NHS_NUMBER}`, {}],
    [`Patient/${CANARY}`, {}],
    [`${CANARY}/${NHS_NUMBER}`, {}],
    [`Patient?identifier=${NHS_NUMBER}&_count=x`, {}],
    [`Patient?identifier=${NHS_NUMBER}&_count=${CANARY}`, {}],
    [`Patient?_sort=${CANARY}`, {}],
    [`Task/${NHS_NUMBER}`, { method: 'PATCH', body: `[{"op":"${CANARY}"`, headers: { 'If-Match': 'W/"1"' } }],
    [`Task/${NHS_NUMBER}`, { method: 'PATCH', body: `[${CANARY} ${NHS_NUMBER}]`, headers: PATCH }],
    ['Task/x/$ers-send-decision', { method: 'POST', headers: session }],
    ['Patient/_search', { method: 'POST', body: `family=${CANARY}`, headers: { 'Content-Type': CANARY } }],
  ] as const)
    refusals.push(await (await fetch(`${fhir}/${path}`, init)).text());
}, 180_000);
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

describe('a patient with a number, a name and comments that are watched', () => {
  test('P1: is in no log line, metric or health report, whatever decision and fault it went through', async () => {
    const metrics = await (await fetch(`${world.product.url}/metrics`)).text();
    await fetch(`${world.fhir}/$ers-reconciliation`);
    const ready = await (await fetch(`${world.product.url}/health/ready`)).text();
    expect((JSON.parse(ready) as Readiness).account?.exceptions).not.toEqual([]);
    expect(world.log.length).toBeGreaterThan(200);
    const lines = [...world.log.map((line) => JSON.stringify(line)), ...metrics.split('\n'), ready];
    expect(lines.filter((line) => leaksOf(line).length > 0)).toEqual([]);
  });

  test('P1: is in no refusal that quotes what was asked', () => {
    expect(refusals).toHaveLength(10);
    expect(refusals.flatMap((text) => leaksOf(text).map((kind) => [kind, text]))).toEqual([]);
  });

  test('P1: is in no link, and in no id', async () => {
    const urls: string[] = [];
    for (const search of [
      `Patient?identifier=${SYSTEM.nhsNumber}|${NHS_NUMBER}`,
      `Task?patient.identifier=${SYSTEM.nhsNumber}|${NHS_NUMBER}&_count=1`,
      'DocumentReference?_count=5',
      'Provenance?_count=5',
      'AuditEvent?_count=5',
    ]) {
      const bundle = (await (await world.get(search)).json()) as Bundle;
      expect(bundle.entry?.length).toBeGreaterThan(0);
      for (const { url = '' } of bundle.link ?? []) {
        const token = new URL(url).searchParams.get('_page') ?? '';
        urls.push(decodeURIComponent(url), Buffer.from(token, 'base64url').toString('latin1'));
      }
      urls.push(...(bundle.entry ?? []).map(({ fullUrl = '' }) => fullUrl));
    }
    expect(urls.filter((url) => leaksOf(url.replaceAll('/', ' ')).length > 0)).toEqual([]);
  });

  test('P1: is in no file outside of the store', () => {
    const tracked = spawnSync('git', ['status', '--porcelain', '--ignored'], {
      cwd: resolve(import.meta.dirname, '../..'),
    });
    expect(tracked.stdout.toString()).not.toContain(CANARY);
    const files = readdirSync(world.directory, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const outside = files
      .map(({ parentPath, name }) => join(parentPath, name).slice(world.directory.length + 1))
      .filter((file) => !/^store\.sqlite(-wal|-shm)?$|^binaries\//.test(file));
    expect(outside).toEqual([]);
    expect(files.filter(({ name }) => leaksOf(name).length > 0)).toEqual([]);
  });

  test('P1: what is said of an unexpected error holds none of its words, wherever they lead', () => {
    const error = new TypeError(`No bed for ${CANARY} ${NHS_NUMBER}\nsee /server/${CANARY}.ts`);
    expect(describeError(error)).toEqual({ error: 'TypeError' });
  });

  test('a logger without redaction is caught: each kind of leak is seen where a careless line has it', () => {
    const careless = [
      `{"event":"facade.request.answered","route":"/fhir/R4/Patient?identifier=${NHS_NUMBER}"}`,
      '{"event":"ers.call.answered","route":"/STU3/ReferralRequest/000000700001"}',
      `{"event":"dispatch.decision.refused","error":"The comment ${CANARY} is too long"}`,
      `{"event":"ers.call.failed","error":"Bearer ${TOKEN}"}`,
      `{"event":"facade.request.failed","error":"Unexpected token in {\\"token\\":\\"${TOKEN}\\"}"}`,
    ];
    expect(careless.map((line) => leaksOf(line))).toEqual([
      ['NHS number'],
      ['UBRN'],
      ['name or free text'],
      ['token'],
      ['token'],
    ]);
    expect(leaksOf('{"correlationId":"1b4e28ba-2fa1-4d3b-a3f5-123456789012","tookMs":9990000018.5}')).toEqual([]);
  });
});
