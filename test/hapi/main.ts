import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModule, fail, jestStatus } from './build.ts';
import { commitNow, writeReport } from './report.ts';

/**
 * What `npm run test:hapi` does: builds HAPI from Maven Central, then hands over to jest. With `--report` the whole run is
 * written down in docs/reports.
 */

const args = process.argv.slice(2);
const at = args.indexOf('--postgres');
const postgres = at < 0 ? undefined : args[at + 1];
if (at >= 0 && !/^postgres(ql)?:\/\//.test(postgres ?? ''))
  fail(
    '--postgres takes the address of a server on which a database may be made and dropped: postgresql://postgres@127.0.0.1:5432',
  );
const rest = at < 0 ? args : args.toSpliced(at, 2);
const environment: Record<string, string> = postgres === undefined ? {} : { HAPI_POSTGRES: postgres };
const isReported = rest.includes('--report');
if (isReported && rest.length > 1) fail('--report tells of the whole run: leave the other words out.');
buildModule('test:hapi runs a real HAPI FHIR server');
process.exit(isReported ? reportedStatus() : jestStatus('jest.hapi.config.js', rest, environment));

function reportedStatus(): number {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-report-'));
  try {
    const results = join(directory, 'results.json');
    const server = join(directory, 'server.json');
    // Asked before: who commits while it runs does not change what was run.
    const commit = commitNow();
    const more = { ...environment, HAPI_SAYS: server };
    const status = jestStatus('jest.hapi.config.js', ['--json', '--outputFile', results], more);
    const name = postgres === undefined ? 'hapi-h2' : 'hapi-postgresql';
    const command = `npm run test:hapi -- --report${postgres === undefined ? '' : ' --postgres URL'}`;
    process.stdout.write(`${writeReport({ name, command, commit, results, server })}\n`);
    return status;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
