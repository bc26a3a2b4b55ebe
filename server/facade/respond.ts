import { pipeline } from 'node:stream';
import type { Request, Response } from 'express';
import type { Answer } from './answer.ts';

export const FHIR_JSON = 'application/fhir+json; charset=utf-8';

/** Writes an answer. HEAD gets the headers that GET would; a client that goes away ends the stream. */
export function respond(req: Request, res: Response, answer: Answer, isPretty: boolean): void {
  const { status, headers = {}, body, stream } = answer;
  res.status(status);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  if (status === 401 && !res.hasHeader('WWW-Authenticate'))
    res.setHeader('WWW-Authenticate', 'Bearer error="invalid_token"');
  if (stream) {
    res.setHeader('Content-Type', stream.contentType);
    if (stream.length !== undefined) res.setHeader('Content-Length', stream.length);
    if (req.method === 'HEAD') {
      stream.bytes.destroy();
      res.end();
      return;
    }
    // Headers are out: a source that breaks can only cut the answer short, which `pipeline` does.
    pipeline(stream.bytes, res, () => undefined);
    return;
  }
  if (body === undefined) {
    res.end();
    return;
  }
  const bytes = Buffer.from(JSON.stringify(body, undefined, isPretty ? 2 : undefined));
  res.setHeader('Content-Type', FHIR_JSON);
  res.setHeader('Content-Length', bytes.length);
  res.end(req.method === 'HEAD' ? undefined : bytes);
}
