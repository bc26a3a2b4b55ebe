import { createHash, randomBytes } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, isIPv6 } from 'node:net';
import { Registry } from 'prom-client';
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { type ActiveEngine, buildActiveEngine, type Tempo } from './active-engine.ts';
import { chainKey, createAudit } from './audit/index.ts';
import type { ErsConfig, ServerConfig } from './config/index.ts';
import {
  alertBoard,
  type Clock,
  type Engine,
  type Log,
  type Store,
  type StoreFailure,
  Turns,
  type UserSession,
} from './core/index.ts';
import { DECIDED_BY_OTHERS } from './dispatch/index.ts';
import { createFacade, HINT_PATH, refuseUnparsed, SLOW_CLIENTS } from './facade/index.ts';
import { CONNECT_MS, createHandOver, type HandOver } from './hand-over/index.ts';
import { createLease } from './lease/index.ts';
import { openAccess } from './open-access.ts';
import { openStore } from './open-store.ts';
import { createSignIn } from './sign-in/index.ts';

export interface ProductOptions {
  readonly server: ServerConfig;
  readonly ers: ErsConfig;
  /** Of the software. */
  readonly version: string;
  readonly log: Log;
  readonly clock: Clock;
  /** A store that others use too; its owner closes it. Absent: the embedded store in the data directory. */
  readonly store?: Store;
  /** Demo and tests: worklists are read this often, where the poll limit is lifted. */
  readonly pollIntervalMs?: number;
  /** Tests: how often the engine looks by itself. */
  readonly tempo?: Tempo;
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
/** The connections to e-RS, to CIS2 and to the keys of issuers; by the site's proxy, but for the hosts that it names. */
export const dispatcherFor = ({ proxy, noProxy = '' }: Pick<ErsConfig, 'proxy' | 'noProxy'>): Dispatcher =>
  proxy === undefined
    ? new Agent(ONE_PROTOCOL)
    : new EnvHttpProxyAgent({ httpProxy: proxy, httpsProxy: proxy, noProxy, ...ONE_PROTOCOL });

/**
 * Opens the store, lets the facade listen, and contends for the lease; while it is held an engine works behind the facade.
 * Answers when the first look at the lease was taken, and the engine started if it was free.
 */
export async function startProduct(options: ProductOptions): Promise<StartProduct> {
  const { server, ers: ersConfig, log, clock } = options;
  const random = () => randomBytes(4).readUInt32BE() / 2 ** 32;
  const opened = options.store ?? (await openStore(server, clock, random));
  if (typeof opened === 'string') return { ok: false, fault: opened };
  const store: Store = opened;
  const probed = await store.probe();
  if (!probed.ok) {
    if (options.store === undefined) await store.close();
    return { ok: false, fault: `The store does not keep its promises: ${whatStoreSaid(probed)}` };
  }

  const secret = server.idNamespaceSecret.reveal();
  const shared = { store, clock, log, alerts: alertBoard(() => clock.now()) };
  const audit = createAudit({ ...shared, random, key: chainKey(secret) });
  const dispatcher = dispatcherFor(ersConfig);
  // Shared by one engine after another: what the last one still has in hand keeps its referral's turn (D1).
  const turns = new Turns();
  let active: ActiveEngine | undefined;
  let isStopping = false;
  // Whoever opened an embedded store has it alone: the lock on its file ends with the process that held it.
  const isSoleProcess = options.store === undefined && store.capabilities.kind === 'embedded';
  // Replicas meet within the installation: no proxy stands between them.
  const toReplicas = new Agent({ ...ONE_PROTOCOL, connect: { timeout: CONNECT_MS } });
  const handOver = isSoleProcess
    ? undefined
    : createHandOver({
        secret,
        clock,
        log,
        dispatcher: toReplicas,
        instance: () => lease.instance,
        holder: () => lease.otherHolder(),
        own: () => active,
      });
  const engine = engineInCharge(
    () => active,
    handOver?.engine,
    () => !isSoleProcess && !isStopping,
  );

  const { tls } = server;
  const listener =
    tls === undefined
      ? createServer(SLOW_CLIENTS)
      : createTlsServer({ ...SLOW_CLIENTS, cert: tls.cert, key: tls.key.reveal() });
  // Who comes before the facade stands, waits for it; without a listener they would never be answered.
  const facadeReady = Promise.withResolvers<RequestListener>();
  const early: RequestListener = async (req, res) => (await facadeReady.promise)(req, res);
  listener.on('request', early);
  const bound = await listen(listener, server.port, server.host);
  if (bound === undefined) {
    if (options.store === undefined) await store.close();
    return { ok: false, fault: `PORT: ${server.host}:${server.port} is taken.` };
  }
  const url = `http${tls === undefined ? '' : 's'}://${isIPv6(server.host) ? `[${server.host}]` : server.host}:${bound}`;
  const publicUrl = server.publicUrl ?? url;
  const access = server.callers && (await openAccess(server.callers, publicUrl, clock, dispatcher));
  if (typeof access === 'string') {
    listener.close();
    listener.closeAllConnections();
    if (options.store === undefined) await store.close();
    return { ok: false, fault: access };
  }
  const signInPages = ({ issuer, clientId }: { issuer: string; clientId: string }) =>
    createSignIn({
      clock,
      log,
      engine,
      publicUrl,
      cis2: {
        issuer,
        clientId,
        keyId: ersConfig.keyId,
        privateKeyPem: ersConfig.privateKeyPem.reveal(),
        redirectUri: `${publicUrl}/sign-in/callback`,
        clock,
        dispatcher,
      },
    });
  const facade = createFacade({
    ...shared,
    engine,
    audit,
    registry: new Registry(),
    secret,
    publicUrl,
    ...(access === undefined ? {} : { access }),
    ...(ersConfig.cis2 === undefined ? {} : { signIn: signInPages(ersConfig.cis2) }),
    version: options.version,
    refuseIdentifiersInUrls: server.refuseIdentifiersInUrls,
    maxCommentLength: server.maxCommentLength,
    ...(server.userRestricted === 'refuse' ? { refuseUserRestricted: { services: ersConfig.services } } : {}),
    ...(server.hints === undefined ? {} : { hintSecret: server.hints.secret.reveal() }),
    ...(server.metricsSecret === undefined ? {} : { metricsSecret: server.metricsSecret.reveal() }),
    ...(handOver === undefined ? {} : { receiveHandOver: handOver.receive }),
  });
  listener.off('request', early);
  listener.on('request', facade);
  facadeReady.resolve(facade);
  listener.on('clientError', refuseUnparsed);
  const lease = createLease({
    store,
    clock,
    log,
    application: createHash('sha256').update(ersConfig.apiKey).digest('hex').slice(0, 32),
    address: server.replicaUrl ?? url,
    leaseMs: server.leaseSeconds * 1000,
    isSoleProcess,
    async whenHeld() {
      const mayWork = () => lease.isHeld();
      active = buildActiveEngine({ ...options, ...shared, audit, random, turns, dispatcher, mayWork });
      active.start();
      void askForHints(options, store, url);
    },
    async whenLost() {
      const ended = active;
      active = undefined;
      await ended?.stop();
      for (const { code, subject } of shared.alerts.standing()) shared.alerts.clear(code, subject);
    },
  });
  await lease.start();
  log.info('main.product.started', { address: url });

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    isStopping = true;
    const closed = new Promise((resolve) => listener.close(resolve));
    listener.closeIdleConnections();
    await lease.stop();
    listener.closeAllConnections();
    await closed;
    await audit.stop();
    await dispatcher.close();
    await toReplicas.destroy();
    if (options.store === undefined) await store.close();
    log.info('main.product.stopped');
  }

  return {
    ok: true,
    product: {
      url,
      store,
      engine,
      async settled() {
        await active?.settled();
        await audit.settled();
      },
      stop() {
        stopped ??= stop();
        return stopped;
      },
    },
  };
}

/** Has the store's server tell this process, which has the engine now. Without hints the scan finds all the same. */
async function askForHints({ server, log }: ProductOptions, store: Store, boundUrl: string): Promise<void> {
  if (server.hints === undefined || store.sendHints === undefined) return;
  const { secret, url = boundUrl } = server.hints;
  const endpoint = `${url.replace(/\/+$/, '')}${HINT_PATH}`;
  const asked = await store.sendHints({ criteria: DECIDED_BY_OTHERS, endpoint, secret: secret.reveal() });
  if (asked.ok) log.info('main.hints.active');
  else log.warn('main.hints.refused', { code: asked.code });
}

/** The engine of this process while it is active, else that of another; where there is none all is refused, and nothing is stored. */
function engineInCharge(
  active: () => ActiveEngine | undefined,
  elsewhere: HandOver['engine'] | undefined,
  mayStandBy: () => boolean,
): Engine {
  const unavailable = { ok: false, code: 'engine-unavailable' } as const;
  const inCharge = () => active() ?? elsewhere;
  return {
    fetch: async (ubrn) => inCharge()?.fetch(ubrn) ?? unavailable,
    refresh: async (serviceRequestId) => inCharge()?.refresh(serviceRequestId) ?? unavailable,
    send: async (taskId, session, decisionId) => inCharge()?.send(taskId, session, decisionId) ?? unavailable,
    signAndSend: async (session, wish) => inCharge()?.signAndSend(session, wish) ?? unavailable,
    waiting: async (session) => inCharge()?.waiting(session) ?? unavailable,
    openSession: async (idToken) => inCharge()?.openSession(idToken) ?? unavailable,
    reopen: async (taskId) => inCharge()?.reopen(taskId) ?? unavailable,
    poll: async (service, list) => inCharge()?.poll(service, list) ?? unavailable,
    reconcile: async () => inCharge()?.reconcile() ?? unavailable,
    isAtHand: async () => inCharge()?.isAtHand() ?? false,
    // The active engine finds by its scan what a standby's facade has stored.
    wake: (taskId) => active()?.wake(taskId),
    readiness: () =>
      active()?.readiness() ?? {
        ready: mayStandBy(),
        engine: 'standby',
        rooms: { intake: 'stopped', dispatch: 'stopped', sentinel: 'stopped' },
        services: [],
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
