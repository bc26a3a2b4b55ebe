import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { hear } from '../safety/canary.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** The product as a process of its own, started as its users start it. */
export interface Process {
  readonly child: ChildProcess;
  readonly url: string;
  /** Everything that it printed so far. */
  output(): string;
  /** Ends it; resolves with its exit code, or the signal. */
  end(signal: NodeJS.Signals): Promise<number | string>;
}

/** Starts `server/main.ts` with these words and this environment, and waits until it is ready. */
export async function startProcess(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Process> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', ...environment },
  });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const ended = new Promise<number | string>((done) =>
    child.once('exit', (code, signal) => done(code ?? signal ?? '')),
  );
  const output = () => chunks.join('');
  const url = await until(async () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${output()}`);
    return /"address":"(https?:[^"]+)"/.exec(output())?.[1];
  });
  return {
    child,
    url,
    output,
    async end(signal) {
      child.kill(signal);
      const how = await ended;
      // What it says to its user (the demo's curl lines) is no log.
      for (const line of output().split('\n')) if (line.startsWith('{')) hear(line);
      return how;
    },
  };
}

/** Asks until there is an answer; a minute at most. */
export async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  const startedMs = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() - startedMs > 60_000) throw new Error('nothing came within a minute');
    await new Promise((done) => setTimeout(done, 20));
  }
}
