import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createBudget } from '../../server/budget/index.ts';
import { type Fate, type Store, systemClock, type Ubrn } from '../../server/core/index.ts';
import { createErsClient, type WholeErsClient } from '../../server/ers/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';
import { createStillClock, type Simulator, startSimulator } from '../../simulator/index.ts';
import { readFile } from './endpoints.ts';
import { ATTENDED, UNATTENDED, ubrn } from './gateway.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const REVIEWER = { sdsUserId: '999012345678', roles: ['SERVICE_PROVIDER_CLINICIAN'], organisations: ['ZZ1'] };

let directory: string;
let store: Store;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ers-simulator-'));
  store = await openEmbeddedStore({ directory, clock: systemClock });
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

interface World extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly ers: WholeErsClient;
  control<T>(method: string, path: string, body?: object): Promise<T>;
  create(wish: object): Promise<Ubrn>;
  signIn(wish?: object): Promise<typeof ATTENDED>;
}

async function startWorld(requestsPerSecond?: number, referrals = 0): Promise<World> {
  const simulator = await startSimulator({
    clock: createStillClock(new Date('2027-03-01T09:00:00Z')),
    referrals,
    requestsPerSecond,
  });
  const clock = systemClock;
  const random = () => 0;
  const budget = createBudget({ store, clock, random, log: SILENT, requestsPerSecond, pollsPerDay: 2 });
  const ers = createErsClient({
    baseUrl: simulator.baseUrl,
    tokenUrl: simulator.tokenUrl,
    ...simulator.credentials,
    budget,
    clock,
    log: SILENT,
    limits: { maxFileBytes: 30_000_000, maxJsonBytes: 1_000_000 },
  });
  const world: World = {
    simulator,
    ers,
    async control<T>(method: string, path: string, body?: object) {
      const answer = await fetch(`${simulator.controlUrl}${path}`, {
        method,
        ...(body && { body: JSON.stringify(body) }),
      });
      return (answer.status === 204 ? undefined : await answer.json()) as T;
    },
    create: async (wish) => ubrn((await world.control<{ ubrn: string }>('POST', '/referrals', wish)).ubrn),
    async signIn(wish = {}) {
      const { userToken } = await world.control<{ userToken: string }>('POST', '/users', { ...REVIEWER, ...wish });
      return {
        ...ATTENDED,
        session: { token: userToken, organisation: 'ZZ1', businessFunction: 'SERVICE_PROVIDER_CLINICIAN' },
      };
    },
    [Symbol.asyncDispose]: () => simulator.close(),
  };
  return world;
}

const got = <T>(fate: Fate<T>): T => {
  if (fate.kind !== 'ok') throw new Error(`The call was not ok: ${fate.kind} ${fate.code}`);
  return fate.value;
};
const BOOKED = { kind: 'booked-direct', service: '70101' };

interface Held {
  readonly state: string;
  readonly version: number;
  readonly attachments: readonly { readonly binaryId: string }[];
}
interface Audit {
  readonly busiestSecond: number;
  readonly requestsOverLimit: number;
  readonly badHeaders: object;
  readonly parallelWrites: number;
}

describe('the client and a stateful e-RS', () => {
  test('an accept is recorded once; the same accept again is refused for its version', async () => {
    await using world = await startWorld();
    const id = await world.create(BOOKED);
    const { version } = got(await world.ers.fetchReferral(id, UNATTENDED));
    const accept = { operation: 'A013', ubrn: id, version } as const;
    expect(got(await world.ers.sendDecision(accept, UNATTENDED)).version).toBeGreaterThan(version);
    expect(await world.ers.sendDecision(accept, UNATTENDED)).toMatchObject({
      kind: 'reread',
      code: 'ERS_VERSION_CONFLICT',
    });
  });

  test('D2: an accept whose answer was lost is unknown here and done there, one lost on its way is unknown and not done', async () => {
    await using world = await startWorld();
    for (const [kind, isDone] of [
      ['lose-answer', true],
      ['lose-request', false],
    ] as const) {
      const id = await world.create(BOOKED);
      const { version } = got(await world.ers.fetchReferral(id, UNATTENDED));
      await world.control('POST', '/faults', { endpoint: 'A013', kind });
      const fate = await world.ers.sendDecision({ operation: 'A013', ubrn: id, version }, UNATTENDED);
      expect(fate).toMatchObject({ kind: 'reread', code: 'ERS_OUTCOME_UNKNOWN' });
      const held = await world.control<Held>('GET', `/referrals/${id}`);
      expect(held.version > version).toBe(isDone);
    }
  });

  test('two writes of one referral at once: one is done, the other is told to read again', async () => {
    await using world = await startWorld();
    const id = await world.create(BOOKED);
    const { version } = got(await world.ers.fetchReferral(id, UNATTENDED));
    const accept = { operation: 'A013', ubrn: id, version } as const;
    const fates = await Promise.all([1, 2].map(() => world.ers.sendDecision(accept, UNATTENDED)));
    expect(fates.map(({ kind }) => kind).sort()).toEqual(['ok', 'reread']);
  });

  test('E-7: what only a clinician may do is forbidden to the application, and done with a session', async () => {
    await using world = await startWorld();
    const id = await world.create(BOOKED);
    const { version } = got(await world.ers.fetchReferral(id, UNATTENDED));
    const context = await world.signIn();
    const reasons = got(await world.ers.fetchCodeSystem('APPOINTMENT-CANCELLATION-REASON', context)) as {
      url: string;
      concept: { code: string; property: { code: string; valueCoding?: { code: string } }[] }[];
    };
    const reason = reasons.concept.find(({ property }) =>
      property.some(({ valueCoding }) => valueCoding?.code === 'PROVIDER_REJECT'),
    );
    const body = {
      resourceType: 'Parameters',
      meta: { profile: ['https://fhir.nhs.uk/STU3/StructureDefinition/eRS-RejectReferral-Parameters-1'] },
      parameter: [
        { name: 'rejectionReason', valueCoding: { system: reasons.url, code: reason?.code } },
        { name: 'rejectionComments', valueString: 'Synthetic comment' },
      ],
    };
    const reject = { operation: 'A014', ubrn: id, version, body } as const;
    expect(await world.ers.sendDecision(reject, UNATTENDED)).toMatchObject({ kind: 'refused', code: 'ERS_FORBIDDEN' });
    expect(await world.ers.sendDecision(reject, context)).toMatchObject({ kind: 'ok' });
    expect(await world.control<Held>('GET', `/referrals/${id}`)).toHaveProperty('state', 'REJECTED');
  });

  test('E-7: a session that ended is told as such; a token of the application that ended is renewed in silence', async () => {
    await using world = await startWorld();
    const id = await world.create(BOOKED);
    const context = await world.signIn({ expiresInSeconds: 600 });
    expect(await world.ers.fetchReferral(id, UNATTENDED)).toMatchObject({ kind: 'ok' });
    world.simulator.clock.advance(601_000);
    expect(await world.ers.fetchReferral(id, context)).toMatchObject({
      kind: 'refused',
      code: 'ERS_USER_SESSION_ENDED',
    });
    expect(await world.ers.fetchReferral(id, UNATTENDED)).toMatchObject({ kind: 'ok' });
  });

  test('who a clinician is, whom an administrator acts for, and what e-RS permits now', async () => {
    await using world = await startWorld();
    const clinician = await world.signIn();
    expect(got(await world.ers.fetchOwnRoles(clinician))).toEqual({
      sdsUserId: REVIEWER.sdsUserId,
      roles: [{ organisation: 'ZZ1', businessFunctions: ['SERVICE_PROVIDER_CLINICIAN'] }],
    });
    const role = 'SERVICE_PROVIDER_CLINICIAN_ADMIN';
    const { session } = await world.signIn({
      sdsUserId: '999000000009',
      roles: [role],
      onBehalfOf: [REVIEWER.sdsUserId],
    });
    const administrator = {
      ...ATTENDED,
      session: { ...session, businessFunction: role, onBehalfOf: REVIEWER.sdsUserId },
    };
    expect(got(await world.ers.fetchOnBehalfOf(administrator as typeof ATTENDED))).toEqual([REVIEWER.sdsUserId]);
    const id = await world.create({ kind: 'triage', service: '70103' });
    const { version } = got(await world.ers.fetchReferral(id, UNATTENDED));
    expect(got(await world.ers.fetchAvailableActions(id, version, UNATTENDED))).toContain('RECORD_REVIEW_OUTCOME');
    await world.control('POST', `/referrals/${id}/events`, { type: 'internal-version-bump' });
    expect(await world.ers.fetchAvailableActions(id, version, UNATTENDED)).toMatchObject({
      kind: 'reread',
      code: 'ERS_VERSION_CONFLICT',
    });
  });

  test('a 20 MB attachment with an awkward name streams whole; one that is scanned or bad has its own fate', async () => {
    await using world = await startWorld();
    const title = 'Überweisung – Scan №1.tif';
    const file = { title, contentType: 'image/tiff', bytes: 20_000_000 };
    const id = await world.create({
      ...BOOKED,
      attachments: [
        file,
        { ...file, bytes: 10, availability: 'PENDING' },
        { ...file, bytes: 10, availability: 'THREATS_FOUND' },
        { ...file, bytes: 10, availability: 'VALIDATION_FAILED' },
      ],
    });
    const { attachments } = await world.control<Held>('GET', `/referrals/${id}`);
    const fates = [];
    for (const { binaryId } of attachments) fates.push(await world.ers.downloadAttachment(binaryId, UNATTENDED));
    const [first, ...others] = fates;
    const { stream, fileName, contentType } = got(first ?? { kind: 'refused', code: 'ERS_NOT_FOUND' });
    expect([(await buffer(stream)).length, fileName, contentType]).toEqual([20_000_000, title, 'image/tiff']);
    expect(others.map((fate) => fate.kind !== 'ok' && fate.code)).toEqual([
      'ERS_FILE_PENDING',
      'ERS_FILE_THREATS_FOUND',
      'ERS_FILE_VALIDATION_FAILED',
    ]);
  });

  test('each way to break a file is noticed: cut in the object store, reset there, cut at e-RS', async () => {
    await using world = await startWorld();
    const id = await world.create({
      ...BOOKED,
      attachments: [{ title: 'a.pdf', contentType: 'application/pdf', bytes: 9000 }],
    });
    const { attachments } = await world.control<Held>('GET', `/referrals/${id}`);
    const binaryId = attachments[0]?.binaryId ?? '';
    await world.control('POST', '/faults', { endpoint: 'OBJECT-STORE', kind: 'truncate' });
    expect(await readFile(await world.ers.downloadAttachment(binaryId, UNATTENDED))).toHaveProperty('value', 'broken');
    await world.control('POST', '/faults', { endpoint: 'OBJECT-STORE', kind: 'reset' });
    expect(await world.ers.downloadAttachment(binaryId, UNATTENDED)).toMatchObject({ code: 'ERS_UNAVAILABLE' });
    await world.control('POST', '/faults', { endpoint: 'A007', kind: 'truncate' });
    expect(await readFile(await world.ers.generateClinicalInformation(id, UNATTENDED))).toHaveProperty(
      'value',
      'broken',
    );
    expect(await readFile(await world.ers.generateClinicalInformation(id, UNATTENDED))).toHaveProperty(
      'value',
      expect.stringMatching(/^%PDF/),
    );
  });

  test('an upload is taken, and its link goes with the redirect', async () => {
    await using world = await startWorld();
    const id = await world.create(BOOKED);
    const { version } = got(await world.ers.fetchReferral(id, UNATTENDED));
    const context = await world.signIn();
    const stream = Readable.from([Buffer.from('%PDF-1.7 synthetic')]);
    const about = { ubrn: id, fileName: 'Advice, 1.pdf', contentType: 'application/pdf', size: 18 };
    const { url } = got(await world.ers.uploadFile({ ...about, stream }, context));
    const profile = (name: string) => ({ profile: [`https://fhir.nhs.uk/STU3/StructureDefinition/${name}`] });
    const attachment = {
      resourceType: 'DocumentReference',
      meta: profile('eRS-DocumentReference-1'),
      status: 'current',
      type: { coding: [{ system: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-AttachmentType-1', code: 'PROVIDER' }] },
      indexed: '2027-03-01T09:00:00.000Z',
      content: [{ attachment: { url } }],
    };
    const body = {
      resourceType: 'Parameters',
      meta: profile('eRS-cancelAppointmentActionLater-Parameters-1'),
      parameter: [
        { name: 'comments', valueString: 'Synthetic comment' },
        { name: 'providerAttachmentFile', resource: attachment },
      ],
    };
    const { source } = got(await world.ers.sendDecision({ operation: 'A022', ubrn: id, version, body }, context));
    expect(JSON.stringify(source)).toContain('Advice, 1.pdf');
  });

  test('advice, its conversation and an appointment are read, and a cancelled referral answers with its last version', async () => {
    await using world = await startWorld(undefined, 60);
    const context = await world.signIn();
    const { referrals } = await world.control<{ referrals: { ubrn: string }[] }>('GET', '/referrals');
    const found: string[] = [];
    for (const { ubrn: text } of referrals) {
      const id = ubrn(text);
      const advice = await world.ers.fetchAdviceRequest(id, UNATTENDED);
      if (advice.kind !== 'ok') continue;
      found.push(text);
      const conversation = got(await world.ers.fetchConversation(id, advice.value.version, UNATTENDED));
      expect(conversation).toHaveProperty('entry');
      expect(await world.ers.fetchConversation(id, advice.value.version + 1, UNATTENDED)).toMatchObject({
        code: 'ERS_NOT_FOUND',
      });
    }
    expect(found).not.toEqual([]);
    const id = await world.create(BOOKED);
    const { version, source } = got(await world.ers.fetchReferral(id, UNATTENDED));
    const number = /"reference":"Appointment\/(\d+)/.exec(JSON.stringify(source))?.[1] ?? '';
    expect(await world.ers.fetchAppointment(number, context)).toMatchObject({ kind: 'ok' });
    const reasons = got(await world.ers.fetchCodeSystem('REFERRAL-CANCELLATION-REASON', UNATTENDED)) as {
      url: string;
      concept: { code: string; property: { code: string; valueBoolean?: boolean; valueCoding?: { code: string } }[] }[];
    };
    const reason = reasons.concept.find(
      ({ property }) =>
        property.some((each) => each.code === 'canCancelAppointment' && each.valueBoolean === true) &&
        property.some(({ valueCoding }) => valueCoding?.code === 'PROVIDER_AUTHORISED_APPLICATION') &&
        !property.some(({ valueCoding }) => valueCoding?.code === 'PROVIDER_TRIAGE'),
    );
    const body = {
      resourceType: 'Parameters',
      meta: { profile: ['https://fhir.nhs.uk/STU3/StructureDefinition/eRS-CancelReferral-Request-Parameters-1'] },
      parameter: [
        { name: 'cancellationReason', valueCoding: { system: reasons.url, code: reason?.code } },
        { name: 'cancellationComments', valueString: 'Synthetic comment' },
      ],
    };
    const cancelled = await world.ers.cancelReferral({ ubrn: id, version, body }, UNATTENDED);
    expect(got(cancelled).version).toBeGreaterThan(version);
    expect(await world.control<Held>('GET', `/referrals/${id}`)).toHaveProperty('state', 'CANCELLED_REFERRAL');
  });

  test("B1: fifty calls at once keep to ten a second in e-RS's own count: no 429, no header that it does not know", async () => {
    await using world = await startWorld(10);
    const id = await world.create(BOOKED);
    const fates = await Promise.all(Array.from({ length: 50 }, () => world.ers.fetchReferral(id, UNATTENDED)));
    expect(fates.filter(({ kind }) => kind !== 'ok')).toEqual([]);
    const audit = await world.control<Audit>('GET', '/audit');
    expect(audit).toMatchObject({ requestsOverLimit: 0, badHeaders: {}, parallelWrites: 0 });
    expect(audit.busiestSecond).toBeLessThanOrEqual(10);
  });
});
