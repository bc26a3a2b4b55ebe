import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerSays } from './report.ts';

const HERE = import.meta.dirname;
const TARGET = join(HERE, 'target');

/** A HAPI FHIR JPA R4 server of our own, with an empty database of its own. */
export interface HapiServer {
  /** Its FHIR base. */
  readonly url: string;
  /** Bytes in memory, its database's included where that is a server on this machine. */
  memoryBytes(): Promise<number>;
  /** Ends the process, as a reboot would, and starts it again over the same database, at the same address. */
  restart(): Promise<void>;
  /** Ends it and drops the database. */
  stop(): Promise<void>;
}

/** Ready soon, not fast for long: right for a test. */
const FOR_TESTS = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/**
 * Starts HAPI on a free port: over a file of H2, or over PostgreSQL where HAPI_POSTGRES names one.
 * @param machine options of the Java machine, beside a heap of 1 GB
 */
export async function startHapi(machine: readonly string[] = FOR_TESTS): Promise<HapiServer> {
  const port = await freePort();
  const database = process.env['HAPI_POSTGRES'] === undefined ? fileDatabase() : await postgresDatabase();
  let running = await launch(port, [...machine, ...database.settings]);
  const url = `http://127.0.0.1:${port}/fhir`;
  await noteWhatItSays(url, database);
  return {
    url,
    memoryBytes: async () => residentBytes([running.pid ?? 0, ...(await database.processes())]),
    async restart() {
      await end(running);
      running = await launch(port, [...machine, ...database.settings]);
    },
    async stop() {
      await end(running);
      await database.drop();
    },
  };
}

interface Database {
  /** Java properties. */
  readonly settings: readonly string[];
  /** Name and version. */
  says(): Promise<string>;
  /** Those of a server of its own, on this machine. */
  processes(): Promise<readonly number[]>;
  drop(): Promise<void>;
}

/** What these processes of this machine hold in memory; what several share is counted once. */
export const residentBytes = (pids: readonly number[]): number =>
  pids
    .map((pid) => {
      try {
        return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024;
      } catch {
        return 0;
      }
    })
    .reduce((sum, bytes) => sum + bytes, 0);

/** For the report of a run, once: what was run, in its own words. */
async function noteWhatItSays(url: string, database: Database): Promise<void> {
  const file = process.env['HAPI_SAYS'];
  if (file === undefined || existsSync(file)) return;
  const statement = (await (await fetch(`${url}/metadata`)).json()) as { software: { name: string; version: string } };
  const { name, version } = statement.software;
  const says: ServerSays = { software: `${name} ${version}`, database: await database.says() };
  writeFileSync(file, JSON.stringify(says));
}

function fileDatabase(): Database {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-hapi-'));
  return {
    settings: [`-Ddb=jdbc:h2:file:${join(directory, 'fhir')}`],
    says: async () =>
      `H2 ${await java(['-Ddb=jdbc:h2:mem:version'], 'testhapi.Sql', ['SELECT H2VERSION()'])}, in a file`,
    processes: async () => [],
    drop: async () => rmSync(directory, { recursive: true, force: true }),
  };
}

async function postgresDatabase(): Promise<Database> {
  const { hostname, port, username, password } = new URL(process.env['HAPI_POSTGRES'] ?? '');
  const name = `ers_fhir_${randomUUID().replaceAll('-', '').slice(0, 12)}`;
  const host = `${hostname}:${port || '5432'}`;
  const user = [`-Ddb.user=${username || 'postgres'}`, ...(password === '' ? [] : [`-Ddb.password=${password}`])];
  const run = (statement: string) =>
    java(['-Xmx64m', `-Ddb=jdbc:postgresql://${host}/postgres`, ...user], 'testhapi.Sql', [statement]);
  await run(`CREATE DATABASE ${name}`);
  return {
    settings: [`-Ddb=jdbc:postgresql://${host}/${name}`, ...user],
    says: async () => `PostgreSQL ${await run('SHOW server_version')}`,
    async processes() {
      const pids = await run("SELECT string_agg(pid::text, ' ') FROM pg_stat_activity");
      return pids.split(' ').map(Number);
    },
    async drop() {
      await run(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

const spawnJava = (settings: readonly string[], main: string, args: readonly string[] = []): ChildProcess => {
  const classpath = `${join(TARGET, 'classes')}:${readFileSync(join(TARGET, 'classpath.txt'), 'utf8')}`;
  return spawn('java', [...settings, '-cp', classpath, main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
};

/** Answers what it printed. */
async function java(settings: readonly string[], main: string, args: readonly string[]): Promise<string> {
  const child = spawnJava(settings, main, args);
  const said = collect(child);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`${main}: ${said()}`);
  return said().trim();
}

/** Resolves when the server says that it is ready. */
async function launch(port: number, settings: readonly string[]): Promise<ChildProcess> {
  const child = spawnJava(['-Xmx1g', `-Dport=${port}`, ...settings], 'testhapi.TestHapi');
  const said = collect(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', () => {
      if (/^READY /m.test(said())) resolve();
    });
    child.once('exit', () => reject(new Error(`HAPI did not start: ${said().slice(-4000)}`)));
  });
  return child;
}

function collect(child: ChildProcess): () => string {
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      chunks.push(chunk.toString());
    });
  return () => chunks.join('');
}

async function end(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve);
  });
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  return port;
}
