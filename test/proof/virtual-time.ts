import type { Clock } from '../../server/core/index.ts';
import type { SimulatorClock } from '../../simulator/index.ts';

/** Turns of the event loop without any sign of life after which nothing is going on but waiting. */
const QUIET_TURNS = 3;

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/**
 * Time that passes only when nothing else can happen: it jumps from one waiting thing to the next. All that waits waits
 * here, and everything else runs to its end in between, so that a run is decided by its seed alone.
 */
export class VirtualTime {
  readonly #startMs: number;
  #nowMs = 0;
  #order = 0;
  /** Sorted, the next one last. */
  readonly #timers: Timer[] = [];
  #signs = 0;

  constructor(start: Date) {
    this.#startMs = start.getTime();
  }

  /** Milliseconds since the start. */
  get elapsedMs(): number {
    return this.#nowMs;
  }

  now(): Date {
    return new Date(this.#startMs + this.#nowMs);
  }

  /** Something happened: the world is not at rest yet. */
  sign(): void {
    this.#signs += 1;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sign();
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        this.sign();
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const timer: Timer = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, fire: done };
      const giveUp = () => {
        this.#remove(timer);
        done();
      };
      signal?.addEventListener('abort', giveUp);
      this.#insert(timer);
    });
  }

  /** Lets everything happen that is due within `ms`. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await this.rest();
      const next = this.#timers.at(-1);
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.pop();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
    }
    this.#nowMs = untilMs;
  }

  /** Resolves when nothing is going on but waiting. */
  async rest(): Promise<void> {
    let quiet = 0;
    while (quiet < QUIET_TURNS) {
      const before = this.#signs;
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.#signs === before ? quiet + 1 : 0;
    }
  }

  /** Runs until `work` has ended; time passes as it must. */
  async until<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const ended = work.finally(() => {
      isDone = true;
      this.sign();
    });
    ended.catch(() => undefined);
    while (!isDone) {
      await this.rest();
      if (isDone) break;
      const next = this.#timers.pop();
      if (next === undefined) throw new Error('The work waits for something that never comes.');
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
    }
    return ended;
  }

  /** As the simulator sees it. */
  simulatorClock(): SimulatorClock {
    return {
      now: () => this.now(),
      set: () => undefined,
      advance: () => undefined,
      sleep: (ms) => this.sleep(ms),
    };
  }

  /** As one process sees it; when that has died, what it waits for never comes. */
  clockOf(life: { readonly isOver: boolean }): Clock {
    return {
      now: () => this.now(),
      monotonicMs: () => this.#nowMs,
      sleep: async (ms, signal) => {
        if (life.isOver) return never();
        await this.sleep(ms, signal);
        if (life.isOver) return never();
      },
    };
  }

  #insert(timer: Timer): void {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle];
      if (other && (other.atMs > timer.atMs || (other.atMs === timer.atMs && other.order > timer.order)))
        low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
  }

  #remove(timer: Timer): void {
    const at = this.#timers.indexOf(timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }
}

/** What a dead process waits for. */
export const never = <T>(): Promise<T> => new Promise(() => undefined);
