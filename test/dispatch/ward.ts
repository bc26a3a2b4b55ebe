import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Task } from '@medplum/fhirtypes';
import { Registry } from 'prom-client';
import { searchParameters } from '../../conformance/index.ts';
import {
  decisionAttachment,
  idSpace,
  mapReferenceData,
  mapWorklist,
  parseUbrn,
  taskKey,
  type WorklistItem,
} from '../../mappings/index.ts';
import { createBudget } from '../../server/budget/index.ts';
import {
  type Alerts,
  alertBoard,
  type DispatchRecord,
  type ErsClient,
  type Log,
  type SiteService,
  type Store,
  type Stored,
  systemClock,
  Turns,
} from '../../server/core/index.ts';
import {
  DEFAULT_DELIVERY_POLICY,
  type DeliveryPolicy,
  fingerprintOf,
  isTerminal,
  planReview,
} from '../../server/decisions/index.ts';
import { createDispatch, type Dispatch } from '../../server/dispatch/index.ts';
import { createErsClient } from '../../server/ers/index.ts';
import { createFacade } from '../../server/facade/index.ts';
import { createLanding, type Landing } from '../../server/landing/index.ts';
import { openEmbeddedStore, readRecord } from '../../server/store/index.ts';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { hear } from '../safety/canary.ts';
import { businessStatusOf, signIn } from '../sign-in.ts';

/** Dispatch with its real neighbours and the simulator; worklists are read on demand, so that a test says when. */
export interface Ward extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly store: Store;
  readonly ers: ErsClient;
  readonly landing: Landing;
  readonly dispatch: Dispatch;
  /** Shared with whoever else works on referrals. */
  readonly turns: Turns;
  readonly alerts: Alerts;
  readonly lines: readonly string[];
  control<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  /** Creates a referral of that kind and lands it from its list; answers its UBRN. */
  refer(kind: Kind, wish?: object): Promise<string>;
  /** Reads all lists, and lands or closes what they say; `only`: of that referral. */
  poll(only?: string): Promise<void>;
  taskOf(ubrn: string): Promise<Stored<Task>>;
  recordOf(ubrn: string): Promise<DispatchRecord>;
  /** Writes a decision straight into the store. */
  decide(ubrn: string, operations: readonly unknown[]): Promise<void>;
  /** The same through the facade, with If-Match of the Task as it was read; `read`: an older reading of it. */
  patch(ubrn: string, operations: readonly unknown[], read?: Task, headers?: Record<string, string>): Promise<Response>;
  /** Keeps a file for the review, as $ers-attach does; answers the reference to name. */
  attach(ubrn: string, file?: { title?: string; description?: string }): Promise<string>;
  calls(
    endpoint: string,
  ): Promise<readonly { seq: number; at: string; status: number; ubrn?: string; ifMatch?: string }[]>;
  /** Ends the engine's process, as it were, and starts another over the same store. */
  restartDispatch(): Promise<void>;
}

type Kind = 'booked-direct' | 'booked-indirect' | 'triage' | 'slot-issue';
const BOOKABLE: Readonly<Record<Kind, string>> = {
  'booked-direct': 'DIRECTLY_BOOKABLE',
  'booked-indirect': 'INDIRECTLY_BOOKABLE',
  triage: 'TRIAGE',
  'slot-issue': 'INDIRECTLY_BOOKABLE',
};

/** Where there is a disk in memory the store is on it: no power fails here, and waiting for a disk proves nothing. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

export interface WardOptions {
  readonly isSignedIn?: boolean;
  readonly unattended?: SiteService['unattended'];
  readonly policy?: Partial<DeliveryPolicy>;
  /** What A029 says of slot issues when they are landed from their list. Default: it is not asked. */
  readonly isReviewable?: boolean;
  /** How long e-RS is at work on a write. */
  readonly writeMs?: number;
  /** How often all open reviews are compared; seldom, where a test file leaves many of them open. */
  readonly sweepEveryMs?: number;
  /** How often decided Tasks are looked for besides the hints. */
  readonly scanEveryMs?: number;
  /** Requests a second that dispatch may send. Default: as many as there are. */
  readonly requestsPerSecond?: number;
  /** Reviews handled at the same time. */
  readonly parallel?: number;
  readonly patienceMs?: number;
  readonly graceMs?: number;
  /** Stands between the rooms and the store. */
  readonly around?: (store: Store) => Store;
}

export async function openWard(options: WardOptions = {}): Promise<Ward> {
  const {
    isSignedIn = true,
    unattended = [],
    policy = {},
    sweepEveryMs = 100,
    scanEveryMs = 50,
    writeMs,
    parallel = 8,
    patienceMs,
    graceMs,
    requestsPerSecond,
    around = (store) => store,
    isReviewable,
  } = options;
  const simulator = await startSimulator({ port: 0, referrals: 0, returnedState: 'TRIAGE_RESPONSE', writeMs });
  const directory = mkdtempSync(join(MEMORY, 'ers-fhir-ward-'));
  const clock = systemClock;
  const store = around(await openEmbeddedStore({ directory, clock, searchParameters }));
  const lines: string[] = [];
  const note = (event: string, fields?: object) => {
    lines.push(JSON.stringify({ event, ...fields }));
    hear({ event, ...fields });
  };
  const log: Log = { info: note, warn: note, error: note };
  const ids = idSpace('ward');
  const alerts = alertBoard(() => clock.now());
  const random = () => 0.5;
  const clientAt = (perSecond: number | undefined): ErsClient =>
    createErsClient({
      ...simulator.credentials,
      baseUrl: simulator.baseUrl,
      tokenUrl: simulator.tokenUrl,
      budget: createBudget({ store, clock, random, log, requestsPerSecond: perSecond, pollsPerDay: undefined }),
      clock,
      log,
      limits: { maxFileBytes: 10_000_000, maxJsonBytes: 5_000_000 },
    });
  const ers = clientAt(undefined);
  const ersOfDispatch = requestsPerSecond === undefined ? ers : clientAt(requestsPerSecond);
  const landing = createLanding({ store, ids, clock, log, alerts, judge: { isTerminal, fingerprintOf } });
  await landing.index.load(store);
  const session = isSignedIn ? await signIn(simulator) : undefined;
  const services: SiteService[] = simulator.services.map(({ id, bookableType, lists }) => ({
    id,
    lists,
    unattended,
    ...(bookableType === 'TRIAGE' ? {} : { bookableType }),
  }));
  const context = { correlationId: 'ward', priority: 'routine' } as const;
  const reasons = await ers.fetchCodeSystem('APPOINTMENT-CANCELLATION-REASON', context);
  if (reasons.kind !== 'ok') throw new Error(reasons.code);
  const mirror = mapReferenceData(reasons.value);
  if (mirror.ok) await store.create(mirror.value);

  const turns = new Turns();
  const startDispatch = (): Dispatch => {
    const dispatch = createDispatch({
      store,
      ers: ersOfDispatch,
      landing,
      turns,
      clock,
      random,
      log,
      alerts,
      ids,
      services,
      policy: { ...DEFAULT_DELIVERY_POLICY, ...policy },
      scanEveryMs,
      sweepEveryMs,
      parallel,
      ...(patienceMs === undefined ? {} : { patienceMs }),
      ...(graceMs === undefined ? {} : { graceMs }),
      ...(session === undefined ? {} : { standingSession: async () => session }),
    });
    dispatch.start();
    return dispatch;
  };
  let dispatch = startDispatch();
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const unwired = async () => ({ ok: false, code: 'engine-unavailable' }) as const;
  server.on(
    'request',
    createFacade({
      store,
      alerts,
      clock,
      log,
      publicUrl: url,
      registry: new Registry(),
      secret: 'ward',
      version: '0.0.0-test',
      engine: {
        fetch: unwired,
        poll: unwired,
        refresh: unwired,
        reconcile: unwired,
        send: (taskId, given, decisionId) => dispatch.send(taskId, given, decisionId),
        signAndSend: (given, wish) => dispatch.signAndSend(given, wish),
        openSession: (idToken) => dispatch.openSession(idToken),
        waiting: (given) => dispatch.waiting(given),
        reopen: (taskId) => dispatch.reopen(taskId),
        isAtHand: async () => true,
        wake: (taskId) => dispatch.wake(taskId),
        readiness: () => ({ ready: true, engine: 'active', rooms: { dispatch: 'ok' }, services: [] }),
      },
    }),
  );

  async function itemsOf(service: SiteService): Promise<WorklistItem[]> {
    const items: WorklistItem[] = [];
    for (const list of service.lists) {
      const answer = await ers.fetchWorklist({ service: service.id, list }, context);
      if (answer.kind !== 'ok') throw new Error(answer.code);
      const mapped = mapWorklist(JSON.parse(await text(answer.value.stream)), list);
      if (!mapped.ok) throw new Error('unreadable worklist');
      items.push(...mapped.value.items);
    }
    return items;
  }

  async function land(
    ubrn: string,
    items: readonly WorklistItem[],
    service: SiteService | undefined,
    polledAt: string,
  ): Promise<void> {
    const parsed = parseUbrn(ubrn);
    if (parsed === undefined) throw new Error('no UBRN');
    const read = await ers.fetchReferral(parsed, context);
    if (read.kind !== 'ok') throw new Error(read.code);
    const landed = await landing.land({
      source: read.value.source,
      items,
      review: (situation) => {
        const { bookableType } = service ?? {};
        const plan = planReview({
          ...situation,
          ids,
          listed: items,
          polledAt,
          ...(bookableType === undefined ? {} : { bookableType }),
          ...(isReviewable === undefined ? {} : { isReviewable }),
        });
        return plan.kind === 'none' ? { alerts: plan.alerts } : plan;
      },
    });
    if (landed.kind !== 'landed') throw new Error(`${landed.kind} ${JSON.stringify(landed)}`);
  }

  const known = new Map<string, SiteService>();
  const requestIds = new Map<string, string>();
  const ward: Ward = {
    simulator,
    store,
    ers,
    landing,
    turns,
    alerts,
    lines,
    get dispatch() {
      return dispatch;
    },
    async control<T>(method: string, path: string, body?: unknown): Promise<T> {
      const answer = await fetch(`${simulator.controlUrl}/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      });
      const answered = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${answered}`);
      return (answered === '' ? undefined : JSON.parse(answered)) as T;
    },
    async refer(kind, wish = {}) {
      const service = simulator.services.find(({ bookableType }) => bookableType === BOOKABLE[kind])?.id;
      const { ubrn } = await ward.control<{ ubrn: string }>('POST', 'referrals', {
        kind,
        service,
        priority: 'ROUTINE',
        ...wish,
      });
      await ward.poll(ubrn);
      return ubrn;
    },
    async poll(only) {
      const polledAt = clock.now().toISOString();
      const listed = new Map<string, WorklistItem[]>();
      for (const service of services) {
        for (const item of await itemsOf(service)) {
          known.set(item.ubrn, service);
          listed.set(item.ubrn, [...(listed.get(item.ubrn) ?? []), item]);
        }
      }
      for (const [ubrn, service] of known) {
        if (only === undefined || only === ubrn) await land(ubrn, listed.get(ubrn) ?? [], service, polledAt);
      }
    },
    async taskOf(ubrn) {
      const record = await ward.recordOf(ubrn);
      const task = await store.read('Task', record.taskId);
      if (!task.ok) throw new Error(task.code);
      return task.value;
    },
    async recordOf(ubrn) {
      let requestId = requestIds.get(ubrn);
      if (requestId === undefined) {
        const found = await store.findByIdentifier('ServiceRequest', 'https://fhir.nhs.uk/Id/UBRN', ubrn);
        requestId = found.ok
          ? found.value[0]?.identifier?.find(({ system }) => system?.endsWith('ers-request-id'))?.value
          : undefined;
        if (requestId === undefined) throw new Error('not landed');
        requestIds.set(ubrn, requestId);
      }
      let latest: DispatchRecord | undefined;
      for (let episode = 1; ; episode += 1) {
        const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', taskKey(requestId, episode).value);
        if (!record.ok || record.value === undefined) break;
        latest = record.value.data;
      }
      if (latest === undefined) throw new Error('no review');
      return latest;
    },
    async decide(ubrn, operations) {
      const task = await ward.taskOf(ubrn);
      const written = await store.patch('Task', task.id, operations);
      if (!written.ok) throw new Error(JSON.stringify(written));
    },
    async patch(ubrn, operations, read, headers = {}) {
      const task = read ?? (await ward.taskOf(ubrn));
      return fetch(`${url}/fhir/R4/Task/${task.id}`, {
        method: 'PATCH',
        headers: {
          'Content-Type': 'application/json-patch+json',
          'If-Match': `W/"${task.meta?.versionId}"`,
          ...headers,
        },
        body: JSON.stringify(operations),
      });
    },
    async attach(ubrn, { title = 'form.pdf', description } = {}) {
      const { taskId, baseline } = await ward.recordOf(ubrn);
      const contentType = 'application/pdf';
      const bytes = await store.putBinary(Readable.from([Buffer.from('%PDF-1.4 synthetic form')]), { contentType });
      if (!bytes.ok) throw new Error(bytes.code);
      const { id: binaryId, size, sha1 } = bytes.value;
      const document = decisionAttachment(
        { ...baseline, id: taskId },
        { binaryId, title, contentType, size, sha1, ...(description === undefined ? {} : { description }) },
        { serial: randomUUID(), at: clock.now().toISOString() },
      );
      const created = await store.create(document);
      if (!created.ok) throw new Error(JSON.stringify(created.outcome));
      return `DocumentReference/${created.value.resource.id}`;
    },
    async calls(endpoint) {
      const answer = await ward.control<{ calls: { seq: number; at: string; endpoint: string; status: number }[] }>(
        'GET',
        'calls',
      );
      return answer.calls.filter((call) => call.endpoint === endpoint);
    },
    async restartDispatch() {
      await dispatch.stop();
      dispatch = startDispatch();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await dispatch.stop();
      await store.close();
      await simulator.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return ward;
}

/** A store whose changes nobody hears of, as where a facade writes in another process. */
export const deaf = (store: Store): Store =>
  new Proxy(store, {
    get(target, name) {
      if (name === 'onChange') return () => () => {};
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

/** Settles until the Task's businessStatus is one of these; what is scheduled for later comes by the dispatch's own loop. */
export async function reach(ward: Ward, ubrn: string, ...wanted: string[]): Promise<string> {
  const startedMs = performance.now();
  for (;;) {
    await ward.dispatch.settled();
    const status = businessStatusOf(await ward.taskOf(ubrn)) ?? '';
    if (wanted.includes(status) || performance.now() - startedMs > 12_000) return status;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const successes = async (ward: Ward, endpoint: string, ubrn: string): Promise<number> =>
  (await ward.calls(endpoint)).filter((call) => call.ubrn === ubrn && call.status === 200).length;

/** Waits for something that comes about by itself. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const startedMs = performance.now(); !(await condition()); ) {
    if (performance.now() - startedMs > 15_000) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The record of a referral's first review, to be written by somebody else. */
export async function heldRecordOf(ward: Ward, ubrn: string) {
  const { requestId } = await ward.recordOf(ubrn);
  const record = await readRecord<DispatchRecord>(ward.store, 'ers-dispatch', taskKey(requestId, 1).value);
  if (!record.ok || record.value === undefined) throw new Error('no record');
  return record.value;
}
