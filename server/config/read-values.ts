import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { VARIABLES, type Variable, type VariableName } from './variables.ts';

export type ReadConfig<T> =
  | { readonly ok: true; readonly config: T }
  | { readonly ok: false; readonly faults: readonly string[] };

export type Environment = Readonly<Record<string, string | undefined>>;

/** Secrets that may come as a file instead: `NAME_FILE` names it. What stands in the environment, other processes can read. */
const BY_FILE: ReadonlySet<string> = new Set([
  'ID_NAMESPACE_SECRET',
  'METRICS_SECRET',
  'STORE_CLIENT_SECRET',
  'STORE_HINT_SECRET',
  'ERS_API_KEY',
]);
const UNREADABLE = Symbol('a file that cannot be read');

function textOf(
  environment: Environment,
  name: VariableName,
  faults: string[],
): string | undefined | typeof UNREADABLE {
  const text = environment[name] || undefined;
  const file = BY_FILE.has(name) ? environment[`${name}_FILE`] || undefined : undefined;
  if (file === undefined) return text;
  if (text !== undefined) {
    faults.push(`${name} and ${name}_FILE are both set: set one of them.`);
    return UNREADABLE;
  }
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    faults.push(`${name}_FILE: the file cannot be read.`);
    return UNREADABLE;
  }
}

/** Reads the values of some variables; every fault is collected, none stops the reading. */
export function readValues<N extends VariableName>(environment: Environment, names: readonly N[], faults: string[]) {
  const values: Partial<Record<N, unknown>> = {};
  for (const name of names) {
    const about: Variable = VARIABLES[name];
    const text = textOf(environment, name, faults);
    if (text === UNREADABLE) continue;
    const read = about.schema.safeParse(text ?? about.default);
    if (read.success) values[name] = read.data;
    else if (text === undefined) faults.push(`${name} is missing: ${about.meaning}.`);
    else faults.push(`${name} ${read.error.issues[0]?.message ?? 'is wrong'}: ${about.meaning}.`);
  }
  return values as { [K in N]: z.output<(typeof VARIABLES)[K]['schema']> };
}

/** The text of a file that a variable names; empty: it cannot be read, which is a fault. */
export function readFile(name: VariableName, path: string, faults: string[]): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    faults.push(`${name}: the file cannot be read.`);
    return '';
  }
}
