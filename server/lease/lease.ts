import { describeError, type LeaseRecord } from '../core/index.ts';
import { Claim, type ClaimOptions } from './claim.ts';

export interface LeaseOptions extends ClaimOptions {
  /** The lease is ours: the engine starts. */
  whenHeld(): Promise<void>;
  /** It is ours no more, or is about to be given back: the engine ends. Resolves when nothing of it is in flight. */
  whenLost(): Promise<void>;
}

/** Lets one engine work for an e-RS application; the others stand by. */
export interface Lease {
  /** Contends from now on; resolves after the first look, and when the engine runs if that look was enough. */
  start(): Promise<void>;
  /** Asked right before each call of e-RS: the loser stops before it sends. */
  isHeld(): boolean;
  /** This process's name in the lease. */
  readonly instance: string;
  /** Who else has the lease, by the store; undefined: nobody, or this process. It may have died since. */
  otherHolder(): Promise<LeaseRecord['holder']>;
  /** Ends the engine while the lease still stands, then gives it back. */
  stop(): Promise<void>;
}

/** Of the lease: how often a standby looks, or a renewal that failed is tried again; how often the holder renews. */
const LOOK = 1 / 15;
const RENEW = 1 / 3;

/**
 * Takes the lease when it is free, renews it, and calls the engine to work and to rest. The engine of a lost lease has
 * ended before this process contends again, so that no two of its engines ever meet.
 * Source: architecture 3
 */
export function createLease(options: LeaseOptions): Lease {
  const { clock, log, leaseMs, isSoleProcess } = options;
  const claim = new Claim(options);
  const closing = new AbortController();
  const [lookMs, renewMs] = [leaseMs * LOOK, leaseMs * RENEW];
  let running: Promise<void> = Promise.resolve();

  /** True when the lease was won; false when the room closes. */
  async function contend(onLooked: () => void): Promise<boolean> {
    while (!closing.signal.aborted) {
      if (await claim.take()) return true;
      onLooked();
      await clock.sleep(lookMs, closing.signal);
    }
    return false;
  }

  /** Renews until the lease is lost, has run out, or the room closes. */
  async function keep(): Promise<void> {
    if (isSoleProcess) return untilClosing(closing.signal);
    for (let waitMs = renewMs; ; ) {
      await clock.sleep(waitMs, closing.signal);
      if (closing.signal.aborted) return;
      const renewal = await renewInTime();
      if (renewal !== 'renewed' && !claim.isHeld()) {
        log.warn('lease.engine.lost', { code: renewal });
        return;
      }
      waitMs = renewal === 'renewed' ? renewMs : lookMs;
    }
  }

  /** A store that does not answer at all must not hold up the end of a lease that has run out. */
  async function renewInTime() {
    const answered = new AbortController();
    const late = clock.sleep(Math.max(claim.leftMs(), lookMs), answered.signal).then(() => 'unwritten' as const);
    const renewal = await Promise.race([claim.renew(), late]);
    answered.abort();
    return renewal;
  }

  /** What the engine has in flight is still ours to end: the lease is renewed meanwhile, as far as it can be. */
  async function drain(): Promise<void> {
    const drained = new AbortController();
    const ended = options
      .whenLost()
      .catch((error: unknown) => log.error('lease.engine.failed', describeError(error)))
      .finally(() => drained.abort());
    while (!drained.signal.aborted && !isSoleProcess) {
      await clock.sleep(renewMs, drained.signal);
      if (!drained.signal.aborted) await renewInTime();
    }
    await ended;
  }

  async function run(onDecided: () => void): Promise<void> {
    while (await contend(onDecided)) {
      log.info('lease.engine.active');
      try {
        await options.whenHeld();
        onDecided();
        await keep();
      } catch (error: unknown) {
        log.error('lease.engine.failed', describeError(error));
        await clock.sleep(lookMs, closing.signal);
      }
      await drain();
      log.info('lease.engine.standby');
    }
    await claim.release();
  }

  return {
    start: () =>
      new Promise((resolve) => {
        running = run(resolve).finally(resolve);
      }),
    isHeld: () => claim.isHeld(),
    instance: claim.instance,
    otherHolder: () => claim.otherHolder(),
    async stop() {
      closing.abort();
      await running;
    },
  };
}

const untilClosing = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
