import type { Duplex } from 'node:stream';
import type { Code } from '../core/index.ts';
import { refuse } from './outcome.ts';
import { FHIR_JSON } from './respond.ts';

/** What Node's HTTP parser could not take, by its code; anything else is no HTTP. */
const FAULTS: ReadonlyMap<unknown, { readonly code: Code; readonly status: string; readonly text: string }> = new Map([
  [
    'HPE_HEADER_OVERFLOW',
    {
      code: 'body-too-large',
      status: '431 Request Header Fields Too Large',
      text: 'The URL and headers are too large: send a long search as POST [type]/_search.',
    },
  ],
  ['ERR_HTTP_REQUEST_TIMEOUT', { code: 'body-unreadable', status: '408 Request Timeout', text: 'It took too long.' }],
]);

/** Answers what is no request that could reach the facade; for the server's event `clientError`. */
export function refuseUnparsed(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { code, status, text } = FAULTS.get(error.code) ?? {
    code: 'body-unreadable' as const,
    status: '400 Bad Request',
    text: 'This is no well-formed HTTP request.',
  };
  const refusal = refuse(code, { text, status: Number(status.slice(0, 3)) });
  const body = JSON.stringify(refusal.body);
  const head = [
    `HTTP/1.1 ${status}`,
    `Content-Type: ${FHIR_JSON}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
