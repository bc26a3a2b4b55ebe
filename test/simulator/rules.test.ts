import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

test('every rule of docs/simulator-rules.md names its evidence and a test that exists', () => {
  const sources = ['test/simulator/', 'test/official/', 'test/ers-contract/']
    .flatMap((folder) => readdirSync(new URL(folder, ROOT)).map((file) => `${folder}${file}`))
    .filter((file) => file.endsWith('.test.ts'))
    .map(read)
    .join('\n');
  const rows = read('docs/simulator-rules.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| Rule'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  expect(rows.length).toBeGreaterThan(90);
  // The whole title as it is quoted there: a part of one would name no test.
  const isTitle = (title: string) => ["'", '"', '`'].some((quote) => sources.includes(`${quote}${title}${quote}`));
  const broken = rows.filter(
    ([, rule, evidence, title]) => !rule || !/^[SEPBFI](, [SEPBFI])*$/.test(evidence ?? '') || !isTitle(title ?? '?'),
  );
  expect(broken).toEqual([]);
});

test('the simulator imports nothing of the facade, or it would share its mistakes', () => {
  const files = readdirSync(new URL('simulator/', ROOT), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const imports = files.flatMap((file) =>
    [...read(`simulator/${file}`).matchAll(/(?:from|import)\s*\(?'([^']+)'/g)].map(([, target = '']) => ({
      file,
      target,
    })),
  );
  expect(imports.length).toBeGreaterThan(100);
  const outside = imports.filter(
    ({ file, target }) =>
      target.startsWith('.') &&
      !new URL(target, new URL(`simulator/${file}`, ROOT)).href.startsWith(new URL('simulator/', ROOT).href),
  );
  expect(outside).toEqual([]);
});
