import type { Clock } from '../../core/index.ts';

/** A time until when something has to be done. Whoever starts it ends it. */
export interface Deadline {
  /** Aborts when the time is over. */
  readonly signal: AbortSignal;
  /** Resolves when the time is over, and never before. */
  readonly over: Promise<undefined>;
  end(): void;
}

/** By the injected clock, so that tests drive it. */
export function startDeadline(clock: Clock, ms: number): Deadline {
  const controller = new AbortController();
  const timer = new AbortController();
  const over = new Promise<undefined>((resolve) => {
    void clock.sleep(ms, timer.signal).then(() => {
      if (timer.signal.aborted) return;
      controller.abort();
      resolve(undefined);
    });
  });
  return { signal: controller.signal, over, end: () => timer.abort() };
}
