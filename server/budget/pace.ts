import { backoffMs, type Clock, type Log, type RequestPriority, type Turn } from '../core/index.ts';

export interface PaceOptions {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** e-RS's limit for the application; undefined: none. */
  readonly requestsPerSecond: number | undefined;
}

/** Gives requests their turn. */
export interface Pace {
  /** Waits for one turn; undefined when the signal aborted first. */
  admit(priority: RequestPriority, signal?: AbortSignal): Promise<Turn | undefined>;
  /** e-RS answered 429. */
  slowDown(afterMs?: number): void;
}

interface Waiting {
  readonly sinceMs: number;
  readonly settle: (turn: Turn | undefined) => void;
}

const PRIORITIES: readonly RequestPriority[] = ['decision', 'two-week-wait', 'urgent', 'routine', 'recheck'];
/** Below the limit by so much that ten intervals are longer than the second. */
const SHARE = 0.98;
/**
 * How late a timer may be without the pace suffering: the next turn keeps to the grid. Less than what SHARE leaves in a
 * second (20 ms), so that even then no second holds one request too many; the rest is for the wire.
 */
const LATENESS_MS = 5;
/** What the turns of a second that went out late must keep to besides: less than what SHARE leaves, so that others lose nothing. */
const GUARD_MS = 10;
/** Whoever has waited so long gets one turn in four, whatever is more urgent. */
const PATIENCE_MS = 60_000;
const TURNS_FOR_THE_PATIENT = 4;
const SLOWEST = 8;
const RECOVERY = 0.95;
/** The pace after a 429 where there is no limit that we know of. */
const CAUTIOUS_INTERVAL_MS = 100;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Evenly paced turns, never two at once: a steady stream stays below the limit in any window of a second, also across a
 * restart, since the first turn comes one interval after the start. After a 429: a pause, then a slower pace that recovers.
 * Source: architecture 6 (B1); provider-api 2.2
 */
export function createPace({ clock, random, log, requestsPerSecond }: PaceOptions): Pace {
  const baseMs = requestsPerSecond === undefined ? 0 : 1000 / (requestsPerSecond * SHARE);
  const queues = new Map<RequestPriority, Set<Waiting>>(PRIORITIES.map((priority) => [priority, new Set()]));
  /** The grid: where the last turn belonged, whenever it really was. */
  let slotMs = clock.monotonicMs();
  let pausedUntilMs = Number.NEGATIVE_INFINITY;
  let slowness = 1;
  let strikes = 0;
  let turns = 0;
  /**
   * The turns that a second may still hold: those not sent yet, since all of them may go out together when a slow token or
   * connection comes at last, and those sent within the last second. Never more than e-RS's limit.
   */
  const held = new Set<{ sentMs: number | undefined }>();
  let nap: AbortController | undefined;
  let isRunning = false;

  const count = () => PRIORITIES.reduce((sum, priority) => sum + (queues.get(priority)?.size ?? 0), 0);
  const intervalMs = () => (slowness > 1 ? Math.max(baseMs, CAUTIOUS_INTERVAL_MS) * slowness : baseMs);
  const dueMs = () => Math.max(slotMs + intervalMs(), pausedUntilMs, placeFreeMs());

  /** When there is a place among the held; infinity: only when one of them is sent, or ends. */
  function placeFreeMs(): number {
    if (requestsPerSecond === undefined) return Number.NEGATIVE_INFINITY;
    const nowMs = clock.monotonicMs();
    const freeMs = ({ sentMs = Number.POSITIVE_INFINITY }) => sentMs + 1000 + GUARD_MS;
    for (const turn of held) if (freeMs(turn) <= nowMs) held.delete(turn);
    return held.size < requestsPerSecond ? Number.NEGATIVE_INFINITY : Math.min(...[...held].map(freeMs));
  }

  async function run(): Promise<void> {
    while (count() > 0) {
      const waitMs = dueMs() - clock.monotonicMs();
      if (waitMs > 0) {
        nap = new AbortController();
        await clock.sleep(Math.ceil(Math.min(waitMs, LONGEST_PAUSE_MS)), nap.signal);
        nap = undefined;
      } else {
        giveTurn(clock.monotonicMs());
      }
    }
    isRunning = false;
  }

  function giveTurn(nowMs: number): void {
    slotMs = Math.max(dueMs(), nowMs - LATENESS_MS);
    slowness = Math.max(1, slowness * RECOVERY);
    if (slowness === 1) strikes = 0;
    turns += 1;
    const turn = { sentMs: undefined as number | undefined };
    if (requestsPerSecond !== undefined) held.add(turn);
    choose(nowMs)?.settle({
      sent() {
        turn.sentMs ??= clock.monotonicMs();
        nap?.abort();
      },
      ended() {
        // It never went out: its place is free.
        if (turn.sentMs === undefined && held.delete(turn)) nap?.abort();
      },
    });
  }

  function choose(nowMs: number): Waiting | undefined {
    const heads = PRIORITIES.flatMap((priority) => [...(queues.get(priority) ?? []).values().take(1)]);
    const oldest = heads.reduce<Waiting | undefined>(
      (a, b) => (a === undefined || b.sinceMs < a.sinceMs ? b : a),
      undefined,
    );
    const isPatient = oldest !== undefined && nowMs - oldest.sinceMs >= PATIENCE_MS;
    return isPatient && turns % TURNS_FOR_THE_PATIENT === 0 ? oldest : heads[0];
  }

  return {
    admit(priority, signal) {
      if (signal?.aborted) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const queue = queues.get(priority);
        const settle = (turn: Turn | undefined) => {
          signal?.removeEventListener('abort', giveUp);
          queue?.delete(waiting);
          if (count() === 0) nap?.abort();
          resolve(turn);
        };
        const giveUp = () => settle(undefined);
        const waiting: Waiting = { sinceMs: clock.monotonicMs(), settle };
        queue?.add(waiting);
        signal?.addEventListener('abort', giveUp);
        if (isRunning) return;
        isRunning = true;
        void run();
      });
    },
    slowDown(afterMs = 0) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= pausedUntilMs) {
        // Requests that were under way together are one warning, not many.
        slowness = Math.min(SLOWEST, slowness * 2);
        const pauseMs = Math.max(afterMs, backoffMs(strikes, random(), LONGEST_PAUSE_MS));
        strikes += 1;
        pausedUntilMs = nowMs + pauseMs;
        log.warn('budget.pace.slowed', { code: 'ERS_BUSY', afterMs: Math.round(pauseMs) });
      } else {
        pausedUntilMs = Math.max(pausedUntilMs, nowMs + afterMs);
      }
    },
  };
}
