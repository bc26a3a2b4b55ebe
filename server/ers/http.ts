import type { Readable } from 'node:stream';
import {
  type Audit,
  type Budget,
  CLINICIAN_ADMIN,
  type ErsContext,
  type ErsRefusal,
  type Fate,
  type Log,
  type Turn,
  type UserSession,
} from '../core/index.ts';
import { type Answer, type Exchange, exchange, type Wire } from './exchange.ts';
import {
  type ErsOperation,
  type FateRow,
  fateOf,
  KIND_OF,
  rowOfSilence,
  rowOfStatus,
  rowOfUnreadable,
  rowOfUnsendable,
} from './fate-table.ts';
import { type Failure, readFailure, requestIdOf, retryAfterMs, timeOf } from './read-answer.ts';
import type { TokenSource } from './token.ts';

/** One call of an endpoint. */
export interface ErsCall {
  readonly operation: ErsOperation;
  readonly method: 'GET' | 'POST';
  /** Below the base: `STU3/…` or `R4/…`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, or a file. A stream can be sent once only. */
  readonly body?: object | Readable;
  /** Which of the three identity headers the endpoint takes in user mode; all, unless said. */
  readonly identity?: 'all' | 'not-on-behalf-of' | 'none';
  /** Asked last of all before the call goes; an answer is its fate, and it does not go. */
  readonly beforeSend?: () => Promise<Exclude<Fate<never>, { kind: 'ok' }> | undefined>;
  /** A status that is this endpoint's success; 2xx, unless said. */
  readonly isSuccess?: (status: number) => boolean;
}

/** Reads the value out of a successful answer; undefined when the answer is not what it should be. */
export type ReadAnswer<T> = (answer: Answer) => Promise<Fate<T> | undefined>;

export interface Limits {
  readonly maxFileBytes: number;
  readonly maxJsonBytes: number;
}

/** How long a call may take in all, its body included. */
export interface Timeouts {
  /** Reads and writes: a little more than the gateway's own 180 s, so that e-RS's 504 is heard and no write is left running. */
  readonly callMs: number;
  /** Files and worklists. */
  readonly fileMs: number;
}
export const DEFAULT_TIMEOUTS: Timeouts = { callMs: 185_000, fileMs: 600_000 };

/** What every endpoint is made with. */
export interface ErsHttp {
  /** Resolves, never rejects. The fates of the failures are those of the fate table. */
  ask<T>(call: ErsCall, context: ErsContext, read: ReadAnswer<T>): Promise<Fate<T>>;
  readonly baseUrl: string;
  readonly wire: Wire;
  readonly limits: Limits;
  readonly timeouts: Timeouts;
}

export interface ErsHttpOptions {
  readonly baseUrl: string;
  readonly tokens: TokenSource;
  readonly wire: Wire;
  readonly budget: Budget;
  readonly log: Log;
  /** Is told of every request. */
  readonly audit?: Audit | undefined;
  readonly limits: Limits;
  readonly timeouts: Timeouts;
}

const isTwoHundred = (status: number): boolean => status >= 200 && status < 300;

/** Every call of e-RS goes this way: token, budget, headers of its mode, deadline, fate, one log line. */
export function createErsHttp(options: ErsHttpOptions): ErsHttp {
  const { baseUrl, tokens, wire, budget, log, audit, limits, timeouts } = options;
  const { clock } = wire;

  async function ask<T>(call: ErsCall, context: ErsContext, read: ReadAnswer<T>): Promise<Fate<T>> {
    const first = await attempt(call, context, read);
    if (!first.mayRenew) return first.fate;
    // The one failure that the client mends itself: e-RS no longer takes the application's token.
    return (await attempt(call, context, read)).fate;
  }

  async function attempt<T>(
    call: ErsCall,
    context: ErsContext,
    read: ReadAnswer<T>,
  ): Promise<{ fate: Fate<T>; mayRenew: boolean }> {
    const done = (fate: Fate<T>) => ({ fate, mayRenew: false });
    const early = context.session ? undefined : await tokens.current();
    if (early && early.kind !== 'ok') return done(early);
    const turn = await budget.admit(context.priority, context.signal);
    if (turn === undefined) return done(fateOf(rowOfSilence('read', 'before-send')));
    try {
      return await send(call, context, read, turn);
    } finally {
      turn.ended();
    }
  }

  async function send<T>(
    call: ErsCall,
    context: ErsContext,
    read: ReadAnswer<T>,
    turn: Turn,
  ): Promise<{ fate: Fate<T>; mayRenew: boolean }> {
    const done = (fate: Fate<T>) => ({ fate, mayRenew: false });
    // The turn may have been long in coming; mostly this is the same token.
    const token = context.session ? undefined : await tokens.current();
    if (token && token.kind !== 'ok') return done(token);
    const bearer = context.session?.token ?? token?.value ?? '';
    const hindered = await call.beforeSend?.();
    if (hindered) return done(hindered);
    const startedAtMs = clock.monotonicMs();
    const kind = KIND_OF[call.operation];
    const result = await exchange(
      wire,
      {
        method: call.method,
        url: `${baseUrl}/${call.path}`,
        headers: headersOf(call, context, bearer),
        body: isStream(call.body) || call.body === undefined ? call.body : JSON.stringify(call.body),
      },
      {
        deadlineMs: kind === 'download' || kind === 'poll' ? timeouts.fileMs : timeouts.callMs,
        signal: context.signal,
        onSend: () => {
          turn.sent();
          context.onSend?.();
        },
      },
    );
    const ersTime = result.kind === 'answered' ? timeOf(result.answer) : undefined;
    if (ersTime) budget.hearErsTime(ersTime);
    const { fate, failure } = await conclude(call, context, result, read);
    record(call, context, result, fate, clock.monotonicMs() - startedAtMs);
    const isTokenRefused = result.kind === 'answered' && result.answer.status === 401 && !context.session;
    if (isTokenRefused) tokens.discard(bearer);
    // A poll is not sent a second time: what it has spent is counted from its first minute.
    const mayGoAgain = kind !== 'poll' && !isStream(call.body);
    return { fate, mayRenew: isTokenRefused && failure?.issueType !== 'forbidden' && mayGoAgain };
  }

  async function conclude<T>(
    call: ErsCall,
    context: ErsContext,
    result: Exchange,
    read: ReadAnswer<T>,
  ): Promise<{ fate: Fate<T>; failure?: Failure }> {
    const kind = KIND_OF[call.operation];
    if (result.kind === 'unsendable') return { fate: fateOf(rowOfUnsendable()) };
    if (result.kind === 'unanswered') return { fate: fateOf(rowOfSilence(kind, result.progress)) };
    const { answer } = result;
    if ((call.isSuccess ?? isTwoHundred)(answer.status)) {
      const value = await read(answer);
      if (value === undefined) answer.body.destroy();
      return { fate: value ?? fateOf(rowOfUnreadable(kind), { refusal: refusalOf(answer) }) };
    }
    const afterMs = retryAfterMs(answer, clock.now());
    // Before its body is waited for: the next request may be a moment away.
    if (answer.status === 429) budget.slowDown(afterMs);
    const failure = await readFailure(answer);
    const row: FateRow = rowOfStatus(kind, answer.status, context.session ? 'user' : 'application', failure.ersCode);
    return { fate: fateOf(row, { refusal: refusalOf(answer, failure), retryAfterMs: afterMs }), failure };
  }

  function record(call: ErsCall, context: ErsContext, result: Exchange, fate: Fate<unknown>, tookMs: number): void {
    const answer = result.kind === 'answered' ? result.answer : undefined;
    const ersRequestId = answer && requestIdOf(answer);
    const ersCode = fate.kind === 'ok' ? undefined : fate.refusal?.ersCode;
    const fields = {
      operation: call.operation,
      correlationId: context.correlationId,
      tookMs: Math.round(tookMs),
      ...(answer && { status: answer.status }),
      ...(ersRequestId !== undefined && { ersRequestId }),
      ...(fate.kind !== 'ok' && { code: fate.code }),
      ...(ersCode !== undefined && { ersCode }),
    };
    audit?.noteErsCall({
      operation: call.operation,
      ...ubrnIn(call.path),
      correlationId: context.correlationId,
      isOk: fate.kind === 'ok',
      ...(answer && { status: answer.status }),
      ...(ersRequestId !== undefined && { ersRequestId }),
      ...(context.session && { session: claimedIn(context.session) }),
    });
    const event = answer ? 'ers.call.answered' : 'ers.call.unanswered';
    if (fate.kind === 'ok') log.info(event, fields);
    else if (fate.code === 'ERS_REQUEST_WRONG' || fate.code === 'ERS_APPLICATION_REFUSED') log.error(event, fields);
    else log.warn(event, fields);
  }

  return { ask, baseUrl, wire, limits, timeouts };
}

const ubrnIn = (path: string): { ubrn?: string } => {
  const ubrn = /\bReferralRequest\/(\d{12})\b/.exec(path)?.[1];
  return ubrn === undefined ? {} : { ubrn };
};

const claimedIn = ({ token: _, ...claimed }: UserSession): Omit<UserSession, 'token'> => claimed;

const isStream = (body: object | Readable | undefined): body is Readable =>
  body !== undefined && 'pipe' in body && typeof body.pipe === 'function';

function headersOf(call: ErsCall, context: ErsContext, bearer: string): Record<string, string> {
  return {
    authorization: `Bearer ${bearer}`,
    'x-correlation-id': context.correlationId,
    ...(call.body !== undefined && !isStream(call.body) && { 'content-type': 'application/fhir+json' }),
    ...(context.session && identityHeaders(context.session, call.identity ?? 'all')),
    ...call.headers,
  };
}

/** In application mode none of the three may be sent; on behalf of someone acts one role alone. Source: provider-api 1.4 */
function identityHeaders(session: UserSession, identity: NonNullable<ErsCall['identity']>): Record<string, string> {
  if (identity === 'none') return {};
  const isAdministrator = session.businessFunction === CLINICIAN_ADMIN;
  return {
    'nhsd-end-user-organisation-ods': session.organisation,
    'nhsd-ers-business-function': session.businessFunction,
    ...(identity === 'all' &&
      isAdministrator &&
      session.onBehalfOf !== undefined && { 'nhsd-ers-on-behalf-of-user-id': session.onBehalfOf }),
  };
}

function refusalOf(answer: Answer, failure: Failure = {}): ErsRefusal {
  const ersRequestId = requestIdOf(answer);
  return {
    status: answer.status,
    ...(failure.ersCode !== undefined && { ersCode: failure.ersCode }),
    ...(ersRequestId !== undefined && { ersRequestId }),
  };
}
