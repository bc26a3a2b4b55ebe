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
