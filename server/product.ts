import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { searchParameters } from '../conformance/index.ts';
import { createBudget } from './budget/index.ts';
import type { ErsConfig, ServerConfig } from './config.ts';
import {
  alertBoard,
  type Clock,
  type Engine,
  idSpace,
  type Log,
  type Store,
  type StoreFailure,
  Turns,
  type UserSession,
} from './core/index.ts';
import { DEFAULT_DELIVERY_POLICY, fingerprintOf, isTerminal } from './decisions/index.ts';
import { createDispatch } from './dispatch/index.ts';
import { createErsClient } from './ers/index.ts';
import { createFacade } from './facade/index.ts';
import { createIntake } from './intake/index.ts';
import { createLanding } from './landing/index.ts';
import { openEmbeddedStore } from './store/index.ts';

export interface ProductOptions {
  readonly server: ServerConfig;
  readonly ers: ErsConfig;
  /** Of the software. */
  readonly version: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Demo and tests: worklists are read this often, where the poll limit is lifted. */
  readonly pollIntervalMs?: number;
  /** Demo only: the pretend clinician who is always signed in. */
  readonly standingSession?: () => Promise<UserSession | undefined>;
}

export interface Product {
  /** Where the facade listens, without `/fhir/R4`. */
  readonly url: string;
  readonly store: Store;
  readonly engine: Engine;
  /** Resolves when every due decision and worklist has been dealt with; for tests. */
  settled(): Promise<void>;
  /** Finishes or parks what is in flight, within seconds. */
  stop(): Promise<void>;
}

export type StartProduct =
  | { readonly ok: true; readonly product: Product }
  | { readonly ok: false; readonly fault: string };

/** HTTP/1.1 says where a file without a length ends; HTTP/2 would leave that open. */
const ONE_PROTOCOL = { allowH2: false, connect: { timeout: 10_000 } };
/** The connections to e-RS. */
export const dispatcherFor = (proxy: string | undefined): Dispatcher =>
  proxy === undefined ? new Agent(ONE_PROTOCOL) : new ProxyAgent({ uri: proxy, ...ONE_PROTOCOL });
/** An answer of e-RS that is read whole: far above any referral, far below what would hurt. */
export const MAX_JSON_BYTES = 5_000_000;

/** Builds the rooms, starts them in order, and answers when the facade listens. */
export async function startProduct(options: ProductOptions): Promise<StartProduct> {
  const { server, ers: ersConfig, log, clock } = options;
  const store = await openEmbeddedStore({ directory: server.dataDirectory, clock, searchParameters }).catch(
    (error: Error) => error.message,
  );
  if (typeof store === 'string') return { ok: false, fault: `DATA_DIR: ${store}` };
  const probed = await store.probe();
  if (!probed.ok) return { ok: false, fault: `The store does not keep its promises: ${whatStoreSaid(probed)}` };

  const random = () => randomBytes(4).readUInt32BE() / 2 ** 32;
  const secret = server.idNamespaceSecret.reveal();
  const shared = {
    store,
    clock,
    log,
    random,
    ids: idSpace(secret),
    alerts: alertBoard(() => clock.now()),
    turns: new Turns(),
  };
  const budget = createBudget({
    ...shared,
    requestsPerSecond: ersConfig.requestsPerSecond,
    pollsPerDay: ersConfig.pollsPerDay,
  });
  const dispatcher = dispatcherFor(ersConfig.proxy);
  const ers = createErsClient({
    ...shared,
    ...ersConfig,
    privateKeyPem: ersConfig.privateKeyPem.reveal(),
    budget,
    dispatcher,
    limits: { maxFileBytes: server.maxFileBytes, maxJsonBytes: MAX_JSON_BYTES },
  });
  const landing = createLanding({ ...shared, judge: { isTerminal, fingerprintOf } });
  const { services, pollsPerDay } = ersConfig;
  const { pollIntervalMs, standingSession } = options;
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
    policy: { ...DEFAULT_DELIVERY_POLICY, delayMs: server.decisionDelaySeconds * 1000 },
    scanEveryMs: 2_000,
    sweepEveryMs: 60_000,
    parallel: 16,
    ...(standingSession === undefined ? {} : { standingSession }),
  });
  let isStopped = false;
  const engine: Engine = {
    fetch: (ubrn) => intake.fetch(ubrn),
    refresh: (serviceRequestId) => intake.refresh(serviceRequestId),
    poll: (service, list) => intake.poll(service, list),
    send: (taskId, session) => dispatch.send(taskId, session),
    wake: (taskId) => dispatch.wake(taskId),
    readiness: () => {
      const readiness = intake.readiness();
      return { ...readiness, rooms: { ...readiness.rooms, dispatch: isStopped ? 'stopped' : 'ok' } };
    },
  };

  const listener = createServer();
  const bound = await listen(listener, server.port, server.host);
  if (bound === undefined) {
    await store.close();
    return { ok: false, fault: `PORT: ${server.host}:${server.port} is taken.` };
  }
  const url = `http://${server.host}:${bound}`;
  const facade = createFacade({
    ...shared,
    engine,
    registry: new Registry(),
    secret,
    publicUrl: server.publicUrl ?? url,
    version: options.version,
    refuseIdentifiersInUrls: server.refuseIdentifiersInUrls,
  });
  listener.on('request', facade);
  intake.start();
  dispatch.start();
  log.info('main.product.started', { address: url });

  return {
    ok: true,
    product: {
      url,
      store,
      engine,
      async settled() {
        await intake.runOnce();
        await dispatch.settled();
      },
      async stop() {
        isStopped = true;
        const closed = new Promise((resolve) => listener.close(resolve));
        listener.closeIdleConnections();
        await Promise.all([intake.stop(), dispatch.stop()]);
        listener.closeAllConnections();
        await closed;
        await dispatcher.close();
        await store.close();
        log.info('main.product.stopped');
      },
    },
  };
}

const whatStoreSaid = (failure: StoreFailure): string => {
  const issue = failure.outcome?.issue?.[0];
  return issue?.details?.text ?? issue?.diagnostics ?? failure.code;
};

/** The port that was bound; undefined when it is taken. */
function listen(server: Server, port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}
