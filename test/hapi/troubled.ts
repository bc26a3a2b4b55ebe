import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a store does when it is not well. */
export type Trouble =
  | 'none'
  /** 503 with Retry-After, to everybody. */
  | 'refuses'
  /** 409 to every other write, which is not carried out. */
  | 'conflicts'
  /** 409 to every write. */
  | 'only-conflicts'
  /** Every other write is carried out, and its answer lost. */
  | 'loses-answers'
  /** Two seconds before each answer. */
  | 'is-slow';

/** A store seen through trouble: what it is asked goes on to the real one, or not. */
export interface TroubledStore {
  readonly url: string;
  /** How often each trouble struck. */
  readonly struck: Readonly<Record<Trouble, number>>;
  trouble: Trouble;
  close(): Promise<void>;
}

export async function troubled(target: string): Promise<TroubledStore> {
  const { origin, pathname } = new URL(target);
  const struck = { none: 0, refuses: 0, conflicts: 0, 'only-conflicts': 0, 'loses-answers': 0, 'is-slow': 0 };
  let writes = 0;

  function handle(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const isWrite = incoming.method !== 'GET' && !(incoming.url ?? '').endsWith('/_search');
    writes += isWrite ? 1 : 0;
    const isHit = isWrite && writes % 2 === 0;
    const strike = (how: Trouble) => {
      struck[how] += 1;
    };
    if (store.trouble === 'refuses') {
      strike('refuses');
      incoming.resume();
      return void outgoing.writeHead(503, { 'Retry-After': '1' }).end();
    }
    if ((store.trouble === 'conflicts' && isHit) || (store.trouble === 'only-conflicts' && isWrite)) {
      strike(store.trouble);
      incoming.resume();
      return void outgoing.writeHead(409).end();
    }
    const isLost = store.trouble === 'loses-answers' && isHit;
    const isSlow = store.trouble === 'is-slow';
    const onward = request(
      `${origin}${incoming.url}`,
      { method: incoming.method, headers: incoming.headers },
      (answer) => {
        if (isLost) {
          strike('loses-answers');
          answer.resume();
          answer.once('end', () => outgoing.destroy());
          return;
        }
        if (isSlow) strike('is-slow');
        setTimeout(
          () => {
            outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
            answer.pipe(outgoing);
          },
          isSlow ? 2_000 : 0,
        );
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  }

  const server = createServer(handle);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const store: TroubledStore = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    struck,
    trouble: 'none',
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return store;
}
