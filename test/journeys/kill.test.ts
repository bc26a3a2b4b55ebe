import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bundle, Resource } from '@medplum/fhirtypes';
import { canonicalJson } from '../../mappings/index.ts';
import { audit } from '../../server/commands/audit.ts';
import { createStillClock, type Simulator, startSimulator } from '../../simulator/index.ts';
import { type Process, startProcess, until } from './process.ts';

const CLINICAL = [
  'ServiceRequest',
  'Task',
  'Appointment',
  'List',
  'DocumentReference',
  'Patient',
  'HealthcareService',
  'Practitioner',
  'Organization',
];
const SUMMARY = 'clinical-information-summary';
const REFERRALS = 20;
const SECRET = 'a secret of this kill test';

let simulator: Simulator;
let directory: string;
beforeAll(async () => {
  simulator = await startSimulator({
    port: 0,
    referrals: REFERRALS,
    // Scans stand still, so that two runs, one after the other, meet the same files.
    clock: createStillClock(new Date()),
  });
  directory = mkdtempSync(join(tmpdir(), 'ers-fhir-kill-'));
  writeFileSync(join(directory, 'key.pem'), simulator.credentials.privateKeyPem);
}, 60_000);
afterAll(async () => {
  await simulator.close();
  rmSync(directory, { recursive: true, force: true });
});

const serve = (dataDirectory: string): Promise<Process> =>
  startProcess(['serve'], {
    PORT: '0',
    DATA_DIR: join(directory, dataDirectory),
    ID_NAMESPACE_SECRET: SECRET,
    ERS_BASE_URL: simulator.baseUrl,
    ERS_TOKEN_URL: simulator.tokenUrl,
    ERS_TOKEN_AUDIENCE: simulator.credentials.tokenAudience,
    ERS_API_KEY: simulator.credentials.apiKey,
    ERS_KEY_ID: simulator.credentials.keyId,
    ERS_PRIVATE_KEY_FILE: join(directory, 'key.pem'),
    ERS_SERVICES: JSON.stringify(simulator.services.map(({ id, name, lists }) => ({ id, name, lists }))),
    ERS_REQUESTS_PER_SECOND: '200',
    ERS_POLLS_PER_DAY: '10',
  });

async function resourcesOf(url: string, type: string): Promise<Resource[]> {
  const bundle = (await (await fetch(`${url}/fhir/R4/${type}?_count=500`)).json()) as Bundle;
  return (bundle.entry ?? []).flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
}

/** What two runs cannot share: e-RS makes its PDF anew each time (1.7), and a Task says when it was last changed. */
function withoutTheRun(resource: Resource): Resource {
  const copy = structuredClone(resource);
  if (copy.resourceType === 'Task') delete copy.lastModified;
  const isGenerated = copy.resourceType === 'DocumentReference' && copy.type?.coding?.[0]?.code === SUMMARY;
  if (isGenerated) {
    delete copy.date;
    for (const { attachment } of copy.content ?? [])
      for (const member of ['title', 'hash', 'size'] as const) delete attachment?.[member];
  }
  return copy;
}

/** All clinical resources by content, server ids and PDF bytes aside. */
async function contentOf(url: string): Promise<string[]> {
  const all: string[] = [];
  for (const type of CLINICAL) {
    for (const resource of await resourcesOf(url, type)) {
      all.push(canonicalJson(withoutTheRun(resource)));
    }
  }
  return all.toSorted();
}

/** What only one of two runs has, in short. */
const same = (a: readonly string[], b: readonly string[]): string[] =>
  [...new Set(a).symmetricDifference(new Set(b))].map(
    (text) => `${/"resourceType":"(\w+)"/g.exec(text)?.[1]} ${/"identifier":\[.*?\]/.exec(text)?.[0]}`,
  );

/** Settled: each listed referral is in the store, its files fetched, nothing left of the first load. */
const loaded = (url: string): Promise<string[]> =>
  until(async () => {
    const ready = (await (await fetch(`${url}/health/ready`)).json()) as {
      firstLoad?: unknown;
      services: { listed: number; lastPolledAt?: string }[];
    };
    if (ready.services.some(({ lastPolledAt }) => lastPolledAt === undefined)) return undefined;
    const listed = ready.services.reduce((count, { listed: one }) => count + one, 0);
    const tasks = await resourcesOf(url, 'Task');
    return ready.firstLoad === undefined && listed > 0 && tasks.length >= listed ? contentOf(url) : undefined;
  });

describe('kill −9', () => {
  test('K1 K2: in the middle of a first load, and started again, leaves the same clinical resources as a run without', async () => {
    const undisturbed = await serve('undisturbed');
    const expected = await loaded(undisturbed.url);
    await undisturbed.end('SIGTERM');

    let killed = await serve('killed');
    for (const wanted of [2, 6, 11]) {
      await until(async () => ((await resourcesOf(killed.url, 'Task')).length >= wanted ? true : undefined));
      await killed.end('SIGKILL');
      killed = await serve('killed');
    }
    const isSame = await until(async () =>
      same(await loaded(killed.url), expected).length === 0 ? true : undefined,
    ).catch(() => false);
    expect([isSame, same(await contentOf(killed.url), expected)]).toEqual([true, []]);
    expect(expected.length).toBeGreaterThan(REFERRALS * 3);
    expect(await killed.end('SIGTERM')).toBe(0);

    // What a kill leaves of the audit trail is whole: a batch of it is written, or is not.
    const environment = { DATA_DIR: join(directory, 'killed'), ID_NAMESPACE_SECRET: SECRET };
    const said: string[] = [];
    const note = (text: string) => {
      said.push(text);
    };
    expect(
      await audit
        .run({ args: ['verify'], environment, version: '0', say: note, complain: note })
        .then((code) => [code, said]),
    ).toEqual([0, [expect.stringMatching(/whole: \d{2,} AuditEvents in [2-9] chains/)]]);
  }, 120_000);
});
