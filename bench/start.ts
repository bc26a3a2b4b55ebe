import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientKey, tokenRequest } from '../server/access/index.ts';
import { type Row, rowOf } from './measure.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const PORT = 18_180;
const URL_BASE = `http://127.0.0.1:${PORT}`;

const reachable = async (path: string, isThere: (body: string) => boolean, token?: string): Promise<boolean> => {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${URL_BASE}${path}`, { headers }).catch(() => undefined);
  return answer?.ok === true && isThere(await answer.text());
};

async function until(condition: () => Promise<boolean>, startedMs: number): Promise<number> {
  for (;;) {
    if (await condition()) return performance.now() - startedMs;
    if (performance.now() - startedMs > 60_000) throw new Error('the demo did not come up within a minute');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A token of the demo's own client. */
async function tokenOf(directory: string): Promise<string> {
  const key = JSON.parse(readFileSync(join(directory, 'demo-client.json'), 'utf8')) as ClientKey;
  const tokenUrl = `${URL_BASE}/auth/token`;
  const body = await tokenRequest(key, { tokenUrl, scope: undefined, nowMs: Date.now() });
  return ((await (await fetch(tokenUrl, { method: 'POST', body })).json()) as { access_token: string }).access_token;
}

/** Process start to listening, to ready, and to the first referral that a client can read; memory when ready. */
export async function benchStart(): Promise<Row[]> {
  const runs: { listening: number; first: number; rss: number }[] = [];
  for (let run = 0; run < 5; run += 1) {
    const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-start-'));
    const startedMs = performance.now();
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', 'demo'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'],
        PORT: String(PORT),
        SIMULATOR_PORT: '0',
        DATA_DIR: directory,
        LOG_LEVEL: 'error',
      },
      stdio: 'ignore',
    });
    try {
      const listening = await until(() => reachable('/health/live', () => true), startedMs);
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000;
      const token = await tokenOf(directory);
      const first = await until(
        () =>
          reachable(
            '/fhir/R4/Task?status=requested&_include=Task:focus',
            (body) => body.includes('"ServiceRequest"'),
            token,
          ),
        startedMs,
      );
      runs.push({ listening, first, rss });
    } finally {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    }
  }
  return [
    rowOf(
      'demo: process start → facade answers',
      'ms',
      runs.map(({ listening }) => listening),
      '≤ 1,000 ms',
    ),
    rowOf(
      'demo: memory then (server and simulator in one process)',
      'MB',
      runs.map(({ rss }) => rss),
      '≤ 200 MB',
    ),
    rowOf(
      'demo: process start → first referral readable',
      'ms',
      runs.map(({ first }) => first),
      '≤ 3,000 ms',
    ),
  ];
}
