import type { Clock, Log } from '../core/index.ts';

/** How far the first load of the lists has come. Undefined: nothing is being loaded for the first time. */
export interface LoadProgress {
  readonly done: number;
  readonly left: number;
  readonly estimatedEnd?: string;
}

const LOG_EVERY = 50;

/** Counts what has been brought in and what is left, over all lists together, for readiness, metrics and log. */
export class Progress {
  readonly #clock: Clock;
  readonly #log: Log;
  /** What is left of each list, and whether it has never been dealt with to its end. */
  readonly #lists = new Map<string, { left: number; readonly isFirst: boolean }>();
  #done = 0;
  #startedMs = 0;

  constructor({ clock, log }: { clock: Clock; log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** So many referrals of a list are to be brought in; what was said of the list before is void. */
  begin(list: string, count: number, isFirst: boolean): void {
    if (this.#left() === 0) {
      this.#done = 0;
      this.#startedMs = this.#clock.monotonicMs();
    }
    this.#lists.set(list, { left: count, isFirst });
    // A list of which nothing is left, as after a kill at the end of a load, would be "being loaded" for ever.
    if (this.#left() === 0) this.#lists.clear();
  }

  /** One of them is dealt with. */
  advance(list: string): void {
    const one = this.#lists.get(list);
    if (one === undefined || one.left === 0) return;
    one.left -= 1;
    this.#done += 1;
    const load = this.load();
    if (load !== undefined && (load.done % LOG_EVERY === 0 || load.left === 0))
      this.#log.info('intake.load.progress', { ...load });
    if (this.#left() === 0) this.#lists.clear();
  }

  load(): LoadProgress | undefined {
    if (![...this.#lists.values()].some(({ isFirst }) => isFirst)) return undefined;
    const left = this.#left();
    if (this.#done === 0 || left === 0) return { done: this.#done, left };
    const eachMs = (this.#clock.monotonicMs() - this.#startedMs) / this.#done;
    const estimatedEnd = new Date(this.#clock.now().getTime() + eachMs * left).toISOString();
    return { done: this.#done, left, estimatedEnd };
  }

  #left(): number {
    return [...this.#lists.values()].reduce((sum, { left }) => sum + left, 0);
  }
}
