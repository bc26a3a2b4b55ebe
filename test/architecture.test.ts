import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '..');

/** What each room may import (docs/decisions; the design's table). `*`: anything. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  mappings: [],
  conformance: ['mappings'],
  'server/core': ['mappings'],
  'server/ers': ['server/core', 'mappings'],
  'server/budget': ['server/core', 'server/store'],
  'server/store': ['server/core'],
  'server/landing': ['server/core', 'mappings', 'server/store'],
  'server/intake': ['server/core', 'server/ers', 'server/landing', 'server/decisions', 'server/store', 'mappings'],
  'server/decisions': ['server/core', 'mappings'],
  'server/reviews': ['server/core', 'server/decisions', 'mappings', 'server/store'],
  'server/dispatch': [
    'server/core',
    'server/decisions',
    'server/ers',
    'server/landing',
    'server/reviews',
    'mappings',
    'server/store',
  ],
  'server/access': ['server/core'],
  'server/config': ['server/access', 'server/core'],
  'server/sign-in': ['server/core'],
  'server/hand-over': ['server/core'],
  'server/lease': ['server/core', 'server/store'],
  'server/copy': ['server/core', 'mappings', 'server/store'],
  'server/audit': ['server/core', 'mappings', 'server/store'],
  'server/sentinel': ['server/core', 'server/store'],
  'server/facade': ['server/core', 'conformance', 'server/decisions', 'server/reviews', 'mappings', 'server/store'],
  'server/main': ['*'],
  simulator: [],
};

const ROOMS = Object.keys(ARROWS);
/** Files that stand in the server's hall: they read the environment and wire the rooms. */
const HALL = new Set([
  'server/log.ts',
  'server/open-access.ts',
  'server/open-store.ts',
  'server/main.ts',
  'server/demo.ts',
  'server/product.ts',
  'server/active-engine.ts',
]);

function filesBelow(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

const isHall = (file: string) => HALL.has(file) || file.startsWith('server/commands/');
const roomOf = (file: string): string | undefined =>
  isHall(file)
    ? 'server/main'
    : ROOMS.filter((room) => file.startsWith(`${room}/`)).sort((a, b) => b.length - a.length)[0];

interface Import {
  readonly from: string;
  readonly to: string;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, specifier]) => specifier ?? '',
  );
  return specifiers.map((specifier) => ({
    from: file,
    to: relative(ROOT, resolve(join(ROOT, dirname(file)), specifier)),
  }));
}

const FILES = ['mappings', 'conformance', 'server', 'simulator'].flatMap(filesBelow);
const IMPORTS = FILES.flatMap(importsOf);

describe('the rooms', () => {
  test('every source file stands in a room or in the hall, so that no file is outside the table', () => {
    expect(FILES.filter((file) => roomOf(file) === undefined)).toEqual([]);
  });

  test('no import follows an arrow that the table lacks', () => {
    const wrong = IMPORTS.filter(({ from, to }) => {
      const [source, target] = [roomOf(from), roomOf(to)];
      if (source === undefined || target === undefined || source === target) return false;
      const allowed = ARROWS[source] ?? [];
      return !allowed.includes('*') && !allowed.includes(target);
    });
    expect(wrong).toEqual([]);
  });

  test('a room is entered by its door only: others import its index.ts, never a file behind it', () => {
    const wrong = IMPORTS.filter(({ from, to }) => {
      const [source, target] = [roomOf(from), roomOf(to)];
      return source !== target && target !== 'server/main' && target !== undefined && to !== `${target}/index.ts`;
    });
    expect(wrong).toEqual([]);
  });

  test('the simulator shares no code with the server, or it would share our mistakes', () => {
    expect(IMPORTS.filter(({ from, to }) => from.startsWith('simulator/') && !to.startsWith('simulator/'))).toEqual([]);
    const importers = IMPORTS.filter(({ from, to }) => !from.startsWith('simulator/') && to.startsWith('simulator/'));
    expect(importers.map(({ from }) => from).filter((file) => !isHall(file))).toEqual([]);
  });

  test('pure rooms read no clock, no environment and no network, and neither log nor wait', () => {
    const impure = /\bDate\.now\(|new Date\(\)|process\.|\bfetch\(|setTimeout|console\.|Math\.random|\bawait [a-z(]/;
    const pure = FILES.filter((file) => file.startsWith('mappings/') || file.startsWith('server/decisions/'));
    expect(pure.filter((file) => impure.test(readFileSync(join(ROOT, file), 'utf8')))).toEqual([]);
  });

  test('only main.ts looks at the environment of the process: all else is told by config', () => {
    const readers = FILES.filter((file) => /process\.env/.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(readers).toEqual(['server/main.ts']);
  });
});

describe('the invariants', () => {
  /** The design's list: what the product promises, each proven by a test whose title cites it. */
  const INVARIANTS = ['K1', 'K2', 'K3', 'K4', 'D1', 'D2', 'D3', 'D4', 'B1', 'P1'];
  const titles = filesBelow('test')
    .filter((file) => file.endsWith('.test.ts') || file.startsWith('test/contract/'))
    .flatMap((file) => [
      ...readFileSync(join(ROOT, file), 'utf8').matchAll(/\btest(?:\.each\([\s\S]*?\))?\(\s*(['`])([\s\S]*?)\1/g),
    ])
    .map(([, , title]) => title ?? '');

  test.each(INVARIANTS)('%s is cited by the title of a test, because a promise without proof is none', (invariant) => {
    expect(titles.filter((title) => new RegExp(`\\b${invariant}\\b`).test(title))).not.toEqual([]);
  });
});
