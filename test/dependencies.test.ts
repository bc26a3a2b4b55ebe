import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const manifest = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
const packages = { ...manifest.dependencies, ...manifest.devDependencies };

describe('dependencies', () => {
  test('each one has its reason in docs/dependencies.md, and no reason stands there without its package', () => {
    const explained = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
    expect(explained.toSorted()).toEqual(Object.keys(packages).toSorted());
  });

  test('versions are exact, because npm would otherwise pick what was never tried', () => {
    expect(Object.entries(packages).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
