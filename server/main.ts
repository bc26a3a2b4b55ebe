import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { accountForLeaves, type SourceKind } from '../mappings/index.ts';
import { readConfig, readServerConfig } from './config.ts';
import { describeError, type Log, systemClock } from './core/index.ts';
import { createLog } from './log.ts';
import { type Product, startProduct } from './product.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const HELP = `Usage: npm run ers -- COMMAND

  serve                  runs the server; configured by the environment (README) and nothing else
  demo [--data DIR]      runs server and simulator on loopback; what npm start does
  fetch UBRN… [--url U]  brings referrals in that are on no list, through a running server (default http://127.0.0.1:8080)
  account FILE…          says of each e-RS JSON file which values are mapped, structural, or kept in ers-unmapped

COMMAND --help says more.
`;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const fail = (lines: readonly string[]): never => {
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exit(1);
};

/** Node 24 runs the sources as they are; an older one that slipped in is named before it fails at something obscure. */
function checkNode(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 24)
    fail([
      `Node ${process.versions.node} runs this, but Node 24 is needed. npm ci brings it: run it again (npm rebuild node, if scripts were off).`,
    ]);
}

/** Stops the product once, however often it is asked; a second signal does not wait. */
function stopOnSignals(log: Log, stop: () => Promise<void>): void {
  let isStopping = false;
  const onSignal = () => {
    if (isStopping) process.exit(1);
    isStopping = true;
    log.info('main.signal.received');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('main.stop.failed', describeError(error));
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

async function serve(): Promise<void> {
  const read = readConfig(process.env);
  if (!read.ok) return fail(['The environment does not suffice:', ...read.faults.map((fault) => `- ${fault}`)]);
  const { config } = read;
  const log = createLog(config.server.logLevel);
  const started = await startProduct({ ...config, version, log, clock: systemClock });
  if (!started.ok) return fail([started.fault]);
  stopOnSignals(log, () => started.product.stop());
}

async function demo(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { data: { type: 'string' } } });
  const { DEMO_SECRET, startDemo } = await import('./demo.ts');
  const environment = { ID_NAMESPACE_SECRET: DEMO_SECRET, ...process.env };
  const read = readServerConfig(environment);
  if (!read.ok) return fail(read.faults);
  const log = createLog(read.config.logLevel);
  const brought = await startDemo({
    port: Number(process.env['SIMULATOR_PORT'] ?? 9100),
    requestsPerSecond: Number(process.env['ERS_REQUESTS_PER_SECOND'] ?? 10),
    ...(values.data === undefined ? {} : { dataDirectory: values.data }),
    ...(process.env['DATA_DIR'] === undefined ? {} : { storeDirectory: process.env['DATA_DIR'] }),
  });
  const { dataDirectory, ers, simulator, standingSession } = brought;
  const started = await startProduct({
    server: { ...read.config, dataDirectory },
    ers,
    version,
    log,
    clock: systemClock,
    pollIntervalMs: 3_000,
    standingSession,
  });
  if (!started.ok) {
    await brought.close();
    return fail([started.fault]);
  }
  const { product } = started;
  stopOnSignals(log, async () => {
    await product.stop();
    await brought.close();
  });
  say(welcome(product, simulator.baseUrl, simulator.controlUrl, dataDirectory));
}

const welcome = ({ url }: Product, ersUrl: string, controlUrl: string, dataDirectory: string): string => `
  facade     ${url}/fhir/R4
  health     ${url}/health/ready     metrics ${url}/metrics
  e-RS       ${ersUrl} (the simulator; its control door is ${controlUrl})
  data       ${dataDirectory}

Referrals are coming in. A first query, as an EPR would make it:

  curl '${url}/fhir/R4/Task?status=requested&_include=Task:focus&_include=Task:patient&_count=1&_pretty=true'

A first decision, with the Task's id and version from the answer:

  curl -X PATCH '${url}/fhir/R4/Task/{id}' -H 'If-Match: W/"{version}"' -H 'Content-Type: application/json-patch+json' \\
    -d '[{"op":"replace","path":"/status","value":"accepted"}]'

What e-RS saw of it:

  curl '${controlUrl}/calls'
`;

/** Asks a running server to land referrals by UBRN; exits non-zero if one could not be had. */
async function fetchReferrals(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { url: { type: 'string', default: 'http://127.0.0.1:8080' } },
  });
  if (positionals.length === 0) fail(['Name one UBRN or more: npm run ers -- fetch 000000070001']);
  let failures = 0;
  for (const [index, ubrn] of positionals.entries()) {
    const answer = await fetch(`${values.url}/fhir/R4/ServiceRequest/$ers-fetch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/fhir+json' },
      body: JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'ubrn', valueString: ubrn }] }),
    }).catch(() => undefined);
    if (answer?.ok) say(`${index + 1}: landed`);
    else {
      failures += 1;
      say(`${index + 1}: ${answer === undefined ? `no server at ${values.url}` : await whyNot(answer)}`);
    }
  }
  process.exitCode = failures === 0 ? 0 : 1;
}

async function whyNot(answer: Response): Promise<string> {
  const outcome = (await answer.json().catch(() => undefined)) as
    | { issue?: { details?: { text?: string } }[] }
    | undefined;
  return outcome?.issue?.[0]?.details?.text ?? `HTTP ${answer.status}`;
}

/** Prints the leaf accounting (G-2) of e-RS files; exits non-zero if a value is unaccounted for. */
function account(files: readonly string[]): void {
  if (files.length === 0) fail(['Name one file of e-RS JSON or more.']);
  for (const file of files) {
    const source: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const { mapped, structural, kept, unaccounted } = accountForLeaves(source, kindOf(source));
    say(
      `${file}: ${mapped.length} mapped, ${structural.length} structural, ${kept.length} kept in ers-unmapped, ${unaccounted.length} unaccounted`,
    );
    for (const path of [...kept, ...unaccounted]) say(`  ${path}`);
    if (unaccounted.length > 0) process.exitCode = 1;
  }
}

/** Which mapping a file of e-RS JSON goes through, by what it says it is. */
function kindOf(source: unknown): SourceKind {
  const { resourceType } = source as { resourceType?: string };
  if (resourceType === 'ReferralRequest') return 'referral';
  if (resourceType === 'Parameters') return 'cancel-answer';
  return JSON.stringify(source).includes('AppointmentSlotIssues-') ? 'APPOINTMENT_SLOT_ISSUES' : 'REFERRALS_FOR_REVIEW';
}

checkNode();
const [command, ...rest] = process.argv.slice(2);
if (command === undefined || rest.includes('--help') || command === '--help') say(HELP);
else if (command === 'serve') await serve();
else if (command === 'demo') await demo(rest);
else if (command === 'fetch') await fetchReferrals(rest);
else if (command === 'account') account(rest);
else fail([`There is no command ${command}.`, HELP]);
