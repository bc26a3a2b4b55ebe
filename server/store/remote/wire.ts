import { Agent, type Dispatcher, Dispatcher1Wrapper } from 'undici';
import { backoffMs, type Clock, type StoreFailure, type StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import { startDeadline } from './deadline.ts';
import type { Entry, Headers } from './entry.ts';
import { Places } from './places.ts';
import { isBusy, isTurnedAway, Quiet } from './quiet.ts';
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
  /** Files that are under way at one time, beside the calls: a slow reader holds one for minutes. */
  readonly files: number;
  /** A call in all, its waiting and repeats included. */
  readonly callMs: number;
  /** A file, up or down. */
  readonly fileMs: number;
  /** Sends of one call, the first included. */
  readonly attempts: number;
  /** A request for a token; shorter than a call, which may have to wait for two. */
  readonly tokenMs: number;
}
const LIMITS: WireLimits = {
  parallel: 32,
  files: 16,
  callMs: 30_000,
  fileMs: 600_000,
  attempts: 4,
  tokenMs: 10_000,
};

/** The connection to one FHIR server, through a client library `C`. */
export interface Wire<C> {
  readonly baseUrl: string;
  /** Whether we have what lets us in; else a sentence that says what to change. */
  enter(): Promise<StoreResult<void>>;
  /**
   * Makes one call through the library: any status of the server is an answer, but for those that say "later" (429, 503
   * with Retry-After), which are obeyed and repeated while there is time, and those of 500 and more, which count as
   * silence. Silence is `unavailable` when nothing can have happened in any attempt, else `unknown-outcome`.
   */
  ask<B = unknown>(
    effect: Effect,
    send: (client: C, options: CallOptions) => Promise<unknown>,
    headers?: Headers,
  ): Promise<StoreResult<Answer<B>>>;
  /** For what the library cannot do: bytes. */
  openLine(): Promise<StoreResult<Line>>;
  /** What an answer of a file transfer says about the calls to come. */
  heed(heard: Heard): void;
  close(): Promise<void>;
}

/** A turn, a dispatcher that listens, and what lets us in; `done` gives the turn back. */
export interface Line {
  readonly dispatcher: Dispatcher;
  readonly heard: Heard;
  readonly headers: Headers;
  readonly signal: AbortSignal;
  readonly done: () => void;
}

/** What an entry asks the server with. */
export interface EntryLine {
  readonly dispatcher: Dispatcher;
  readonly withinMs: number;
  heed(heard: Heard): number | undefined;
}

/** How a library is used. It makes no request but those that it is asked for. */
export interface Library<C> {
  readonly client: C;
  entry(line: EntryLine): Entry;
  /** The body of an answer that the library throws as an error; undefined: the error is no answer. */
  answerIn(error: unknown): { readonly body: unknown } | undefined;
}

/** One pool of connections, a queue for calls and one for files, one deadline a call. */
export function openLine<C>(options: WireOptions, library: Library<C>): Wire<C> {
  const { baseUrl, clock, random } = options;
  const limits = { ...LIMITS, ...options.limits };
  // The injected clock keeps the only deadlines; half of Jetty's idle time, so that it is we who close.
  const agent = new Agent({
    // A token is asked for by whoever has a place already.
    connections: limits.parallel + limits.files + 1,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: 10_000,
    connect: { timeout: 10_000 },
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const { client } = library;
  const calls = new Places(limits.parallel);
  const files = new Places(limits.files);
  const quiet = new Quiet(clock);
  const heed = (heard: Heard) => quiet.heed(heard);

  /** Waits for the end of the quiet and for a place; false when that does not come in time. */
  async function waitForTurn(places: Places, endsAtMs: number): Promise<boolean> {
    const quietMs = quiet.leftMs();
    if (quietMs > endsAtMs - clock.monotonicMs()) return false;
    if (quietMs > 0) await clock.sleep(quietMs);
    const patience = new AbortController();
    const late = clock.sleep(endsAtMs - clock.monotonicMs(), patience.signal);
    const hasPlace = await places.take(late);
    patience.abort();
    if (!hasPlace || clock.monotonicMs() < endsAtMs) return hasPlace;
    // The place came with the last moment: what is sent now could not be heard.
    places.leave();
    return false;
  }

  const entry = library.entry({ dispatcher: agent, withinMs: limits.tokenMs, heed });

  /** A turn, and what lets us in: whoever waits for a token has no use for the time after that. */
  async function takeTurn(places: Places, endsAtMs: number): Promise<StoreResult<Headers>> {
    if (!(await waitForTurn(places, endsAtMs))) return tooLate();
    const deadline = startDeadline(clock, endsAtMs - clock.monotonicMs());
    const entered = (await Promise.race([entry.headers(), deadline.over])) ?? tooLate();
    deadline.end();
    if (!entered.ok) places.leave();
    return entered;
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
    const afterMs = Math.ceil(quiet.leftMs());
    return later('The store is too busy to answer in time: try again', afterMs === 0 ? undefined : afterMs);
  };

  async function sendOnce<B>(
    send: (client: C, options: CallOptions) => Promise<unknown>,
    headers: Headers,
    endsAtMs: number,
  ): Promise<{ heard: Heard; answer?: Answer<B> }> {
    const { dispatcher, heard } = recorded(agent);
    const deadline = startDeadline(clock, endsAtMs - clock.monotonicMs());
    try {
      const sent = send(client, {
        // Without gzip HAPI flushes after each value: 3,400 chunks a page (stores.md 5b).
        headers: { 'accept-encoding': 'gzip', ...headers },
        signal: deadline.signal,
        dispatcher: forFetch(dispatcher),
      });
      // A library may wait for something that knows nothing of the signal.
      const body = await Promise.race([bodyOf(sent), deadline.over]);
      const status = heard.status;
      if (!body?.isWhole || status === undefined) return { heard };
      return { heard, answer: { status, body: body.value as B, header: (name) => headerOf(heard, name) } };
    } finally {
      deadline.end();
      calls.leave();
    }
  }

  async function ask<B>(
    effect: Effect,
    send: (client: C, options: CallOptions) => Promise<unknown>,
    headers: Headers = {},
  ): Promise<StoreResult<Answer<B>>> {
    const endsAtMs = clock.monotonicMs() + limits.callMs;
    let isRenewed = false;
    let mayBeDone = false;
    /** Whatever the last attempt came to, an earlier one may have been carried out. */
    const failed = (failure: StoreFailure): StoreFailure => (mayBeDone ? unknownOutcome : failure);
    for (let attempt = 1; ; attempt++) {
      const entered = await takeTurn(calls, endsAtMs);
      if (!entered.ok) return failed(entered);
      const { heard, answer } = await sendOnce<B>(send, { ...headers, ...entered.value }, endsAtMs);
      if (answer?.status === 401 && !isRenewed && entry.renewable(entered.value)) {
        // Refused, not carried out.
        isRenewed = true;
        continue;
      }
      const fate = fateOf(heard, answer);
      if (fate === 'answered' && answer !== undefined)
        return mayBeDone && isShut(answer) ? unknownOutcome : { ok: true, value: answer };
      mayBeDone ||= fate === 'lost' && effect !== 'read';
      const afterMs = heed(heard) ?? backoffMs(attempt - 2, random());
      const isOver = attempt >= limits.attempts || clock.monotonicMs() + afterMs >= endsAtMs;
      // A server that cannot be reached is not there: the rooms above wait better than a call can.
      const isRepeatable = fate === 'turned-away' || (fate === 'lost' && effect !== 'write');
      if (isOver || !isRepeatable) return failed(isBusy(heard) ? leftAlone(afterMs) : silent);
      await clock.sleep(afterMs);
    }
  }

  return {
    baseUrl,
    ask,
    heed,
    async enter() {
      const entered = await takeTurn(calls, clock.monotonicMs() + limits.callMs);
      if (!entered.ok) return entered;
      calls.leave();
      return { ok: true, value: undefined };
    },
    async openLine() {
      const entered = await takeTurn(files, clock.monotonicMs() + limits.callMs);
      if (!entered.ok) return entered;
      const headers = entered.value;
      const { dispatcher, heard } = recorded(agent);
      const deadline = startDeadline(clock, limits.fileMs);
      let isDone = false;
      const done = () => {
        if (isDone) return;
        isDone = true;
        // A file is not sent twice, but the next call shows something else.
        if (heard.status === 401) entry.renewable(headers);
        deadline.end();
        files.leave();
      };
      return { ok: true, value: { dispatcher, heard, headers, signal: deadline.signal, done } };
    },
    close: () => agent.destroy(),
  };
}

const forFetch = (dispatcher: Dispatcher): FetchDispatcher =>
  new Dispatcher1Wrapper(dispatcher) as unknown as FetchDispatcher;

/** What became of one send. `turned-away`: nothing was done, on the server's own word; `lost`: who knows. */
type Sent = 'answered' | 'turned-away' | 'unsent' | 'lost';

function fateOf(heard: Heard, answer: Answer | undefined): Sent {
  if (isTurnedAway(heard)) return 'turned-away';
  if (answer !== undefined && answer.status < 500) return 'answered';
  return heard.isSent ? 'lost' : 'unsent';
}

/** An answer that is about us, and tells nothing of what was asked before. */
const isShut = ({ status }: Answer): boolean => status === 401 || status === 403;

const later = (text: string, afterMs: number | undefined): StoreFailure => ({
  ...failure('unavailable', text),
  ...(afterMs === undefined ? {} : { retryAfterMs: afterMs }),
});

export const leftAlone = (afterMs?: number): StoreFailure =>
  later('The store asks to be left alone for a while', afterMs);
const silent: StoreFailure = later('The store does not answer', undefined);

export const unknownOutcome: StoreFailure = failure(
  'unknown-outcome',
  'The store did not say whether it carried the request out',
);
