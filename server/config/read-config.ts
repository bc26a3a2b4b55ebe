import { type ErsConfig, ersConfig } from './ers.ts';
import { type Environment, type ReadConfig, readValues } from './read-values.ts';
import { type ServerConfig, serverConfig } from './server.ts';

export interface Config {
  readonly server: ServerConfig;
  readonly ers: ErsConfig;
}

/** What the demo needs, which brings its own e-RS. */
export interface DemoConfig {
  readonly server: ServerConfig;
  readonly simulatorPort: number;
  readonly requestsPerSecond: number;
  /** Undefined: the demo keeps nothing. */
  readonly dataDirectory: string | undefined;
}

/** Reads what the demo takes from the environment; answers every fault at once. */
export function readDemoConfig(environment: Environment): ReadConfig<DemoConfig> {
  const faults: string[] = [];
  const server = serverConfig(environment, faults);
  const values = readValues(environment, ['SIMULATOR_PORT', 'ERS_REQUESTS_PER_SECOND'] as const, faults);
  if (faults.length > 0) return { ok: false, faults };
  const config: DemoConfig = Object.freeze({
    server,
    simulatorPort: values.SIMULATOR_PORT,
    requestsPerSecond: values.ERS_REQUESTS_PER_SECOND,
    dataDirectory: environment['DATA_DIR'] || undefined,
  });
  return { ok: true, config };
}

/** Reads the whole environment of `serve`; answers every fault at once. Reads the files that it names. */
export function readConfig(environment: Environment): ReadConfig<Config> {
  const faults: string[] = [];
  const server = serverConfig(environment, faults);
  const ers = ersConfig(environment, faults);
  return faults.length > 0 ? { ok: false, faults } : { ok: true, config: Object.freeze({ server, ers }) };
}
