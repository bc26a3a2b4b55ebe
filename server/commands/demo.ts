import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readDemoConfig } from '../config/index.ts';
import { systemClock } from '../core/index.ts';
import { createLog } from '../log.ts';
import { type Product, startProduct } from '../product.ts';
import type { Command } from './command.ts';
import { stopOnSignals } from './stop-on-signals.ts';

/** `demo`: the product and the simulator in one process on loopback. */
export const demo: Command = {
  name: 'demo',
  takes: '[--data DIR] [--sign-in]',
  summary: 'Runs server and simulator on loopback; what npm start does',
  help: `  --data DIR  serves a folder of e-RS JSON instead of the sample trust
  --sign-in   leaves no clinician signed in: decisions wait until one signs in at /sign-in, at the simulator's NHS CIS2

The environment may set PORT, SIMULATOR_PORT, ERS_REQUESTS_PER_SECOND, LOG_LEVEL, and DATA_DIR to keep the store; without it the demo
forgets everything when it ends.`,
  exitCodes: { 0: 'stopped by a signal', 1: 'could not start' },
  async run({ args, environment, version, say, complain }) {
    const { values } = parseArgs({
      args: [...args],
      options: { data: { type: 'string' }, 'sign-in': { type: 'boolean', default: false } },
    });
    // The simulator is loaded for the demo only.
    const { DEMO_SECRET, startDemo } = await import('../demo.ts');
    const read = readDemoConfig({
      ...(environment['ID_NAMESPACE_SECRET_FILE'] === undefined ? { ID_NAMESPACE_SECRET: DEMO_SECRET } : {}),
      ...environment,
    });
    const faults = [
      ...(read.ok ? [] : read.faults),
      ...(isReadable(values.data) ? [] : ['--data: the folder cannot be read.']),
    ];
    if (!read.ok || faults.length > 0) {
      complain(faults.map((fault) => `- ${fault}`).join('\n'));
      return 1;
    }
    const { server, simulatorPort, requestsPerSecond, dataDirectory: storeDirectory } = read.config;
    const log = createLog(server.logLevel);
    const brought = await startDemo({
      port: simulatorPort,
      requestsPerSecond,
      ...(values.data === undefined ? {} : { dataDirectory: values.data }),
      ...(storeDirectory === undefined ? {} : { storeDirectory }),
    });
    if (brought === 'port-taken') {
      complain(`SIMULATOR_PORT: 127.0.0.1:${simulatorPort} is taken.`);
      return 1;
    }
    const { callers, clientFile, dataDirectory, ers, simulator, standingSession } = brought;
    const started = await startProduct({
      server: { ...server, callers, dataDirectory },
      ers,
      version,
      log,
      clock: systemClock,
      pollIntervalMs: 3_000,
      ...(values['sign-in'] ? {} : { standingSession }),
    });
    if (!started.ok) {
      await brought.close();
      complain(started.fault);
      return 1;
    }
    const { product } = started;
    stopOnSignals(log, async () => {
      await product.stop();
      await brought.close();
    });
    say(welcome(product, { ersUrl: simulator.baseUrl, controlUrl: simulator.controlUrl, dataDirectory, clientFile }));
    return 0;
  },
};

/** Whether a folder, if one is named, can be listed. */
function isReadable(directory: string | undefined): boolean {
  try {
    if (directory !== undefined) readdirSync(directory);
    return true;
  } catch {
    return false;
  }
}

interface Shown {
  readonly ersUrl: string;
  readonly controlUrl: string;
  readonly dataDirectory: string;
  readonly clientFile: string;
}

const welcome = ({ url }: Product, { ersUrl, controlUrl, dataDirectory, clientFile }: Shown): string => `
  facade     ${url}/fhir/R4
  health     ${url}/health/ready     metrics ${url}/metrics
  sign in    ${url}/sign-in (clinicians; with --sign-in decisions wait for one)
  e-RS       ${ersUrl} (the simulator; its control door is ${controlUrl})
  data       ${dataDirectory}

Referrals are coming in. A token first, as a registered client gets it (good for an hour):

  TOKEN=$(npm run -s ers -- token --key ${clientFile} --url ${url})

A first query, as an EPR would make it:

  curl --oauth2-bearer "$TOKEN" '${url}/fhir/R4/Task?status=requested&_include=Task:focus&_include=Task:patient&_count=1&_pretty=true'

A first decision, with the Task's id and version from the answer:

  curl --oauth2-bearer "$TOKEN" -X PATCH '${url}/fhir/R4/Task/{id}' -H 'If-Match: W/"{version}"' -H 'Content-Type: application/json-patch+json' \\
    -d '[{"op":"replace","path":"/status","value":"accepted"}]'

What e-RS saw of it:

  curl '${controlUrl}/calls'
`;
