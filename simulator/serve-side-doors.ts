import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Audit } from './audit.ts';
import type { SimulatorClock } from './clock.ts';
import type { Faults } from './faults.ts';
import type { ObjectStore } from './object-store.ts';
import type { Tokens } from './tokens.ts';
import { send, sendGarbage, sendTruncated } from './wire-transport.ts';

/** The two hosts beside e-RS: the platform's token endpoint and the object store. Both can be broken, neither is counted. */
export interface SideDoors {
  clock: SimulatorClock;
  faults: Faults;
  audit: Audit;
  tokens: Tokens;
  objectStore: ObjectStore;
}

/** Answers a call of a side door; others are 404. */
export async function serveSideDoors(
  { clock, faults, audit, tokens, objectStore }: SideDoors,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  body: Buffer,
): Promise<void> {
  const isToken = url.pathname === '/oauth2/token' && request.method === 'POST';
  const isObject = url.pathname.startsWith('/ObjectStore/') && request.method === 'GET';
  if (!isToken && !isObject) return send(response, { status: 404, headers: {} });
  const fault = faults.take(isToken ? 'TOKEN' : 'OBJECT-STORE');
  switch (fault?.kind) {
    case 'reset':
      return void request.socket.resetAndDestroy();
    case 'lose-request':
    case 'lose-answer': // nothing changes here, so both are the same
      return void request.socket.destroy();
    case 'status': {
      const text = typeof fault.body === 'string' ? fault.body : JSON.stringify(fault.body ?? {});
      return send(response, { status: fault.status ?? 500, headers: {}, body: Buffer.from(text) });
    }
    case 'delay':
      await (clock.sleep ?? sleep)(fault.delayMs ?? 1000);
  }
  if (isObject) audit.sawHeaders(request.headers, 'none');
  const answer = isToken
    ? await tokens.exchange(new URLSearchParams(body.toString('utf8')), `${url.origin}/oauth2/token`)
    : objectStore.answer(url.pathname, request.headers);
  if (fault?.kind === 'truncate') return sendTruncated(response, answer);
  if (fault?.kind === 'garbage') return sendGarbage(response, answer, fault.body);
  return send(response, answer);
}
