import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Row, rowOf } from './measure.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const PORT = 18_180;
const URL_BASE = `http://127.0.0.1:${PORT}`;

const reachable = async (path: string, isThere: (body: string) => boolean): Promise<boolean> => {
  const answer = await fetch(`${URL_BASE}${path}`).catch(() => undefined);
  return answer?.ok === true && isThere(await answer.text());
};

async function until(condition: () => Promise<boolean>, startedMs: number): Promise<number> {
  for (;;) {
    if (await condition()) return performance.now() - startedMs;
    if (performance.now() - startedMs > 60_000) throw new Error('the demo did not come up within a minute');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Process start to listening, to ready, and to the first referral that a client can read; memory when ready. */
export async function benchStart(): Promise<Row[]> {
  const runs: { listening: number; first: number; rss: number }[] = [];
  for (let run = 0; run < 5; run += 1) {
    const startedMs = performance.now();
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', 'demo'], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], PORT: String(PORT), SIMULATOR_PORT: '0', LOG_LEVEL: 'error' },
      stdio: 'ignore',
    });
    try {
      const listening = await until(() => reachable('/health/live', () => true), startedMs);
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000;
      const first = await until(
        () =>
          reachable('/fhir/R4/Task?status=requested&_include=Task:focus', (body) => body.includes('"ServiceRequest"')),
        startedMs,
      );
      runs.push({ listening, first, rss });
    } finally {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
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
