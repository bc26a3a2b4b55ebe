import { expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import fc from 'fast-check';
import { searchParameters } from '../../../conformance/index.ts';
import { type Database, openDatabase } from '../../../server/store/embedded/database.ts';
import { openSearchIndex } from '../../../server/store/embedded/search-index.ts';
import { buildParameters, loadDefinitions } from '../../../server/store/fhir/definitions.ts';

loadDefinitions();
const PARAMETERS = buildParameters(searchParameters);
const RID = 1;

function opened() {
  const database = openDatabase(':memory:', () => 0);
  if (!database.ok) throw new Error(database.code);
  return { database: database.value, index: openSearchIndex(database.value, PARAMETERS) };
}

const rowsOf = ({ prepare }: Database) =>
  ['token', 'reference', 'date', 'string'].map((table) => prepare(`SELECT * FROM ${table} ORDER BY 1, 2, 3, 4`).all());

const few = <T>(one: fc.Arbitrary<T>) => fc.option(fc.array(one, { minLength: 1, maxLength: 3 }), { nil: undefined });
const may = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
const system = fc.constantFrom('https://a.example/', 'https://b.example/');
const value = fc.constantFrom('1', '2', '3');
const coding = fc.record({ coding: fc.array(fc.record({ system, code: value }), { minLength: 1, maxLength: 2 }) });
const reference = fc.oneof(
  fc.record({
    reference: fc.constantFrom('Patient/1', 'Patient/2', 'ServiceRequest/1/_history/2', 'https://c.example/1'),
  }),
  fc.record({ identifier: fc.record({ system, value }) }),
);
const instant = fc.constantFrom('2027-03-01T09:00:00Z', '2027-03', '2028-01-01');
const task = fc.record({
  resourceType: fc.constant('Task' as const),
  status: fc.constantFrom('requested', 'accepted', 'rejected') as fc.Arbitrary<Task['status']>,
  intent: fc.constant('order' as const),
  meta: may(fc.record({ tag: few(fc.record({ system, code: value })), profile: few(system) })),
  identifier: few(fc.record({ system, value })),
  groupIdentifier: may(fc.record({ system, value })),
  code: may(coding),
  businessStatus: may(coding),
  focus: may(reference),
  for: may(reference),
  owner: may(reference),
  basedOn: few(reference),
  authoredOn: may(instant),
  lastModified: may(instant),
  executionPeriod: may(fc.record({ start: may(instant), end: may(instant) })),
  output: few(fc.record({ type: coding, valueReference: reference })),
}) as fc.Arbitrary<Task>;
const plain = (version: Task): Task => JSON.parse(JSON.stringify(version)) as Task;

test('what is found by after any number of versions is what would be found by had there been the last one only', () => {
  fc.assert(
    fc.property(fc.array(task, { minLength: 2, maxLength: 6 }), (all) => {
      const versions = all.map(plain);
      const step = opened();
      versions.forEach((version, at) => {
        step.index.write(RID, version, versions[at - 1]);
      });
      const anew = opened();
      anew.index.write(RID, versions.at(-1) as Task);
      expect(rowsOf(step.database)).toEqual(rowsOf(anew.database));
      step.index.clear(RID);
      expect(rowsOf(step.database).flat()).toEqual([]);
      step.database.close();
      anew.database.close();
    }),
    { numRuns: 60 },
  );
});
