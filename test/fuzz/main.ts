import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    parallel: { type: 'string', default: '16' },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const seed = Number(values.seed);
const requests = Number(values.requests);
let crashes = 0;
process.on('uncaughtException', (error) => {
  crashes += 1;
  say(`crash: ${error.stack}`);
});
process.on('unhandledRejection', (error) => {
  crashes += 1;
  say(`crash: ${Error.isError(error) ? error.stack : String(error)}`);
});
say(`seed ${seed}, ${requests} requests`);
const only = values.only === undefined ? undefined : Number(values.only);
const { statuses, failures, perSecond, peakMb } = await fuzz({
  requests,
  seed,
  only,
  parallel: Number(values.parallel),
  say,
});
for (const [status, count] of [...statuses].sort(([a], [b]) => a - b))
  say(`  ${status === 0 ? 'cut off' : status}: ${count}`);
const worst = [...statuses].filter(([status]) => status >= 500).reduce((sum, [, count]) => sum + count, 0);
say(
  `${crashes} crashes, ${worst} × 5xx, ${failures.length} failures; ${Math.round(perSecond)} requests/s; at most ${Math.round(peakMb)} MB resident`,
);
process.exitCode = crashes + failures.length > 0 ? 1 : 0;
