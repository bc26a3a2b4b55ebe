import { type RunOptions, run } from './run.ts';
import type { Step } from './script.ts';

/** The rules that a life broke. */
export const broken = async (seed: number, script: readonly Step[], options?: RunOptions): Promise<readonly string[]> =>
  (await run(seed, script, options)).violations;

export const referral = (kind: string): Step => ({
  do: 'refer',
  kind,
  priority: 'ROUTINE',
  attachments: 1,
  afterMs: 0,
});
export const decision = (choice: number): Extract<Step, { do: 'decide' }> => ({
  do: 'decide',
  on: 0,
  door: 'store',
  choice,
  manner: 'sound',
  isBlind: false,
  afterMs: 30_000,
});

export const SIGNED_IN: Step = { do: 'session', is: 'in', afterMs: 0 };

/** The five: by kind of referral, the choice that the client makes of it, e-RS's endpoint, and how the review ends. */
export const DECISIONS = [
  ['accept', 'booked-direct', 0, 'A013', 'accepted'],
  ['reject', 'booked-indirect', 1, 'A014', 'rejected'],
  ['redirect', 'booked-direct', 2, 'A022', 'redirected'],
  ['accept, book later', 'triage', 0, 'A028', 'accepted-book-later'],
  ['return with advice', 'triage', 1, 'A028', 'returned-with-advice'],
] as const;

/** What chance does beside a script: enough lives that each situation comes about in one of them. */
export const SEEDS = Array.from({ length: 16 }, (_, index) => index + 1);

/** Lives one script with other chance beside it; `isMet`: what the script is about came about in one of them. */
export async function inLives(script: readonly Step[], note: string, options?: RunOptions) {
  const violations: string[] = [];
  let isMet = false;
  for (const seed of SEEDS) {
    const verdict = await run(seed, script, options);
    violations.push(...verdict.violations.map((violation) => `${seed}: ${violation}`));
    isMet ||= verdict.notes.has(note);
  }
  return { violations, isMet };
}
