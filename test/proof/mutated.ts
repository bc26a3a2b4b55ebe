import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mutation } from './mutations.ts';

/** The source with the guard taken out. Fails loudly where it is not what it was when the mutation was written. */
export function mutated(root: string, { guard, edits }: Mutation): { path: string; source: string }[] {
  const sources = new Map<string, string>();
  for (const { file, from, to } of edits) {
    const source = sources.get(file) ?? readFileSync(join(root, file), 'utf8');
    if (source.split(from).length !== 2) throw new Error(`"${guard}": its source is not once in ${file}:\n${from}`);
    sources.set(
      file,
      source.replace(from, () => to),
    );
  }
  return [...sources].map(([path, source]) => ({ path, source }));
}
