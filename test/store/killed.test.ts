import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { systemClock } from '../../server/core/index.ts';
import { openEmbeddedStore } from '../../server/store/index.ts';

describe('a killed process', () => {
  test('K1: loses no write that the store acknowledged, whenever SIGKILL comes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-killed-'));
    const acknowledged: string[] = [];
    try {
      for (const wanted of [1, 40, 150]) {
        const child = spawn(process.execPath, [
          '--disable-warning=ExperimentalWarning',
          resolve(import.meta.dirname, 'writer.ts'),
          directory,
        ]);
        const lines: string[] = [];
        await new Promise<void>((done, failed) => {
          child.stderr.on('data', (data: Buffer) => failed(new Error(data.toString())));
          child.stdout.on('data', (data: Buffer) => {
            lines.push(data.toString());
            if (lines.join('').split('\n').length > wanted) child.kill('SIGKILL');
          });
          child.once('exit', () => done());
        });
        acknowledged.push(...lines.join('').split('\n').slice(0, -1));
      }
      const store = await openEmbeddedStore({ directory, clock: systemClock });
      const missing: string[] = [];
      for (const id of acknowledged) if (!(await store.read('Patient', id)).ok) missing.push(id);
      await store.close();
      expect(missing).toEqual([]);
      expect(acknowledged.length).toBeGreaterThan(190);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }, 60_000);

  test('one directory has one process: a second one is refused with a sentence, not with a damaged file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-twice-'));
    const store = await openEmbeddedStore({ directory, clock: systemClock });
    await expect(openEmbeddedStore({ directory, clock: systemClock })).rejects.toThrow(/in use|open|process/i);
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });
});
