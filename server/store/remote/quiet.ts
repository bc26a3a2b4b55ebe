import type { Clock } from '../../core/index.ts';
import { type Heard, headerOf } from './recorder.ts';

/** However long a server wants to be left alone, it is asked again by then: one wrong header must not close it for a day. */
const MOST_MS = 300_000;

/** How long a server wants to be left alone: what it says to one call goes for all. */
export class Quiet {
  readonly #clock: Clock;
  /** By the monotonic clock. */
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What an answer says of the calls to come, five minutes at most; undefined: nothing. */
  heed(heard: Heard): number | undefined {
    if (!isBusy(heard)) return undefined;
    const saidMs =
      retryAfterMs(headerOf(heard, 'retry-after'), this.#clock.now()) ?? rateLimitMs(headerOf(heard, 'ratelimit'));
    const afterMs = saidMs === undefined ? undefined : Math.min(saidMs, MOST_MS);
    if (afterMs !== undefined) this.#untilMs = Math.max(this.#untilMs, this.#clock.monotonicMs() + afterMs);
    return afterMs;
  }

  leftMs(): number {
    return Math.max(0, this.#untilMs - this.#clock.monotonicMs());
  }
}

export const isBusy = ({ status }: Heard): boolean => status === 429 || status === 503;

/**
 * Whether an answer says that nothing was carried out. 503 alone does not: proxies (Envoy) also say it of a server that was
 * lost after it had done its work. Whoever says when to come again has refused.
 */
export const isTurnedAway = (heard: Heard): boolean =>
  heard.status === 429 || (heard.status === 503 && headerOf(heard, 'retry-after') !== undefined);

/** `Retry-After` in seconds or as a date. Source: RFC 9110 10.2.3 */
export function retryAfterMs(text: string | undefined, now: Date): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** `RateLimit` of an answer that refuses, such as Medplum's `"fhirInteractions";r=0;t=17`. Source: draft-ietf-httpapi-ratelimit-headers */
function rateLimitMs(text: string | undefined): number | undefined {
  const [, seconds] = /;\s*t=(\d+)/.exec(text ?? '') ?? [];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
