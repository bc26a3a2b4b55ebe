import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JestReport, readHazards, unproven } from './cited-tests.ts';

// Run by .ci/run with the folder of its jest reports: each test that docs/safety/hazards.md names has run there and passed.

const folder = process.argv[2];
if (folder === undefined) throw new Error('Name the folder of the jest reports');
const reports = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as JestReport);
const hazards = readHazards(readFileSync(new URL('../../docs/safety/hazards.md', import.meta.url), 'utf8'));
const cited = hazards.flatMap(({ proofs }) => proofs);
const missing = cited.length === 0 ? ['docs/safety/hazards.md names no test'] : unproven(cited, reports);
for (const line of missing) process.stdout.write(`${line}\n`);
process.stdout.write(`${hazards.length} hazards, ${cited.length} proofs, ${missing.length} of them missing\n`);
process.exitCode = missing.length === 0 ? 0 : 1;
