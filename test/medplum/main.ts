import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { commitNow, type ServerSays, writeReport } from '../hapi/report.ts';

/**
 * What `npm run test:medplum` does: hands over to jest, against the Medplum that the environment names. With `--report` the
 * whole run is written down in docs/reports.
 */

const ROOT = resolve(import.meta.dirname, '../..');
const args = process.argv.slice(2);
if (args.includes('--report') && args.length > 1) {
  process.stderr.write('--report tells of the whole run: leave the other words out.\n');
  process.exit(1);
}
process.exit(args.includes('--report') ? await reportedStatus() : jestStatus(args));

function jestStatus(more: readonly string[]): number {
  const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
  const flags = ['--disable-warning=ExperimentalWarning', '--experimental-vm-modules', jest];
  const config = join(ROOT, 'jest.medplum.config.js');
  const { status } = spawnSync(process.execPath, [...flags, '--config', config, ...more], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  return status ?? 1;
}

async function reportedStatus(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-report-'));
  try {
    const [results, server] = [join(directory, 'results.json'), join(directory, 'server.json')];
    // Asked before: who commits while it runs does not change what was run.
    const commit = commitNow();
    writeFileSync(server, JSON.stringify(await serverSays()));
    const status = jestStatus(['--json', '--outputFile', results]);
    const command = 'npm run test:medplum -- --report';
    process.stdout.write(`${writeReport({ name: 'medplum', command, commit, results, server })}\n`);
    return status;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function serverSays(): Promise<ServerSays> {
  const base = (process.env['STORE_URL'] ?? '').replace(/\/(fhir\/R4\/?)?$/, '');
  const answer = await fetch(`${base}/fhir/R4/metadata`);
  const { software } = (await answer.json()) as { software?: { name?: string; version?: string } };
  return { software: `${software?.name} ${software?.version}`, database: 'PostgreSQL and Redis' };
}
