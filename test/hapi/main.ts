import { buildModule, fail, runJest } from './build.ts';

/** What `npm run test:hapi` does: builds HAPI from Maven Central, then hands over to jest. */

const args = process.argv.slice(2);
const at = args.indexOf('--postgres');
const postgres = at < 0 ? undefined : args[at + 1];
if (at >= 0 && !/^postgres(ql)?:\/\//.test(postgres ?? ''))
  fail(
    '--postgres takes the address of a server on which a database may be made and dropped: postgresql://postgres@127.0.0.1:5432',
  );
buildModule('test:hapi runs a real HAPI FHIR server');
runJest(
  'jest.hapi.config.js',
  at < 0 ? args : args.toSpliced(at, 2),
  postgres === undefined ? {} : { HAPI_POSTGRES: postgres },
);
