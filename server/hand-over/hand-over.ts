import { type Dispatcher, request } from 'undici';
import { type Clock, describeError, type Engine, HAND_OVER_PATH, isSafeUrl, type Log } from '../core/index.ts';
import { callSchema, carryOut, type HandedCall, type HandedOver } from './calls.ts';
import { GOOD_FOR_SECONDS, handOverKey, seal, unseal } from './seal.ts';

const MAX_ANSWER_BYTES = 5_000_000;
/** Who does not take the connection is not there. */
export const CONNECT_MS = 2_000;
/** Beyond what the longest of the calls may wait for e-RS. */
const ANSWER_MS = 90_000;

export interface HandOverOptions {
  /** The secret of the installation. */
  readonly secret: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly dispatcher: Dispatcher;
  /** The name of this process in the lease. */
  readonly instance: () => string;
  /** Who has the lease; undefined: nobody, or this process. */
  readonly holder: () => Promise<{ readonly instance: string; readonly address: string } | undefined>;
  /** This process's engine, while it is active. */
  readonly own: () => Engine | undefined;
}

export interface HandOver {
  /** The active engine, wherever it is. */
  readonly engine: HandedOver & Pick<Engine, 'isAtHand'>;
  /** Takes what another process hands over; undefined: it is of nobody of this installation, not for this process, or known. */
  receive(text: string): Promise<string | undefined>;
}

/**
 * Hands what needs the engine to the process that has it, at the address in the lease: sealed for that very process under a
 * key of the installation, good once and for a minute, and over TLS or loopback only. Sessions are in memory and in that message,
 * nowhere else.
 * Codes: engine-unavailable, nothing was handed over; engine-answer-lost, it was
 * Source: architecture 3; docs/decisions/0022
 */
export function createHandOver(options: HandOverOptions): HandOver {
  const { clock, log, dispatcher, own, holder, instance } = options;
  const key = handOverKey(options.secret);
  /** Messages that were taken, and when they may be forgotten. */
  const taken = new Map<string, number>();
  const nowMs = () => clock.now().getTime();
  const unavailable = { ok: false, code: 'engine-unavailable' } as const;
  const lost = { ok: false, code: 'engine-answer-lost' } as const;

  async function hand(call: HandedCall): Promise<unknown> {
    const to = await holder();
    if (to === undefined) return unavailable;
    if (!isSafeUrl(to.address)) {
      log.warn('hand-over.address.unsafe', { code: 'engine-unavailable' });
      return unavailable;
    }
    const sealed = await seal(key, call, { to: to.instance, nowMs: nowMs() });
    let isOut = false;
    try {
      const { statusCode, body } = await request(`${to.address}${HAND_OVER_PATH}`, {
        method: 'POST',
        headers: { 'content-type': 'application/jose' },
        body: sealed.text,
        dispatcher,
        signal: AbortSignal.timeout(ANSWER_MS),
        headersTimeout: ANSWER_MS,
        bodyTimeout: ANSWER_MS,
      });
      isOut = statusCode === 200 || statusCode >= 500;
      const answer = await unseal(key, await textOf(body), { to: sealed.id, nowMs: nowMs() });
      if (answer !== undefined) return answer.says;
    } catch (error: unknown) {
      isOut ||= !NOT_SENT.has(codeOf(error));
      log.warn('hand-over.call.failed', { operation: call.name, ...describeError(error) });
    }
    return isOut ? lost : unavailable;
  }

  const ask = <T>(call: HandedCall) => hand(call) as Promise<T>;

  return {
    engine: {
      isAtHand: async () => (await hand({ name: 'isAtHand' })) === true,
      fetch: (ubrn) => ask({ name: 'fetch', ubrn }),
      refresh: (serviceRequestId) => ask({ name: 'refresh', serviceRequestId }),
      send: (taskId, session, decisionId) =>
        ask({
          name: 'send',
          taskId,
          session: { ...session },
          ...(decisionId === undefined ? {} : { decisionId }),
        }),
      signAndSend: (session, { taskIds, shown, waitMs }) =>
        ask({
          name: 'signAndSend',
          session: { ...session },
          waitMs,
          ...(taskIds === undefined ? {} : { taskIds: [...taskIds] }),
          ...(shown === undefined ? {} : { shown: { ...shown } }),
        }),
      waiting: (session) => ask({ name: 'waiting', session: { ...session } }),
      openSession: (idToken) => ask({ name: 'openSession', idToken }),
      reopen: (taskId) => ask({ name: 'reopen', taskId }),
      poll: (service, list) => ask({ name: 'poll', service, ...(list === undefined ? {} : { list }) }),
      reconcile: () => ask({ name: 'reconcile' }),
    },

    async receive(text) {
      const message = await unseal(key, text, { to: instance(), nowMs: nowMs() });
      if (message === undefined) return undefined;
      for (const [id, untilMs] of taken) if (untilMs < nowMs()) taken.delete(id);
      if (taken.has(message.id)) return undefined;
      // As long as a message is taken at all, by whichever clock.
      taken.set(message.id, nowMs() + 3 * GOOD_FOR_SECONDS * 1000);
      const call = callSchema.safeParse(message.says);
      const engine = own();
      // Never handed on: who is no longer active says so.
      const says = call.success && engine !== undefined ? await carryOut(engine, call.data) : unavailable;
      return (await seal(key, says, { to: message.id, nowMs: nowMs() })).text;
    },
  };
}

/** The connection was not made: nobody has read anything. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

const codeOf = (error: unknown): string =>
  Error.isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : '';

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new RangeError('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
