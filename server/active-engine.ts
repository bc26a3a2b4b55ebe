import type { Dispatcher } from 'undici';
import { chainKey, witnessedStore } from './audit/index.ts';
import { createBudget } from './budget/index.ts';
import type { ErsConfig, ServerConfig } from './config/index.ts';
import {
  type Alerts,
  type Audit,
  type Clock,
  type Engine,
  idSpace,
  type Log,
  type Store,
  type Turns,
  type UserSession,
} from './core/index.ts';
import { DEFAULT_DELIVERY_POLICY, type DeliveryPolicy, fingerprintOf, isTerminal } from './decisions/index.ts';
import { createDispatch } from './dispatch/index.ts';
import { createErsClient } from './ers/index.ts';
import { createIntake, longestGaps } from './intake/index.ts';
import { createLanding } from './landing/index.ts';
import { createSentinel } from './sentinel/index.ts';

export interface ActiveEngineOptions {
  readonly server: ServerConfig;
  readonly ers: ErsConfig;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts: Alerts;
  readonly turns: Turns;
  /** Is told of every request to e-RS; absent in tests that need none. */
  readonly audit?: Audit;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly dispatcher: Dispatcher;
  /** Whether the lease is held. */
  readonly mayWork: () => boolean;
  readonly pollIntervalMs?: number;
  readonly standingSession?: () => Promise<UserSession | undefined>;
  /** For tests that live through hours: rarer looks, sooner ends. */
  readonly tempo?: Tempo;
}

export interface Tempo {
  readonly scanEveryMs?: number;
  readonly sweepEveryMs?: number;
  readonly accountEveryMs?: number;
  readonly policy?: Partial<DeliveryPolicy>;
}

/** The rooms that work for e-RS, from one take-over of the lease to its loss. */
export interface ActiveEngine extends Engine {
  start(): void;
  /** Every due decision and worklist has been dealt with; for tests. */
  settled(): Promise<void>;
  /** Finishes or parks what is in flight. What is late beyond that reaches e-RS no more. */
  stop(): Promise<void>;
}

/** An answer of e-RS that is read whole: far above any referral, far below what would hurt. */
export const MAX_JSON_BYTES = 5_000_000;

/** Builds the rooms anew, so that nothing of what an earlier engine remembered is believed: the store may have moved on. */
export function buildActiveEngine(options: ActiveEngineOptions): ActiveEngine {
  const { server, ers: ersConfig, mayWork, pollIntervalMs, standingSession, tempo } = options;
  let isRetired = false;
  const fence = () => !isRetired && mayWork();
  const { clock, log, alerts, turns, random } = options;
  const secret = server.idNamespaceSecret.reveal();
  const store = witnessedStore(options.store, chainKey(secret));
  const ids = idSpace(secret);
  const shared = { store, clock, log, alerts, turns, random, ids, fence };
  const budget = createBudget({
    ...shared,
    requestsPerSecond: ersConfig.requestsPerSecond,
    pollsPerDay: ersConfig.pollsPerDay,
  });
  const ers = createErsClient({
    ...shared,
    ...ersConfig,
    privateKeyPem: ersConfig.privateKeyPem.reveal(),
    budget,
    dispatcher: options.dispatcher,
    ...(options.audit === undefined ? {} : { audit: options.audit }),
    limits: { maxFileBytes: server.maxFileBytes, maxJsonBytes: MAX_JSON_BYTES },
  });
  const landing = createLanding({ ...shared, judge: { isTerminal, fingerprintOf } });
  const { services, pollsPerDay } = ersConfig;
  const intake = createIntake({
    ...shared,
    ers,
    budget,
    landing,
    services,
    pollsPerDay,
    ...(pollIntervalMs === undefined ? {} : { pollIntervalMs }),
  });
  const dispatch = createDispatch({
    ...shared,
    ers,
    landing,
    services,
    policy: {
      ...DEFAULT_DELIVERY_POLICY,
      delayMs: server.decisionDelaySeconds * 1000,
      authorisationTimeoutMs: server.authorisationTimeoutHours * 3_600_000,
      conflictResend: server.conflictResend,
      ...tempo?.policy,
    },
    maxCommentLength: server.maxCommentLength,
    scanEveryMs: tempo?.scanEveryMs ?? 2_000,
    sweepEveryMs: tempo?.sweepEveryMs ?? 60_000,
    parallel: 16,
    ...(standingSession === undefined ? {} : { standingSession }),
  });
  const sentinel = createSentinel({
    ...shared,
    services: services.map((service) => ({
      id: service.id,
      lists: longestGaps(service, { pollsPerDay, pollIntervalMs: pollIntervalMs ?? 0 }),
    })),
    decisionDelayMs: server.decisionDelaySeconds * 1000,
    everyMs: tempo?.accountEveryMs ?? 60_000,
  });
  return {
    fetch: (ubrn) => intake.fetch(ubrn),
    refresh: (serviceRequestId) => intake.refresh(serviceRequestId),
    poll: (service, list) => intake.poll(service, list),
    send: (taskId, session, decisionId) => dispatch.send(taskId, session, decisionId),
    signAndSend: (session, wish) => dispatch.signAndSend(session, wish),
    waiting: (session) => dispatch.waiting(session),
    openSession: (idToken) => dispatch.openSession(idToken),
    reopen: (taskId) => dispatch.reopen(taskId),
    isAtHand: async () => !isRetired && mayWork(),
    wake: (taskId) => dispatch.wake(taskId),
    async reconcile() {
      const account = await sentinel.reconcile();
      return account === undefined ? { ok: false, code: 'store-unavailable' } : { ok: true, value: account };
    },
    readiness() {
      const readiness = intake.readiness();
      const account = sentinel.inBrief();
      const isBalanced = account?.balances ?? true;
      return {
        ...readiness,
        engine: 'active',
        rooms: { ...readiness.rooms, dispatch: 'ok', sentinel: isBalanced ? 'ok' : 'degraded' },
        ...(account === undefined ? {} : { account }),
      };
    },
    start() {
      intake.start();
      dispatch.start();
      sentinel.start();
    },
    async settled() {
      await intake.runOnce();
      await dispatch.settled();
    },
    async stop() {
      await Promise.all([intake.stop(), dispatch.stop(), sentinel.stop()]);
      isRetired = true;
    },
  };
}
