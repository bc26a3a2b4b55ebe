import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bundle, Resource, Task } from '@medplum/fhirtypes';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { type Process, startProcess, until } from '../journeys/process.ts';
import { businessStatusOf } from '../sign-in.ts';
import { type HapiServer, startHapi } from './server.ts';
import { acceptStraight, allOf } from './straight.ts';

const LEASE_SECONDS = 9;
const REFERRALS = 10;
const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-two-processes-'));

let hapi: HapiServer;
let simulator: Simulator;
let service = '';
/** The worker and the standby; who is which changes hands. */
let worker: Process;
let standby: Process;

const serve = (): Promise<Process> =>
  startProcess(['serve'], {
    PORT: '0',
    STORE: 'hapi',
    STORE_URL: hapi.url,
    LEASE_SECONDS: String(LEASE_SECONDS),
    ID_NAMESPACE_SECRET: 'a secret of two processes',
    ERS_BASE_URL: simulator.baseUrl,
    ERS_TOKEN_URL: simulator.tokenUrl,
    ERS_TOKEN_AUDIENCE: simulator.credentials.tokenAudience,
    ERS_API_KEY: simulator.credentials.apiKey,
    ERS_KEY_ID: simulator.credentials.keyId,
    ERS_PRIVATE_KEY_FILE: join(directory, 'key.pem'),
    ERS_SERVICES: JSON.stringify([{ id: service, lists: ['REFERRALS_FOR_REVIEW'], unattended: ['accept'] }]),
    ERS_POLLS_PER_DAY: '1000',
  });

async function control<T>(path: string, body?: unknown): Promise<T> {
  const answer = await fetch(`${simulator.controlUrl}/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json().catch(() => undefined)) as T;
}

beforeAll(async () => {
  simulator = await startSimulator({ port: 0, referrals: 0, requestsPerSecond: 10 });
  writeFileSync(join(directory, 'key.pem'), simulator.credentials.privateKeyPem);
  service = simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id ?? '';
  for (let count = 0; count < REFERRALS; count += 1)
    await control('referrals', { kind: 'booked-direct', service, priority: 'ROUTINE' });
  hapi = await startHapi();
  worker = await serve();
  await until(async () => ((await allOf<Task>(hapi.url, 'Task')).length === REFERRALS ? true : undefined));
  standby = await serve();
}, 300_000);
afterAll(async () => {
  for (const one of [worker, standby]) one?.child.kill('SIGKILL');
  await hapi.stop();
  await simulator.close();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

const engineOf = async ({ url }: Process): Promise<string> =>
  ((await (await fetch(`${url}/health/ready`)).json()) as { engine: string }).engine;

const openTasks = async (): Promise<(Task & { id: string })[]> =>
  (await allOf<Task & { id: string }>(hapi.url, 'Task')).filter(({ status }) => status === 'requested');

const ubrnOf = (task: Task): string => task.focus?.identifier?.value ?? '';

/** At a facade, as an EPR does it. */
async function acceptAt({ url }: Process, { id, meta }: Task): Promise<void> {
  const answer = await fetch(`${url}/fhir/R4/Task/${id}`, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json-patch+json', 'If-Match': `W/"${meta?.versionId}"` },
    body: JSON.stringify([{ op: 'replace', path: '/status', value: 'accepted' }]),
  });
  expect(answer.status).toBe(200);
}

/** Lists are read on and on, since only a later one tells of an accept whose answer was lost (4.5). */
const poll = ({ url }: Process) =>
  fetch(`${url}/fhir/R4/$ers-poll`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/fhir+json' },
    body: JSON.stringify({
      resourceType: 'Parameters',
      parameter: [{ name: 'service', valueString: service }],
    }),
  });

interface Judged {
  readonly decisions: readonly { readonly kind: string; readonly by: string }[];
}

/** The worker dies with a decision in e-RS's hands, and others all around it; the standby ends them all. */
async function killTheWorker(): Promise<number> {
  const [inFlight, straight, throughStandby, after] = await openTasks();
  if (!inFlight || !straight || !throughStandby || !after) throw new Error('too few open Tasks');
  const decided = [inFlight, straight, throughStandby, after];
  await control('faults', { endpoint: 'A013', kind: 'delay', delayMs: 3_000, ubrn: ubrnOf(inFlight) });
  await acceptAt(worker, inFlight);
  await until(async () => {
    const { calls } = await control<{ calls: { endpoint: string; ubrn?: string }[] }>('calls');
    return calls.find(({ endpoint, ubrn }) => endpoint === 'A013' && ubrn === ubrnOf(inFlight));
  });
  await acceptStraight(hapi.url, straight.id);
  const killedMs = performance.now();
  await worker.end('SIGKILL');
  await acceptAt(standby, throughStandby);
  await acceptStraight(hapi.url, after.id);
  await until(async () => ((await engineOf(standby)) === 'active' ? true : undefined));
  const tookMs = performance.now() - killedMs;
  await until(async () => {
    await poll(standby);
    const now = await allOf<Task & { id: string }>(hapi.url, 'Task');
    const ours = now.filter(({ id }) => decided.some((one) => one.id === id));
    return ours.every((task) => businessStatusOf(task) === 'accepted') ? true : undefined;
  });
  for (const task of decided) {
    const { decisions } = await control<Judged>(`referrals/${ubrnOf(task)}`);
    expect(decisions.map(({ kind, by }) => [kind, by])).toEqual([['accepted', 'api']]);
  }
  return tookMs;
}

describe('two processes on one HAPI', () => {
  test('one works, the other stands by, and both say so', async () => {
    expect([await engineOf(worker), await engineOf(standby)]).toEqual(['active', 'standby']);
  });

  test('both facades give the same answers, versions, ids and all, but for their own address', async () => {
    const asked = [
      'Task?status=requested&_include=Task:focus&_include=Task:patient&_sort=-authored-on',
      'ServiceRequest?_sort=_id&_revinclude=Task:focus',
      `Task/${(await openTasks())[0]?.id}`,
      'Appointment?status=booked&_sort=date',
      'Task?colour=blue',
    ];
    for (const path of asked) {
      const [one, other] = await Promise.all([worker, standby].map((process) => answerOf(process, path)));
      expect(one).toEqual(other);
    }
  });

  test('D1 D2 K2: the worker is killed with kill −9 while e-RS has a decision of it; the other takes over within the lease, and each decision is recorded once', async () => {
    const before = await versionsOfShared();
    expect(await killTheWorker()).toBeLessThan((LEASE_SECONDS + 1) * 1000);
    expect(await versionsOfShared()).toEqual(before);
  }, 120_000);

  test('D1 D2: the killed one comes back and stands by, and takes over in its turn when the other is killed', async () => {
    const risen = await serve();
    expect([await engineOf(standby), await engineOf(risen)]).toEqual(['active', 'standby']);
    [worker, standby] = [standby, risen];
    expect(await killTheWorker()).toBeLessThan((LEASE_SECONDS + 1) * 1000);
  }, 180_000);

  test('B1 D1: through both deaths e-RS saw no request over its limit, and no two writes for one referral at once', async () => {
    const audit = await control<Record<string, unknown>>('audit');
    expect(audit).toMatchObject({ requestsOverLimit: 0, parallelWrites: 0, badHeaders: {} });
  });
});

async function answerOf({ url }: Process, path: string): Promise<unknown> {
  const answer = await fetch(`${url}/fhir/R4/${path}`);
  const text = (await answer.text()).replaceAll(url, 'ADDRESS').replace(/_page=[\w-]+/g, '_page=TOKEN');
  const body = JSON.parse(text) as Resource;
  return { status: answer.status, etag: answer.headers.get('etag'), body: withoutMoment(body) };
}

/** A Bundle made for an answer bears the moment when it was made. */
function withoutMoment(body: Resource): unknown {
  if (body.resourceType !== 'Bundle') return body;
  const { id: _, meta: __, timestamp: ___, ...rest } = body as Bundle;
  return rest;
}

/** Patients and services as a load leaves them: a take-over writes none of them anew (K2). */
async function versionsOfShared(): Promise<string[]> {
  const found: string[] = [];
  for (const type of ['Patient', 'HealthcareService', 'Organization', 'Practitioner'])
    for (const { id, meta } of await allOf(hapi.url, type)) found.push(`${type}/${id} ${meta?.versionId}`);
  return found.toSorted();
}
