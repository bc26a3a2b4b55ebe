import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRunningClock, type Simulator, startSimulator } from '../simulator/index.ts';
import { type Client, makeClientKey } from './access/index.ts';
import type { CallersConfig, ErsConfig } from './config/index.ts';
import { Secret } from './config/index.ts';
import { CLINICIAN, type SiteService, type UserSession } from './core/index.ts';

/** What the demo brings besides the server: an e-RS with people in it, a folder for its data, a clinician. */
export interface Demo {
  readonly simulator: Simulator;
  readonly ers: ErsConfig;
  readonly dataDirectory: string;
  readonly standingSession: () => Promise<UserSession | undefined>;
  readonly callers: CallersConfig;
  /** The demo's own client, as `token --key` takes it. */
  readonly clientFile: string;
  close(): Promise<void>;
}

/** So that a demo shows the same ids each time; an installation has its own (ID_NAMESPACE_SECRET). */
export const DEMO_SECRET = 'the demo has no secrets to keep';
/** The pretend clinician. Synthetic. */
const SDS_USER_ID = '555000000101';
const SESSION_SECONDS = 3_600;
const DEMO_CLIENT = 'demo';

/**
 * Starts the simulator and configures what the product needs to use it: every service that it has, the poll limit lifted.
 * @param dataDirectory a folder of e-RS JSON to serve instead of the sample trust
 * @param storeDirectory where to keep the store; without it a folder of the demo's own that ends with it
 */
export async function startDemo(options: {
  port: number;
  dataDirectory?: string;
  storeDirectory?: string;
  requestsPerSecond: number;
}): Promise<Demo | 'port-taken'> {
  const simulator = await startSimulator({
    port: options.port,
    clock: createRunningClock(),
    requestsPerSecond: options.requestsPerSecond,
    dataDirectory: options.dataDirectory,
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') return undefined;
    throw error;
  });
  if (simulator === undefined) return 'port-taken';
  const own = options.storeDirectory === undefined ? mkdtempSync(join(tmpdir(), 'ers-fhir-demo-')) : undefined;
  const dataDirectory = own ?? options.storeDirectory ?? '';
  return {
    simulator,
    dataDirectory,
    ...(await demoClient(dataDirectory)),
    ers: {
      baseUrl: simulator.baseUrl,
      tokenUrl: simulator.tokenUrl,
      tokenAudience: simulator.credentials.tokenAudience,
      apiKey: simulator.credentials.apiKey,
      keyId: simulator.credentials.keyId,
      privateKeyPem: new Secret(simulator.credentials.privateKeyPem),
      services: simulator.services.map(siteService),
      requestsPerSecond: options.requestsPerSecond,
      pollsPerDay: undefined,
      proxy: undefined,
      cis2: simulator.cis2,
    },
    standingSession: signedIn(simulator),
    async close() {
      await simulator.close();
      if (own !== undefined) rmSync(own, { recursive: true, force: true });
    },
  };
}

/** A client as a site would register it, so that the demo shows the real way in. */
async function demoClient(directory: string): Promise<Pick<Demo, 'callers' | 'clientFile'>> {
  const { own, jwks } = await makeClientKey(DEMO_CLIENT);
  const clientFile = join(directory, 'demo-client.json');
  mkdirSync(directory, { recursive: true });
  writeFileSync(clientFile, JSON.stringify(own), { mode: 0o600 });
  const client: Client = {
    clientId: DEMO_CLIENT,
    jwks: { keys: jwks.keys as NonNullable<Client['jwks']>['keys'] },
    scopes: ['system/*.rs', 'system/Task.u', 'ers/operator'],
    services: 'all',
  };
  const keyFile = join(directory, 'auth-key.json');
  const clients = new Map([[DEMO_CLIENT, client]]);
  return { clientFile, callers: { kind: 'built-in', keyFile, clients, tokenSeconds: SESSION_SECONDS } };
}

function siteService({ id, name, bookableType, lists }: Simulator['services'][number]): SiteService {
  return {
    id,
    name,
    lists,
    unattended: ['accept'],
    ...(bookableType === 'TRIAGE' ? {} : { bookableType }),
  };
}

/** A clinician who signs in again before his session ends. */
function signedIn(simulator: Simulator): () => Promise<UserSession | undefined> {
  let session: UserSession | undefined;
  let endsAt = 0;
  return async () => {
    if (session !== undefined && simulator.clock.now().getTime() < endsAt) return session;
    const organisation = simulator.credentials.odsCode;
    const answer = await fetch(`${simulator.controlUrl}/users`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        sdsUserId: SDS_USER_ID,
        roles: [CLINICIAN],
        organisations: [organisation],
        expiresInSeconds: SESSION_SECONDS,
      }),
    });
    if (!answer.ok) return undefined;
    const { userToken: token } = (await answer.json()) as { userToken: string };
    endsAt = simulator.clock.now().getTime() + (SESSION_SECONDS - 60) * 1000;
    session = { token, organisation, businessFunction: CLINICIAN };
    return session;
  };
}
