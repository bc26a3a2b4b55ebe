import { Agent, type Dispatcher, Dispatcher1Wrapper } from 'undici';
import { backoffMs, type Clock, type StoreFailure, type StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import { Places } from './places.ts';
import { type Heard, headerOf, recorded } from './recorder.ts';

/** An answer of the server, good or bad. */
export interface Answer<B = unknown> {
  readonly status: number;
  /** Undefined where there was none, or none that can be read. */
  readonly body: B;
  header(name: string): string | undefined;
}

/** What a call may do there, and so what may be done when its answer does not come. */
export type Effect = 'read' | 'write' | 'repeatable-write';

/** Options that fhir-kit-client passes on to `fetch`. */
export interface CallOptions {
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal;
  readonly dispatcher: FetchDispatcher;
}

/** A dispatcher as Node's own fetch wants it: of the undici inside Node, which is older than ours. */
type FetchDispatcher = NonNullable<RequestInit['dispatcher']>;

export interface WireOptions {
  /** Up to and including the FHIR base, without a slash at its end. */
  readonly baseUrl: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly credentials?: { readonly id: string; readonly secret: string };
  readonly limits?: Partial<WireLimits>;
}

export interface WireLimits {
  /** Calls that are under way at one time; the others wait for their turn. */
  readonly parallel: number;
  /** A call in all, its waiting and repeats included. */
  readonly callMs: number;
  /** A file, up or down. */
  readonly fileMs: number;
  /** Sends of one call, the first included. */
  readonly attempts: number;
}
const LIMITS: WireLimits = { parallel: 32, callMs: 30_000, fileMs: 600_000, attempts: 4 };

/** The connection to one FHIR server, through a client library `C`. */
export interface Wire<C> {
  readonly baseUrl: string;
  /** Headers that let us in, for what the library cannot do. */
  authorization(): Readonly<Record<string, string>>;
  /**
   * Makes one call through the library: any status of the server is an answer, but for those that say "later"
   * (429, 503), which are obeyed and repeated while there is time. Silence is `unavailable` when nothing can have
   * happened, else `unknown-outcome`.
   */
  ask<B = unknown>(
    effect: Effect,
    send: (client: C, options: CallOptions) => Promise<unknown>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<StoreResult<Answer<B>>>;
  /** A turn, and a dispatcher that listens, for what the library cannot do: bytes. `done` gives the turn back. */
  openLine(): Promise<StoreResult<{ dispatcher: Dispatcher; heard: Heard; signal: AbortSignal; done: () => void }>>;
  /** What an answer of a file transfer says about the calls to come. */
  heed(heard: Heard): void;
  close(): Promise<void>;
}

/** How a library is used. */
export interface Library<C> {
  /** @param dispatcher for requests that the library makes of its own accord */
  make(dispatcher: FetchDispatcher): C;
  authorization(client: C): Readonly<Record<string, string>>;
  /** The body of an answer that the library throws as an error; undefined: the error is no answer. */
  answerIn(error: unknown): { readonly body: unknown } | undefined;
}

/** One pool of connections, one queue, one deadline a call. */
export function openLine<C>(options: WireOptions, library: Library<C>): Wire<C> {
  const { baseUrl, clock, random } = options;
  const limits = { ...LIMITS, ...options.limits };
  // The injected clock keeps the only deadlines; half of Jetty's idle time, so that it is we who close.
  const agent = new Agent({
    connections: limits.parallel,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: 10_000,
    connect: { timeout: 10_000 },
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const client = library.make(forFetch(agent));
  const places = new Places(limits.parallel);
  /** Until when the server wants to be left alone, by the monotonic clock. */
  let quietUntilMs = Number.NEGATIVE_INFINITY;

  function heed(heard: Heard): number | undefined {
    if (heard.status !== 429 && heard.status !== 503) return undefined;
    const afterMs =
      retryAfterMs(headerOf(heard, 'retry-after'), clock.now()) ?? rateLimitMs(headerOf(heard, 'ratelimit'));
    if (afterMs !== undefined) quietUntilMs = Math.max(quietUntilMs, clock.monotonicMs() + afterMs);
    return afterMs;
  }

  /** Waits for the end of the quiet and for a place; false when that does not come in time. */
  async function waitForTurn(endsAtMs: number): Promise<boolean> {
    const quietMs = quietUntilMs - clock.monotonicMs();
    if (quietMs > 0) {
      if (quietUntilMs > endsAtMs) return false;
      await clock.sleep(quietMs);
    }
    const patience = new AbortController();
    const late = clock.sleep(endsAtMs - clock.monotonicMs(), patience.signal);
    const hasPlace = await places.take(late);
    patience.abort();
    if (!hasPlace || clock.monotonicMs() < endsAtMs) return hasPlace;
    // The place came with the last moment: what is sent now could not be heard.
    places.leave();
    return false;
  }

  /** Libraries throw what is not 2xx. */
  async function bodyOf(sent: Promise<unknown>): Promise<{ isWhole: boolean; value?: unknown }> {
    try {
      return { isWhole: true, value: await sent };
    } catch (error) {
      const answer = library.answerIn(error);
      return answer === undefined ? { isWhole: false } : { isWhole: true, value: answer.body };
    }
  }

  const tooLate = (): StoreFailure => {
    const afterMs = Math.max(0, Math.ceil(quietUntilMs - clock.monotonicMs()));
    return later('The store is too busy to answer in time: try again', afterMs === 0 ? undefined : afterMs);
  };

  async function sendOnce<B>(
    send: (client: C, options: CallOptions) => Promise<unknown>,
    headers: Readonly<Record<string, string>>,
    endsAtMs: number,
  ): Promise<{ heard: Heard; answer?: Answer<B> }> {
    const { dispatcher, heard } = recorded(agent);
    const deadline = startDeadline(clock, endsAtMs - clock.monotonicMs());
    try {
      const body = await bodyOf(
        send(client, {
          // Without gzip HAPI flushes after each value: 3,400 chunks a page (stores.md 5b).
          headers: { 'accept-encoding': 'gzip', ...headers },
          signal: deadline.signal,
          dispatcher: forFetch(dispatcher),
        }),
      );
      const status = heard.status;
      if (!body.isWhole || status === undefined) return { heard };
      return { heard, answer: { status, body: body.value as B, header: (name) => headerOf(heard, name) } };
    } finally {
      deadline.end();
      places.leave();
    }
  }

  async function ask<B>(
    effect: Effect,
    send: (client: C, options: CallOptions) => Promise<unknown>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<StoreResult<Answer<B>>> {
    const endsAtMs = clock.monotonicMs() + limits.callMs;
    for (let attempt = 1; ; attempt++) {
      if (!(await waitForTurn(endsAtMs))) return tooLate();
      const { heard, answer } = await sendOnce<B>(send, headers, endsAtMs);
      const isBusy = answer?.status === 429 || answer?.status === 503;
      const isSilent = answer === undefined || answer.status >= 500;
      if (!isBusy && !isSilent) return { ok: true, value: answer };
      const hasHappened = heard.isSent && !isBusy;
      const isRepeatable = isBusy || effect !== 'write';
      const afterMs = heed(heard) ?? backoffMs(attempt - 2, random());
      const isOver = attempt >= limits.attempts || clock.monotonicMs() + afterMs >= endsAtMs;
      // A server that cannot be reached is not there: the rooms above wait better than a call can.
      if (isOver || !isRepeatable || !heard.isSent) {
        if (isBusy) return later('The store asks to be left alone for a while', afterMs);
        return hasHappened && effect !== 'read' ? unknownOutcome : later('The store does not answer', undefined);
      }
      await clock.sleep(afterMs);
    }
  }

  return {
    baseUrl,
    authorization: () => library.authorization(client),
    ask,
    heed,
    async openLine() {
      const endsAtMs = clock.monotonicMs() + limits.callMs;
      if (!(await waitForTurn(endsAtMs))) return tooLate();
      const deadline = startDeadline(clock, limits.fileMs);
      let isDone = false;
      const done = () => {
        if (isDone) return;
        isDone = true;
        deadline.end();
        places.leave();
      };
      return { ok: true, value: { ...recorded(agent), signal: deadline.signal, done } };
    },
    close: () => agent.destroy(),
  };
}

const forFetch = (dispatcher: Dispatcher): FetchDispatcher =>
  new Dispatcher1Wrapper(dispatcher) as unknown as FetchDispatcher;

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

const later = (text: string, afterMs: number | undefined): StoreFailure => ({
  ...failure('unavailable', text),
  ...(afterMs === undefined ? {} : { retryAfterMs: afterMs }),
});

export const unknownOutcome: StoreFailure = failure(
  'unknown-outcome',
  'The store did not say whether it carried the request out',
);

function startDeadline(clock: Clock, ms: number): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  const timer = new AbortController();
  void clock.sleep(ms, timer.signal).then(() => {
    if (!timer.signal.aborted) controller.abort();
  });
  return { signal: controller.signal, end: () => timer.abort() };
}
