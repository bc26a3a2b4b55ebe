import { generateKeyPair, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { exportJWK, importSPKI } from 'jose';
import { createAudit } from './audit.ts';
import { createCalls } from './calls.ts';
import { createCis2 } from './cis2.ts';
import type { SimulatorClock } from './clock.ts';
import { createRunningClock } from './clock.ts';
import type { ControlDoor, Credentials } from './control.ts';
import { answerControl, servicesOf } from './control.ts';
import { createDice } from './dice.ts';
import { makeEndpoints } from './endpoints/index.ts';
import { createFaults } from './faults.ts';
import { createLimits } from './limits.ts';
import type { LoadReport } from './load.ts';
import { loadFolder } from './load.ts';
import { createObjectStore } from './object-store.ts';
import { makeReferenceData } from './reference-data.ts';
import { fillSampleTrust } from './sample-trust.ts';
import type { CheckExchange, ErsSide } from './serve-ers.ts';
import { serveErs } from './serve-ers.ts';
import { serveSideDoors } from './serve-side-doors.ts';
import { createTokens } from './tokens.ts';
import { readBody, send } from './wire-transport.ts';
import type { OpenQuestions, Service, World } from './world.ts';

export interface SimulatorOptions {
  /** 0: any free one. */
  port?: number | undefined;
  /** Loopback unless told otherwise. */
  host?: string | undefined;
  /** The same seed makes the same world. */
  seed?: number | undefined;
  /** How many referrals the sample trust begins with. */
  referrals?: number | undefined;
  /** A folder of e-RS JSON instead of the sample trust. */
  dataDirectory?: string | undefined;
  clock?: SimulatorClock | undefined;
  /** Absent or 0: unlimited. */
  requestsPerSecond?: number | undefined;
  /** Absent or 0: lifted. Never refused, only counted. */
  pollsPerDay?: number | undefined;
  /** A larger worklist is not delivered: 10 MB, as e-RS has it, unless a test wants to see it sooner. */
  largestWorklistBytes?: number | undefined;
  /** How long a write holds its lock. */
  writeMs?: number | undefined;
  /** Fixes the state after a triage return, whatever `openQuestions` says. */
  returnedState?: OpenQuestions['returnedState'];
  /** How the simulator answers where nobody knows what e-RS does. */
  openQuestions?: OpenQuestions['answers'];
  /** Checks each request and answer against e-RS's schema; the audit counts what fails. */
  checkExchange?: CheckExchange | undefined;
  application?: { apiKey?: string; odsCode?: string; keyId?: string } | undefined;
}

/** A running simulator and all that a client needs to use it. */
export interface Simulator {
  /** The FHIR base: `http://127.0.0.1:9100/FHIR`. */
  baseUrl: string;
  tokenUrl: string;
  controlUrl: string;
  /** The pretend NHS CIS2, and the name by which it knows its relying party. */
  cis2: { issuer: string; clientId: string };
  credentials: Credentials;
  services: Omit<Service, 'odsCode'>[];
  clock: SimulatorClock;
  /** What became of the loaded folder, if one was. */
  loaded?: LoadReport;
  close(): Promise<void>;
}

/** Made once a process: a key of 2048 bits costs a tenth of a second. */
let keyPair: Promise<{ publicKey: string; privateKey: string }> | undefined;
const makeKeyPair = (): Promise<{ publicKey: string; privateKey: string }> =>
  promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

/** Answers one request, however it came. Resolves when all that could be done for it is done; never rejects. */
export type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Starts a pretend e-RS on loopback, with a sample trust or a folder of e-RS files in it. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { handle, openAt } = await makeSimulator(options);
  const server = createServer((request, response) => void handle(request, response));
  server.keepAliveTimeout = 30_000;
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    ...openAt(`http://${host.includes(':') ? `[${host}]` : host}:${port}`),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Makes a pretend e-RS that listens nowhere: whoever holds it hands it requests. For tests that drive thousands of worlds.
 * @param origin what it calls itself in links
 */
export async function makeUnboundSimulator(
  options: SimulatorOptions,
  origin: string,
): Promise<Omit<Simulator, 'close'> & Pick<Made, 'handle' | 'control'>> {
  const { openAt, ...doors } = await makeSimulator(options);
  return { ...openAt(origin), ...doors };
}

interface Made {
  handle: Handle;
  /** The control door without HTTP: `control('GET', 'audit')`. */
  control(method: string, path: string, body?: unknown): { status: number; value: unknown };
  /** Says where it is reached; before that it answers nothing. */
  openAt(origin: string): Omit<Simulator, 'close'>;
}

async function makeSimulator(options: SimulatorOptions): Promise<Made> {
  keyPair ??= makeKeyPair();
  const { publicKey, privateKey } = await keyPair;
  const key = await importSPKI(publicKey, 'RS512', { extractable: true });
  const keyId = options.application?.keyId ?? 'simulator-1';
  const apiKey = options.application?.apiKey ?? randomUUID();
  const world = makeWorld(options, apiKey, keyId);
  let loaded: LoadReport | undefined;
  if (options.dataDirectory === undefined) fillSampleTrust(world, options.referrals ?? 24);
  else loaded = loadFolder(world, options.dataDirectory);

  let origin = '';
  const cis2 = createCis2({ world, clock: world.clock, clientKey: key, issuer: () => `${origin}/cis2` });
  const tokens = createTokens(world.clock, { apiKey, keys: new Map([[keyId, key]]) }, cis2.userOf);
  const limits = createLimits(options.requestsPerSecond);
  const audit = createAudit({
    clock: world.clock,
    limits,
    pollsPerDay: options.pollsPerDay,
    hasSchema: options.checkExchange !== undefined,
  });
  const objectStore = createObjectStore(world.clock);
  const faults = createFaults();
  const calls = createCalls();
  const side: ErsSide = {
    world,
    tokens,
    limits,
    audit,
    faults,
    calls,
    endpoints: makeEndpoints(objectStore),
    writeMs: options.writeMs ?? 1,
    writesUnderWay: new Map(),
    checkExchange: options.checkExchange,
  };
  let door: ControlDoor | undefined;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.canParse(request.url ?? '', origin) ? new URL(request.url ?? '', origin) : undefined;
    if (!url) return send(response, { status: 400, headers: {} });
    if (url.pathname.startsWith('/FHIR/')) return serveErs(side, request, response, url);
    const body = await readBody(request, 1_048_576);
    if (typeof body === 'string') return send(response, { status: 413, headers: {} });
    if (url.pathname.startsWith('/simulator/')) {
      const isLocal = /^(::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '');
      // A stranger's page whose name was made to point here (DNS rebinding) says the stranger's name.
      if (!isLoopbackName(request.headers.host)) return send(response, { status: 421, headers: {} });
      if (!isLocal || !door) return send(response, { status: 403, headers: {} });
      return send(response, answerControl(door, request.method ?? 'GET', url, body));
    }
    if (url.pathname.startsWith('/cis2/')) return send(response, await cis2.answer(request.method ?? 'GET', url, body));
    if (url.pathname === '/_ping' || url.pathname === '/_status')
      return send(response, {
        status: 200,
        headers: { 'Content-Type': 'application/json' },
        body: Buffer.from('{"status":"pass"}'),
      });
    return serveSideDoors({ clock: world.clock, faults, audit, tokens, objectStore }, request, response, url, body);
  }

  const handle: Handle = (request, response) => {
    response.setHeader('Date', world.clock.now().toUTCString());
    return serve(request, response).catch((error: unknown) => {
      // A bug of the simulator must not look like e-RS, nor end the process.
      if (!response.headersSent) response.writeHead(500, { 'X-Simulator-Bug': 'true', 'Content-Type': 'text/plain' });
      response.end(Error.isError(error) ? (error.stack ?? error.message) : 'unknown');
    });
  };
  const jwks = { keys: [{ ...(await exportJWK(key)), kid: keyId, alg: 'RS512', use: 'sig' }] };

  function openAt(where: string): Omit<Simulator, 'close'> {
    origin = where;
    const baseUrl = `${origin}/FHIR`;
    const tokenUrl = `${origin}/oauth2/token`;
    const credentials = {
      apiKey,
      keyId,
      privateKeyPem: privateKey,
      tokenAudience: tokenUrl,
      odsCode: world.application.odsCode,
    };
    door = { world, calls, faults, audit, tokens, credentials: { ...credentials, baseUrl, tokenUrl, jwks } };
    return {
      baseUrl,
      tokenUrl,
      controlUrl: `${origin}/simulator`,
      cis2: { issuer: `${origin}/cis2`, clientId: cis2.clientId },
      credentials,
      services: servicesOf(world),
      clock: world.clock,
      ...(loaded && { loaded }),
    };
  }

  function control(method: string, path: string, body?: unknown): { status: number; value: unknown } {
    if (!door) return { status: 404, value: undefined };
    const sent = Buffer.from(body === undefined ? '' : JSON.stringify(body));
    const answer = answerControl(door, method, new URL(`${origin}/simulator/${path}`), sent);
    const text = Buffer.isBuffer(answer.body) ? answer.body.toString('utf8') : '';
    return { status: answer.status, value: text === '' ? undefined : JSON.parse(text) };
  }

  return { handle, control, openAt };
}

const isLoopbackName = (host: string | undefined): boolean =>
  host === undefined || /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(host);

function makeWorld(options: SimulatorOptions, apiKey: string, keyId: string): World {
  const seed = options.seed ?? 1;
  return {
    clock: options.clock ?? createRunningClock(),
    dice: createDice(seed),
    seed,
    openQuestions: {
      answers: options.openQuestions ?? 'documented',
      ...(options.returnedState && { returnedState: options.returnedState }),
    },
    application: { apiKey, keyId, odsCode: options.application?.odsCode ?? 'ZZ1' },
    services: new Map(),
    referrals: new Map(),
    files: new Map(),
    scans: new Set(),
    uploads: new Set(),
    advice: new Map(),
    codeSystems: makeReferenceData(),
    users: new Map(),
    largestWorklistBytes: options.largestWorklistBytes ?? 10_000_000,
    locks: new Set(),
    nextUbrn: 49_000_000 + seed * 10_000,
    nextAppointment: 700_000,
    nextDocument: 400_000,
  };
}
