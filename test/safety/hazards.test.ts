import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { type JestReport, readHazards, unproven } from './cited-tests.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const hazards = readHazards(read('docs/safety/hazards.md'));

/** A suite's tests may stand in a file that it imports, as the store contract's do. */
function sourceOf(file: string): string {
  const own = new URL(file, ROOT);
  const source = readFileSync(own, 'utf8');
  const imported = [...source.matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => new URL(path, own));
  const ofTests = imported.filter(({ href }) => href.startsWith(new URL('test/', ROOT).href));
  return [source, ...ofTests.map((url) => readFileSync(url, 'utf8'))].join('\n');
}

const writtenAs = (title: string): string[] => [`'${title}'`, `"${title}"`, `\`${title}\``];

describe('docs/safety/hazards.md', () => {
  test('numbers its hazards one after the other, and each says cause, effect, control, what is left, and proof', () => {
    expect(hazards.length).toBeGreaterThan(15);
    expect(hazards.map(({ id }) => id)).toEqual(hazards.map((_, at) => `H-${String(at + 1).padStart(2, '0')}`));
    const incomplete = hazards.filter(
      ({ text, proofs }) =>
        proofs.length === 0 ||
        ['Cause', 'Effect', 'Control', 'Left', 'Proof'].some((part) => !text.includes(`\n- ${part}:`)),
    );
    expect(incomplete.map(({ id }) => id)).toEqual([]);
  });

  test('names only tests that exist, by their very title', () => {
    const missing = hazards
      .flatMap(({ proofs }) => proofs)
      .filter(({ file, title }) => {
        if (!existsSync(new URL(file, ROOT)) || !file.endsWith('.test.ts')) return true;
        const source = sourceOf(file);
        return !writtenAs(title).some((written) => source.includes(written));
      });
    expect(missing).toEqual([]);
  });

  test('has no proof that is written in a form that would not be read', () => {
    const lines = hazards.flatMap(({ text }) => text.split('\n- Proof:\n')[1]?.split('\n') ?? []);
    const counted = lines.filter((line) => line.trim() !== '').length;
    expect(counted).toBe(hazards.flatMap(({ proofs }) => proofs).length);
  });

  test('names only places in the code that exist', () => {
    const places = hazards.flatMap(({ text }) =>
      [...text.matchAll(/`((?:server|mappings|docs)\/[^`]+)`/g)].map(([, place = '']) => place),
    );
    expect(places.length).toBeGreaterThan(15);
    expect(places.filter((place) => !existsSync(new URL(place, ROOT)))).toEqual([]);
  });
});

describe('a proof that did not run', () => {
  const cited = [{ hazard: 'H-01', file: 'test/a/b.test.ts', title: 'E-6: %s of $name (1.5) holds' }];
  const report = (...results: [title: string, status: string][]): JestReport => ({
    testResults: [
      { name: '/checkout/test/a/b.test.ts', assertionResults: results.map(([title, status]) => ({ title, status })) },
    ],
  });

  test('is told from one that passed in each of its cases', () => {
    const passed = report(['E-6: A of x (1.5) holds', 'passed'], ['E-6: B of y (1.5) holds', 'passed']);
    expect(unproven(cited, [report(), passed])).toEqual([]);
  });

  test.each([
    ['no report names it', report(['E-6: A of x (1x5) holds', 'passed'])],
    ['it was skipped', report(['E-6: A of x (1.5) holds', 'pending'])],
    ['one of its cases failed', report(['E-6: A of x (1.5) holds', 'passed'], ['E-6: B of y (1.5) holds', 'failed'])],
    [
      'only another file has one of that title',
      {
        testResults: [
          { ...report(['E-6: A of x (1.5) holds', 'passed']).testResults[0], name: '/checkout/test/c.test.ts' },
        ],
      },
    ],
  ])('is named when %s', (_why, found) => {
    expect(unproven(cited, [found as JestReport])).toEqual([
      expect.stringMatching(/^H-01: .*not.*test\/a\/b\.test\.ts/),
    ]);
  });
});
