import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMMANDS } from '../../server/commands/index.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulator/index.ts';

export const DIRECT = '70101';
export const SLOTLESS = '70104';

/** A simulator over sockets, and the environment that an operator would give the commands to reach it. */
export interface ErsWorld extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly environment: Readonly<Record<string, string>>;
  /** Writes a key file of the world's own. */
  keyFile(pem: string): string;
  /** Runs a command in this process, as main does. */
  run(name: string, args?: readonly string[], more?: Readonly<Record<string, string>>): Promise<Ran>;
  control<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
}

export interface Ran {
  readonly exitCode: number;
  readonly said: string;
  readonly complained: string;
}

export async function startErsWorld(options: SimulatorOptions = {}, services = [DIRECT]): Promise<ErsWorld> {
  const simulator = await startSimulator({ port: 0, referrals: 6, pollsPerDay: 2, ...options });
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-commands-'));
  let keys = 0;
  const world: ErsWorld = {
    simulator,
    keyFile(pem) {
      keys += 1;
      const path = join(directory, `key-${keys}.pem`);
      writeFileSync(path, pem);
      return path;
    },
    get environment() {
      return environment;
    },
    async run(name, args = [], more = {}) {
      const command = COMMANDS.find((one) => one.name === name);
      if (command === undefined) throw new Error(`no command ${name}`);
      const [said, complained]: [string[], string[]] = [[], []];
      const exitCode = await command.run({
        args,
        environment: { ...environment, ...more },
        version: '0.0.0-test',
        say: (text) => said.push(text),
        complain: (text) => complained.push(text),
      });
      return { exitCode, said: said.join('\n'), complained: complained.join('\n') };
    },
    async control<T>(method: string, path: string, body?: unknown): Promise<T> {
      const answer = await fetch(`${simulator.controlUrl}/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`control door ${method} ${path}: ${answer.status} ${text}`);
      return (text === '' ? undefined : JSON.parse(text)) as T;
    },
    async [Symbol.asyncDispose]() {
      await simulator.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  const environment = {
    PORT: '0',
    DATA_DIR: join(directory, 'data'),
    ID_NAMESPACE_SECRET: 'a secret of this test world',
    ERS_BASE_URL: simulator.baseUrl,
    ERS_TOKEN_URL: simulator.tokenUrl,
    ERS_API_KEY: simulator.credentials.apiKey,
    ERS_KEY_ID: simulator.credentials.keyId,
    ERS_PRIVATE_KEY_FILE: world.keyFile(simulator.credentials.privateKeyPem),
    ERS_SERVICES: JSON.stringify(services.map((id) => ({ id, lists: ['REFERRALS_FOR_REVIEW'] }))),
  };
  return world;
}
