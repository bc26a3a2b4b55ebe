import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { MUTATIONS } from './mutations.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test.each(MUTATIONS.map((mutation) => [mutation.guard, mutation.edits] as const))(
  'the guard stands where it can be taken out: %s',
  (_guard, edits) => {
    const changed = new Map<string, string>();
    for (const { file, from, to } of edits) {
      const source = changed.get(file) ?? readFileSync(resolve(ROOT, file), 'utf8');
      expect({ file, from, times: source.split(from).length - 1 }).toEqual({ file, from, times: 1 });
      changed.set(
        file,
        source.replace(from, () => to),
      );
    }
  },
);
