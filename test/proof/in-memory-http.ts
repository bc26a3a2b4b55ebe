import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

/** What a request was answered with: all of it, what came before the line went dead, or nothing. */
export interface Answered {
  readonly head?: { readonly status: number; readonly headers: Readonly<Record<string, string>> };
  readonly body: Buffer;
  readonly isWhole: boolean;
}

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer | undefined;
}

/** One request through a handler of node's http server, without a socket: resolves when the answer or the line has ended. */
export function ask(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  asked: Asked,
): Promise<Answered> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let head: Answered['head'];
    const set: Record<string, string> = {};
    const finish = (isWhole: boolean) =>
      resolve({ ...(head === undefined ? {} : { head }), body: Buffer.concat(chunks), isWhole });
    const hangUp = () => finish(false);
    const request = {
      method: asked.method,
      url: asked.url,
      headers: asked.headers,
      socket: { destroy: hangUp, resetAndDestroy: hangUp, remoteAddress: '127.0.0.1' },
      async *[Symbol.asyncIterator]() {
        if (asked.body !== undefined) yield asked.body;
      },
    };
    const response = {
      destroyed: false,
      headersSent: false,
      writeHead(status: number, headers: Record<string, string> = {}) {
        head = { status, headers: { ...set, ...headers } };
        response.headersSent = true;
      },
      setHeader(name: string, value: string) {
        set[name] = value;
      },
      flushHeaders: () => undefined,
      once: () => response,
      write(chunk: Buffer, written?: () => void) {
        chunks.push(Buffer.from(chunk));
        if (written) queueMicrotask(written);
        return true;
      },
      end(chunk?: Buffer) {
        if (chunk !== undefined) chunks.push(Buffer.from(chunk));
        finish(true);
      },
      destroy() {
        response.destroyed = true;
        finish(false);
      },
    };
    // Only what the simulator uses of the two is there: anything else is a type error of the run, and ends it.
    void handle(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
}
