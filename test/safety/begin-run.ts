import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HEARD } from './canary.ts';

/** Before the first test: a file for all that products log during the run. */
// biome-ignore lint/style/noDefaultExport: jest takes nothing else
export default function beginRun(): void {
  process.env[HEARD] = join(mkdtempSync(join(tmpdir(), 'ers-fhir-heard-')), 'log');
}
