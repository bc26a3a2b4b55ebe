import { availableParallelism } from 'node:os';
import { answerSeeds, shareOut } from './jobs.ts';
import { type Lived, liveSeed, Tally } from './prove.ts';

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const isTraced = process.argv.includes('--trace');
const isShrunk = !process.argv.includes('--no-shrink');
const live = (seed: number): Promise<Lived> => liveSeed(seed, { isTraced, isShrunk });

if (process.argv.includes('--job')) answerSeeds(live);
else {
  const seeds = Number(argument('seeds') ?? 100);
  const first = Number(argument('seed') ?? 1);
  const jobs = Math.min(seeds, Number(argument('jobs') ?? availableParallelism()));
  const mostFailures = process.argv.includes('--until-failure') ? 1 : 10;
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const tally = new Tally({ first, jobs, isTraced, say });
  await shareOut({
    first,
    seeds,
    jobs,
    live,
    mayGoOn: (lived) => tally.add(lived).failed < mostFailures,
    arguments: process.argv.slice(2),
  });
  process.exitCode = tally.close();
}
