import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Agent } from 'undici';
import type { ErsContext, Fate } from '../../server/core/index.ts';
import { KIND_OF } from '../../server/ers/fate-table.ts';
import { createFakeClock } from '../budget/fake-clock.ts';
import { ENDPOINTS, type Endpoint, type Kind } from './endpoints.ts';
import {
  type Answerer,
  ATTENDED,
  type Gateway,
  hanging,
  outcome,
  referral,
  resetting,
  saying,
  startClient,
  startGateway,
  truncating,
  UBRN,
  UNATTENDED,
} from './gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => gateway[Symbol.asyncDispose]());

const short = (fate: Fate<unknown>): string => (fate.kind === 'ok' ? 'ok' : `${fate.kind} ${fate.code}`);
const ask = async (endpoint: Endpoint, answer: Answerer, context?: ErsContext) => {
  gateway.answer = answer;
  return endpoint.run(startClient(gateway.origin).ers, context);
};
const endpointsOf = (...kinds: Kind[]): readonly Endpoint[] => ENDPOINTS.filter(({ kind }) => kinds.includes(kind));
const endpoint = (id: string): Endpoint => {
  const found = ENDPOINTS.find((each) => each.id === id);
  if (!found) throw new Error(`The tests have no endpoint ${id}.`);
  return found;
};

/** Target-model 4.4 (E-5..E-8b) for writes, provider-api 2.2 for the rest: written down here once more, on purpose. */
const WRITES: Readonly<Record<number, string>> = {
  400: 'refused ERS_REQUEST_WRONG',
  401: 'refused ERS_USER_SESSION_ENDED',
  403: 'refused ERS_FORBIDDEN',
  404: 'refused ERS_NOT_FOUND',
  406: 'refused ERS_REQUEST_WRONG',
  408: 'reread ERS_OUTCOME_UNKNOWN',
  409: 'reread ERS_VERSION_CONFLICT',
  410: 'refused ERS_REQUEST_WRONG',
  412: 'refused ERS_REQUEST_WRONG',
  413: 'refused ERS_REQUEST_WRONG',
  415: 'refused ERS_REQUEST_WRONG',
  418: 'refused ERS_REQUEST_WRONG',
  422: 'refused ERS_BUSINESS_RULE',
  423: 'reread ERS_LOCKED',
  429: 'retry ERS_BUSY',
  500: 'reread ERS_OUTCOME_UNKNOWN',
  501: 'reread ERS_OUTCOME_UNKNOWN',
  502: 'reread ERS_OUTCOME_UNKNOWN',
  503: 'retry ERS_UNAVAILABLE',
  504: 'reread ERS_OUTCOME_UNKNOWN',
  599: 'reread ERS_OUTCOME_UNKNOWN',
  202: 'reread ERS_OUTCOME_UNKNOWN',
  204: 'reread ERS_OUTCOME_UNKNOWN',
  302: 'reread ERS_OUTCOME_UNKNOWN',
  304: 'reread ERS_OUTCOME_UNKNOWN',
};
const OTHERS: typeof WRITES = {
  ...WRITES,
  408: 'retry ERS_UNAVAILABLE',
  409: 'refused ERS_REQUEST_WRONG',
  423: 'retry ERS_LOCKED',
  500: 'retry ERS_UNAVAILABLE',
  501: 'retry ERS_UNAVAILABLE',
  502: 'retry ERS_UNAVAILABLE',
  504: 'retry ERS_UNAVAILABLE',
  599: 'retry ERS_UNAVAILABLE',
  202: 'retry ERS_ANSWER_UNREADABLE',
  204: 'retry ERS_ANSWER_UNREADABLE',
  302: 'retry ERS_ANSWER_UNREADABLE',
  304: 'retry ERS_ANSWER_UNREADABLE',
};
const UPLOADS: typeof WRITES = { ...OTHERS, 413: 'refused ERS_FILE_TOO_LARGE', 415: 'refused ERS_BUSINESS_RULE' };
const BY_KIND: Readonly<Record<Kind, typeof WRITES>> = {
  write: WRITES,
  read: OTHERS,
  poll: OTHERS,
  download: OTHERS,
  upload: UPLOADS,
};

/** What may stand in the body of a failure. */
const BODIES: readonly (string | Buffer | object)[] = [
  '',
  'Service Unavailable',
  {
    fault: {
      faultstring: 'Unresolved variable : app.app-restricted-ods-code',
      detail: { errorcode: 'entities.UnresolvedVariable' },
    },
  },
  outcome('SOME_OTHER_CODE'),
  { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'login', details: null }] },
  '{"resourceType":"OperationOutcome","issue":[{"sev',
  Buffer.from([0xff, 0xfe, 0x00, 0x80]),
  `"${'x'.repeat(70_000)}"`,
  'null',
  '[[[]]]',
];

describe('the fate of a call, for every endpoint', () => {
  test.each(ENDPOINTS.map((each) => [each.id, each] as const))(
    '%s: a good answer is ok, with all that was in it',
    async (_id, each) => {
      const fate = await ask(each, each.good);
      expect(short(fate)).toBe('ok');
      expect(fate).not.toHaveProperty('value', 'broken');
    },
  );

  test.each(ENDPOINTS.map((each) => [each.id, each] as const))(
    'E-5..E-8b: %s: each status has its fate, whatever stands in the body',
    async (_id, each) => {
      const wrong: string[] = [];
      for (const [status, expected] of Object.entries(BY_KIND[each.kind])) {
        for (const body of Number(status) === 204 || Number(status) === 304 ? [''] : BODIES) {
          const fate = await ask(each, saying(Number(status), body), ATTENDED);
          if (short(fate) !== expected) wrong.push(`${status} ${JSON.stringify(body).slice(0, 40)}: ${short(fate)}`);
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  test.each(endpointsOf('write').map((each) => [each.id, each] as const))(
    'E-8b: %s: a 200 that is not a whole referral of this UBRN with a version leaves the outcome unknown',
    async (_id, each) => {
      for (const answer of [
        saying(200, ''),
        saying(200, '<html>'),
        saying(200, 'null'),
        saying(200, { resourceType: 'OperationOutcome', issue: [] }),
        saying(200, referral(9, { id: '000049000025' })),
        saying(200, referral(9, { meta: null })),
        saying(200, referral(9, { meta: { versionId: '9a' } })),
        saying(200, JSON.stringify(referral(9)).slice(0, -5)),
        saying(200, Buffer.from([...Buffer.from('{"resourceType":"ReferralRequest","id":"'), 0xff, 0x22, 0x7d])),
        saying(200, referral(9, { text: 'x'.repeat(60_000) })),
        truncating(200, JSON.stringify(referral(9))),
        truncating(200, ''),
      ]) {
        expect(short(await ask(each, answer))).toBe('reread ERS_OUTCOME_UNKNOWN');
      }
    },
  );

  test('the table decides each endpoint that the client calls, and the tests drive each of them', () => {
    expect(Object.entries(KIND_OF)).toEqual(ENDPOINTS.map(({ id, kind }) => [id, kind]));
  });

  /** Statuses that e-RS documents for each endpoint, beside success (provider-api 2.5, generated from its YAML). */
  const READ = [401, 403, 406, 429, 500, 503];
  const DECISION = [400, ...READ, 404, 409, 412, 422, 423];
  const DOCUMENTED: Readonly<Record<string, readonly number[]>> = {
    A004: [...READ, 404],
    A005: [400, ...READ, 404, 422],
    A006: [...READ, 404, 422],
    A007: [...READ, 404, 422],
    A008: [400, ...READ, 415, 422],
    A013: DECISION,
    A014: [...DECISION, 415, 504],
    A020: [...READ, 415, 422],
    A022: [...DECISION, 415],
    A024: [400, ...READ, 404, 422],
    A025: [400, ...READ, 404],
    A028: [...DECISION, 415],
    A029: [400, ...READ],
    A030: READ,
    A036: [...DECISION, 415, 502, 504],
    A038: [400, ...READ, 404, 422],
    A040: [400, ...READ],
    A042: [400, 401, 403, 404, 422, 429, 500, 503],
  };
  test.each(ENDPOINTS.map((each) => [each.id, each] as const))(
    '%s: each status that e-RS documents for it has its fate in both modes, and 401 depends on whose token it was',
    async (id, each) => {
      const wrong: string[] = [];
      for (const status of DOCUMENTED[id] ?? [])
        for (const context of [ATTENDED, UNATTENDED]) {
          const isOurs = status === 401 && context === UNATTENDED;
          const expected = isOurs ? 'refused ERS_APPLICATION_REFUSED' : BY_KIND[each.kind][status];
          const fate = await ask(each, saying(status), context);
          if (short(fate) !== expected) wrong.push(`${status}: ${short(fate)}`);
        }
      expect(DOCUMENTED[id]?.length).toBeGreaterThan(5);
      expect(wrong).toEqual([]);
    },
  );

  test.each(ENDPOINTS.map((each) => [each.id, each] as const))(
    'E-8b: %s: a success that is cut short or garbage is never taken for a good answer',
    async (id, each) => {
      const success = id === 'A042' ? 307 : id === 'A020' ? 201 : 200;
      const json = { 'Content-Type': 'application/fhir+json' };
      const isFile = each.kind === 'poll' || each.kind === 'download';
      for (const answer of [truncating(success, '{"resourceType": "Refer', json), truncating(success, '', json)]) {
        const fate = await ask(each, answer);
        if (each.kind === 'write') expect(short(fate)).toBe('reread ERS_OUTCOME_UNKNOWN');
        // A file's head is good, its stream tells that it broke.
        else if (isFile && fate.kind === 'ok') expect(fate.value).toBe('broken');
        else expect(short(fate)).toBe('retry ERS_ANSWER_UNREADABLE');
      }
      for (const garbage of ['<html>Bad Gateway</html>', Buffer.from([0xff, 0xfe, 0, 0x80]), '{"resourceType":42}']) {
        const fate = await ask(each, saying(success, garbage, { 'Content-Type': 'text/html' }));
        if (each.kind === 'write') expect(short(fate)).toBe('reread ERS_OUTCOME_UNKNOWN');
        // Any bytes may be an attachment: only its name and type say what it is.
        else if (id === 'A006') expect(short(fate)).toBe('ok');
        else expect(short(fate)).toBe('retry ERS_ANSWER_UNREADABLE');
      }
    },
  );

  test.each(ENDPOINTS.map((each) => [each.id, each] as const))(
    '%s: a body without end is given up by its size, good or bad, so that memory is bounded',
    async (_id, each) => {
      for (const status of [200, 201, 307, 422, 500]) {
        let written = 0;
        const endless: Answerer = (request, response) => {
          const isLink = status === 307 && !request.path.startsWith('/object');
          response.writeHead(isLink ? 307 : status === 307 ? 200 : status, {
            'Content-Type': each.id === 'A007' ? 'application/pdf' : 'application/fhir+json',
            Location: isLink ? `http://${request.headers.host}/object` : 'Binary/1',
          });
          const chunk = Buffer.alloc(65_536, ' ');
          const write = (): void => {
            while (!response.destroyed && written < 400_000_000) {
              written += chunk.length;
              if (!response.write(chunk)) return void response.once('drain', write);
            }
            response.end();
          };
          write();
        };
        const fate = await ask(each, endless);
        if (fate.kind === 'ok') expect(each.id === 'A020' || fate.value === 'broken').toBe(true);
        // What the client takes at most is 100 kB: all else stood in the buffers of the sockets.
        expect(written).toBeLessThan(100_000_000);
      }
    },
  );

  test.each(endpointsOf('read').map((each) => [each.id, each] as const))(
    '%s: a 200 that is garbage or cut short is read again, never taken for an answer',
    async (_id, each) => {
      for (const answer of [
        saying(200, ''),
        saying(200, '{"resourceType": "'),
        saying(200, { resourceType: 'Else' }),
        truncating(200, '{}'),
      ]) {
        expect(short(await ask(each, answer))).toBe('retry ERS_ANSWER_UNREADABLE');
      }
    },
  );

  test.each(ENDPOINTS.map((each) => [each.id, each] as const))(
    'E-8b: %s: a connection that breaks after the request was sent leaves a write unknown, and anything else to be sent again',
    async (_id, each) => {
      const expected = each.kind === 'write' ? 'reread ERS_OUTCOME_UNKNOWN' : 'retry ERS_UNAVAILABLE';
      expect(short(await ask(each, resetting))).toBe(expected);
      expect(short(await ask(each, (_request, response) => void response.socket?.end()))).toBe(expected);
      expect(short(await ask(each, (_request, response) => void response.socket?.end('NOT HTTP\r\n\r\n')))).toBe(
        expected,
      );
      const tooMuch = { 'X-Large': 'x'.repeat(30_000) };
      expect(short(await ask(each, saying(200, '{}', tooMuch)))).toBe(expected);
    },
  );

  test.each(ENDPOINTS.map((each) => [each.id, each] as const))(
    'E-8: %s: a request that never left is sent again: refused, no connection in time, or given up before its turn',
    async (_id, each) => {
      const { ers: toNobody } = startClient('http://127.0.0.1:1', { tokenUrl: `${gateway.origin}/oauth2/token` });
      expect(short(await each.run(toNobody))).toBe('retry ERS_UNAVAILABLE');

      const clock = createFakeClock();
      const unconnected = new Agent({ connect: () => undefined });
      const { ers: unheard } = startClient(gateway.origin, { clock, dispatcher: unconnected });
      const pending = each.run(unheard, ATTENDED);
      await clock.advance(600_000);
      expect(short(await pending)).toBe('retry ERS_UNAVAILABLE');

      const before = gateway.received.length;
      const givenUp = await each.run(startClient(gateway.origin).ers, { ...ATTENDED, signal: AbortSignal.abort() });
      expect(short(givenUp)).toBe('retry ERS_UNAVAILABLE');
      expect(gateway.received).toHaveLength(before);
    },
  );

  test.each(ENDPOINTS.map((each) => [each.id, each] as const))(
    'E-8b: %s: a far end that says nothing, or stops in the middle, is given up at the deadline',
    async (_id, each) => {
      for (const answer of [hanging, stalling]) {
        const clock = createFakeClock();
        const arrived = Promise.withResolvers<void>();
        gateway.answer = (request, response) => {
          answer(request, response);
          setImmediate(arrived.resolve);
        };
        const pending = each.run(startClient(gateway.origin, { clock }).ers, ATTENDED);
        await arrived.promise;
        await new Promise((resolve) => setTimeout(resolve, 20));
        await clock.advance(600_000);
        const fate = await pending;
        if (each.kind === 'write') expect(short(fate)).toBe('reread ERS_OUTCOME_UNKNOWN');
        else if (fate.kind === 'ok') expect(fate.value).toBe('broken');
        else expect(short(fate)).toMatch(/^retry ERS_(UNAVAILABLE|ANSWER_UNREADABLE)$/);
        expect(clock.sleepers()).toBe(0);
      }
    },
  );

  test('D2: a write is given up as unknown when its caller stops while e-RS is at work', async () => {
    const controller = new AbortController();
    gateway.answer = () => controller.abort();
    const fate = await endpoint('A013').run(startClient(gateway.origin).ers, {
      ...ATTENDED,
      signal: controller.signal,
    });
    expect(short(fate)).toBe('reread ERS_OUTCOME_UNKNOWN');
  });

  test('a write goes over the socket once, although the connection that it was given was dead', async () => {
    const before = gateway.received.length;
    gateway.answer = saying(200, referral(8));
    const { ers } = startClient(gateway.origin);
    await ers.fetchReferral(UBRN, ATTENDED);
    gateway.answer = resetting;
    await endpoint('A013').run(ers, ATTENDED);
    expect(gateway.received).toHaveLength(before + 2);
  });

  test('D2: a dispatcher that would start a request over does not get to send a write a second time', async () => {
    gateway.answer = saying(200, referral(9));
    const eager = new Agent({ allowH2: false }).compose((dispatch) => (options, handler) => {
      const onRequestStart: typeof handler.onRequestStart = (controller, context) => {
        handler.onRequestStart?.(controller, context);
        handler.onRequestStart?.(controller, context);
      };
      return dispatch(
        options,
        new Proxy(handler, { get: (of, name) => (name === 'onRequestStart' ? onRequestStart : bound(of, name)) }),
      );
    });
    const before = gateway.received.length;
    const fate = await endpoint('A013').run(startClient(gateway.origin, { dispatcher: eager }).ers, ATTENDED);
    expect(short(fate)).toBe('reread ERS_OUTCOME_UNKNOWN');
    expect(gateway.received).toHaveLength(before);
  });
});

const bound = (of: object, name: string | symbol): unknown => {
  const member: unknown = Reflect.get(of, name);
  return typeof member === 'function' ? member.bind(of) : member;
};

/** The head of a good answer and some of its body, then nothing. */
const stalling: Answerer = (_request, response) => {
  response.writeHead(200, { 'Content-Length': '1000', 'Content-Type': 'application/fhir+json' });
  response.write('{"resourceType":');
};

describe("e-RS's own code decides", () => {
  const cases: readonly [string, number, string, string][] = [
    ['A013', 422, 'NO_RELATIONSHIP', 'refused ERS_NO_RELATIONSHIP'],
    ['A005', 422, 'NO_RELATIONSHIP', 'refused ERS_NO_RELATIONSHIP'],
    ['A008', 422, 'NO_RELATIONSHIP', 'refused ERS_NO_RELATIONSHIP'],
    ['A042', 403, 'NO_RELATIONSHIP', 'refused ERS_NO_RELATIONSHIP'],
    ['A013', 403, 'FORBIDDEN', 'refused ERS_FORBIDDEN'],
    ['A014', 422, 'PATIENT_ERROR', 'refused ERS_PATIENT_ERROR'],
    ['A007', 422, 'PATIENT_ERROR', 'refused ERS_PATIENT_ERROR'],
    ['A013', 422, 'INVALID_REQUEST_STATE', 'refused ERS_BUSINESS_RULE'],
    ['A014', 422, 'constructor', 'refused ERS_BUSINESS_RULE'],
    ['A020', 422, 'FILE_SIZE_ERROR', 'refused ERS_BUSINESS_RULE'],
    ['A042', 422, 'PENDING', 'retry ERS_FILE_PENDING'],
    ['A042', 422, 'THREATS_FOUND', 'refused ERS_FILE_THREATS_FOUND'],
    ['A042', 422, 'VALIDATION_FAILED', 'refused ERS_FILE_VALIDATION_FAILED'],
    ['A029', 400, 'HISTORY_NOT_SUPPORTED', 'reread ERS_VERSION_CONFLICT'],
    ['A029', 400, 'REFERENCE_NOT_FOUND', 'refused ERS_NOT_FOUND'],
    ['A029', 400, 'INVALID_VALUE', 'refused ERS_REQUEST_WRONG'],
    ['A025', 400, 'PATIENT_ERROR', 'refused ERS_PATIENT_ERROR'],
    ['A025', 400, 'NO_RELATIONSHIP', 'refused ERS_NO_RELATIONSHIP'],
    ['A025', 400, 'INVALID_REQUEST_TYPE', 'refused ERS_BUSINESS_RULE'],
    ['A038', 422, 'PATIENT_ERROR', 'refused ERS_PATIENT_ERROR'],
    ['A036', 422, 'UNABLE_TO_CANCEL_APPOINTMENT', 'refused ERS_BUSINESS_RULE'],
    ['A013', 409, 'NO_RELATIONSHIP', 'reread ERS_VERSION_CONFLICT'],
    ['A022', 502, 'PAS_RESPONDED_WITH_ERROR', 'reread ERS_OUTCOME_UNKNOWN'],
    ['A014', 504, 'PAS_NOT_RESPONDING', 'reread ERS_OUTCOME_UNKNOWN'],
  ];
  test.each(cases)('%s: %i %s is %s', async (id, status, code, expected) => {
    const fate = await ask(
      endpoint(id),
      saying(status, outcome(code), { 'X-Request-ID': '58621d65-d5ad-4c3a-959f-0438e355990e-1' }),
    );
    expect(short(fate)).toBe(expected);
    expect(fate).toHaveProperty('refusal', {
      status,
      ersCode: code,
      ersRequestId: '58621d65-d5ad-4c3a-959f-0438e355990e-1',
    });
  });

  test('a file that is being scanned is not asked for again within five minutes', async () => {
    expect(await ask(endpoint('A042'), saying(422, outcome('PENDING')))).toHaveProperty('afterMs', 300_000);
  });

  test('the code is found behind issues that have none, by code and not by system', async () => {
    const body = {
      resourceType: 'OperationOutcome',
      issue: [
        { severity: 'warning', code: 'informational' },
        {
          severity: 'error',
          code: 'business-rule',
          details: { coding: [{ system: 'urn:other', code: 'NO_RELATIONSHIP' }] },
        },
      ],
    };
    expect(short(await ask(endpoint('A005'), saying(422, body)))).toBe('refused ERS_NO_RELATIONSHIP');
  });

  test('P1: free text where a code should be goes into no fate', async () => {
    const fate = await ask(endpoint('A005'), saying(422, outcome('Patient Secret Person is deceased')));
    expect(fate).toEqual({ kind: 'refused', code: 'ERS_BUSINESS_RULE', refusal: { status: 422 } });
  });
});

describe('Retry-After', () => {
  test.each([
    ['503', '7', 7000],
    ['429', '120', 120_000],
    ['503', '0', 0],
    ['503', '999999999', 3_600_000],
    ['503', 'soon', 1000],
    ['503', '-5', 1000],
  ])('E-8: of a %s with "%s" means %i ms', async (status, header, afterMs) => {
    const fate = await ask(endpoint('A013'), saying(Number(status), '', { 'Retry-After': header }));
    expect(fate).toHaveProperty('afterMs', afterMs);
  });

  test('E-8: may be a date', async () => {
    const clock = createFakeClock('2026-03-02T09:00:00Z');
    gateway.answer = saying(503, '', { 'Retry-After': 'Mon, 02 Mar 2026 09:00:30 GMT' });
    const fate = await endpoint('A013').run(startClient(gateway.origin, { clock }).ers, ATTENDED);
    expect(fate).toHaveProperty('afterMs', 30_000);
  });
});

describe('whatever comes over the socket', () => {
  test('arbitrary statuses, headers and bytes are a fate of the table: nothing is thrown, nothing hangs', async () => {
    const { ers } = startClient(gateway.origin, { timeouts: { callMs: 60, fileMs: 60 } });
    const thrown: unknown[] = [];
    let runs = 0;
    const note = (error: unknown) => void thrown.push(error);
    process.on('unhandledRejection', note);
    const header = fc.record({
      name: fc.constantFrom(
        'ETag',
        'Location',
        'Retry-After',
        'Content-Type',
        'Content-Disposition',
        'Content-Encoding',
        'X-Request-ID',
      ),
      value: fc.oneof(
        fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\x20-\x7e]/g, '')),
        fc.constantFrom(
          'W/"8"',
          'gzip',
          'application/pdf',
          'application/fhir+json',
          'Binary/1',
          `${gateway.origin}/object`,
        ),
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ENDPOINTS),
        // A 429 would slow the test down, as it should; it has its own.
        fc.oneof(fc.constantFrom(200, 201, 307), fc.integer({ min: 200, max: 599 })).filter((status) => status !== 429),
        fc.array(header, { maxLength: 4 }),
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((text) => new TextEncoder().encode(text)),
          fc.constant(new TextEncoder().encode(JSON.stringify(referral(8)))),
        ),
        fc.constantFrom(
          'whole',
          'cut',
          'chunked',
          'chunked and cut',
          'until it closes',
          'dripping',
          'stopped',
          'endless',
        ),
        async (each, status, headers, bytes, manner) => {
          gateway.answer = (_request, response) => {
            response.statusCode = status;
            for (const { name, value } of headers) response.setHeader(name, value);
            if (manner === 'whole') response.setHeader('Content-Length', String(bytes.length));
            if (manner === 'cut') response.setHeader('Content-Length', String(bytes.length + 1));
            if (manner === 'until it closes') response.useChunkedEncodingByDefault = false;
            if (manner === 'cut' || manner === 'chunked and cut') response.write(bytes, () => response.destroy());
            else if (manner === 'stopped') response.write(Buffer.concat([bytes, Buffer.from(' ')]));
            else if (manner === 'endless' || manner === 'dripping') {
              // For ever, in big pieces or small ones: it is the client that must end it.
              const piece = Buffer.alloc(manner === 'endless' ? 65_536 : 1, ' ');
              const going = setInterval(() => response.write(piece), 5);
              response.once('close', () => clearInterval(going));
            } else response.end(bytes);
          };
          runs += 1;
          const correlationId = `run-${runs}`;
          const fate = await each.run(ers, { ...each.context, correlationId });
          if (fate.kind === 'ok') return;
          expect(fate.code).toMatch(/^ERS_/);
          if (fate.kind !== 'refused') expect(fate.afterMs).toBeGreaterThanOrEqual(0);
          // D2: a write that arrived is not simply sent again, unless e-RS said so.
          const hasArrived = gateway.received.some(({ headers: sent }) => sent['x-correlation-id'] === correlationId);
          if (each.kind === 'write' && hasArrived && status !== 503) expect(fate.kind).not.toBe('retry');
        },
      ),
      { numRuns: 500 },
    );
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(thrown).toEqual([]);
  }, 60_000);
});

describe('what is written down', () => {
  test('P1: one line a call with operation, status and ids, and nothing of the body, the session or the path', async () => {
    gateway.answer = saying(422, outcome('INVALID_REQUEST_STATE'), { 'X-Request-ID': 'a1-1' });
    const { ers, lines } = startClient(gateway.origin);
    await endpoint('A014').run(ers, ATTENDED);
    expect(lines).toEqual([
      {
        level: 'warn',
        event: 'ers.call.answered',
        operation: 'A014',
        correlationId: 'c-2',
        status: 422,
        tookMs: expect.any(Number),
        ersRequestId: 'a1-1',
        code: 'ERS_BUSINESS_RULE',
        ersCode: 'INVALID_REQUEST_STATE',
      },
    ]);
  });

  test('an error is logged for what a person must mend: our own defect, and credentials', async () => {
    const { ers, lines } = startClient(gateway.origin);
    gateway.answer = saying(412);
    await endpoint('A013').run(ers, ATTENDED);
    gateway.answer = saying(401);
    await endpoint('A005').run(ers, UNATTENDED);
    gateway.answer = saying(200, referral(8));
    await endpoint('A005').run(ers, UNATTENDED);
    expect(lines.map(({ level, status }) => [level, status])).toEqual([
      ['error', 412],
      ['error', 401],
      ['error', 401],
      ['info', 200],
    ]);
  });
});
