import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bundle, DocumentReference } from '@medplum/fhirtypes';
import { type Row, rowOf } from './measure.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const SIMULATOR = 'http://127.0.0.1:18190';
const FHIR = 'http://127.0.0.1:18191/fhir/R4';
const LARGE_BYTES = 20_000_000;
const ROUNDS = 8;

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

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const startedMs = performance.now(); ; ) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    if (performance.now() - startedMs > 60_000) throw new Error(`${what} did not come about within a minute`);
    await sleep(20);
  }
}

const json = async <T>(url: string, init?: RequestInit): Promise<T> => {
  const answer = await fetch(url, init);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
};
const post = (body: object, type = 'application/json'): RequestInit => ({
  method: 'POST',
  headers: { 'Content-Type': type },
  body: JSON.stringify(body),
});

/** A line of the kernel's account of a process, in MB: `VmRSS` now, `VmHWM` at most since `forgetPeak`. */
function memoryMb({ pid }: ChildProcess, line: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${line}:\\s+(\\d+)`).exec(status)?.[1]) / 1000;
}
const forgetPeak = ({ pid }: ChildProcess): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** Brings a referral with one file of that size in, and reads the file back through the facade: the whole path. */
async function carry(bytes: number): Promise<void> {
  const attachments = [{ title: 'scan.tif', contentType: 'image/tiff', bytes }];
  const wish = { kind: 'booked-direct', service: '70101', attachments };
  const { ubrn } = await json<{ ubrn: string }>(`${SIMULATOR}/simulator/referrals`, post(wish));
  const parameters = { resourceType: 'Parameters', parameter: [{ name: 'ubrn', valueString: ubrn }] };
  await json(`${FHIR}/ServiceRequest/$ers-fetch`, post(parameters, 'application/fhir+json'));
  const query = `related:identifier=https://fhir.nhs.uk/Id/UBRN|${ubrn}&contenttype=image/tiff`;
  const url = await until('the file in the store', async () => {
    const found = await json<Bundle<DocumentReference>>(`${FHIR}/DocumentReference?${query}`);
    return found.entry?.[0]?.resource?.content[0]?.attachment.url;
  });
  const file = await fetch(URL.canParse(url) ? url : `${FHIR}/${url}`, { headers: { Accept: 'image/tiff' } });
  let size = 0;
  for await (const chunk of file.body ?? []) size += chunk.length;
  if (file.status !== 200 || size !== bytes) throw new Error(`the file came back as ${file.status}, ${size} bytes`);
}

/** Memory that a file of 20 MB costs on its way in and out, the product and e-RS each in a process of its own. */
export async function benchFiles(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-'));
  const keyFile = join(directory, 'key.pem');
  let simulator: ChildProcess | undefined;
  let product: ChildProcess | undefined;
  try {
    const free = ['--requests-per-second', '0', '--polls-per-day', '0', '--referrals', '0'];
    simulator = start(['simulator/main.ts', '--port', new URL(SIMULATOR).port, ...free, '--key-file', keyFile]);
    const credentials = await until('the simulator', () =>
      json<{ apiKey: string; keyId: string; tokenUrl: string; baseUrl: string }>(`${SIMULATOR}/simulator/credentials`),
    );
    product = start(['server/main.ts', 'serve'], {
      PORT: new URL(FHIR).port,
      DATA_DIR: directory,
      ID_NAMESPACE_SECRET: 'a secret of this benchmark',
      LOG_LEVEL: 'error',
      ERS_BASE_URL: credentials.baseUrl,
      ERS_TOKEN_URL: credentials.tokenUrl,
      ERS_API_KEY: credentials.apiKey,
      ERS_KEY_ID: credentials.keyId,
      ERS_PRIVATE_KEY_FILE: keyFile,
      ERS_SERVICES: JSON.stringify([{ id: '70101', bookableType: 'DIRECTLY_BOOKABLE' }]),
      ERS_REQUESTS_PER_SECOND: '1000',
    });
    await until('the facade', () => json<object>(`${FHIR}/metadata`));
    for (let warm = 0; warm < 40; warm += 1) await carry(1_000);
    const idle: number[] = [];
    const more: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await sleep(2_000);
      const before = memoryMb(product, 'VmRSS');
      forgetPeak(product);
      await carry(LARGE_BYTES);
      idle.push(before);
      more.push(memoryMb(product, 'VmHWM') - before);
    }
    const first = idle[0] ?? Number.NaN;
    await sleep(2_000);
    const after = memoryMb(product, 'VmRSS') - first;
    return [
      rowOf('server alone, idle after small files', 'MB', [first]),
      rowOf('a file of 20 MB in from e-RS and out by the facade: peak more than idle', 'MB', more, '≤ 40 MB'),
      rowOf(`… and idle memory after ${ROUNDS} such files more than before the first`, 'MB', [after]),
    ];
  } finally {
    await end(product);
    await end(simulator);
    rmSync(directory, { recursive: true, force: true });
  }
}
