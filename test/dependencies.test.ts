import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const manifest = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
const packages = { ...manifest.dependencies, ...manifest.devDependencies };

describe('dependencies', () => {
  test('each one has its reason in docs/dependencies.md, and no reason stands there without its package', () => {
    const explained = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
    expect(explained.toSorted()).toEqual(Object.keys(packages).toSorted());
  });

  test('each one that is needed at run time is imported by a room, because what nobody uses is left out', () => {
    const sources = ['mappings', 'conformance', 'server', 'simulator'].flatMap((room) =>
      readdirSync(new URL(`../${room}`, import.meta.url), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.name.endsWith('.ts'))
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
    );
    const isUsed = (name: string) => sources.some((text) => text.includes(`'${name}'`) || text.includes(`'${name}/`));
    // Node itself is the interpreter of the start command.
    expect(Object.keys(manifest.dependencies).filter((name) => name !== 'node' && !isUsed(name))).toEqual([]);
  });

  test('versions are exact, because npm would otherwise pick what was never tried', () => {
    expect(Object.entries(packages).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
