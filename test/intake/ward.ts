import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DocumentReference, Resource, ServiceRequest, Task } from '@medplum/fhirtypes';
import { searchParameters } from '../../conformance/index.ts';
import { identifierOf, idSpace, parseTaskKey, parseUbrn, SYSTEM, type Ubrn } from '../../mappings/index.ts';
import { createBudget } from '../../server/budget/index.ts';
import {
  type Alert,
  alertBoard,
  type Clock,
  type Log,
  type LogFields,
  type ResourceType,
  type SiteService,
  type Store,
  systemClock,
  Turns,
} from '../../server/core/index.ts';
import { fingerprintOf, isTerminal } from '../../server/decisions/index.ts';
import { createErsClient } from '../../server/ers/index.ts';
import { createIntake, type Intake } from '../../server/intake/index.ts';
import { createLanding, type Landing } from '../../server/landing/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';
import { createStillClock, type Simulator, startSimulator } from '../../simulator/index.ts';
import { hear } from '../safety/canary.ts';

export const CLINICAL = [
  'Patient',
  'ServiceRequest',
  'Task',
  'Appointment',
  'List',
  'DocumentReference',
  'HealthcareService',
  'Practitioner',
  'Organization',
  'Provenance',
] as const satisfies readonly ResourceType[];

/** Services of the sample trust. */
export const DIRECT = '70101';
export const TRIAGE = '70103';
export const SLOTLESS = '70104';

export interface LogLine extends LogFields {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
}

/** The engine's way in, with its own store, before a simulator over sockets; time stands still unless it is moved. */
export interface Ward extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly store: Store;
  readonly intake: Intake;
  readonly landing: Landing;
  readonly log: LogLine[];
  /** Codes of the standing alerts. */
  alerts(): string[];
  standing(): readonly Alert[];
  control<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  create(wish: Record<string, unknown>): Promise<Ubrn>;
  happen(ubrn: string, type: string, more?: Record<string, unknown>): Promise<void>;
  fault(fault: Record<string, unknown>): Promise<void>;
  /** Endpoints called since the last question, in order; sorted by when they came. */
  newCalls(): Promise<string[]>;
  /** Time passes, here and at e-RS. */
  advance(ms: number): void;
  all<T extends Resource>(type: ResourceType): Promise<(T & { id: string })[]>;
  /** Review Tasks of a referral, first episode first. */
  tasksOf(ubrn: string): Promise<(Task & { id: string })[]>;
  referralOf(ubrn: string): Promise<(ServiceRequest & { id: string }) | undefined>;
  documentsOf(ubrn: string): Promise<DocumentReference[]>;
  /** `Type/id/version` of every clinical resource. */
  versions(): Promise<string[]>;
  /** The process ends, wherever it is, and starts again over the same store. */
  restart(): Promise<void>;
}

export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;

export interface WardOptions {
  readonly referrals?: number;
  readonly seed?: number;
  readonly services?: readonly string[];
  readonly pollsPerDay?: number;
  /** Stands between the rooms and the store. */
  readonly around?: (store: Store) => Store;
}

export async function startWard(options: WardOptions = {}): Promise<Ward> {
  const simulator = await startSimulator({
    port: 0,
    referrals: options.referrals ?? 0,
    seed: options.seed,
    clock: createStillClock(new Date('2027-03-01T09:00:00Z')),
  });
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-ward-'));
  const startedMs = simulator.clock.now().getTime();
  const clock: Clock = {
    now: () => simulator.clock.now(),
    monotonicMs: () => performance.now() + simulator.clock.now().getTime() - startedMs,
    // Waiting costs nothing here: who must wait long enough for something to change is told so by `advance`.
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
  };
  const log: LogLine[] = [];
  const at =
    (level: LogLine['level']) =>
    (event: string, fields: LogFields = {}) => {
      log.push({ level, event, ...fields });
      hear({ event, ...fields });
    };
  const logger: Log = { info: at('info'), warn: at('warn'), error: at('error') };
  const services: SiteService[] = simulator.services
    .filter(({ id }) => options.services === undefined || options.services.includes(id))
    .map(({ id, name, bookableType, lists }) => ({
      id,
      name,
      lists,
      unattended: [],
      ...(bookableType === 'TRIAGE' ? {} : { bookableType }),
    }));

  async function open() {
    const opened = await openEmbeddedStore({ directory, clock, searchParameters });
    const store = options.around?.(opened) ?? opened;
    const alerts = alertBoard(() => clock.now());
    const shared = { store, clock, random: () => 0.5, log: logger, ids: idSpace('a secret of this ward'), alerts };
    const { pollsPerDay } = options;
    const budget = createBudget({ ...shared, requestsPerSecond: undefined, pollsPerDay });
    const ers = createErsClient({
      ...simulator.credentials,
      ...shared,
      // Deadlines of calls are real: nothing but a fault lets them pass.
      clock: { ...clock, sleep: systemClock.sleep },
      baseUrl: simulator.baseUrl,
      tokenUrl: simulator.tokenUrl,
      budget,
      limits: { maxFileBytes: 20_000_000, maxJsonBytes: 5_000_000 },
    });
    const landing = createLanding({ ...shared, judge: { isTerminal, fingerprintOf } });
    const intake = createIntake({ ...shared, ers, budget, landing, turns: new Turns(), services, pollsPerDay });
    return { store, alerts, landing, intake };
  }

  let engine = await open();
  let seen = 0;
  const ward: Ward = {
    simulator,
    log,
    get store() {
      return engine.store;
    },
    get intake() {
      return engine.intake;
    },
    get landing() {
      return engine.landing;
    },
    alerts: () => engine.alerts.standing().map(({ code }) => code),
    standing: () => engine.alerts.standing(),
    async control<T>(method: string, path: string, body?: unknown): Promise<T> {
      const answer = await fetch(`${simulator.controlUrl}/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`control door ${method} ${path}: ${answer.status} ${text}`);
      return (text === '' ? undefined : JSON.parse(text)) as T;
    },
    async create(wish) {
      const ubrn = parseUbrn((await ward.control<{ ubrn: string }>('POST', 'referrals', wish)).ubrn);
      if (ubrn === undefined) throw new Error('the simulator made no UBRN');
      return ubrn;
    },
    happen: (ubrn, type, more = {}) => ward.control('POST', `referrals/${ubrn}/events`, { type, ...more }),
    fault: (fault) => ward.control('POST', 'faults', fault),
    async newCalls() {
      const answer = await ward.control<{ calls: { seq: number; endpoint: string }[] }>('GET', `calls?after=${seen}`);
      const calls = Array.isArray(answer) ? (answer as { seq: number; endpoint: string }[]) : answer.calls;
      seen = calls.at(-1)?.seq ?? seen;
      return calls.map(({ endpoint }) => endpoint).filter((endpoint) => /^A\d/.test(endpoint));
    },
    advance: (ms) => simulator.clock.advance(ms),
    async all<T extends Resource>(type: ResourceType) {
      const found: (T & { id: string })[] = [];
      let next: string | undefined;
      do {
        const page = await engine.store.search(type, '_count=500', next);
        if (!page.ok) throw new Error(`search of ${type}: ${page.code}`);
        found.push(...(page.value.matches as unknown as (T & { id: string })[]));
        next = page.value.next;
      } while (next !== undefined);
      return found;
    },
    async tasksOf(ubrn) {
      const tasks = await ward.all<Task>('Task');
      const episode = (task: Task) => parseTaskKey(identifierOf(task, SYSTEM.reviewTask) ?? '')?.episode ?? 0;
      return tasks.filter(({ focus }) => focus?.identifier?.value === ubrn).toSorted((a, b) => episode(a) - episode(b));
    },
    async referralOf(ubrn) {
      const all = await ward.all<ServiceRequest>('ServiceRequest');
      return all.find((one) => identifierOf(one, SYSTEM.ubrn) === ubrn);
    },
    async documentsOf(ubrn) {
      const all = await ward.all<DocumentReference>('DocumentReference');
      return all.filter(({ context }) => context?.related?.some(({ identifier }) => identifier?.value === ubrn));
    },
    async versions() {
      const found = await Promise.all(CLINICAL.map((type) => ward.all(type)));
      return found
        .flat()
        .map(({ resourceType, id, meta }) => `${resourceType}/${id}/${meta?.versionId}`)
        .toSorted();
    },
    async restart() {
      await engine.intake.stop();
      await engine.store.close();
      engine = await open();
    },
    async [Symbol.asyncDispose]() {
      await engine.intake.stop();
      await engine.store.close();
      await simulator.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return ward;
}
