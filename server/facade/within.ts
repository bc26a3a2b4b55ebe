import type { Clock } from '../core/index.ts';

export type Timely<T> = { readonly isLate: false; readonly value: T } | { readonly isLate: true };

/** Waits for work no longer than `ms`; work that is late goes on by itself. */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<Timely<T>> {
  const waiting = new AbortController();
  const late = clock.sleep(ms, waiting.signal).then((): Timely<T> => ({ isLate: true }));
  // Whoever wins, the loser's failure has nobody left to hear it.
  work.catch(() => undefined);
  try {
    return await Promise.race([work.then((value): Timely<T> => ({ isLate: false, value })), late]);
  } finally {
    waiting.abort();
  }
}
