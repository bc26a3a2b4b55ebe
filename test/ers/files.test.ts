import type { ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asciiFileName, fileNameOf } from '../../mappings/index.ts';
import { createFakeClock } from '../budget/fake-clock.ts';
import { readFile } from './endpoints.ts';
import {
  type Answerer,
  type Gateway,
  outcome,
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

const ID = 'att-70000-70001';
const isObject = (path: string | undefined) => path?.startsWith('/object') ?? false;

/** e-RS hands out a link, the object store answers it. */
function serveLinks(object: Answerer, link = `${gateway.origin}/object?X-Signature=secret`): void {
  gateway.answer = (request, response) =>
    (isObject(request.path) ? object : saying(307, '', { Location: link }))(request, response);
}
const download = async (wish?: Parameters<typeof startClient>[1]) => {
  const { ers, lines } = startClient(gateway.origin, wish);
  return { fate: await ers.downloadAttachment(ID, UNATTENDED), lines };
};
const PDF = { 'Content-Type': 'application/pdf' };

describe('an attachment (A042)', () => {
  test('is fetched by the link at once, by a stranger: no token, no NHSD header, no correlation id', async () => {
    serveLinks(
      saying(200, 'bytes', {
        'Content-Type': 'image/tiff',
        'Content-Disposition': 'attachment; filename="scan 1.tif"',
      }),
    );
    const { fate } = await download();
    expect(fate).toMatchObject({ kind: 'ok', value: { contentType: 'image/tiff', fileName: 'scan 1.tif' } });
    expect(await readFile(fate)).toHaveProperty('value', 'bytes');
    const { headers, path } = gateway.received.at(-1) ?? {};
    expect(path).toBe('/object?X-Signature=secret');
    expect(Object.keys(headers ?? {}).sort()).toEqual(['connection', 'host']);
  });

  test.each([
    ['shorter than promised', truncating(200, 'half')],
    ['cut in the middle of its chunks', chunkedAndCut()],
    ['with no bytes at all', truncating(200, '')],
    [
      'of no chunks',
      (_request: unknown, response: ServerResponse) =>
        void response.writeHead(200, { 'Transfer-Encoding': 'chunked' }).end(),
    ],
  ])('%s is an error in its stream, never a file', async (_what, answer) => {
    serveLinks(answer);
    expect(await readFile((await download()).fate)).toHaveProperty('value', 'broken');
  });

  test.each([
    ['whose end cannot be told from a break, having neither length nor chunks', undelimited()],
    ['that is empty', saying(200, '')],
    ['in an encoding that nobody asked for', saying(200, 'x', { 'Content-Encoding': 'gzip' })],
    ['that is only a part', saying(206, 'x')],
    ['behind one more redirect', saying(302, '', { Location: 'https://elsewhere.example/' })],
  ])('is not taken from an answer %s', async (_what, answer) => {
    serveLinks(answer);
    expect((await download()).fate).toMatchObject({ kind: 'retry', code: 'ERS_ANSWER_UNREADABLE' });
  });

  test('that breaks before anybody has begun to read does not end the process, and is still told to the reader', async () => {
    serveLinks(truncating(200, 'half'));
    const { fate } = await download();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await readFile(fate)).toHaveProperty('value', 'broken');
  });

  test('that nobody reads is let go at the deadline, so that its connection is not held for ever', async () => {
    const clock = createFakeClock();
    serveLinks((_request, response) => {
      response.writeHead(200, { 'Content-Length': '1000' });
      response.write('x');
    });
    const { fate } = await download({ clock });
    await clock.advance(600_000);
    await setImmediate();
    expect(await readFile(fate)).toHaveProperty('value', 'broken');
    expect(clock.sleepers()).toBe(0);
  });

  test('larger than this installation takes is refused by its length, or stopped in the stream when it said none', async () => {
    const limits = { maxFileBytes: 1000, maxJsonBytes: 1000 };
    serveLinks(saying(200, 'x'.repeat(1001)));
    expect((await download({ limits })).fate).toEqual({ kind: 'refused', code: 'ERS_FILE_TOO_LARGE' });
    serveLinks((_request, response) => {
      response.write('x'.repeat(600));
      response.end('x'.repeat(600));
    });
    expect(await readFile((await download({ limits })).fate)).toHaveProperty('value', 'broken');
    serveLinks(saying(200, 'x'.repeat(1000)));
    expect(await readFile((await download({ limits })).fate)).toHaveProperty('value', 'x'.repeat(1000));
  });

  test('whose reader is slow is not gathered in memory', async () => {
    const chunk = Buffer.alloc(65_536, 'x');
    let written = 0;
    serveLinks((_request, response) => {
      response.writeHead(200, { 'Content-Length': String(chunk.length * 400) });
      const write = () => {
        while (written < 400 && !response.destroyed) {
          written += 1;
          if (!response.write(chunk)) return void response.once('drain', write);
        }
        response.end();
      };
      write();
    });
    const { fate } = await download({ limits: { maxFileBytes: 100_000_000, maxJsonBytes: 1000 } });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(written).toBeLessThan(300);
    expect(fate.kind === 'ok' && (await buffer(fate.value.stream)).length).toBe(chunk.length * 400);
  });

  test.each([400, 401, 403, 404, 410])('has its link renewed once when the object store says %i', async (status) => {
    let links = 0;
    gateway.answer = (request, response) => {
      if (!isObject(request.path)) {
        links += 1;
        return saying(307, '', { Location: `${gateway.origin}/object?n=${links}` })(request, response);
      }
      (request.path.endsWith('n=1') ? saying(status, '<Error>Request has expired</Error>') : saying(200, 'bytes'))(
        request,
        response,
      );
    };
    expect(await readFile((await download()).fate)).toHaveProperty('value', 'bytes');
    expect(links).toBe(2);
  });

  test('whose second link has expired too is tried again later', async () => {
    serveLinks(saying(403));
    const before = gateway.received.length;
    expect((await download()).fate).toEqual({
      kind: 'retry',
      code: 'ERS_LINK_EXPIRED',
      afterMs: 1000,
      refusal: { status: 403 },
    });
    expect(gateway.received).toHaveLength(before + 4);
  });

  test('that the object store cannot give now is tried again later, with no second link', async () => {
    for (const answer of [saying(503), saying(500), resetting]) {
      serveLinks(answer);
      const before = gateway.received.length;
      expect((await download()).fate).toMatchObject({ kind: 'retry', code: 'ERS_UNAVAILABLE' });
      expect(gateway.received).toHaveLength(before + 2);
    }
  });

  test.each([
    ['plain http to another host', 'http://store.example/object'],
    ['no absolute address', '/object'],
    ['a scheme of its own', 'file:///etc/passwd'],
    ['none', ''],
  ])('is not fetched by a link that is %s', async (_what, link) => {
    serveLinks(saying(200, 'bytes'), link);
    const before = gateway.received.length;
    expect((await download()).fate).toMatchObject({ kind: 'retry', code: 'ERS_ANSWER_UNREADABLE' });
    expect(gateway.received).toHaveLength(before + 1);
  });

  test.each(['..', '../STU3/Binary', 'a/b', 'a?b', '', '%2e%2e'])(
    'has no such id as "%s", and e-RS is not asked',
    async (id) => {
      const before = gateway.received.length;
      expect(await startClient(gateway.origin).ers.downloadAttachment(id, UNATTENDED)).toEqual({
        kind: 'refused',
        code: 'ERS_NOT_FOUND',
      });
      expect(gateway.received).toHaveLength(before);
    },
  );

  test('P1: no link is logged, for it opens the file', async () => {
    serveLinks(saying(200, 'bytes'));
    const { fate, lines } = await download();
    await readFile(fate);
    expect(JSON.stringify(lines)).not.toContain('object');
    expect(lines).toHaveLength(1);
  });
});

describe('the clinical information summary (A007) and a worklist (A008)', () => {
  const summary = async () => startClient(gateway.origin).ers.generateClinicalInformation(UBRN, UNATTENDED);
  const worklist = async () =>
    startClient(gateway.origin).ers.fetchWorklist({ service: '70101', list: 'APPOINTMENT_SLOT_ISSUES' }, UNATTENDED);

  test('stream with their name and type', async () => {
    gateway.answer = saying(200, '%PDF-1.7', {
      ...PDF,
      'Content-Disposition': `attachment; filename="${UBRN}_Clinical_Information_Summary.pdf"`,
    });
    expect(await summary()).toMatchObject({
      value: { contentType: 'application/pdf', fileName: `${UBRN}_Clinical_Information_Summary.pdf` },
    });
  });

  test('that were cut short are errors in their streams', async () => {
    gateway.answer = truncating(200, '%PDF-1.7', PDF);
    expect(await readFile(await summary())).toHaveProperty('value', 'broken');
    gateway.answer = truncating(200, '{"resourceType":"List"}', { 'Content-Type': 'application/fhir+json' });
    expect(await readFile(await worklist())).toHaveProperty('value', 'broken');
  });

  test('that are of another type are not taken', async () => {
    gateway.answer = saying(200, '<html>', { 'Content-Type': 'text/html' });
    expect(await summary()).toMatchObject({ kind: 'retry', code: 'ERS_ANSWER_UNREADABLE' });
    expect(await worklist()).toMatchObject({ kind: 'retry', code: 'ERS_ANSWER_UNREADABLE' });
  });

  test('a worklist is asked for with its list and its service, in the form that e-RS checks', async () => {
    gateway.answer = saying(503);
    await worklist();
    expect(JSON.parse(gateway.received.at(-1)?.body ?? '')).toEqual({
      resourceType: 'Parameters',
      meta: { profile: ['https://fhir.nhs.uk/STU3/StructureDefinition/eRS-FetchWorklist-Parameters-1'] },
      parameter: [
        {
          name: 'listType',
          valueCodeableConcept: {
            coding: [
              {
                system: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralListSelector-1',
                code: 'APPOINTMENT_SLOT_ISSUES',
              },
            ],
          },
        },
        { name: 'service', valueIdentifier: { system: 'http://fhir.nhs.net/Id/ers-service', value: '70101' } },
      ],
    });
  });

  test('a list that e-RS does not deliver for its size is no answer, whatever status e-RS picks', async () => {
    for (const status of [500, 502, 504]) {
      gateway.answer = saying(status, outcome('REC_SERVER_ERROR'));
      expect(await worklist()).toMatchObject({ kind: 'retry', code: 'ERS_UNAVAILABLE' });
    }
  });
});

describe('a file name', () => {
  test.each([
    [
      `attachment; filename="=?UTF-8?Q?The_filenam=C3=A9.pdf?="; filename*=UTF-8''The%20filenam%C3%A9.pdf`,
      'The filenamé.pdf',
    ],
    ['attachment; filename="=?UTF-8?Q?The_filenam=C3=A9.pdf?="', 'The filenamé.pdf'],
    ['attachment; filename="=?utf-8?B?U2NhbiDihJYxLnRpZg==?="', 'Scan №1.tif'],
    ['attachment; filename="=?UTF-8?Q?a_b?= =?UTF-8?Q?_c.pdf?="', 'a b c.pdf'],
    ["attachment; filename*=iso-8859-1'en'%A3%20rates.txt", '£ rates.txt'],
    ['attachment; filename="a \\"b\\"; c.pdf"', 'a "b"; c.pdf'],
    ['attachment;filename=plain.pdf;size=3', 'plain.pdf'],
    ['attachment; filename="100% sure.pdf"', '100% sure.pdf'],
    ['attachment; filename="..\\\\..\\\\windows\\\\x.pdf"', 'x.pdf'],
    ["attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", 'passwd'],
    ["attachment; filename*=no-such-charset''x.pdf; filename=y.pdf", 'y.pdf'],
    ['attachment; filename=".."', undefined],
    ['attachment; filename=""', undefined],
    ['inline', undefined],
    [undefined, undefined],
  ])('in "%s" is %s', (disposition, name) => {
    expect(fileNameOf(disposition)).toBe(name);
  });

  test('goes to e-RS in ASCII with its extension, whatever it was', () => {
    expect(asciiFileName('Ångström 报告\r\n.PDF')).toBe('Angstrom ____.PDF');
  });
});

function chunkedAndCut(): Answerer {
  return (_request, response) => {
    response.writeHead(200, { 'Transfer-Encoding': 'chunked' });
    response.write('some of it', () => response.destroy());
  };
}

function undelimited(): Answerer {
  return (_request, response) => {
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
    response.write('who knows whether this is all');
    response.end();
  };
}
