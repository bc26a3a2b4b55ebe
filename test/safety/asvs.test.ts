import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';

const ROOT = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/asvs.md', ROOT), 'utf8');
/** The requirements of levels 1 and 2 of ASVS 5.0.0, in its order. */
const REQUIREMENTS = JSON.parse(readFileSync(new URL('asvs-5.json', import.meta.url), 'utf8')) as readonly string[];
const rows = page
  .split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

/** `1.2.5–1.2.8, 1.3.1` as the requirements that it stands for. */
const numbersOf = (cell = ''): string[] =>
  cell.split(', ').flatMap((part) => {
    const [first = '', last = first] = part.split('–');
    return REQUIREMENTS.slice(REQUIREMENTS.indexOf(first), REQUIREMENTS.indexOf(last) + 1);
  });

describe('docs/asvs.md', () => {
  test('answers each requirement of levels 1 and 2 once', () => {
    expect(REQUIREMENTS).toHaveLength(253);
    expect(rows.flatMap(([, numbers]) => numbersOf(numbers)).toSorted()).toEqual(REQUIREMENTS.toSorted());
  });

  test('says of each how it stands, and names only files that exist', () => {
    expect(rows.filter(([, , how, where]) => !/^(met|site|open|none)$/.test(how ?? '') || !where)).toEqual([]);
    const places = [...page.matchAll(/`((?:test|server|docs|conformance)\/[^`]*|Dockerfile|\.dockerignore)`/g)].map(
      ([, place = '']) => place,
    );
    expect(places.length).toBeGreaterThan(80);
    expect(places.filter((place) => !existsSync(new URL(place, ROOT)))).toEqual([]);
  });
});
