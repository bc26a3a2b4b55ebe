import { readFileSync } from 'node:fs';
import { idSpace, type Mapped } from '../../mappings/index.ts';

/** The id space under which the pairs in test/fixtures were made. */
export const ids = idSpace('a fixture secret');

const read = (folder: string, name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/${folder}/${name}.json`, import.meta.url), 'utf8'));

/** A document as e-RS sends it; a fresh copy, which a test may change. */
// biome-ignore lint/suspicious/noExplicitAny: a source document is altered at will
export const ersFixture = (name: string): any => read('ers', name);

/** What it becomes. */
export const r4Fixture = (name: string): unknown => read('r4', name);

/** The value of a mapping that must succeed. */
export function mustMap<T>(mapped: Mapped<T>): T {
  if (!mapped.ok) throw new Error(`not mapped: ${JSON.stringify(mapped.issues)}`);
  return mapped.value;
}

/** What JSON keeps of a value, for comparing with a fixture. */
export const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
