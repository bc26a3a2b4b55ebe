import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { createBudget } from '../../server/budget/index.ts';
import type { Clock, ErsContext, Log, LogFields, Store, Ubrn, UserSession } from '../../server/core/index.ts';
import { parseUbrn, systemClock } from '../../server/core/index.ts';
import { createErsClient, type ErsClientOptions, type WholeErsClient } from '../../server/ers/index.ts';

/** A request as it came over the socket. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Answerer = (request: Received, response: ServerResponse) => void;

/** The far end of the socket: answers whatever the test says. A token endpoint of its own, unless told otherwise. */
export interface Gateway extends AsyncDisposable {
  readonly origin: string;
  readonly received: Received[];
  readonly tokenRequests: URLSearchParams[];
  /** How the next answers are made. */
  answer: Answerer;
  answerToken: Answerer;
}

export const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

export async function startGateway(): Promise<Gateway> {
  const received: Received[] = [];
  const tokenRequests: URLSearchParams[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      const seen = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
      if (request.url === '/oauth2/token') {
        tokenRequests.push(new URLSearchParams(body));
        gateway.answerToken(seen, response);
        return;
      }
      received.push(seen);
      gateway.answer(seen, response);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const gateway: Gateway = {
    origin: `http://127.0.0.1:${port}`,
    received,
    tokenRequests,
    answer: (_request, response) => void response.writeHead(500).end(),
    answerToken: (_request, response) => {
      const token = { access_token: `token-${tokenRequests.length}`, expires_in: '599', token_type: 'Bearer' };
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(token));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return gateway;
}

/** Answers with a status, a body and headers. */
export const saying =
  (status: number, body: string | Buffer | object = '', headers: Record<string, string> = {}): Answerer =>
  (_request, response) => {
    const bytes =
      typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
    response.writeHead(status, { 'Content-Length': String(bytes.length), ...headers }).end(bytes);
  };

/** Hangs up, with a TCP reset, when the whole request has arrived. */
export const resetting: Answerer = (_request, response) => void response.socket?.resetAndDestroy();

/** Never answers. */
export const hanging: Answerer = () => undefined;

/** Promises `length` bytes, sends `part` and hangs up. */
export const truncating =
  (status: number, part: string, headers: Record<string, string> = {}, length = part.length + 10): Answerer =>
  (_request, response) => {
    response.writeHead(status, { 'Content-Length': String(length), ...headers });
    response.write(part, () => response.destroy());
    if (part === '') response.flushHeaders();
  };

export interface LogLine extends LogFields {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
}

/** A client of the gateway, its log, and the turns that it took from the budget. */
export interface NearEnd {
  readonly ers: WholeErsClient;
  readonly lines: LogLine[];
  readonly turns: string[];
}

/** The client as the product makes it. Its budget has no limit, so the store behind it is never asked. */
export function startClient(origin: string, wish: Partial<ErsClientOptions> & { clock?: Clock } = {}): NearEnd {
  const lines: LogLine[] = [];
  const turns: string[] = [];
  const write = (level: LogLine['level']) => (event: string, fields?: LogFields) =>
    void lines.push({ level, event, ...fields });
  const log: Log = { info: write('info'), warn: write('warn'), error: write('error') };
  const clock = wish.clock ?? systemClock;
  const budget = createBudget({
    store: {} as Store,
    clock,
    random: () => 0,
    log,
    requestsPerSecond: undefined,
    pollsPerDay: undefined,
  });
  const ers = createErsClient({
    baseUrl: `${origin}/FHIR`,
    tokenUrl: `${origin}/oauth2/token`,
    tokenAudience: 'https://api.example/oauth2/token',
    apiKey: 'test-application',
    keyId: 'test-1',
    privateKeyPem: privateKey,
    clock,
    log,
    limits: { maxFileBytes: 100_000, maxJsonBytes: 50_000 },
    budget: {
      ...budget,
      admit(priority, signal) {
        turns.push(priority);
        return budget.admit(priority, signal);
      },
    },
    dispatcher: new Agent({ allowH2: false, keepAliveTimeout: 1000 }),
    ...wish,
  });
  return { ers, lines, turns };
}

export function ubrn(text: string): Ubrn {
  const parsed = parseUbrn(text);
  if (parsed === undefined) throw new Error('The test names no UBRN.');
  return parsed;
}
export const UBRN = ubrn('000049000017');

export const SESSION: UserSession = {
  token: 'user-token',
  organisation: 'ZZ1',
  businessFunction: 'SERVICE_PROVIDER_CLINICIAN',
};

export const UNATTENDED: ErsContext = { correlationId: 'c-1', priority: 'routine' };
export const ATTENDED: ErsContext = { correlationId: 'c-2', priority: 'decision', session: SESSION };

export const referral = (version = 8, more: object = {}): object => ({
  resourceType: 'ReferralRequest',
  id: UBRN,
  meta: { versionId: String(version) },
  unknownToUs: { kept: true },
  ...more,
});

export const outcome = (code: string, issueType = 'business-rule'): object => ({
  resourceType: 'OperationOutcome',
  meta: { profile: ['https://fhir.nhs.uk/STU3/StructureDefinition/eRS-OperationOutcome-1'] },
  issue: [
    {
      severity: 'error',
      code: issueType,
      details: {
        coding: [{ system: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-APIErrorCode-1', code, display: 'Secret Person' }],
      },
      diagnostics: 'No legitimate relationship with referral of Secret Person',
    },
  ],
});
