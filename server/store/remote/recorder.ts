import type { Readable } from 'node:stream';
import { DecoratorHandler, type Dispatcher } from 'undici';

/** What was heard of one request, whatever the client library above makes of it. */
export interface Heard {
  /** Whether it began to be written to a connection: if not, the server cannot have carried it out. */
  isSent: boolean;
  status?: number;
  /** Of the answer; names in lower case. */
  headers?: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * A dispatcher for one request that notes what happens to it. fhir-kit-client hides the headers of an error and cannot
 * tell a request that never left from one whose answer was lost; this can.
 */
export function recorded(dispatcher: Dispatcher): { dispatcher: Dispatcher; heard: Heard } {
  const heard: Heard = { isSent: false };
  return { heard, dispatcher: dispatcher.compose((dispatch) => (o, handler) => dispatch(o, new Ear(handler, heard))) };
}

export function headerOf({ headers }: Heard, name: string): string | undefined {
  const value = headers?.[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The length of a file that is coming; nothing where it is not said, as by a proxy that sends it in chunks. */
export function sizeOf(heard: Heard): { size?: number } {
  const length = headerOf(heard, 'content-length');
  return length === undefined || !/^\d+$/.test(length) ? {} : { size: Number(length) };
}

/**
 * Lets a file be given back unread (HEAD, 304): undici calls that an error of the stream, and one without a listener ends
 * the process. Whoever reads hears of it all the same.
 */
export const bear = (stream: Readable): void => void stream.on('error', () => undefined);

class Ear extends DecoratorHandler {
  readonly #inner: Dispatcher.DispatchHandler;
  readonly #heard: Heard;

  constructor(inner: Dispatcher.DispatchHandler, heard: Heard) {
    super(inner);
    this.#inner = inner;
    this.#heard = heard;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (this.#heard.isSent) {
      // A connection that died is no licence to send a write twice.
      controller.abort(new Error('The request was already sent once.'));
      return;
    }
    this.#inner.onRequestStart?.(controller, context);
    if (!controller.aborted) this.#heard.isSent = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    text?: string,
  ): void {
    this.#heard.status = status;
    this.#heard.headers = headers;
    this.#inner.onResponseStart?.(controller, status, headers, text);
  }
}
