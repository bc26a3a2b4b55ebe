import { request as httpRequest } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { DocumentReference, OperationOutcome, Parameters, Task } from '@medplum/fhirtypes';
import request from 'supertest';
import { CODE_SYSTEM, isNameOfType, makeOutput, reviewStatusOf, UPLOADABLE_TYPES } from '../../mappings/index.ts';
import type { Store, StoreFailure } from '../../server/core/index.ts';
import { type FacadeWorldOptions, PDF, startFacade, type World } from './world.ts';

const MAX_BYTES = 5_242_880;
const PATH = '/fhir/R4/Task/task-1/$ers-attach';
const NAMED = { 'Content-Disposition': 'attachment; filename="letter.pdf"' };

const attach = (
  world: World,
  { headers = NAMED, type = 'application/pdf', bytes = PDF as Buffer, path = PATH }: Partial<Sent> = {},
) => request(world.url).post(path).set(headers).set('Content-Type', type).send(bytes);
interface Sent {
  readonly headers: Record<string, string>;
  readonly type: string;
  readonly bytes: Buffer;
  readonly path: string;
}

const told = ({ status, body }: { status: number; body: OperationOutcome }) => [
  status,
  body.issue?.[0]?.details?.coding?.[0]?.code,
  body.issue?.[0]?.expression?.[0],
];
const countOf = async (world: World, type: 'DocumentReference') => {
  const found = await world.store.search(type, '_count=100');
  return found.ok ? found.value.matches.length : undefined;
};
const inState = (code: string): Partial<Task> => ({
  businessStatus: { coding: [{ system: CODE_SYSTEM.reviewStatus, code }] },
});
const decide = async (world: World, operations: readonly unknown[]) =>
  request(world.url)
    .patch('/fhir/R4/Task/task-1')
    .set('If-Match', `W/"${(await world.task()).meta.versionId}"`)
    .type('application/json-patch+json')
    .send(JSON.stringify(operations));
const redirect = (...references: string[]) => [
  { op: 'replace', path: '/status', value: 'accepted' },
  {
    op: 'add',
    path: '/statusReason',
    value: { coding: [{ system: CODE_SYSTEM.reviewOutcome, code: 'CANCEL_APPOINTMENT_ACTION_LATER' }] },
  },
  { op: 'add', path: '/note', value: [{ text: 'Rebook.' }] },
  {
    op: 'add',
    path: '/output',
    value: references.map((reference) => makeOutput('attachment', { valueReference: { reference } })),
  },
];

describe('$ers-attach', () => {
  test('T-6: keeps the bytes and a DocumentReference that is bound to the Task and the patient, and answers it', async () => {
    await using world = await startFacade();
    const answer = await attach(world, {
      headers: { ...NAMED, 'Content-Description': 'Rapid access form' },
    });
    expect(answer.status).toBe(201);
    const document = answer.body as DocumentReference;
    expect(document).toMatchObject({
      resourceType: 'DocumentReference',
      status: 'current',
      type: { coding: [{ system: CODE_SYSTEM.documentType, code: 'decision-attachment' }] },
      subject: { reference: 'Patient/patient-1' },
      description: 'Rapid access form',
      content: [{ attachment: { contentType: 'application/pdf', title: 'letter.pdf', size: PDF.length } }],
      context: { related: [{ reference: 'Task/task-1' }, { reference: 'ServiceRequest/referral-1' }] },
    });
    expect(answer.headers['location']).toBe(`${world.fhir}/DocumentReference/${document.id}`);
    const bytes = await fetch(`${world.fhir}/${document.content?.[0]?.attachment?.url}`);
    expect(Buffer.from(await bytes.arrayBuffer())).toEqual(PDF);
    const binary = await world.store.read('Binary', document.content?.[0]?.attachment?.url?.slice(7) ?? '');
    expect(binary.ok && binary.value.securityContext).toEqual({ reference: 'Patient/patient-1' });
    // The Task is not touched: its ETag is still the reviewer's.
    expect((await world.task()).meta.versionId).toBe('1');
  });

  test.each([
    ["attachment; filename*=UTF-8''caf%C3%A9.pdf", 'café.pdf'],
    [Buffer.from('attachment; filename="café.pdf"').toString('latin1'), 'café.pdf'],
    ['attachment; filename="C:\\\\letters\\\\one.pdf"', 'one.pdf'],
  ])('takes the title from Content-Disposition: %s', async (disposition, title) => {
    await using world = await startFacade();
    const answer = await attach(world, { headers: { 'Content-Disposition': disposition } });
    expect([answer.status, answer.body.content[0].attachment.title]).toEqual([201, title]);
  });

  test('takes a description in RFC 8187’s encoding and counts its characters, not its bytes', async () => {
    await using world = await startFacade();
    const description = 'é'.repeat(200);
    const headers = { ...NAMED, 'Content-Description': `UTF-8''${encodeURIComponent(description)}` };
    const answer = await attach(world, { headers });
    expect([answer.status, answer.body.description]).toEqual([201, description]);
  });

  test('T-6: takes every type that e-RS takes, with each of its extensions', async () => {
    await using world = await startFacade();
    for (const [type, extensions] of UPLOADABLE_TYPES) {
      for (const extension of extensions) {
        const headers = { 'Content-Disposition': `attachment; filename="file.${extension.toUpperCase()}"` };
        expect((await attach(world, { type, headers })).status).toBe(201);
      }
    }
    expect(isNameOfType('file.pdf', 'text/plain')).toBe(false);
  });

  const SIZE = 'DocumentReference.content.attachment.size';
  const TYPE = 'DocumentReference.content.attachment.contentType';
  const TITLE = 'DocumentReference.content.attachment.title';
  test.each<[string, Partial<Sent>, [number, string, string | undefined]]>([
    ['one byte too many', { bytes: Buffer.alloc(MAX_BYTES + 1) }, [413, 'body-too-large', SIZE]],
    ['nothing', { bytes: Buffer.alloc(0) }, [400, 'body-unreadable', SIZE]],
    ['a type that e-RS does not take', { type: 'text/html' }, [415, 'media-type-unsupported', TYPE]],
    ['FHIR JSON', { type: 'application/fhir+json' }, [415, 'media-type-unsupported', TYPE]],
    ['an encoded body', { headers: { ...NAMED, 'Content-Encoding': 'gzip' } }, [415, 'media-type-unsupported', TYPE]],
    ['no title', { headers: {} }, [400, 'parameter-invalid', TITLE]],
    [
      'a title of another type',
      { headers: { 'Content-Disposition': 'attachment; filename="letter.png"' } },
      [400, 'parameter-invalid', TITLE],
    ],
    [
      'a title without extension',
      { headers: { 'Content-Disposition': 'attachment; filename=".pdf"' } },
      [400, 'parameter-invalid', TITLE],
    ],
    [
      'a description of 201 characters',
      { headers: { ...NAMED, 'Content-Description': 'x'.repeat(201) } },
      [400, 'parameter-invalid', 'DocumentReference.description'],
    ],
    ['its title in the URL', { path: `${PATH}?title=letter.pdf` }, [400, 'parameter-unknown', undefined]],
  ])('T-6: %s is refused with the element and a remedy, and nothing is kept', async (_name, sent, expected) => {
    await using world = await startFacade();
    const before = await countOf(world, 'DocumentReference');
    const answer = await attach(world, sent);
    expect(told(answer)).toEqual(expected);
    expect(answer.body.issue[0].details.text.length).toBeGreaterThan(30);
    expect(await countOf(world, 'DocumentReference')).toBe(before);
  });

  test('T-6: exactly 5 MB is taken', async () => {
    await using world = await startFacade();
    const answer = await attach(world, { bytes: Buffer.alloc(MAX_BYTES, 'x') });
    expect([answer.status, answer.body.content[0].attachment.size]).toEqual([201, MAX_BYTES]);
  });

  test('T-6: a body of unknown length is stopped at the limit, and the client still hears why', async () => {
    await using world = await startFacade();
    const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const sending = httpRequest(
        `${world.url}${PATH}`,
        { method: 'POST', headers: { ...NAMED, 'Content-Type': 'application/pdf' } },
        (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode, text }));
        },
      );
      sending.on('error', reject);
      // Far more than the limit, so that much of it is still on its way when the answer comes.
      for (let sent = 0; sent <= 4 * MAX_BYTES; sent += 65_536) sending.write(Buffer.alloc(65_536));
      sending.end();
    });
    expect([answer.status, JSON.parse(answer.text).issue[0].details.coding[0].code]).toEqual([413, 'body-too-large']);
  });

  test('a client that goes away in the middle leaves nothing', async () => {
    await using world = await startFacade();
    const before = await countOf(world, 'DocumentReference');
    await new Promise<void>((resolve) => {
      const sending = httpRequest(`${world.url}${PATH}`, {
        method: 'POST',
        headers: { ...NAMED, 'Content-Type': 'application/pdf', 'Content-Length': '1000' },
      });
      sending.on('error', () => resolve());
      sending.write(PDF, () => sending.destroy(new Error('gone')));
    });
    while (!world.log.some(({ event }) => event === 'facade.request.answered'))
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await countOf(world, 'DocumentReference')).toBe(before);
  });

  test.each<[StoreFailure['code'], boolean]>([
    ['invalid', false],
    ['conflict', false],
    ['unavailable', true],
    ['unknown-outcome', true],
    ['too-costly', true],
  ])(
    'a DocumentReference that ends as %s: whether the file stays is %s, so that none can be without its file',
    async (code, isKept) => {
      await using world = await startFacade();
      const create: Store['create'] = async () => ({ ok: false, code });
      Object.assign(world.store, { create });
      expect((await attach(world)).status).toBeGreaterThanOrEqual(400);
      const files = await world.store.history('Binary', undefined, { count: 1 });
      expect(files.ok && files.value.entries[0]?.method).toBe(isKept ? 'PUT' : 'DELETE');
      expect(world.calls.includes('create')).toBe(true);
    },
  );

  test.each<[string, FacadeWorldOptions['review'], Partial<Task>, [number, string, string]]>([
    [
      'a kind that takes no attachment',
      { offered: ['accept', 'reject'] },
      {},
      [422, 'attachment-not-allowed', 'Task.code'],
    ],
    [
      'no decision on offer',
      { code: 'resolve-slot-issue', offered: [] },
      {},
      [422, 'attachment-not-allowed', 'Task.code'],
    ],
    ['a closed review', {}, inState('withdrawn'), [422, 'task-closed', 'Task.businessStatus']],
    ['a queued decision', {}, inState('decision-queued'), [409, 'task-in-flight', 'Task.businessStatus']],
    ['a decision being sent', {}, inState('decision-sending'), [409, 'task-in-flight', 'Task.businessStatus']],
  ])('T-6: %s is refused, and says why', async (_name, review, changes, expected) => {
    await using world = await startFacade({ review: review ?? {} });
    await world.put({ ...(await world.task()), ...changes });
    expect(told(await attach(world))).toEqual(expected);
  });

  test('knows no Task that is not there, and no other resource is written: every other POST stays refused', async () => {
    await using world = await startFacade();
    expect((await attach(world, { path: '/fhir/R4/Task/none/$ers-attach' })).status).toBe(404);
    expect((await attach(world, { path: '/fhir/R4/Binary' })).status).toBe(405);
    expect((await attach(world, { path: '/fhir/R4/DocumentReference' })).status).toBe(405);
    expect((await attach(world, { path: '/fhir/R4/ServiceRequest/referral-1/$ers-attach' })).status).toBe(404);
  });

  test('P1: neither title nor description is logged', async () => {
    await using world = await startFacade();
    await attach(world, {
      headers: {
        'Content-Disposition': 'attachment; filename="Smith 9990000018.pdf"',
        'Content-Description': 'About Smith',
      },
    });
    expect(JSON.stringify(world.log)).not.toMatch(/Smith|9990000018/);
  });
});

describe('a decision with attachments', () => {
  test('T-6: names what $ers-attach made for this Task, and is queued', async () => {
    await using world = await startFacade();
    const [one, two] = [await attach(world), await attach(world)];
    const answer = await decide(
      world,
      redirect(`DocumentReference/${one.body.id}`, `DocumentReference/${two.body.id}`),
    );
    expect([answer.status, reviewStatusOf(answer.body)]).toEqual([200, 'decision-queued']);
  });

  test('T-6: $ers-validate-decision shows what e-RS would be told of the file, and judges it by the same rule', async () => {
    await using world = await startFacade();
    const made = await attach(world, { headers: { ...NAMED, 'Content-Description': 'Rapid access form' } });
    const ask = (reference: string) =>
      request(world.url)
        .post('/fhir/R4/Task/task-1/$ers-validate-decision')
        .type('application/fhir+json')
        .send({
          resourceType: 'Parameters',
          parameter: [{ name: 'patch', valueString: JSON.stringify(redirect(reference)) }],
        });
    const named = (body: Parameters, name: string) => body.parameter?.find((one) => one.name === name);
    const good = await ask(`DocumentReference/${made.body.id}`);
    const body = JSON.parse(named(good.body, 'ersRequest')?.valueString ?? '{}');
    expect(body.parameter.at(-1)).toMatchObject({
      name: 'providerAttachmentFile',
      resource: { description: 'Rapid access form', status: 'current' },
    });
    const bad = await ask('DocumentReference/none');
    expect(JSON.stringify(named(bad.body, 'outcome'))).toContain('attachment-unusable');
  });

  test.each<[string, (world: World, made: DocumentReference & { id: string }) => Promise<string[]>]>([
    ['that does not exist', async () => ['DocumentReference/none']],
    ['of the referral itself', async () => ['DocumentReference/document-1']],
    ['that is named twice', async (_world, { id }) => [`DocumentReference/${id}`, `DocumentReference/${id}`]],
    ['of one of its versions', async (_world, { id }) => [`DocumentReference/${id}/_history/1`]],
    ['of another server', async (_world, { id }) => [`https://elsewhere.example/DocumentReference/${id}`]],
    [
      'that was made for another Task',
      async (world, made) => {
        await world.put({ resourceType: 'Task', id: 'task-2', status: 'requested', intent: 'order' });
        await world.put({ ...made, context: { related: [{ reference: 'Task/task-2' }] } });
        return [`DocumentReference/${made.id}`];
      },
    ],
    [
      'of another patient',
      async (world, made) => {
        await world.put({ resourceType: 'Patient', id: 'patient-2' });
        await world.put({ ...made, subject: { reference: 'Patient/patient-2' } });
        return [`DocumentReference/${made.id}`];
      },
    ],
    [
      'whose file is gone',
      async (world, made) => {
        await world.store.remove('Binary', made.content?.[0]?.attachment?.url?.slice(7) ?? '');
        return [`DocumentReference/${made.id}`];
      },
    ],
  ])('T-6: an attachment %s is 422 attachment-unusable, and nothing is stored', async (_name, arrange) => {
    await using world = await startFacade();
    const made = (await attach(world)).body as DocumentReference & { id: string };
    const references = await arrange(world, made);
    const answer = await decide(world, redirect(...references));
    expect(told(answer)).toEqual([422, 'attachment-unusable', "Task.output.where(type.coding.code = 'attachment')"]);
    expect((await world.task()).status).toBe('requested');
  });
});
