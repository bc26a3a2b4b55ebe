import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { mutated } from './mutated.ts';
import { MUTATIONS } from './mutations.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test.each(MUTATIONS.map((mutation) => [mutation.guard, mutation] as const))(
  'the guard stands where it can be taken out: %s',
  (_guard, mutation) => {
    expect(mutated(ROOT, mutation).length).toBeGreaterThan(0);
  },
);
