import { prove } from './prove.ts';

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
process.exitCode = await prove({
  seeds: Number(argument('seeds') ?? 100),
  first: Number(argument('seed') ?? 1),
  isTraced: process.argv.includes('--trace'),
  mostFailures: process.argv.includes('--until-failure') ? 1 : 10,
  isShrunk: !process.argv.includes('--no-shrink'),
  say: (line) => process.stdout.write(`${line}\n`),
});
