import type { Readable } from 'node:stream';
import { DecoratorHandler, type Dispatcher, request } from 'undici';
import type { Clock } from '../core/index.ts';
import type { Progress } from './fate-table.ts';

export interface Outgoing {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Readable | undefined;
}

/** An answer whose head has come. The body is read to its end or destroyed; a body cut short errors. */
export interface Answer {
  readonly status: number;
  /** The first value of a header, by its lower-case name. */
  header(name: string): string | undefined;
  readonly body: Readable;
}

export type Exchange =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'unanswered'; readonly progress: Progress }
  /** HTTP cannot carry this request; nothing was sent. */
  | { readonly kind: 'unsendable' };

/** What an exchange needs of the world. */
export interface Wire {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  /** Asked when a request is about to be written to its connection; false: it is not sent (architecture 3). */
  readonly fence?: (() => boolean) | undefined;
}

/**
 * Sends one request and waits for the head of its answer. Resolves, never rejects, and not later than the deadline,
 * which also ends a body that is still coming. Redirects are answers like others.
 */
export async function exchange(
  wire: Wire,
  outgoing: Outgoing,
  limits: { deadlineMs: number; signal?: AbortSignal | undefined; onSend?: () => void },
): Promise<Exchange> {
  if (limits.signal?.aborted) return { kind: 'unanswered', progress: 'before-send' };
  const deadline = startDeadline(wire.clock, limits.deadlineMs, limits.signal);
  let progress: Progress = 'before-send';
  const watched = wire.dispatcher.compose(
    (dispatch) => (options, handler) =>
      dispatch(
        options,
        new SendWatch(handler, wire.fence, () => {
          progress = 'after-send';
          limits.onSend?.();
        }),
      ),
  );
  // In an async function, so that what undici throws at once is a rejection too.
  const send = async () =>
    request(outgoing.url, {
      method: outgoing.method,
      headers: outgoing.headers,
      body: outgoing.body ?? null,
      signal: deadline.signal,
      dispatcher: watched,
      // The injected clock keeps the only deadline.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  const answered = send().then(
    ({ statusCode, headers, body }): Exchange => {
      // An error between here and the reader's first look must not end the process.
      body.on('error', () => undefined);
      body.once('close', deadline.end);
      const header = (name: string) => {
        const value = headers[name];
        return Array.isArray(value) ? value[0] : value;
      };
      return { kind: 'answered', answer: { status: statusCode, header, body } };
    },
    (error: unknown): Exchange => {
      deadline.end();
      const isInvalid = Error.isError(error) && 'code' in error && error.code === 'UND_ERR_INVALID_ARG';
      return isInvalid && progress === 'before-send' ? { kind: 'unsendable' } : { kind: 'unanswered', progress };
    },
  );
  // undici heeds the signal only once the request has a connection, so it is raced; whatever comes after is dropped.
  const given = new Promise<Exchange>((resolve) => {
    deadline.signal.addEventListener('abort', () => resolve({ kind: 'unanswered', progress }), { once: true });
  });
  const first = await Promise.race([answered, given]);
  void answered.then((late) => {
    if (late !== first && late.kind === 'answered') late.answer.body.destroy();
  });
  return first;
}

/** Tells when a request is about to be written to its connection; lets that happen once, and not beyond the fence. */
class SendWatch extends DecoratorHandler {
  readonly #inner: Dispatcher.DispatchHandler;
  readonly #fence: Wire['fence'];
  readonly #onSend: () => void;
  #isSent = false;

  constructor(inner: Dispatcher.DispatchHandler, fence: Wire['fence'], onSend: () => void) {
    super(inner);
    this.#inner = inner;
    this.#fence = fence;
    this.#onSend = onSend;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (this.#isSent) {
      // A connection that died is no licence to send a write twice.
      controller.abort(new Error('The request was already sent once.'));
      return;
    }
    if (this.#fence?.() === false) {
      controller.abort(new Error('Another engine may be at work.'));
      return;
    }
    this.#inner.onRequestStart?.(controller, context);
    if (controller.aborted) return;
    this.#isSent = true;
    this.#onSend();
  }
}

function startDeadline(clock: Clock, ms: number, outer?: AbortSignal): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  const timer = new AbortController();
  const abort = () => controller.abort();
  outer?.addEventListener('abort', abort, { once: true });
  void clock.sleep(ms, timer.signal).then(() => {
    if (!timer.signal.aborted) controller.abort();
  });
  return {
    signal: controller.signal,
    end: () => {
      timer.abort();
      outer?.removeEventListener('abort', abort);
    },
  };
}
