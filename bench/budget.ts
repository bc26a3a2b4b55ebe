import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBudget } from '../server/budget/index.ts';
import { Secret } from '../server/config/index.ts';
import { type Log, parseUbrn, systemClock } from '../server/core/index.ts';
import { createErsClient } from '../server/ers/index.ts';
import { startProduct } from '../server/product.ts';
import type { Row } from './measure.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const SERVICE = '70101';
const LIMIT = 10;
const MOST_FILES = 5;
const WARM_UPS = 5;
const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Seen {
  readonly at: string;
  readonly endpoint: string;
  readonly status: number;
}

interface Load {
  readonly calls: readonly Seen[];
  readonly busiestSecond: number;
  readonly overLimit: number;
  readonly landed: number;
  readonly seconds: number;
}

/** The far side in a process of its own, or it would measure when this process lets it look at the clock. */
interface FarSide {
  readonly baseUrl: string;
  readonly tokenUrl: string;
  readonly controlUrl: string;
  readonly credentials: { apiKey: string; keyId: string; tokenAudience: string; privateKeyPem: string };
  close(): Promise<unknown>;
}

async function startFarSide(directory: string): Promise<FarSide> {
  const keyFile = join(directory, 'key.pem');
  const words = ['--port', '0', '--referrals', '0', '--requests-per-second', String(LIMIT), '--polls-per-day', '0'];
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'simulator/main.ts', ...words, '--key-file', keyFile],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  while (!/^service /m.test(said)) {
    await once(child.stdout, 'data', { signal: AbortSignal.timeout(20_000) });
  }
  const named = (name: string) => new RegExp(`^${name}\\s+(\\S+)`, 'm').exec(said)?.[1] ?? '';
  const [baseUrl, tokenUrl, controlUrl] = [named('e-RS simulator'), named('token endpoint'), named('control door')];
  const { apiKey, keyId } = (await (await fetch(`${controlUrl}/credentials`)).json()) as {
    apiKey: string;
    keyId: string;
  };
  const privateKeyPem = readFileSync(keyFile, 'utf8');
  return {
    baseUrl,
    tokenUrl,
    controlUrl,
    credentials: { apiKey, keyId, tokenAudience: tokenUrl, privateKeyPem },
    close() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/**
 * A first load at e-RS's ten requests a second, over sockets and in real time: the simulator judges the rate by the
 * machine's clock, as e-RS would, so no clock can be moved here.
 */
export async function benchBudget(referrals = 100): Promise<Row[]> {
  const calm = await firstLoad(referrals, async () => undefined);
  const rough = await firstLoad(Math.min(referrals, 100), (simulator) =>
    control(simulator, 'POST', 'faults', { endpoint: '*', kind: 'status', status: 429, after: 60, times: 6 }),
  );
  const floorSeconds = calm.calls.length / LIMIT;
  const refused = (load: Load) => load.calls.filter(({ status }) => status === 429).length;
  const what = `${referrals} new referrals, 0–${MOST_FILES} files each`;
  const row = (text: string, median: number, unit: Row['unit'], aim?: string): Row => ({
    what: text,
    median,
    unit,
    ...(aim === undefined ? {} : { aim }),
  });
  return [
    row(`${what}: e-RS calls`, calm.calls.length, ''),
    row(`${what}: landed`, calm.landed, '', `${referrals}`),
    row(
      `${what}: actual ÷ floor (calls ÷ ${LIMIT}/s = ${floorSeconds.toFixed(0)} s)`,
      calm.seconds / floorSeconds,
      '×',
      '≤ 1.03',
    ),
    row(`${what}: answers 429`, refused(calm), '', '0'),
    row(`${what}: busiest second, by the simulator`, calm.busiestSecond, '', `≤ ${LIMIT}`),
    row('six 429s injected: answers 429 in all', refused(rough), '', '6'),
    row('six 429s injected: landed', rough.landed, '', `${Math.min(referrals, 100)}`),
    row('six 429s injected: busiest second', rough.busiestSecond, '', `≤ ${LIMIT}`),
    row('six 429s injected: rate over the last five seconds', lastRate(rough.calls, 5), '1/s', '≥ 9'),
  ];
}

async function firstLoad(referrals: number, prepare: (simulator: FarSide) => Promise<unknown>): Promise<Load> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-budget-'));
  const simulator = await startFarSide(directory);
  try {
    const ubrns: string[] = [];
    for (let index = 0; index < referrals; index += 1) {
      const attachments = Array.from({ length: index % (MOST_FILES + 1) }, (_, file) => ({
        title: `letter-${file + 1}.pdf`,
        contentType: 'application/pdf',
        bytes: 20_000,
        availability: 'AVAILABLE',
      }));
      const wish = { kind: 'booked-direct', service: SERVICE, attachments };
      ubrns.push((await control<{ ubrn: string }>(simulator, 'POST', 'referrals', wish)).ubrn);
    }
    await warmUp(simulator, ubrns);
    await prepare(simulator);
    const started = await startProduct({
      server: {
        port: 0,
        host: '127.0.0.1',
        publicUrl: undefined,
        dataDirectory: join(directory, 'data'),
        idNamespaceSecret: new Secret('a secret of this bench'),
        refuseIdentifiersInUrls: false,
        decisionDelaySeconds: 0,
        userRestricted: 'wait',
        authorisationTimeoutHours: 24,
        conflictResend: 'when-unchanged',
        maxCommentLength: 2_000,
        maxFileBytes: 50_000_000,
        logLevel: 'error',
        leaseSeconds: 30,
      },
      ers: {
        ...simulator.credentials,
        baseUrl: simulator.baseUrl,
        tokenUrl: simulator.tokenUrl,
        privateKeyPem: new Secret(simulator.credentials.privateKeyPem),
        services: [{ id: SERVICE, lists: ['REFERRALS_FOR_REVIEW'], unattended: [] }],
        requestsPerSecond: LIMIT,
        pollsPerDay: undefined,
        proxy: undefined,
      },
      version: '0.0.0-bench',
      log: SILENT,
      clock: systemClock,
      pollIntervalMs: 3_600_000,
    });
    if (!started.ok) throw new Error(started.fault);
    const { product } = started;
    try {
      await loaded(simulator, () => {
        const { firstLoad: under, services } = product.engine.readiness();
        return under === undefined && services[0]?.listed === referrals;
      });
      const found = await product.store.search('Task', '_count=500&_total=accurate');
      const { calls } = await control<{ calls: Seen[] }>(simulator, 'GET', 'calls');
      const audit = await control<{ busiestSecond: number; requestsOverLimit: number }>(simulator, 'GET', 'audit');
      const ers = calls.filter(({ endpoint }) => /^A\d/.test(endpoint)).slice(WARM_UPS);
      const [first, last] = [ers[0], ers.at(-1)].map((call) => Date.parse(call?.at ?? ''));
      return {
        calls: ers,
        busiestSecond: audit.busiestSecond,
        overLimit: audit.requestsOverLimit,
        landed: found.ok ? (found.value.total ?? found.value.matches.length) : 0,
        // The first call's own share of the pace is before it.
        seconds: ((last ?? 0) - (first ?? 0)) / 1000 + 1 / LIMIT,
      };
    } finally {
      await product.stop();
    }
  } finally {
    await simulator.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * The simulator's first PDFs hold up its clock for a few hundred milliseconds: requests that came one after the other are
 * then written down as come at once. That is no fault of whoever sent them.
 */
async function warmUp(simulator: FarSide, ubrns: readonly string[]): Promise<void> {
  const budget = createBudget({
    store: undefined,
    clock: systemClock,
    random: () => 0.5,
    log: SILENT,
    requestsPerSecond: LIMIT,
    pollsPerDay: undefined,
  });
  const ers = createErsClient({
    ...simulator,
    ...simulator.credentials,
    budget,
    clock: systemClock,
    log: SILENT,
    limits: { maxFileBytes: 50_000_000, maxJsonBytes: 5_000_000 },
  });
  for (const text of ubrns.slice(0, WARM_UPS)) {
    const ubrn = parseUbrn(text);
    if (ubrn === undefined) continue;
    const made = await ers.generateClinicalInformation(ubrn, { correlationId: randomUUID(), priority: 'routine' });
    if (made.kind === 'ok') await made.value.stream.resume().toArray();
  }
  await new Promise((resolve) => setTimeout(resolve, 1_500));
}

/** Waits until the load is through and no call has come for two seconds. */
async function loaded(simulator: FarSide, isThrough: () => boolean): Promise<void> {
  for (let quiet = 0, seen = -1; quiet < 4; ) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { calls } = await control<{ calls: { seq: number }[] }>(simulator, 'GET', 'calls');
    quiet = isThrough() && calls.length === seen ? quiet + 1 : 0;
    seen = calls.length;
  }
}

function lastRate(calls: readonly Seen[], seconds: number): number {
  const endMs = Date.parse(calls.at(-1)?.at ?? '');
  return calls.filter(({ at }) => Date.parse(at) > endMs - seconds * 1000).length / seconds;
}

async function control<T>(simulator: FarSide, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(`${simulator.controlUrl}/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  if (!answer.ok) throw new Error(`control door ${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}
