import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Dispatcher } from 'undici';
import type { Answered, Asked } from './in-memory-http.ts';

/** The way to e-RS and back, as the run wants it. */
export interface Carrier {
  /** Carries a request there and its answer back; the promise of a dead process never ends. */
  carry(asked: Asked): Promise<Answered>;
  /** The caller no longer waits for the answer. */
  gaveUp(asked: Asked): void;
}

/** undici's dispatcher without sockets, so that the e-RS client is driven whole: its deadlines, streams and aborts. */
export class InMemoryNetwork extends Dispatcher {
  readonly #carrier: Carrier;

  constructor(carrier: Carrier) {
    super();
    this.#carrier = carrier;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const line = new Line(handler);
    handler.onRequestStart?.(line, {});
    if (!line.aborted) void this.#exchange(options, line);
    return true;
  }

  override async close(): Promise<void> {}
  override async destroy(): Promise<void> {}

  async #exchange(options: Dispatcher.DispatchOptions, line: Line): Promise<void> {
    const { body } = options;
    const bytes =
      body === null || body === undefined
        ? undefined
        : body instanceof Readable
          ? await buffer(body)
          : Buffer.from(body as string | Uint8Array);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries((options.headers ?? {}) as Record<string, string>))
      headers[name.toLowerCase()] = value;
    const url = String(options.path);
    const asked: Asked = { method: options.method, url, headers, body: bytes };
    line.onAbort = () => this.#carrier.gaveUp(asked);
    line.deliver(await this.#carrier.carry(asked));
  }
}

/** One exchange as undici's handlers see it. */
class Line implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders = null;
  rawTrailers = null;
  readonly #handler: Dispatcher.DispatchHandler;
  onAbort = (): void => undefined;
  #left: (() => void)[] = [];
  #isOver = false;

  constructor(handler: Dispatcher.DispatchHandler) {
    this.#handler = handler;
  }

  abort(reason: Error): void {
    if (this.aborted || this.#isOver) return;
    this.aborted = true;
    this.reason = reason;
    this.#left = [];
    this.onAbort();
    this.#handler.onResponseError?.(this, reason);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#drain();
  }

  deliver({ head, body, isWhole }: Answered): void {
    if (this.aborted) return;
    const end = (ended: () => void) => () => {
      this.#isOver = true;
      ended();
    };
    const fail = end(() => this.#handler.onResponseError?.(this, new Error('The line went dead.')));
    if (head === undefined) return void fail();
    const headers = Object.fromEntries(
      Object.entries(head.headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    this.#left = [
      () => this.#handler.onResponseStart?.(this, head.status, headers, ''),
      ...(body.length === 0 ? [] : [() => this.#handler.onResponseData?.(this, body)]),
      isWhole ? end(() => this.#handler.onResponseEnd?.(this, {})) : fail,
    ];
    this.#drain();
  }

  #drain(): void {
    while (!this.paused && !this.aborted) {
      const next = this.#left.shift();
      if (next === undefined) return;
      next();
    }
  }
}
