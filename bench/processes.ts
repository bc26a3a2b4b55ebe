import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = new URL('..', import.meta.url).pathname;
export const SIMULATOR = 'http://127.0.0.1:18190';
export const FHIR = 'http://127.0.0.1:18191/fhir/R4';

function start(args: readonly string[], environment: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

/** Asks every 20 ms until there is an answer; a failed request is none yet. */
export async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const startedMs = performance.now(); ; ) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    if (performance.now() - startedMs > 60_000) throw new Error(`${what} did not come about within a minute`);
    await sleep(20);
  }
}

export const json = async <T>(url: string, init?: RequestInit): Promise<T> => {
  const answer = await fetch(url, init);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
};
const post = (body: object, type = 'application/json'): RequestInit => ({
  method: 'POST',
  headers: { 'Content-Type': type },
  body: JSON.stringify(body),
});

export interface Pair extends AsyncDisposable {
  readonly product: ChildProcess;
}

/** A new referral in e-RS: its UBRN. */
export async function refer(wish: object): Promise<string> {
  return (await json<{ ubrn: string }>(`${SIMULATOR}/simulator/referrals`, post(wish))).ubrn;
}

/**
 * The product and e-RS, each in a process of its own, neither held back by a pace; what `prepare` did in e-RS is there before
 * the product's first poll.
 */
export async function startPair(services: readonly object[], prepare = async (): Promise<void> => {}): Promise<Pair> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-'));
  const keyFile = join(directory, 'key.pem');
  const children: ChildProcess[] = [];
  const stop = async () => {
    for (const child of children.toReversed()) await end(child);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const free = ['--requests-per-second', '0', '--polls-per-day', '0', '--referrals', '0'];
    children.push(start(['simulator/main.ts', '--port', new URL(SIMULATOR).port, ...free, '--key-file', keyFile]));
    const credentials = await until('the simulator', () =>
      json<{ apiKey: string; keyId: string; tokenUrl: string; baseUrl: string }>(`${SIMULATOR}/simulator/credentials`),
    );
    await prepare();
    const product = start(['server/main.ts', 'serve'], {
      PORT: new URL(FHIR).port,
      DATA_DIR: directory,
      ID_NAMESPACE_SECRET: 'a secret of this benchmark',
      LOG_LEVEL: 'error',
      ERS_BASE_URL: credentials.baseUrl,
      ERS_TOKEN_URL: credentials.tokenUrl,
      ERS_API_KEY: credentials.apiKey,
      ERS_KEY_ID: credentials.keyId,
      ERS_PRIVATE_KEY_FILE: keyFile,
      ERS_SERVICES: JSON.stringify(services),
      ERS_REQUESTS_PER_SECOND: '1000',
    });
    children.push(product);
    await until('the facade', () => json<object>(`${FHIR}/metadata`));
    return { product, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A new referral in e-RS, on no list that was read, brought in by `$ers-fetch`: its UBRN. */
export async function bringIn(wish: object): Promise<string> {
  const ubrn = await refer(wish);
  const parameters = { resourceType: 'Parameters', parameter: [{ name: 'ubrn', valueString: ubrn }] };
  await json(`${FHIR}/ServiceRequest/$ers-fetch`, post(parameters, 'application/fhir+json'));
  return ubrn;
}
