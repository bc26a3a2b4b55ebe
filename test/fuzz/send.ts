import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Asked } from './requests.ts';

/** How a request is put on the wire. */
export type Manner = 'whole' | 'huge' | 'slow' | 'cut' | 'raw';

export interface Sent {
  /** 0: the connection ended without an answer, which is right where the request was cut or no HTTP. */
  readonly status: number;
  /** The body; of no answer, the code of the error. */
  readonly text: string;
}

const HUGE = Buffer.alloc(20_000_000, '[1,');
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Sends one request in its manner; resolves with what came back. */
export function send(url: string, one: Asked, manner: Manner, token: string | undefined): Promise<Sent> {
  return manner === 'raw' ? sendRaw(url, one) : sendHttp(url, one, manner, token);
}

export const endFuzzing = (): void => agent.destroy();

function sendHttp(url: string, one: Asked, manner: Manner, token: string | undefined): Promise<Sent> {
  const { hostname, port } = new URL(url);
  const path = `/fhir/R4${one.path}${one.query === '' ? '' : `?${one.query}`}`;
  const hasBody = one.method !== 'GET' && one.method !== 'HEAD';
  const isInPieces = manner === 'slow' || manner === 'cut';
  const body = manner === 'huge' ? HUGE : (one.body ?? '');
  // Without it Node sends the body of a DELETE unannounced, and the server takes it for another request.
  const framing = !hasBody
    ? {}
    : isInPieces
      ? { 'Transfer-Encoding': 'chunked' }
      : { 'Content-Length': String(Buffer.byteLength(body)) };
  const headers = { ...one.headers, ...framing, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) };
  return new Promise((resolve) => {
    const sent = request({ hostname, port, method: one.method, path, headers, agent }, (answer) => {
      const chunks: Buffer[] = [];
      const end = () => {
        resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
        // What is still to be sent of a body that was refused is not waited for.
        if (!sent.writableFinished) sent.destroy();
      };
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', end);
      answer.on('error', end);
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      // A kept connection that the server closed while this was on its way says nothing of the request: once more, until on a new one.
      const isStale = sent.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      resolve(isStale ? sendHttp(url, one, manner, token) : { status: 0, text: String(error.code ?? error.name) });
    });
    if (!hasBody) sent.end();
    else if (isInPieces) void trickle(sent, one, manner);
    else sent.end(body);
  });
}

/** A body that comes piece by piece, or not to its end. */
async function trickle(sent: ReturnType<typeof request>, { body = 'x' }: Asked, manner: Manner): Promise<void> {
  const bytes = Buffer.from(body);
  const piece = Math.max(1, Math.ceil(bytes.length / 5));
  for (let at = 0; at < bytes.length; at += piece) {
    if (sent.destroyed) return;
    sent.write(bytes.subarray(at, at + piece));
    await wait(5);
    if (manner === 'cut') return void sent.destroy();
  }
  sent.end();
}

/** What is no HTTP, or hardly. */
function sendRaw(url: string, { method, path, query, body = '' }: Asked): Promise<Sent> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    const chunks: Buffer[] = [];
    const end = () => {
      socket.destroy();
      const text = Buffer.concat(chunks).toString('latin1');
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text });
    };
    socket.setTimeout(2_000, end);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('close', end);
    socket.on('error', end);
    socket.write(
      `${method} /fhir/R4${path}?${query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n${body}\r\n\r\n`,
    );
    socket.end(body);
  });
}
