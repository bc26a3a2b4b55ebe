import type { Dice } from './dice.ts';
import { never } from './virtual-time.ts';

/**
 * Where a process dies at a door: before what it asks for is asked, after it was done but before the answer came, or
 * having asked for it, so that it is done later, when the next process may be at work already.
 */
export const PHASES = ['before', 'after', 'late'] as const;
export type Phase = (typeof PHASES)[number];

export interface Death {
  /** How many doors are passed first. */
  readonly after: number;
  readonly phase: Phase;
}

/** One run of the engine's process, from start to death. Its doors are numbered by the order in which it comes to them. */
export class Life {
  readonly number: number;
  isOver = false;
  doors = 0;
  #death: { at: number; phase: Phase } | undefined;
  readonly #onDeath: (label: string, phase: Phase) => void;

  constructor(number: number, onDeath: (label: string, phase: Phase) => void) {
    this.number = number;
    this.#onDeath = onDeath;
  }

  /** Plans the death of this process. */
  plan({ after, phase }: Death): void {
    this.#death = { at: this.doors + after + 1, phase };
  }

  spare(): void {
    this.#death = undefined;
  }

  end(): void {
    this.isOver = true;
  }

  /**
   * Passes a door with `work`, or dies at it. `late` does the work later, for nobody.
   */
  async through<T>(label: string, work: () => Promise<T>, late: (work: () => Promise<T>) => void): Promise<T> {
    if (this.isOver) return never();
    this.doors += 1;
    const phase = this.#death?.at === this.doors ? this.#death.phase : undefined;
    if (phase === 'before' || phase === 'late') {
      if (phase === 'late') late(work);
      this.#die(label, phase);
      return never();
    }
    const result = await work();
    if (phase === 'after' && !this.isOver) this.#die(label, phase);
    return this.isOver ? never() : result;
  }

  #die(label: string, phase: Phase): void {
    this.isOver = true;
    this.#onDeath(label, phase);
  }
}

export const somePhase = (dice: Dice): Phase => dice.pick(['before', 'after', 'late']);
