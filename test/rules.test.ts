import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '..');
const RULE = /\b(?:[KDBP]\d|[MTEISG]-\d+[a-z]?)\b/g;

const listed = [...readFileSync(join(ROOT, 'docs/rules.md'), 'utf8').matchAll(/^\| (\S+) \| (.+) \|$/gm)].filter(
  ([, rule]) => rule?.match(RULE),
);

const cited = new Map<string, string>();
for (const room of ['mappings', 'conformance', 'server', 'simulator', 'test', 'bench']) {
  for (const entry of readdirSync(join(ROOT, room), { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const file = join(entry.parentPath, entry.name);
    for (const [rule] of readFileSync(file, 'utf8').matchAll(RULE)) cited.set(rule, file.slice(ROOT.length + 1));
  }
}

describe('docs/rules.md', () => {
  test('lists every rule that code or a test cites, since the design papers are not in the repository', () => {
    const known = new Set(listed.map(([, rule]) => rule));
    expect([...cited].filter(([rule]) => !known.has(rule))).toEqual([]);
  });

  test('has a test through both doors for each rule of a decision that it lists (T-, E-)', () => {
    const file = readFileSync(join(ROOT, 'test/dispatch/both-doors.test.ts'), 'utf8');
    // What stands in a title, or in the row of a table of titles; a comment proves nothing.
    const proven = new Set([...file.matchAll(/'(?:[^'\n]|\\')*'/g)].flatMap(([text]) => text.match(RULE) ?? []));
    const rules = listed.flatMap(([, rule = '']) => (/^[TE]-/.test(rule) ? [rule] : []));
    expect(rules.length).toBeGreaterThan(30);
    // E-9 is E-9a to E-9c together.
    expect(rules.filter((rule) => rule !== 'E-9' && !proven.has(rule))).toEqual([]);
  });

  test('lists each of them once', () => {
    const rules = listed.map(([, rule]) => rule);
    expect(rules).toEqual([...new Set(rules)]);
  });
});

describe('the tests', () => {
  test('are all run: none is skipped, alone or to be written, but one that kills a Medplum, which its owner must allow', () => {
    const skipping = readdirSync(join(ROOT, 'test'), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) =>
        /\b(?:test|it|describe)\.(?:skip|only|todo|failing)\b|\bx(?:test|it|describe)\(/.test(
          readFileSync(file, 'utf8'),
        ),
      )
      .map((file) => file.slice(ROOT.length + 1));
    expect(skipping).toEqual(['test/medplum/troubles.test.ts']);
  });
});
