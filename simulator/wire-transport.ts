import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from './answers.ts';

/** Reads a body to its end; one that is too large is thrown away, not kept. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | 'too-large' | 'aborted'> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes <= maxBytes) chunks.push(chunk);
    }
  } catch {
    return 'aborted';
  }
  return bytes > maxBytes ? 'too-large' : Buffer.concat(chunks);
}

/** Sends an answer whole, waiting wherever the client reads slowly. */
export async function send(response: ServerResponse, answer: Answer): Promise<void> {
  const { body } = answer;
  if (body === undefined || Buffer.isBuffer(body)) {
    response.writeHead(answer.status, { ...answer.headers, 'Content-Length': String(body?.length ?? 0) });
    response.end(body);
    return;
  }
  response.writeHead(answer.status, answer.headers);
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  for (const chunk of body) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await once(response, 'drain', { signal: closed.signal }).catch(() => {});
  }
  response.end();
}

/** Promises the whole body, sends half of it, and hangs up. */
export function sendTruncated(response: ServerResponse, answer: Answer): void {
  const whole = wholeBody(answer);
  const half = whole.subarray(0, Math.floor(whole.length / 2));
  // A body of nothing cannot be cut, so one is promised.
  response.writeHead(answer.status, { ...answer.headers, 'Content-Length': String(Math.max(whole.length, 1)) });
  response.write(half, () => response.destroy());
  if (half.length === 0) response.flushHeaders();
}

/** The right status and headers around a body that is nothing. */
export function sendGarbage(response: ServerResponse, answer: Answer, body: unknown): void {
  const garbage = Buffer.from(typeof body === 'string' ? body : '{"resourceType": "Refer\u0000\ufffd<html>');
  response.writeHead(answer.status, { ...answer.headers, 'Content-Length': String(garbage.length) });
  response.end(garbage);
}

const wholeBody = ({ body }: Answer): Buffer =>
  body === undefined ? Buffer.alloc(0) : Buffer.isBuffer(body) ? body : Buffer.concat([...body]);
