import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bundle, ServiceRequest, Task } from '@medplum/fhirtypes';
import { SYSTEM } from '../../mappings/index.ts';
import { type RemoteStoreConfig, Secret, type ServerConfig } from '../../server/config/index.ts';
import { type Log, type LogFields, type SiteService, type Store, systemClock } from '../../server/core/index.ts';
import { type Product, startProduct } from '../../server/product.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulator/index.ts';
import { hear } from '../safety/canary.ts';
import { signIn } from '../sign-in.ts';

/** A line that the product logged. */
export interface LogLine extends LogFields {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
}

/** One e-RS request as the simulator's control door shows it. */
export interface Call {
  readonly seq: number;
  readonly at: string;
  readonly endpoint: string;
  readonly status: number;
  readonly ubrn?: string;
  readonly ifMatch?: string;
  readonly mode?: string;
  readonly requestBody?: unknown;
}

/** A whole product with its simulator, over sockets, without limits on pace or polls. */
export interface World extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly product: Product;
  readonly fhir: string;
  readonly log: readonly LogLine[];
  /** Where its embedded store is. */
  readonly directory: string;
  /** Every worklist read and reconciled, every due decision dealt with. */
  settled(): Promise<void>;
  /** The simulator's control door. */
  control<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  calls(endpoint?: string): Promise<readonly Call[]>;
  get(path: string): Promise<Response>;
  /** The review Task of a referral, the latest episode. */
  taskOf(ubrn: string): Promise<Task & { id: string }>;
  referralOf(ubrn: string): Promise<ServiceRequest>;
  /** PATCHes a Task with If-Match of the version given. */
  patch(task: Task, operations: readonly unknown[], headers?: Record<string, string>): Promise<Response>;
  /** Starts another product over the same simulator, and over a store that it shares with the first. */
  startAnother(store: Store): Promise<Product>;
  /** Stops the product and starts it again over the same store, so much later by the clocks of e-RS and the product. */
  restart(afterMs?: number): Promise<void>;
}

export interface WorldOptions extends SimulatorOptions {
  /** Whether a clinician is always signed in, as in the demo. Default true. */
  readonly isSignedIn?: boolean;
  readonly unattended?: SiteService['unattended'];
  readonly pollIntervalMs?: number;
  /** Polls that e-RS permits a service in a day. Default: lifted. */
  readonly pollsPerDay?: number;
  /** A store that other products share; the test closes it. */
  readonly store?: Store;
  readonly leaseSeconds?: number;
  /** The FHIR server to keep resources in. Default: an embedded store of the world's own. */
  readonly remoteStore?: RemoteStoreConfig;
  /** What the store's server shows with a hint. Default: it is not asked for hints. */
  readonly hintSecret?: string;
  /** How often the engine looks by itself at what clients wrote. Default: as in production. */
  readonly scanEveryMs?: number;
  /** What the site decides about decisions. Default: as the README says. */
  readonly site?: Partial<ServerConfig>;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const { isSignedIn = true, unattended = [], pollIntervalMs = 3_600_000, pollsPerDay, ...more } = options;
  const { store: shared, leaseSeconds = 30, remoteStore, hintSecret, scanEveryMs, site, ...simulated } = more;
  const simulator = await startSimulator({
    port: 0,
    ...simulated,
    ...(pollsPerDay === undefined ? {} : { pollsPerDay }),
  });
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-world-'));
  const log: LogLine[] = [];
  const session = isSignedIn ? await signIn(simulator) : undefined;

  async function start(store = shared): Promise<Product> {
    const started = await startProduct({
      server: {
        port: 0,
        host: '127.0.0.1',
        publicUrl: undefined,
        dataDirectory: directory,
        ...(remoteStore === undefined ? {} : { remoteStore }),
        ...(hintSecret === undefined ? {} : { hints: { secret: new Secret(hintSecret), url: undefined } }),
        idNamespaceSecret: new Secret('a secret of this test world'),
        refuseIdentifiersInUrls: false,
        decisionDelaySeconds: 0,
        userRestricted: 'wait',
        authorisationTimeoutHours: 24,
        conflictResend: 'when-unchanged',
        maxCommentLength: 2_000,
        leaseSeconds,
        maxFileBytes: 50_000_000,
        logLevel: 'info',
        ...site,
      },
      ers: {
        ...simulator.credentials,
        baseUrl: simulator.baseUrl,
        tokenUrl: simulator.tokenUrl,
        privateKeyPem: new Secret(simulator.credentials.privateKeyPem),
        services: simulator.services.map(({ id, name, bookableType, lists }) => ({
          id,
          name,
          lists,
          unattended,
          ...(bookableType === 'TRIAGE' ? {} : { bookableType }),
        })),
        requestsPerSecond: undefined,
        pollsPerDay,
        proxy: undefined,
        cis2: simulator.cis2,
      },
      version: '0.0.0-test',
      log: recorder(log),
      clock: { ...systemClock, now: () => simulator.clock.now() },
      pollIntervalMs,
      ...(store === undefined ? {} : { store }),
      ...(scanEveryMs === undefined ? {} : { tempo: { scanEveryMs, sweepEveryMs: scanEveryMs } }),
      ...(session === undefined ? {} : { standingSession: async () => session }),
    });
    if (!started.ok) throw new Error(started.fault);
    return started.product;
  }

  let product = await start();
  const others: Product[] = [];
  const world: World = {
    simulator,
    log,
    directory,
    get product() {
      return product;
    },
    get fhir() {
      return `${product.url}/fhir/R4`;
    },
    settled: () => product.settled(),
    async control<T>(method: string, path: string, body?: unknown): Promise<T> {
      const answer = await fetch(`${simulator.controlUrl}/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`control door ${method} ${path}: ${answer.status} ${text}`);
      return (text === '' ? undefined : JSON.parse(text)) as T;
    },
    async calls(endpoint) {
      const answer = await world.control<{ calls: Call[] } | Call[]>('GET', 'calls?bodies=true');
      const calls = Array.isArray(answer) ? answer : answer.calls;
      return endpoint === undefined ? calls : calls.filter((call) => call.endpoint === endpoint);
    },
    get: (path) => fetch(`${world.fhir}/${path}`),
    async taskOf(ubrn) {
      const bundle = (await (
        await world.get(`Task?focus:ServiceRequest.identifier=${SYSTEM.ubrn}|${ubrn}&_sort=-authored-on`)
      ).json()) as Bundle<Task>;
      const tasks = (bundle.entry ?? []).flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
      const latest = tasks.toSorted((a, b) => episode(b) - episode(a))[0];
      if (latest?.id === undefined) throw new Error('the referral has no Task');
      return latest as Task & { id: string };
    },
    async referralOf(ubrn) {
      const bundle = (await (
        await world.get(`ServiceRequest?identifier=${SYSTEM.ubrn}|${ubrn}`)
      ).json()) as Bundle<ServiceRequest>;
      const referral = bundle.entry?.[0]?.resource;
      if (referral === undefined) throw new Error('the referral is not in the store');
      return referral;
    },
    patch: (task, operations, headers = {}) =>
      fetch(`${world.fhir}/Task/${task.id}`, {
        method: 'PATCH',
        headers: {
          'Content-Type': 'application/json-patch+json',
          'If-Match': `W/"${task.meta?.versionId}"`,
          ...headers,
        },
        body: JSON.stringify(operations),
      }),
    async startAnother(store) {
      const another = await start(store);
      others.push(another);
      return another;
    },
    async restart(afterMs = 0) {
      await product.stop();
      simulator.clock.advance(afterMs);
      product = await start();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([product, ...others].map((one) => one.stop()));
      await simulator.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return world;
}

const episode = (task: Task): number =>
  Number(
    task.identifier
      ?.find(({ system }) => system === SYSTEM.reviewTask)
      ?.value?.split('.')
      .at(-1) ?? 0,
  );

function recorder(lines: LogLine[]): Log {
  const at =
    (level: LogLine['level']) =>
    (event: string, fields: LogFields = {}) => {
      lines.push({ level, event, ...fields });
      hear({ event, ...fields });
    };
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
