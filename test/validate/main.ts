import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildModule, fail, runJest } from '../hapi/build.ts';

/** What `npm run test:validate` does: builds HL7's validator from Maven Central, finds UK Core, then hands over to jest. */

const shared = resolve(process.env['ERS_SHARED'] ?? '../shared');
const ukCore = resolve(process.env['UKCORE_DIR'] ?? join(shared, 'ukcore'));
if (!existsSync(join(ukCore, 'structuredefinitions')))
  fail(
    `test:validate checks against UK Core, which is not in ${ukCore}. Set UKCORE_DIR to a folder with its structuredefinitions, valuesets and codesystems (NHSDigital/FHIR-R4-UKCORE-STAGING-MAIN).`,
  );
buildModule("test:validate runs HL7's own validator");
runJest('jest.validate.config.js', process.argv.slice(2), { UKCORE_DIR: ukCore });
