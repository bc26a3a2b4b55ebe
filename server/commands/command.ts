/** What an operator's call of a command brings. */
export interface Call {
  /** The words after the command's name. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Of the software. */
  readonly version: string;
  /** One line or more on standard output. */
  say(text: string): void;
  /** The same on standard error. */
  complain(text: string): void;
}

/** One command of the operator's door, `npm run ers -- NAME`. */
export interface Command {
  readonly name: string;
  /** The words that it takes, as help shows them. */
  readonly takes: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** Its options and whatever else an operator must know; without its exit codes. */
  readonly help: string;
  /** What its exit codes mean. A wrong use ends with 2 in all of them. */
  readonly exitCodes: Readonly<Record<number, string>>;
  /** Resolves with the exit code; a process that goes on with something ends when that ends. */
  run(call: Call): Promise<number>;
}

/** The command was called in a way that it does not have; main shows its help beside this and exits with 2. */
export class WrongUse extends Error {}

/** All that `COMMAND --help` says. */
export function helpOf({ name, takes, summary, help, exitCodes }: Command): string {
  const codes = Object.entries({ ...exitCodes, 2: 'called wrongly' }).map(([code, meaning]) => `  ${code}  ${meaning}`);
  const usage = `Usage: npm run ers -- ${name}${takes === '' ? '' : ` ${takes}`}`;
  return [usage, `${summary}.`, ...(help === '' ? [] : [help]), `Exit codes\n${codes.join('\n')}`].join('\n\n');
}
