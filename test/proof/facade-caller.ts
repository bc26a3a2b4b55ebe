import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Express } from 'express';

export interface FacadeAnswer {
  readonly status: number;
  readonly body: string;
}

/** One request through the facade's own application, headers, bodies and all, without a socket. */
export function callFacade(
  app: Express,
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Promise<FacadeAnswer> {
  const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const request = new IncomingMessage(new Socket());
  Object.assign(request, { method, url, httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1 });
  request.headers = {
    host: '127.0.0.1:9',
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    ...(bytes === undefined ? {} : { 'content-length': String(bytes.length) }),
  };
  if (bytes !== undefined) request.push(bytes);
  request.push(null);
  const response = new ServerResponse(request);
  return new Promise((resolve) => {
    const end = (chunk?: unknown) => {
      if (response.statusCode === 421)
        throw new Error('The facade does not know its own host: nothing would be proven of it.');
      resolve({ status: response.statusCode, body: chunk === undefined ? '' : String(chunk) });
      response.emit('close');
      return response;
    };
    Object.assign(response, { end });
    app(request, response);
  });
}
