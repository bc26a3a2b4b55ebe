import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
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

test('each guard has a row in docs/proof.md, and each row a guard', () => {
  const [, table = ''] = readFileSync(join(ROOT, 'docs/proof.md'), 'utf8').split('\n| Guard taken out |');
  const rows = (table.split('\n\n')[0] ?? '').split('\n').slice(2);
  const inTable = rows.map((row) =>
    row
      .split(/(?<!\\) \| /)[0]
      ?.slice('| '.length)
      .replaceAll('\\|', '|'),
  );
  expect(inTable.toSorted()).toEqual(MUTATIONS.map(({ guard }) => guard).toSorted());
});
