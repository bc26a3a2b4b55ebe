import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Lived } from './prove.ts';

const MAIN = new URL('./main.ts', import.meta.url).pathname;

/** In a job's process: lives each seed that it is sent, one after the other. */
export function answerSeeds(live: (seed: number) => Promise<Lived>): void {
  process.on('message', (seed: number) => {
    // What rejects here is a defect of the proof: the process ends, and whoever shares out says so.
    void live(seed).then((lived) => process.send?.(lived));
  });
}

export interface ShareOut {
  readonly first: number;
  readonly seeds: number;
  /** Processes; one lives its seeds right here, so that it can be watched by a debugger. */
  readonly jobs: number;
  readonly live: (seed: number) => Promise<Lived>;
  /** Takes what came of a seed; false ends the run. */
  readonly mayGoOn: (lived: Lived) => boolean;
  readonly arguments: readonly string[];
}

/** Lives seeds in so many processes; a seed's life is the same in each. */
export async function shareOut({ first, seeds, jobs, live, mayGoOn, ...rest }: ShareOut): Promise<void> {
  let next = first;
  let isOver = false;
  const take = (): number | undefined => (isOver || next >= first + seeds ? undefined : next++);
  const note = (lived: Lived) => {
    isOver = !mayGoOn(lived) || isOver;
  };
  if (jobs <= 1) {
    for (let seed = take(); seed !== undefined; seed = take()) note(await live(seed));
    return;
  }
  const children = Array.from({ length: jobs }, () => fork(MAIN, [...rest.arguments, '--job']));
  try {
    await Promise.all(
      children.map(async (child) => {
        for (let seed = take(); seed !== undefined; seed = take()) note(await ask(child, seed));
      }),
    );
  } finally {
    for (const child of children) child.kill();
  }
}

async function ask(child: ChildProcess, seed: number): Promise<Lived> {
  const waited = new AbortController();
  const died = once(child, 'exit', { signal: waited.signal }).then(([code]) => {
    throw new Error(`The process that lived seed ${seed} died with ${code}.`);
  });
  const answered = once(child, 'message', { signal: waited.signal }).then(([lived]) => lived as Lived);
  died.catch(() => undefined);
  answered.catch(() => undefined);
  child.send(seed);
  try {
    return await Promise.race([answered, died]);
  } finally {
    waited.abort();
  }
}
