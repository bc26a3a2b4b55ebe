import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { CodeSystem, DocumentReference, Resource, ServiceRequest, Task } from '@medplum/fhirtypes';
import { Registry } from 'prom-client';
import { searchParameters } from '../../conformance/index.ts';
import {
  CODE_SYSTEM,
  type DecisionCode,
  decisionValue,
  ersExtension,
  makeInput,
  parseUbrn,
  SYSTEM,
  type TaskCode,
} from '../../mappings/index.ts';
import {
  type Alerts,
  alertBoard,
  type Clock,
  type DispatchRecord,
  type Engine,
  type LogFields,
  type Readiness,
  type Store,
  type StoreCapabilities,
  type Stored,
  type UserSession,
} from '../../server/core/index.ts';
import { createFacade, type FacadeOptions, refuseUnparsed } from '../../server/facade/index.ts';
import { openEmbeddedStore, readRecord, writeRecord } from '../../server/store/index.ts';
import { hear } from '../safety/canary.ts';

/** Synthetic: a number of the range that the NHS sets aside for tests. */
export const NHS_NUMBER = '9990000018';
export const UBRN = '000000700001';
export const REQUEST_ID = 'r.6f0f2a36-51b4-4f7c-9a0e-8f1a54a7c101';
const NOW = '2026-01-05T09:00:00.000Z';

export interface LogLine extends LogFields {
  readonly level: string;
  readonly event: string;
}

/** An engine that only remembers what it was asked; a test says what it answers. */
export interface FakeEngine extends Engine {
  readonly woken: (string | undefined)[];
  readonly sent: { taskId: string; session: UserSession }[];
  readonly refreshed: string[];
  readonly signed: (readonly string[] | undefined)[];
  answers: Partial<
    Pick<Engine, 'fetch' | 'poll' | 'reconcile' | 'refresh' | 'reopen' | 'send' | 'signAndSend' | 'waiting'>
  >;
  state: Readiness;
}

export interface World extends AsyncDisposable {
  readonly url: string;
  readonly fhir: string;
  readonly app: ReturnType<typeof createFacade>;
  readonly store: Store;
  readonly engine: FakeEngine;
  readonly alerts: Alerts;
  readonly log: readonly LogLine[];
  readonly clock: Clock & { isImpatient: boolean };
  readonly taskId: string;
  /** What the facade asked of the store, in order: `search Task`, `read Patient`. */
  readonly calls: string[];
  task(): Promise<Stored<Task>>;
  record(): Promise<DispatchRecord>;
  /** What the Task's record says becomes `data`. */
  rewriteRecord(data: DispatchRecord): Promise<void>;
  put<T extends Resource>(resource: T & { id: string }): Promise<Stored<T>>;
}

function fakeEngine(): FakeEngine {
  const engine: FakeEngine = {
    woken: [],
    sent: [],
    refreshed: [],
    signed: [],
    answers: {},
    state: { ready: true, engine: 'active', rooms: { dispatch: 'ok', intake: 'ok' }, services: [] },
    fetch: async (ubrn) => engine.answers.fetch?.(ubrn) ?? { ok: true, value: { serviceRequestId: 'referral-1' } },
    refresh: async (id) => {
      engine.refreshed.push(id);
      return engine.answers.refresh?.(id) ?? { ok: true, value: { changed: false } };
    },
    send: async (taskId, session) => {
      engine.sent.push({ taskId, session });
      return engine.answers.send?.(taskId, session) ?? { ok: true, value: undefined };
    },
    signAndSend: async (session, wish) => {
      engine.signed.push(wish.taskIds);
      return engine.answers.signAndSend?.(session, wish) ?? { ok: true, value: [] };
    },
    openSession: async () => ({ ok: false, code: 'engine-unavailable' }),
    waiting: async (session) => engine.answers.waiting?.(session) ?? { ok: true, value: [] },
    reopen: async (taskId) => engine.answers.reopen?.(taskId) ?? { ok: true, value: undefined },
    isAtHand: async () => engine.state.rooms['dispatch'] !== 'stopped',
    wake: (taskId) => {
      engine.woken.push(taskId);
    },
    poll: async (service, list) => engine.answers.poll?.(service, list) ?? { ok: false, code: 'service-unknown' },
    reconcile: async () => engine.answers.reconcile?.() ?? { ok: false, code: 'store-unavailable' },
    readiness: () => engine.state,
  };
  return engine;
}

function fakeClock(): World['clock'] {
  let monotonic = 0;
  const clock = {
    /** Whether every wait is over at once. */
    isImpatient: false,
    now: () => new Date(NOW),
    monotonicMs: () => {
      monotonic += 1;
      return monotonic;
    },
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (clock.isImpatient || signal?.aborted) resolve();
        else signal?.addEventListener('abort', () => resolve());
      }),
  };
  return clock;
}

const concept = (system: string, code: string) => ({ coding: [{ system, code }] });

export const patient = {
  resourceType: 'Patient' as const,
  id: 'patient-1',
  identifier: [{ system: SYSTEM.nhsNumber, value: NHS_NUMBER }],
  active: true,
};

export const referral: ServiceRequest & { id: string } = {
  resourceType: 'ServiceRequest',
  id: 'referral-1',
  extension: [
    ersExtension('ers-version', { valueUnsignedInt: 5 }),
    {
      ...ersExtension('ers-referral-state', {}),
      extension: [{ url: 'state', valueCoding: { system: CODE_SYSTEM.referralState, code: 'BOOKED' } }],
    },
    ersExtension('ers-priority', { valueCoding: { system: CODE_SYSTEM.priority, code: 'ROUTINE' } }),
    ersExtension('ers-pathway-start', { valueDateTime: '2026-01-02T08:00:00Z' }),
  ],
  identifier: [
    { system: SYSTEM.ubrn, value: UBRN },
    { system: SYSTEM.requestId, value: REQUEST_ID },
  ],
  status: 'active',
  intent: 'order',
  category: [concept(CODE_SYSTEM.snomed, '3457005')],
  priority: 'routine',
  subject: {
    reference: 'Patient/patient-1',
    type: 'Patient',
    identifier: { system: SYSTEM.nhsNumber, value: NHS_NUMBER },
  },
  performer: [{ reference: 'HealthcareService/service-1', type: 'HealthcareService' }],
  supportingInfo: [{ reference: 'DocumentReference/document-1', type: 'DocumentReference' }],
};

export interface ReviewOptions {
  readonly code?: TaskCode;
  readonly bookableType?: 'DIRECTLY_BOOKABLE' | 'INDIRECTLY_BOOKABLE';
  readonly offered?: readonly DecisionCode[];
}

export function reviewTask({
  code = 'review-booking',
  bookableType = 'DIRECTLY_BOOKABLE',
  offered = OFFERED,
}: ReviewOptions) {
  return {
    resourceType: 'Task',
    id: 'task-1',
    extension: [
      ersExtension('ers-version', { valueUnsignedInt: 5 }),
      ersExtension('ers-service', { valueReference: { reference: 'HealthcareService/service-1' } }),
    ],
    identifier: [{ system: SYSTEM.reviewTask, value: `${REQUEST_ID}.1` }],
    status: 'requested',
    businessStatus: concept(CODE_SYSTEM.reviewStatus, 'awaiting-review'),
    intent: 'order',
    priority: 'routine',
    code: {
      coding: [
        { system: CODE_SYSTEM.fhirTaskCode, code: 'fulfill' },
        { system: CODE_SYSTEM.taskCode, code },
      ],
    },
    focus: { reference: 'ServiceRequest/referral-1', type: 'ServiceRequest' },
    for: { reference: 'Patient/patient-1', type: 'Patient' },
    authoredOn: '2026-01-02T08:00:00Z',
    lastModified: '2026-01-02T09:00:00Z',
    requester: { reference: 'Device/device-1', type: 'Device' },
    owner: { reference: 'HealthcareService/service-1', type: 'HealthcareService' },
    restriction: { period: { end: '2026-02-01' } },
    input: [
      makeInput('bookable-type', { valueCodeableConcept: concept(CODE_SYSTEM.bookableType, bookableType) }),
      ...offered.map((decision) => makeInput('available-decision', decisionValue(decision))),
    ],
  } as Task & { id: string };
}

const OFFERED: readonly DecisionCode[] = ['accept', 'reject', 'redirect'];

/** A004's rejection reasons as the store mirrors them: one in force, one that needs a comment, one of the past. */
export const reasons: CodeSystem & { id: string } = {
  resourceType: 'CodeSystem',
  id: 'ers-appointment-cancellation-reason',
  url: CODE_SYSTEM.appointmentCancellationReason,
  identifier: [
    { system: 'urn:ietf:rfc:3986', value: 'https://ers.test.example/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON' },
  ],
  status: 'active',
  content: 'complete',
  concept: [
    reason('SERVICE_INAPPROPRIATE', 'Inappropriate service', false),
    reason('OTHER', 'Other reason', true),
    reason('OLD_REASON', 'A reason of the past', false, '2020-01-01T00:00:00Z'),
  ],
};

function reason(code: string, display: string, commentIsMandatory: boolean, effectiveTo?: string) {
  return {
    code,
    display,
    property: [
      { code: 'effectiveFrom', valueDateTime: '2004-06-01T00:00:00Z' },
      ...(effectiveTo === undefined ? [] : [{ code: 'effectiveTo', valueDateTime: effectiveTo }]),
      { code: 'appointmentBookingCancellationReasonType', valueCoding: { code: 'PROVIDER_REJECT' } },
      { code: 'commentIsMandatory', valueBoolean: commentIsMandatory },
    ],
  };
}

export const PDF = Buffer.from('%PDF-1.4 synthetic letter, long enough to be read in two pieces');

export interface FacadeWorldOptions extends Partial<Omit<FacadeOptions, 'store'>> {
  readonly review?: ReviewOptions;
  /** What the store says that it can, where it is to say less than it can. */
  readonly capabilities?: Partial<StoreCapabilities>;
}

/** A facade on a real socket over a real store, with one referral under review. */
export async function startFacade(options: FacadeWorldOptions = {}): Promise<World> {
  const { review = {}, capabilities = {}, ...rest } = options;
  const directory = mkdtempSync(join(tmpdir(), 'facade-'));
  const clock = fakeClock();
  const store = await openEmbeddedStore({ directory, clock, searchParameters });
  const engine = fakeEngine();
  const alerts = alertBoard(() => clock.now());
  const log: LogLine[] = [];
  const calls: string[] = [];
  const write =
    (level: string) =>
    (event: string, fields: LogFields = {}) => {
      log.push({ level, event, ...fields });
      hear({ event, ...fields });
    };
  const put = async <T extends Resource>(resource: T & { id: string }) => {
    const stored = await store.update(resource);
    if (!stored.ok) throw new Error(`${resource.resourceType}: ${JSON.stringify(stored.outcome)}`);
    return stored.value;
  };

  await put(patient);
  await put({ resourceType: 'HealthcareService', id: 'service-1', name: 'Cardiology' });
  await put({
    resourceType: 'Device',
    id: 'device-1',
    deviceName: [{ name: 'NHS e-Referral Service', type: 'user-friendly-name' }],
  });
  await put({
    resourceType: 'Practitioner',
    id: 'practitioner-1',
    identifier: [{ system: SYSTEM.sdsUser, value: '1' }],
  });
  await store.putBinary(Readable.from([PDF.subarray(0, 10), PDF.subarray(10)]), {
    id: 'binary-1',
    contentType: 'application/pdf',
    securityContext: 'Patient/patient-1',
  });
  await store.putBinary(Readable.from([Buffer.from('{}')]), { id: 'raw-1', contentType: 'application/fhir+json' });
  const document: DocumentReference & { id: string } = {
    resourceType: 'DocumentReference',
    id: 'document-1',
    status: 'current',
    subject: { reference: 'Patient/patient-1' },
    content: [{ attachment: { contentType: 'application/pdf', url: 'Binary/binary-1' } }],
    context: { related: [{ reference: 'ServiceRequest/referral-1' }] },
  };
  // They refer to each other, so neither can be first.
  await store.transaction([document, referral].map((resource) => ({ kind: 'put', resource })));
  await put(reasons);
  const task = await put(reviewTask(review));
  const key = `${REQUEST_ID}.1`;
  const record: DispatchRecord = {
    taskId: task.id,
    requestId: REQUEST_ID,
    ubrn: parseUbrn(UBRN) ?? fail(),
    serviceRequestId: 'referral-1',
    baseline: task,
    sendable: { version: 5, fingerprint: 'f' },
    offered: review.offered ?? OFFERED,
    reviewed: { state: 'BOOKED', priority: 'ROUTINE', service: '1' },
  };
  await writeRecord(store, 'ers-dispatch', key, record);
  const readIt = async () => {
    const read = await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
    return read.ok && read.value ? read.value : fail();
  };

  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.on('clientError', refuseUnparsed);
  const app = createFacade({
    store: saying(store, { ...store.capabilities, ...capabilities }, calls),
    engine,
    alerts,
    clock,
    log: { info: write('info'), warn: write('warn'), error: write('error') },
    publicUrl: url,
    registry: new Registry(),
    secret: 'a secret of this test',
    version: '0.1.0',
    ...rest,
  });
  server.on('request', app);
  return {
    url,
    fhir: `${url}/fhir/R4`,
    app,
    store,
    engine,
    alerts,
    log,
    clock,
    taskId: task.id,
    calls,
    put,
    task: async () => {
      const read = await store.read('Task', task.id);
      return read.ok ? read.value : fail();
    },
    record: async () => (await readIt()).data,
    rewriteRecord: async (data) => {
      await writeRecord(store, 'ers-dispatch', key, data, await readIt());
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The store, which says of itself that it can do this much; `calls` notes what is asked of it. */
function saying(store: Store, capabilities: StoreCapabilities, calls: string[]): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'capabilities') return capabilities;
      const member = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]) => {
        calls.push([name, given[0]].filter((one) => typeof one === 'string').join(' '));
        return member.apply(target, given);
      };
    },
  });
}

function fail(): never {
  throw new Error('The test world is broken.');
}
