import { describe, expect, test } from '@jest/globals';
import type { FarSide, Reply } from './far-side.ts';
import { codeOf, DIRECT, fileLink, ifMatch, outcome, redirection, startFarSide, TRIAGE } from './far-side.ts';

interface Shown {
  binaryId: string;
  title: string;
  size: number;
  type: string;
  availability: string;
  description?: string;
}
const attachmentsOf = async (side: FarSide, ubrn: string): Promise<Shown[]> =>
  (await side.control('GET', `/referrals/${ubrn}`)).json.attachments;
const createWith = async (side: FarSide, ...attachments: unknown[]): Promise<[string, Shown]> => {
  const ubrn = await side.create({ ...DIRECT, attachments });
  const [first] = await attachmentsOf(side, ubrn);
  if (!first) throw new Error('The referral has no attachment');
  return [ubrn, first];
};
const fetchFile = (side: FarSide, id: string): Promise<Reply> => side.send('GET', `/R4/Binary/${id}`);

describe('A042 and the object store', () => {
  test('a file is reached by a 307 to a link outside the FHIR base, with its name, type and length', async () => {
    await using side = await startFarSide();
    const [, file] = await createWith(side, {
      title: 'Brief “Ärzte”.docx',
      contentType: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      bytes: 5000,
    });
    const reply = await fetchFile(side, file.binaryId);
    expect(reply.status).toBe(307);
    const location = reply.headers.get('location') ?? '';
    expect(location).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/ObjectStore\/[0-9a-f-]+$/);
    const download = await fetch(location);
    const bytes = Buffer.from(await download.arrayBuffer());
    expect([download.status, bytes.length, bytes.subarray(0, 2).toString()]).toEqual([200, 5000, 'PK']);
    expect(download.headers.get('content-disposition')).toContain(
      "filename*=UTF-8''Brief%20%E2%80%9C%C3%84rzte%E2%80%9D.docx",
    );
    expect(download.headers.get('content-disposition')).toContain('filename="=?UTF-8?Q?');
  });

  test('the link is signed already: with a bearer token it is refused, and the audit has seen the leak', async () => {
    await using side = await startFarSide();
    const [, file] = await createWith(side, { title: 'a.pdf', contentType: 'application/pdf' });
    const location = (await fetchFile(side, file.binaryId)).headers.get('location') ?? '';
    const leak = await fetch(location, { headers: { authorization: `Bearer ${await side.token()}` } });
    expect([leak.status, await leak.text()]).toEqual([400, expect.stringContaining('InvalidArgument')]);
    expect((await side.control('GET', '/audit')).json.badHeaders).toEqual({ 'authorization (object store)': 1 });
  });

  test('a link lives a minute, and an unknown one not at all', async () => {
    await using side = await startFarSide();
    const [, file] = await createWith(side, { title: 'a.pdf', contentType: 'application/pdf' });
    const location = (await fetchFile(side, file.binaryId)).headers.get('location') ?? '';
    side.simulator.clock.advance(59_000);
    expect((await fetch(location)).status).toBe(200);
    side.simulator.clock.advance(1_000);
    const late = await fetch(location);
    expect([late.status, await late.text()]).toEqual([403, expect.stringContaining('expired')]);
    expect((await fetch(`${location.slice(0, -36)}00000000-0000-0000-0000-000000000000`)).status).toBe(404);
  });

  test.each(['PENDING', 'THREATS_FOUND', 'THREATS FOUND', 'VALIDATION_FAILED'])(
    'a file that is %s is 422 with that code',
    async (availability) => {
      await using side = await startFarSide();
      const [, file] = await createWith(side, { title: 'a.pdf', contentType: 'application/pdf', availability });
      const reply = await fetchFile(side, file.binaryId);
      expect([reply.status, codeOf(reply)]).toEqual([422, availability.replace(' ', '_')]);
    },
  );

  test('a scan ends when its time has come, well or badly, without a new version', async () => {
    await using side = await startFarSide();
    const scan = { contentType: 'application/pdf', availableAfterSeconds: 300 };
    const [ubrn] = await createWith(
      side,
      { title: 'good.pdf', ...scan },
      { title: 'bad.pdf', ...scan, settlesAs: 'THREATS_FOUND' },
    );
    const version = await side.versionOf(ubrn);
    const states = async (): Promise<string[]> =>
      (await attachmentsOf(side, ubrn)).map(({ availability }) => availability);
    expect(await states()).toEqual(['PENDING', 'PENDING']);
    await side.control('POST', '/clock', { advanceSeconds: 299 });
    expect(await states()).toEqual(['PENDING', 'PENDING']);
    await side.control('POST', '/clock', { advanceSeconds: 1 });
    expect(await states()).toEqual(['AVAILABLE', 'THREATS_FOUND']);
    expect(await side.versionOf(ubrn)).toBe(version);
  });

  test('with open questions by seed, the end of a scan raises the version of some referrals and not of others', async () => {
    await using side = await startFarSide({ openQuestions: 'by-seed' });
    const scan = { title: 'a.pdf', contentType: 'application/pdf', availableAfterSeconds: 60 };
    const ubrns: string[] = [];
    for (let left = 12; left > 0; left -= 1) ubrns.push((await createWith(side, scan))[0]);
    const versions = (): Promise<number[]> => Promise.all(ubrns.map(side.versionOf));
    const before = await versions();
    await side.control('POST', '/clock', { advanceSeconds: 60 });
    const after = await versions();
    expect(new Set(after.map((version, index) => version > (before[index] ?? 0)))).toEqual(new Set([true, false]));
  });

  test('an id of the wrong shape is 400, an unknown one 404, a file of a referral elsewhere 403 NO_RELATIONSHIP', async () => {
    await using side = await startFarSide();
    const [ubrn, file] = await createWith(side, { title: 'a.pdf', contentType: 'application/pdf' });
    const answer = async (id: string): Promise<[number, string | undefined]> => {
      const reply = await fetchFile(side, id);
      return [reply.status, codeOf(reply)];
    };
    expect(await answer('nonsense')).toEqual([400, 'REC_BAD_REQUEST']);
    expect(await answer('att-70000-70001')).toEqual([404, 'REC_NOT_FOUND']);
    await side.control('POST', `/referrals/${ubrn}/events`, { type: 'moved-to-another-provider' });
    expect(await answer(file.binaryId)).toEqual([403, 'NO_RELATIONSHIP']);
  });

  test('a file of 20 MB comes whole by A042, and not at all by A006, which ends at 5 MB', async () => {
    await using side = await startFarSide();
    const [, file] = await createWith(side, { title: 'film.mpg', contentType: 'video/mpeg', bytes: 20_000_000 });
    const location = (await fetchFile(side, file.binaryId)).headers.get('location') ?? '';
    let bytes = 0;
    for await (const chunk of (await fetch(location)).body ?? []) bytes += chunk.length;
    expect(bytes).toBe(20_000_000);
    expect(codeOf(await side.send('GET', `/STU3/Binary/${file.binaryId}`))).toBe('FILE_SIZE_ERROR');
  });

  test('A006 still serves a small file itself, and names the scan of one that it does not', async () => {
    await using side = await startFarSide();
    const [, file] = await createWith(side, { title: 'a.txt', contentType: 'text/plain', bytes: 100 });
    const reply = await side.send('GET', `/STU3/Binary/${file.binaryId}`);
    expect([reply.status, reply.text.length, reply.headers.get('content-disposition')]).toEqual([
      200,
      100,
      expect.stringContaining('a.txt'),
    ]);
    const [, pending] = await createWith(side, { title: 'b.txt', contentType: 'text/plain', availability: 'PENDING' });
    expect(codeOf(await side.send('GET', `/STU3/Binary/${pending.binaryId}`))).toBe('PENDING');
    expect((await side.send('GET', '/STU3/Binary/unknown')).status).toBe(404);
  });
});

interface Upload {
  name?: string;
  type?: string;
  bytes?: number;
  ubrn?: string;
}
async function upload(
  side: FarSide,
  { name = 'note.pdf', type = 'application/pdf', bytes = 10, ubrn }: Upload,
): Promise<Reply> {
  const { token, headers } = await side.signIn();
  return side.send('POST', '/STU3/Binary', {
    token,
    body: new Uint8Array(bytes),
    headers: {
      ...headers,
      ...(type !== '' && { 'content-type': type }),
      ...(name !== '' && { 'NHSD-eRS-File-Name': name }),
      ...(ubrn !== undefined && { 'NHSD-eRS-Referral-ID': ubrn }),
    },
  });
}
const uploaded = async (side: FarSide, wish: Upload): Promise<string> =>
  (await upload(side, wish)).headers.get('location') ?? '';

describe('A020 upload', () => {
  test('answers 201 with an empty body and a relative Location', async () => {
    await using side = await startFarSide();
    const reply = await upload(side, { name: 'a, b; c.PDF' });
    expect([reply.status, reply.text]).toEqual([201, '']);
    expect(reply.headers.get('location')).toMatch(/^Binary\/[0-9a-f-]{36}$/);
  });

  test.each<[string, Upload, string]>([
    ['without a name', { name: '' }, 'MISSING_VALUE'],
    ['with a name of 256 characters', { name: `${'x'.repeat(252)}.pdf` }, 'INVALID_VALUE'],
    ['without an extension', { name: 'note' }, 'INVALID_VALUE'],
    ['of a type that is not supported', { name: 'a.zip', type: 'application/zip' }, 'INAPPROPRIATE_VALUE'],
    ['whose extension belongs to another type', { name: 'a.png' }, 'CONFLICTING_VALUES'],
    ['that is empty', { bytes: 0 }, 'FILE_SIZE_ERROR'],
    ['of more than 5 MB', { bytes: 5_242_881 }, 'FILE_SIZE_ERROR'],
  ])('a file %s is refused by its code', async (_what, wish, code) => {
    await using side = await startFarSide();
    const reply = await upload(side, wish);
    expect([reply.status, codeOf(reply)]).toEqual([422, code]);
  });

  test('a file of exactly 5 MB is taken, one without any type is 415', async () => {
    await using side = await startFarSide();
    expect((await upload(side, { bytes: 5_242_880 })).status).toBe(201);
    expect(codeOf(await upload(side, { bytes: 5_242_881 }))).toBe('FILE_SIZE_ERROR');
    expect(codeOf(await upload(side, { bytes: 9_000_000 }))).toBe('FILE_SIZE_ERROR');
    const { token, headers } = await side.signIn();
    const response = await fetch(`${side.simulator.baseUrl}/STU3/Binary`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...headers, 'NHSD-eRS-File-Name': 'a.pdf' },
      body: new Uint8Array(3),
    });
    expect(response.status).toBe(415);
  });
});

describe('linking uploads to a review', () => {
  async function redirectWith(side: FarSide, ubrn: string, ...files: unknown[]): Promise<Reply> {
    const { token, headers } = await side.signIn();
    const json = redirection('Please rebook', undefined, ...files);
    const path = `/STU3/ReferralRequest/${ubrn}/$ers.cancelAppointmentActionLater`;
    return side.send('POST', path, { token, json, headers: { ...headers, ...ifMatch(await side.versionOf(ubrn)) } });
  }
  const link = (location: string, wish?: Record<string, unknown>): unknown =>
    fileLink('providerAttachmentFile', location, wish);

  test('A022 attaches files uploaded for the referral as PROVIDER, and they are scanned like any other', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const files = [await uploaded(side, { ubrn }), await uploaded(side, { ubrn, name: 'b.txt', type: 'text/plain' })];
    const reply = await redirectWith(
      side,
      ubrn,
      ...files.map((file, index) => link(file, { description: `File ${index}` })),
    );
    expect(reply.status).toBe(200);
    const shown = await attachmentsOf(side, ubrn);
    expect(shown.map(({ title, type, availability, description }) => [title, type, availability, description])).toEqual(
      [
        ['note.pdf', 'PROVIDER', 'PENDING', 'File 0'],
        ['b.txt', 'PROVIDER', 'PENDING', 'File 1'],
      ],
    );
    await side.control('POST', '/clock', { advanceSeconds: 120 });
    expect((await attachmentsOf(side, ubrn)).map(({ availability }) => availability)).toEqual([
      'AVAILABLE',
      'AVAILABLE',
    ]);
  });

  test('A028 attaches files too, and the bytes come back as they were sent', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(TRIAGE);
    const location = await uploaded(side, { ubrn, bytes: 77 });
    const { token, headers } = await side.signIn();
    const json = outcome(
      'RETURN_TO_REFERRER_WITH_ADVICE',
      'See the file',
      undefined,
      fileLink('reviewAttachmentFile', location),
    );
    const path = `/STU3/ReferralRequest/${ubrn}/$ers.recordReviewOutcome`;
    const reply = await side.send('POST', path, {
      token,
      json,
      headers: { ...headers, ...ifMatch(await side.versionOf(ubrn)) },
    });
    expect(reply.status).toBe(200);
    await side.control('POST', '/clock', { advanceSeconds: 120 });
    const [file] = await attachmentsOf(side, ubrn);
    const redirect = await fetchFile(side, file?.binaryId ?? '');
    const bytes = Buffer.from(await (await fetch(redirect.headers.get('location') ?? '')).arrayBuffer());
    expect(bytes.equals(Buffer.alloc(77))).toBe(true);
  });

  test('a file that is unknown, or was uploaded for another referral, is REFERENCE_NOT_FOUND', async () => {
    await using side = await startFarSide();
    const [ubrn, other] = [await side.create(DIRECT), await side.create(DIRECT)];
    expect(codeOf(await redirectWith(side, ubrn, link('Binary/00000000-0000-4000-8000-000000000000')))).toBe(
      'REFERENCE_NOT_FOUND',
    );
    expect(codeOf(await redirectWith(side, ubrn, link(await uploaded(side, { ubrn: other }))))).toBe(
      'REFERENCE_NOT_FOUND',
    );
  });

  test('a file without a referral, or that is not a current PROVIDER file, is INAPPROPRIATE_VALUE', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const location = await uploaded(side, { ubrn });
    const type = { coding: [{ system: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-AttachmentType-1', code: 'REFERRER' }] };
    expect(codeOf(await redirectWith(side, ubrn, link(await uploaded(side, {}))))).toBe('INAPPROPRIATE_VALUE');
    expect(codeOf(await redirectWith(side, ubrn, link(location, { type })))).toBe('INAPPROPRIATE_VALUE');
    expect(codeOf(await redirectWith(side, ubrn, link(location, { status: 'superseded' })))).toBe(
      'INAPPROPRIATE_VALUE',
    );
  });

  test('a file that is linked already is INVALID_STATE, also twice in one request', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const location = await uploaded(side, { ubrn });
    expect(codeOf(await redirectWith(side, ubrn, link(location), link(location)))).toBe('INVALID_STATE');
    expect((await redirectWith(side, ubrn, link(location))).status).toBe(200);
    await side.control('POST', `/referrals/${ubrn}/events`, { type: 'rebooked' });
    expect(codeOf(await redirectWith(side, ubrn, link(location)))).toBe('INVALID_STATE');
  });

  test('two files of one name are DUPLICATE_FILENAME', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const files = [await uploaded(side, { ubrn }), await uploaded(side, { ubrn })];
    expect(codeOf(await redirectWith(side, ubrn, ...files.map((file) => link(file))))).toBe('DUPLICATE_FILENAME');
  });

  test('a description of 201 characters is INVALID_VALUE, a link without indexed time MISSING_VALUE', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const location = await uploaded(side, { ubrn });
    expect(codeOf(await redirectWith(side, ubrn, link(location, { description: 'x'.repeat(201) })))).toBe(
      'INVALID_VALUE',
    );
    expect(codeOf(await redirectWith(side, ubrn, link(location, { indexed: undefined })))).toBe('MISSING_VALUE');
    expect(codeOf(await redirectWith(side, ubrn, link(location, { type: { coding: [{ code: 'PROVIDER' }] } })))).toBe(
      'INVALID_CODE',
    );
    expect(codeOf(await redirectWith(side, ubrn, link(location, { resourceType: 'Basic' })))).toBe('INVALID_VALUE');
  });

  test('an upload that nobody linked within a day is purged, and linking it comes too late', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const location = await uploaded(side, { ubrn });
    await side.control('POST', '/clock', { advanceSeconds: 86_400 });
    expect(codeOf(await redirectWith(side, ubrn, link(location)))).toBe('REFERENCE_NOT_FOUND');
  });

  test('with open questions by seed, the id that A005 shows later differs from that of some uploads', async () => {
    await using side = await startFarSide({ openQuestions: 'by-seed' });
    const kept = new Set<boolean>();
    for (let left = 12; left > 0; left -= 1) {
      const ubrn = await side.create(DIRECT);
      const location = await uploaded(side, { ubrn });
      await redirectWith(side, ubrn, link(location));
      kept.add((await attachmentsOf(side, ubrn))[0]?.binaryId === location.split('/')[1]);
    }
    expect(kept).toEqual(new Set([true, false]));
  });
});
