import { run, type Verdict } from './run.ts';
import { readable, type Step, scriptOf } from './script.ts';

/** What came of a seed, as it is sent from one process to another. */
export interface Lived {
  readonly seed: number;
  /** Rules that were broken; none: it passed. */
  readonly violations: readonly string[];
  /** For a reader: what happened, if it was asked for; of a failure its shortened script and the command that replays it. */
  readonly report: readonly string[];
  readonly deaths: readonly string[];
  readonly notes: readonly (readonly [string, number])[];
  readonly doors: number;
  readonly livedMs: number;
}

/** Lives one seed; a failing one is shortened. */
export async function liveSeed(seed: number, wish: { isTraced: boolean; isShrunk: boolean }): Promise<Lived> {
  const script = scriptOf(seed);
  const verdict = await run(seed, script, { isTraced: wish.isTraced });
  const { violations, deaths, doors, livedMs } = verdict;
  const report = wish.isTraced ? [...verdict.trace] : [];
  if (violations.length > 0) await tell(verdict, script, wish.isShrunk, (line) => report.push(line));
  return { seed, violations, report, deaths, notes: [...verdict.notes], doors, livedMs };
}

export interface TallyOptions {
  readonly first: number;
  readonly jobs: number;
  readonly isTraced: boolean;
  readonly say: (line: string) => void;
}

/** A run of an hour says now and then that it is alive. */
const SEEDS_A_LINE = 500;

/** Adds up what came of the seeds of a run. */
export class Tally {
  readonly #options: TallyOptions;
  readonly #deaths = new Map<string, number>();
  readonly #notes = new Map<string, number>();
  readonly #failed: number[] = [];
  readonly #startedMs = performance.now();
  #seeds = 0;
  #doors = 0;
  #livedMs = 0;

  constructor(options: TallyOptions) {
    this.#options = options;
  }

  add({ seed, violations, report, deaths, notes, doors, livedMs }: Lived): { failed: number } {
    this.#seeds += 1;
    this.#doors += doors;
    this.#livedMs += livedMs;
    for (const death of deaths) this.#deaths.set(death, (this.#deaths.get(death) ?? 0) + 1);
    for (const [note, count] of notes) this.#notes.set(note, (this.#notes.get(note) ?? 0) + count);
    for (const line of report) this.#options.say(line);
    if (violations.length > 0) this.#failed.push(seed);
    if (this.#seeds % SEEDS_A_LINE === 0) this.#options.say(this.#soFar());
    return { failed: this.#failed.length };
  }

  #soFar(): string {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const rate = (this.#seeds / seconds).toFixed(1);
    return `${this.#seeds} seeds so far: ${this.#failed.length} failed. ${rate} seeds/s.`;
  }

  /** Says all of it; answers the exit code. */
  close(): number {
    const { first, jobs, say } = this.#options;
    const seconds = (performance.now() - this.#startedMs) / 1000;
    say(table('What became of the reviews', this.#notes));
    say(table('Deaths of the process, by door', this.#deaths));
    const days = (this.#livedMs / 86_400_000).toFixed(1);
    const failed = this.#failed.length;
    say(
      `${this.#seeds} seeds from ${first}: ${failed} failed. ${(this.#seeds / seconds).toFixed(1)} seeds/s in ${jobs} processes, ${seconds.toFixed(0)} s; ${this.#doors} doors passed, ${sum(this.#deaths)} deaths, ${days} days lived.`,
    );
    if (failed > 0) say(`Failed: ${this.#failed.join(' ')}`);
    return failed > 0 ? 1 : 0;
  }
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
