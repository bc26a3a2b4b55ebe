import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-copy-command-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const copy = (environment: Record<string, string>, ...args: string[]) =>
  spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'server/main.ts', 'copy', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', ...environment },
  });

test('copy says from what to what it can copy, and names every fault of the environment at once', () => {
  expect(copy({})).toMatchObject({ status: 2, stderr: expect.stringContaining('--from embedded --to hapi') });
  expect(copy({}, '--from', 'hapi', '--to', 'embedded').status).toBe(2);
  const toMedplum = copy({ STORE_URL: 'http://127.0.0.1:8103' }, '--from', 'embedded', '--to', 'medplum');
  expect(toMedplum).toMatchObject({ status: 1, stderr: expect.stringContaining('a Medplum lets in') });
  const { status, stderr } = copy({ DATA_DIR: directory }, '--from', 'embedded', '--to', 'hapi');
  expect(status).toBe(1);
  expect(stderr).toMatch(/- STORE_URL is missing: .*\n- DATA_DIR: there is no embedded store in /);
});
