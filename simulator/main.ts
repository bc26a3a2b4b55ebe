import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startSimulator } from './index.ts';

const USAGE = `npm run simulator -- [options]
  --port N                 9100 unless told; 0 takes any free one
  --host ADDRESS           127.0.0.1 unless told; the control door answers on loopback only
  --seed N                 which sample trust; the same seed makes the same one
  --referrals N            how many referrals it begins with
  --data DIR               a folder of e-RS JSON instead of the sample trust
  --key-file FILE          writes the client's private key there (PEM)
  --requests-per-second N  10 unless told; 0 lifts the limit
  --polls-per-day N        2 unless told; 0 lifts the limit; over-polling is reported, not refused
  --open-questions HOW     documented (default), or by-seed: each way that e-RS might behave
`;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9100' },
    host: { type: 'string', default: '127.0.0.1' },
    seed: { type: 'string', default: '1' },
    referrals: { type: 'string', default: '24' },
    data: { type: 'string' },
    'key-file': { type: 'string' },
    'requests-per-second': { type: 'string', default: '10' },
    'polls-per-day': { type: 'string', default: '2' },
    'open-questions': { type: 'string', default: 'documented' },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const wholeNumber = (name: string, text: string): number => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  process.stderr.write(`--${name} must be a whole number\n${USAGE}`);
  process.exit(2);
};

if (values.help) {
  say(USAGE);
  process.exit(0);
}
const simulator = await startSimulator({
  port: wholeNumber('port', values.port),
  host: values.host,
  seed: wholeNumber('seed', values.seed),
  referrals: wholeNumber('referrals', values.referrals),
  dataDirectory: values.data,
  requestsPerSecond: wholeNumber('requests-per-second', values['requests-per-second']),
  pollsPerDay: wholeNumber('polls-per-day', values['polls-per-day']),
  openQuestions: values['open-questions'] === 'by-seed' ? 'by-seed' : 'documented',
});
const keyFile = values['key-file'];
if (keyFile !== undefined) writeFileSync(keyFile, simulator.credentials.privateKeyPem, { mode: 0o600 });
say(`e-RS simulator    ${simulator.baseUrl}`);
say(`token endpoint    ${simulator.tokenUrl}`);
say(`control door      ${simulator.controlUrl}  (credentials: ${simulator.controlUrl}/credentials)`);
say(
  `application       ${simulator.credentials.apiKey}, key ${simulator.credentials.keyId}${keyFile ? ` in ${keyFile}` : ''}`,
);
for (const { id, name, bookableType, lists } of simulator.services)
  say(`service           ${id}  ${name}  ${bookableType}  ${lists.join(', ')}`);
if (simulator.loaded) {
  const { referrals, ignored } = simulator.loaded;
  say(`loaded            ${referrals.length} referrals; the rule that appointments lie ahead is waived for them`);
  for (const { file, why } of ignored) say(`ignored           ${file}: ${why}`);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void simulator.close().then(() => process.exit(0)));
