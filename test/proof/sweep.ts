import { PHASES } from './life.ts';
import { run } from './run.ts';
import type { Step } from './script.ts';

/** A stretch of a life at each door of which the process is killed. */
export interface Sweep {
  readonly seed?: number;
  readonly before: readonly Step[];
  readonly during: readonly Step[];
  /** The process dies in that stretch anyway, and it is the next one that is killed at each door from its start. */
  readonly isNext?: boolean;
  /** How long all settles afterwards: at least until the next poll, which comes every six minutes. */
  readonly settlingMs?: number;
  /** What the poll ledger permits; else there is none. */
  readonly pollsPerDay?: number;
}

/** Kills the process at each door that it passes in that stretch, in each phase; answers what broke, where it died, and how reviews ended. */
export async function killedEverywhere({
  seed = 3,
  before,
  during,
  isNext = false,
  settlingMs = 9 * 60_000,
  pollsPerDay,
}: Sweep) {
  const more = { deafness: 0, ...(pollsPerDay && { pollsPerDay }) };
  const counted = async (script: readonly Step[]) => run(seed, script, { ...more, settlingMs: 0 });
  const all = await counted([...before, ...during]);
  const doors = isNext ? all.lastDoors : all.doors - (before.length === 0 ? 0 : (await counted(before)).doors);
  const violations: string[] = [];
  const deaths = new Set<string>();
  const ends = new Set<string>();
  for (let door = 0; door < doors; door += 1) {
    for (const phase of PHASES) {
      const kill: Step = { do: 'kill', doors: door, phase, downMs: 50, isNext, afterMs: 0 };
      const verdict = await run(seed, [...before, kill, ...during], { ...more, settlingMs });
      for (const death of verdict.deaths) deaths.add(death);
      for (const one of verdict.violations) violations.push(`door ${door}, ${phase}: ${one}`);
      const end = [...verdict.notes].flatMap(([note, times]) => (note.startsWith('ended ') ? `${note} ${times}` : []));
      ends.add(end.join());
    }
  }
  return { violations, deaths: [...deaths].join('\n'), ends: [...ends] };
}

/** Steps at which no process died in some phase. */
export const spared = (deaths: string, ...steps: string[]): string[] =>
  steps.filter((step) => !PHASES.every((phase) => new RegExp(`^${step}.* \\| ${phase}$`, 'm').test(deaths)));
