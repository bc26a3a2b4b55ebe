import { run, type Verdict } from './run.ts';
import { readable, type Step, scriptOf } from './script.ts';

export interface ProveOptions {
  readonly seeds: number;
  readonly first: number;
  readonly isTraced: boolean;
  readonly isShrunk: boolean;
  /** After so many the run ends. */
  readonly mostFailures: number;
  readonly say: (line: string) => void;
}

/** Runs so many seeds; answers the exit code. A failing one is shortened, printed, and its command with it. */
export async function prove({ seeds, first, isTraced, isShrunk, mostFailures, say }: ProveOptions): Promise<number> {
  const deaths = new Map<string, number>();
  const notes = new Map<string, number>();
  const failed: Verdict[] = [];
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  let doors = 0;
  let livedMs = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const script = scriptOf(seed);
    const verdict = await run(seed, script, { isTraced });
    doors += verdict.doors;
    livedMs += verdict.livedMs;
    for (const death of verdict.deaths) deaths.set(death, (deaths.get(death) ?? 0) + 1);
    for (const [note, count] of verdict.notes) notes.set(note, (notes.get(note) ?? 0) + count);
    if (isTraced) say(verdict.trace.join('\n'));
    if (verdict.violations.length > 0) {
      failed.push(verdict);
      await tell(verdict, script, isShrunk, say);
      if (failed.length >= mostFailures) break;
    }
  }
  const tookMs = performance.now() - startedMs;
  const used = process.cpuUsage(cpu);
  const cpuMs = (used.user + used.system) / 1000;
  say(table('What became of the reviews', notes));
  say(table('Deaths of the process, by door', deaths));
  const days = (livedMs / 86_400_000).toFixed(1);
  say(
    `${seeds} seeds from ${first}: ${failed.length} failed. ${(seeds / (tookMs / 1000)).toFixed(1)} seeds/s by the clock, ${(seeds / (cpuMs / 1000)).toFixed(1)} seeds a second of one core; ${doors} doors passed, ${sum(deaths)} deaths, ${days} days lived.`,
  );
  if (failed.length > 0) say(`Failed: ${failed.map(({ seed }) => seed).join(' ')}`);
  return failed.length > 0 ? 1 : 0;
}

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, one) => all + one, 0);

function table(title: string, counts: ReadonlyMap<string, number>): string {
  const rows = [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, count]) => `  ${String(count).padStart(7)}  ${what}`);
  return `${title}:\n${rows.join('\n')}`;
}

export const replay = (seed: number): string => `npm run prove -- --seeds 1 --seed ${seed} --trace`;

async function tell(
  verdict: Verdict,
  script: readonly Step[],
  isShrunk: boolean,
  say: (line: string) => void,
): Promise<void> {
  const { seed, violations } = verdict;
  say(`Seed ${seed} failed:\n${violations.map((one) => `  ${one}`).join('\n')}`);
  if (isShrunk) {
    const short = await shorten(seed, script, violations);
    const { trace, violations: left } = await run(seed, short, { isTraced: true });
    say(
      `Shortened from ${script.length} to ${short.length} steps:\n${readable(short)}\nwhich end in:\n${left.map((one) => `  ${one}`).join('\n')}\nWhat happened:\n${trace.join('\n')}`,
    );
  }
  say(`Replay: ${replay(seed)}`);
}

const SHORTENING_RUNS = 150;

/** Leaves out what is not needed for a violation of the same rule. */
export async function shorten(
  seed: number,
  script: readonly Step[],
  violations: readonly string[],
): Promise<readonly Step[]> {
  const rules = new Set(violations.map(ruleOf));
  const fails = async (steps: readonly Step[]) =>
    (await run(seed, steps)).violations.some((one) => rules.has(ruleOf(one)));
  let short = script;
  let runs = 0;
  for (let size = Math.ceil(script.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < short.length && runs < SHORTENING_RUNS; ) {
      const fewer = short.toSpliced(at, size);
      runs += 1;
      if (fewer.some((step) => step.do === 'refer') && (await fails(fewer))) short = fewer;
      else at += size;
    }
  }
  return short;
}

/** The violation without what tells one referral from another. */
const ruleOf = (violation: string): string => violation.replaceAll(/[0-9a-f]{8}-[0-9a-f-]+|\d+/g, '#');
