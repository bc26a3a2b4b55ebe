import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { searchParameters } from '../conformance/index.ts';
import { type Store, systemClock } from '../server/core/index.ts';
import { connectHapiStore, connectMedplumStore, openEmbeddedStore } from '../server/store/index.ts';
import { residentBytes, startHapi } from '../test/hapi/server.ts';

/** A store to be measured. */
export interface Place extends AsyncDisposable {
  /** What `serve` is told of it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Its FHIR base, where it has one: asked without us. */
  readonly direct?: string;
  readonly headers: Readonly<Record<string, string>>;
  connect(): Promise<Store>;
  /** Of the store's own processes on this machine, in MB; undefined: it is not here. */
  memoryMb(): Promise<number | undefined>;
}

export interface Contender {
  readonly name: string;
  /** An empty store; Medplum's is what it is. */
  open(): Promise<Place>;
}

const common = { clock: systemClock, random: Math.random };

const embedded: Contender = {
  name: 'embedded',
  async open() {
    const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-bench-stores-'));
    return {
      environment: { DATA_DIR: directory },
      headers: {},
      connect: () => openEmbeddedStore({ directory, clock: systemClock, searchParameters }),
      // It lives in the server's process.
      memoryMb: async () => 0,
      async [Symbol.asyncDispose]() {
        rmSync(directory, { recursive: true, force: true });
      },
    };
  },
};

const hapi = (name: string): Contender => ({
  name,
  async open() {
    // As in production: the Java machine compiles what is called often.
    const server = await startHapi([]);
    return {
      environment: { STORE: 'hapi', STORE_URL: server.url },
      direct: server.url,
      headers: {},
      connect: () => probed(connectHapiStore({ ...common, baseUrl: server.url, searchParameters })),
      memoryMb: async () => (await server.memoryBytes()) / 1e6,
      [Symbol.asyncDispose]: () => server.stop(),
    };
  },
});

/** @param pids of its processes on this machine: it was not started here, so nobody else knows them */
function medplum(url: string, id: string, secret: string, pids: readonly number[]): Contender {
  return {
    name: 'Medplum',
    async open() {
      return {
        environment: { STORE: 'medplum', STORE_URL: url, STORE_CLIENT_ID: id, STORE_CLIENT_SECRET: secret },
        direct: url,
        headers: { Authorization: `Bearer ${await tokenOf(url, id, secret)}` },
        connect: () => probed(connectMedplumStore({ ...common, baseUrl: url, credentials: { id, secret } })),
        memoryMb: async () => (pids.length === 0 ? undefined : residentBytes(pids) / 1e6),
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}

/** Of Medplum, good for an hour. */
async function tokenOf(url: string, id: string, secret: string): Promise<string> {
  const wish = { grant_type: 'client_credentials', client_id: id, client_secret: secret };
  const answer = await fetch(new URL('/oauth2/token', url), { method: 'POST', body: new URLSearchParams(wish) });
  if (!answer.ok) throw new Error(`Medplum gave no token: ${answer.status}`);
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function probed(connected: Promise<Store>): Promise<Store> {
  const store = await connected;
  const answer = await store.probe();
  if (!answer.ok) throw new Error(answer.outcome?.issue?.[0]?.details?.text ?? answer.code);
  return store;
}

/** Embedded and HAPI; Medplum, where STORE_URL, STORE_CLIENT_ID and STORE_CLIENT_SECRET name one, and STORE_PIDS its processes. */
export function contenders(environment: Readonly<Record<string, string | undefined>>): readonly Contender[] {
  const { STORE_URL: url, STORE_CLIENT_ID: id, STORE_CLIENT_SECRET: secret, HAPI_POSTGRES: postgres } = environment;
  const pids = (environment['STORE_PIDS'] ?? '').split(/\s+/).filter(Boolean).map(Number);
  const named = url && id && secret ? [medplum(url, id, secret, pids)] : [];
  return [embedded, hapi(postgres === undefined ? 'HAPI (H2)' : 'HAPI (PostgreSQL)'), ...named];
}
