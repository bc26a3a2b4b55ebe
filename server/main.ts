import { readFileSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import type { Command } from './commands/index.ts';

// Half of a start is reading TypeScript and compiling it: what was compiled once is kept beside the modules, where only who
// installed us writes (the system's temporary directory would let a neighbour leave code there for us to run). Where that
// cannot be written, a start takes half a second longer, no more. Node compares each source with its hash: none is stale.
enableCompileCache(new URL('../node_modules/.cache/ers-fhir', import.meta.url).pathname);
const { COMMANDS, helpOf, WrongUse } = await import('./commands/index.ts');
// Now, not at the end: a process that is killed keeps nothing.
flushCompileCache();

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const complain = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const usageOf = ({ name, takes }: Command) => (takes === '' ? name : `${name} ${takes}`);
const width = Math.max(...COMMANDS.map((command) => usageOf(command).length));
const HELP = `Usage: npm run ers -- COMMAND

${COMMANDS.map((command) => `  ${usageOf(command).padEnd(width)}  ${command.summary}`).join('\n')}

COMMAND --help says more: what it does, its options, its exit codes.`;

/** Node 24 runs the sources as they are; an older one that slipped in is named before it fails at something obscure. */
function checkNode(): void {
  if (Number(process.versions.node.split('.')[0]) >= 24) return;
  complain(
    `Node ${process.versions.node} runs this, but Node 24 is needed. npm ci brings it: run it again (npm rebuild node, if scripts were off).`,
  );
  process.exit(1);
}

/** Whether the words were wrong: by a command's own judgement, or the argument parser's. */
const isWrongUse = (error: unknown): error is Error =>
  error instanceof WrongUse ||
  (Error.isError(error) && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_'));

async function dispatch(name: string | undefined, args: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help') {
    say(HELP);
    return 0;
  }
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) {
    complain(`There is no command ${name}.\n\n${HELP}`);
    return 2;
  }
  if (args.includes('--help')) {
    say(helpOf(command));
    return 0;
  }
  try {
    return await command.run({ args, environment: process.env, version, say, complain });
  } catch (error: unknown) {
    if (!isWrongUse(error)) throw error;
    complain(`${error.message}\n\n${helpOf(command)}`);
    return 2;
  }
}

checkNode();
// What this process writes is patients': no other user of the machine reads it.
process.umask(0o077);
const [name, ...args] = process.argv.slice(2);
process.exitCode = await dispatch(name, args);
