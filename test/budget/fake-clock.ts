import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../server/core/index.ts';

/** Time that a test moves. Whoever sleeps wakes in order, at the instant that it asked for. */
export interface FakeClock extends Clock {
  /** Lets `ms` pass, and whatever wakes meanwhile run. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock alone, as an administrator or a time server would. */
  setWall(instant: string): void;
  /** How many sleep now. */
  sleepers(): number;
}

/** @param lateMs how much later than asked a sleeper wakes, as timers do */
export function createFakeClock(start = '2026-03-02T09:00:00Z', lateMs: () => number = () => 0): FakeClock {
  let elapsedMs = 0;
  let wallMs = Date.parse(start);
  const asleep = new Set<{ atMs: number; wake: () => void }>();
  const passTo = (ms: number) => {
    wallMs += ms - elapsedMs;
    elapsedMs = ms;
  };
  return {
    now: () => new Date(wallMs),
    monotonicMs: () => elapsedMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = () => {
          asleep.delete(sleeper);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper = { atMs: elapsedMs + ms + lateMs(), wake };
        asleep.add(sleeper);
        signal?.addEventListener('abort', wake);
      }),
    async advance(ms) {
      const untilMs = elapsedMs + ms;
      for (;;) {
        await setImmediate();
        const next = [...asleep].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
        if (!next) break;
        passTo(Math.max(elapsedMs, next.atMs));
        next.wake();
      }
      passTo(untilMs);
      await setImmediate();
    },
    setWall: (instant) => {
      wallMs = Date.parse(instant);
    },
    sleepers: () => asleep.size,
  };
}
