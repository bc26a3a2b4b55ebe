import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './answers.ts';
import { emptyAnswer, textAnswer } from './answers.ts';
import type { Audit } from './audit.ts';
import type { CallRecord, Calls } from './calls.ts';
import type { Call, Endpoint } from './endpoint.ts';
import { polledService } from './endpoints/index.ts';
import type { Fault, Faults } from './faults.ts';
import type { Gate } from './pipeline.ts';
import { bearerOf, runPipeline } from './pipeline.ts';
import { settleFiles } from './scans.ts';
import { readBody, send, sendGarbage, sendTruncated } from './wire-transport.ts';

const LARGEST_BODY_BYTES = 6_291_456;

/** A request and its answer, for whoever wants to check them against e-RS's schema. */
export interface Exchange {
  endpoint: string;
  method: string;
  /** Path and query below the FHIR base. */
  path: string;
  requestHeaders: IncomingHttpHeaders;
  requestBody: Buffer;
  status: number;
  answerHeaders: Record<string, string>;
  /** Absent for files, which have no schema. */
  answerBody: Buffer | undefined;
}
/** Answers each violation of the schema in words. */
export type CheckExchange = (exchange: Exchange) => string[];

/** What the e-RS side of the server works with. */
export interface ErsSide extends Gate {
  endpoints: Endpoint[];
  calls: Calls;
  faults: Faults;
  audit: Audit;
  /** How long a write holds its lock, so that writes in parallel meet. */
  writeMs: number;
  /** Writes that are going on, by UBRN, as their senders see them: from arrival to answer. */
  writesUnderWay: Map<string, number>;
  checkExchange: CheckExchange | undefined;
}

interface Routed {
  endpoint: Endpoint;
  path: Record<string, string>;
}

/** Answers one e-RS request: records it, lets faults strike, runs the pipeline. */
export async function serveErs(
  side: ErsSide,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  side.limits.arrived(performance.now());
  const { clock } = side.world;
  settleFiles(side.world);
  const method = request.method ?? 'GET';
  const routed = route(side.endpoints, method, url);
  const record = side.calls.begin(describeCall(request, url, clock.now(), routed));
  const finish = trackWrite(side, routed);
  try {
    const fault = routed && side.faults.take(routed.endpoint.id, record.ubrn);
    if (fault) record.fault = fault.kind;
    if (fault?.kind === 'reset') return void request.socket.resetAndDestroy();
    if (fault?.kind === 'lose-request') return void request.socket.destroy();
    const body = await readBody(request, LARGEST_BODY_BYTES);
    if (body === 'aborted') return;
    const received = routed && {
      request,
      url,
      routed,
      body: body === 'too-large' ? undefined : body,
      fault,
      record,
    };
    const polled = received && polledBy(side, received);
    const answer = received ? await answerCall(side, received) : emptyAnswer(404);
    if (polled !== undefined && answer.status !== 429) side.audit.polled(polled);
    record.status = answer.status;
    const isJson = answer.headers['Content-Type']?.includes('json') ?? false;
    if (isJson && Buffer.isBuffer(answer.body)) side.calls.keepBody(record, 'answerBody', answer.body);
    decorate(answer, request);
    if (routed && side.checkExchange && fault?.kind !== 'status' && body !== 'too-large') {
      const { status, headers: answerHeaders } = answer;
      const violations = side.checkExchange({
        endpoint: routed.endpoint.id,
        method,
        path: `${url.pathname.slice('/FHIR'.length)}${url.search}`,
        requestHeaders: request.headers,
        requestBody: body,
        status,
        answerHeaders,
        answerBody: Buffer.isBuffer(answer.body) ? answer.body : undefined,
      });
      if (violations.length > 0) side.audit.failedSchema();
    }
    if (fault?.kind === 'lose-answer') request.socket.destroy();
    else if (fault?.kind === 'truncate') sendTruncated(response, answer);
    else if (fault?.kind === 'garbage') sendGarbage(response, answer, fault.body);
    else await send(response, answer);
  } finally {
    finish();
  }
}

interface Received {
  request: IncomingMessage;
  url: URL;
  routed: Routed;
  /** Absent when it was too large to be read. */
  body: Buffer | undefined;
  fault: Fault | undefined;
  record: CallRecord;
}

async function answerCall(
  side: ErsSide,
  { request, url, routed, body: received, fault, record }: Received,
): Promise<Answer> {
  const { endpoint } = routed;
  // Of a file that is too large to be kept its size alone matters: who sends it is looked at first, as with any other.
  if (received === undefined && endpoint.id !== 'A020') return textAnswer(413, 'Request Entity Too Large');
  const body = received ?? Buffer.alloc(LARGEST_BODY_BYTES);
  if (endpoint.body === 'json') side.calls.keepBody(record, 'requestBody', body);
  const pauseMs = Math.max(fault?.kind === 'delay' ? (fault.delayMs ?? 1000) : 0, endpoint.isWrite ? side.writeMs : 0);
  const call: Call = {
    method: endpoint.method,
    url,
    path: routed.path,
    headers: request.headers,
    body,
    at: side.world.clock.now(),
    pause: async () => {
      // A closed simulator waits for nobody.
      const wait = side.world.clock.sleep ?? ((ms: number) => sleep(ms, undefined, { ref: false }));
      if (pauseMs > 0) await wait(pauseMs);
    },
  };
  const run = async (): Promise<Answer> => {
    const answer = await runPipeline(call, endpoint, side);
    if (call.caller) {
      record.mode = call.caller.mode;
      side.audit.sawHeaders(request.headers, call.caller.mode);
    }
    return answer;
  };
  if (fault?.kind !== 'status') return run();
  if (fault.applied) await run();
  return faultyAnswer(fault);
}

/**
 * The service that an unattended call polls: e-RS counts it whatever the answer but 429, and gives users no limit.
 * Source: provider-api 3
 */
function polledBy({ tokens }: ErsSide, { request, routed, body }: Received): string | undefined {
  const isUnattended = bearerOf(tokens, request.headers)?.mode === 'application';
  return routed.endpoint.id === 'A008' && isUnattended ? polledService(body) : undefined;
}

function faultyAnswer({ status = 500, body, contentType, retryAfterSeconds }: Fault): Answer {
  const isJson = typeof body === 'object';
  const usual = isJson ? 'application/fhir+json' : 'text/plain;charset=utf-8';
  return {
    status,
    headers: {
      ...(body !== undefined && { 'Content-Type': contentType ?? usual }),
      ...(retryAfterSeconds !== undefined && { 'Retry-After': String(retryAfterSeconds) }),
    },
    ...(body !== undefined && { body: Buffer.from(isJson ? JSON.stringify(body) : body) }),
  };
}

function route(endpoints: Endpoint[], method: string, url: URL): Routed | undefined {
  const path = decodeURIComponent(url.pathname.slice('/FHIR'.length));
  for (const endpoint of endpoints) {
    const match = endpoint.method === method ? endpoint.path.exec(path) : null;
    if (match) return { endpoint, path: { ...match.groups } };
  }
  return undefined;
}

function describeCall(
  request: IncomingMessage,
  url: URL,
  at: Date,
  routed: Routed | undefined,
): Omit<CallRecord, 'seq'> {
  const {
    'if-match': ifMatch,
    'x-correlation-id': correlationId,
    'nhsd-ers-referral-id': uploadedFor,
  } = request.headers;
  const ubrn = routed?.path['ubrn'] ?? uploadedFor;
  return {
    at: at.toISOString(),
    endpoint: routed?.endpoint.id ?? 'unknown',
    method: request.method ?? 'GET',
    path: `${url.pathname}${url.search}`,
    status: 0,
    ...(typeof ubrn === 'string' && { ubrn }),
    ...(ifMatch !== undefined && { ifMatch }),
    ...(typeof correlationId === 'string' && { correlationId }),
  };
}

/** Counts writes that meet on one UBRN, by when they arrived and when they were answered. */
function trackWrite({ writesUnderWay, audit }: ErsSide, routed: Routed | undefined): () => void {
  const ubrn = routed?.endpoint.isWrite ? routed.path['ubrn'] : undefined;
  if (ubrn === undefined) return () => {};
  const others = writesUnderWay.get(ubrn) ?? 0;
  if (others > 0) audit.wroteInParallel();
  writesUnderWay.set(ubrn, others + 1);
  return () => {
    writesUnderWay.set(ubrn, (writesUnderWay.get(ubrn) ?? 1) - 1);
  };
}

/** Headers of every answer. Source: provider-api 1.5. */
function decorate(answer: Answer, request: IncomingMessage): void {
  answer.headers['X-Request-ID'] = `${randomUUID()}-1`;
  const correlationId = request.headers['x-correlation-id'];
  if (typeof correlationId === 'string') answer.headers['X-Correlation-ID'] = correlationId;
}
