import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bundle, Task } from '@medplum/fhirtypes';
import { searchParameters } from '../conformance/index.ts';
import { systemClock } from '../server/core/index.ts';
import { openEmbeddedStore } from '../server/store/index.ts';
import { type Simulator, startSimulator } from '../simulator/index.ts';
import { type Row, rowOf } from './measure.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const RUNS = 5;
const SECRET = 'a secret of this bench';

interface Server {
  readonly child: ChildProcess;
  readonly url: string;
  kill(): Promise<void>;
}

async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (const startedMs = performance.now(); ; ) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() - startedMs > 60_000) throw new Error('nothing came within a minute');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const serviceOf = ({ services }: Simulator) =>
  services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;

/** The product as it is in production, at e-RS's pace of ten requests a second. */
function serve(simulator: Simulator, directory: string, port: number): Server {
  const { credentials } = simulator;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', 'serve'], {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'],
      PORT: String(port),
      LOG_LEVEL: 'error',
      DATA_DIR: join(directory, 'data'),
      ID_NAMESPACE_SECRET: SECRET,
      ERS_BASE_URL: simulator.baseUrl,
      ERS_TOKEN_URL: simulator.tokenUrl,
      ERS_TOKEN_AUDIENCE: credentials.tokenAudience,
      ERS_API_KEY: credentials.apiKey,
      ERS_KEY_ID: credentials.keyId,
      ERS_PRIVATE_KEY_FILE: join(directory, 'key.pem'),
      // One service: the first poll of several would be spread over minutes.
      ERS_SERVICES: JSON.stringify([{ id: serviceOf(simulator), unattended: ['accept'] }]),
      ERS_POLLS_PER_DAY: '1000',
    },
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    child,
    url: `http://127.0.0.1:${port}`,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const tasksOf = async (url: string, ubrns: readonly string[]): Promise<readonly Task[] | undefined> => {
  const answer = await fetch(`${url}/fhir/R4/Task?status=requested&_count=200`).catch(() => undefined);
  if (answer?.ok !== true) return undefined;
  const tasks = ((await answer.json()) as Bundle<Task>).entry?.flatMap(({ resource }) => resource ?? []) ?? [];
  const wanted = ubrns.flatMap((ubrn) => tasks.find(({ focus }) => JSON.stringify(focus).includes(ubrn)) ?? []);
  return wanted.length === ubrns.length ? wanted : undefined;
};

/** A decision that no process of ours has seen: written straight into the store while nothing runs. */
async function decide(directory: string, id: string): Promise<void> {
  const store = await openEmbeddedStore({ directory: join(directory, 'data'), clock: systemClock, searchParameters });
  const written = await store.patch('Task', id, [{ op: 'replace', path: '/status', value: 'accepted' }]);
  await store.close();
  if (!written.ok) throw new Error(written.code);
}

/**
 * kill −9 of a server at work → a new process answers at the facade, and a decision that was queued meanwhile reaches e-RS
 * (the simulator's record of the call's arrival). Between the two the lease changes hands.
 */
export async function benchRestart(): Promise<Row[]> {
  const simulator = await startSimulator({ port: 0, referrals: 20 });
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-'));
  writeFileSync(join(directory, 'key.pem'), simulator.credentials.privateKeyPem);
  const control = async <T>(method: string, path: string, body?: unknown) =>
    (await (
      await fetch(`${simulator.controlUrl}/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      })
    ).json()) as T;
  const service = serviceOf(simulator);
  const ubrns: string[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const wish = { kind: 'booked-direct', service, priority: 'ROUTINE' };
    ubrns.push((await control<{ ubrn: string }>('POST', 'referrals', wish)).ubrn);
  }
  const arrivalOf = (ubrn: string) =>
    until(async () => {
      const { calls } = await control<{ calls: { at: string; endpoint: string; ubrn?: string }[] }>('GET', 'calls');
      return calls.find((call) => call.endpoint === 'A013' && call.ubrn === ubrn)?.at;
    });
  const runs: { answers: number; sent: number }[] = [];
  let server = serve(simulator, directory, 18_190);
  try {
    const tasks = await until(() => tasksOf(server.url, ubrns));
    for (const [run, task] of tasks.entries()) {
      const ubrn = ubrns[run] ?? '';
      await server.kill();
      await decide(directory, task.id ?? '');
      const startedAt = performance.timeOrigin + performance.now();
      server = serve(simulator, directory, 18_191 + run);
      const { url } = server;
      await until(async () => (await fetch(`${url}/fhir/R4/Task/${task.id}`).catch(() => undefined))?.ok || undefined);
      const answers = performance.timeOrigin + performance.now() - startedAt;
      const sent = Date.parse(await arrivalOf(ubrn)) - startedAt;
      runs.push({ answers, sent });
    }
  } finally {
    await server.kill();
    await simulator.close();
    rmSync(directory, { recursive: true, force: true });
  }
  return [
    rowOf(
      'kill −9 → the facade answers',
      'ms',
      runs.map(({ answers }) => answers),
      '≤ 2,000 ms',
    ),
    rowOf(
      'kill −9 → a decision that was queued meanwhile reaches e-RS',
      'ms',
      runs.map(({ sent }) => sent),
      '≤ 2,000 ms',
    ),
  ];
}
