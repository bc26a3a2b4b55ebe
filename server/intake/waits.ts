import type { Clock } from '../core/index.ts';

const FIRST_MS = 2 * 60_000;
const LONGEST_MS = 60 * 60_000;

/**
 * Referrals that were asked for in vain, each of which is left alone for a while that doubles up to an hour. In memory: whoever
 * starts anew asks once more for all of them.
 */
export class Waits {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #waits = new Map<string, { readonly failures: number; readonly untilMs: number }>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** It was asked for in vain once more. */
  extend(ubrn: string): void {
    const failures = this.failuresOf(ubrn) + 1;
    const waitMs = Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS);
    this.#waits.set(ubrn, { failures, untilMs: this.#clock.monotonicMs() + waitMs });
  }

  end(ubrn: string): void {
    this.#waits.delete(ubrn);
  }

  /** How long it is still left alone; 0: it may be asked for. */
  leftMs(ubrn: string): number {
    return Math.max(0, (this.#waits.get(ubrn)?.untilMs ?? 0) - this.#clock.monotonicMs());
  }

  /** How often in a row it was asked for in vain. */
  failuresOf(ubrn: string): number {
    return this.#waits.get(ubrn)?.failures ?? 0;
  }
}
