import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Patient, Resource, Task } from '@medplum/fhirtypes';
import { conformanceResources } from '../../conformance/index.ts';
import { structureDefinition } from '../../mappings/index.ts';
import { writtenByAJourney } from './journey.ts';
import { type Finding, validate } from './validator.ts';

const PAGE = resolve(import.meta.dirname, '../../docs/conformance.md');
const SNAPSHOT_NEEDED = 'StructureDefinition';

/** A warning that may stand: its text, with `…` for what varies, and the types on which. */
interface Row {
  readonly text: string;
  readonly types: readonly string[];
  readonly reason: string;
}

/** The rows of the page's tables whose first cell is a text in backquotes. */
const rows: readonly Row[] = readFileSync(PAGE, 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [text, types, reason] = /^\| `(.+?)` \| (.+?) \| (.*?) \|$/.exec(line)?.slice(1) ?? [];
    return text === undefined ? [] : [{ text, types: (types ?? '').split(', '), reason: reason ?? '' }];
  });

const meets = ({ of, text }: Finding, row: Row) => {
  const pattern = row.text.split('…').map(RegExp.escape).join('.*');
  return row.types.includes(of.split('/')[0] ?? '') && new RegExp(`^${pattern}$`).test(text);
};

const ILL = 'ill';
const illTask = (more: Partial<Task>): Task => ({
  resourceType: 'Task',
  id: ILL,
  status: 'requested',
  intent: 'order',
  ...more,
});

/** What the validator must refuse, or its silence about the rest would mean nothing. */
const ILL_RESOURCES: readonly { readonly why: string; readonly resource: Resource }[] = [
  {
    why: 'an extension that nobody publishes',
    resource: illTask({ extension: [{ url: structureDefinition('ers-nowhere'), valueString: 'x' }] }),
  },
  {
    why: 'a profile that nobody publishes',
    resource: illTask({ meta: { profile: [structureDefinition('ers-nowhere')] } }),
  },
  {
    why: 'a Task of ours without what our profile demands',
    resource: illTask({ meta: { profile: [structureDefinition('ers-review-task')] } }),
  },
  {
    why: 'an extension of ours with a value of another type',
    resource: illTask({ extension: [{ url: structureDefinition('ers-version'), valueString: '7' }] }),
  },
  {
    why: 'an extension of ours in a place that it is not for',
    resource: {
      resourceType: 'Patient',
      id: ILL,
      extension: [{ url: structureDefinition('ers-version'), valueUnsignedInt: 7 }],
    },
  },
  {
    why: 'a code outside a binding of UK Core',
    resource: {
      resourceType: 'Patient',
      id: ILL,
      identifier: [
        {
          extension: [
            {
              url: 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus',
              valueCodeableConcept: {
                coding: [
                  { system: 'https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus', code: 'nowhere' },
                ],
              },
            },
          ],
          system: 'https://fhir.nhs.uk/Id/nhs-number',
          value: '9990001014',
        },
      ],
    } satisfies Patient,
  },
];

let written: readonly Resource[];
let findings: readonly Finding[];

beforeAll(async () => {
  const published = conformanceResources().filter(({ resourceType }) => resourceType !== SNAPSHOT_NEEDED);
  written = [...(await writtenByAJourney()), ...published];
  const ill = ILL_RESOURCES.map(({ resource }, index) => ({ ...resource, id: `${ILL}-${index}` }) as Resource);
  findings = await validate([...written, ...ill]);
}, 900_000);

const isIll = ({ of }: Finding) => of.includes(`/${ILL}-`);
const isError = ({ severity }: Finding) => severity === 'ERROR' || severity === 'FATAL';
const warnings = () => findings.filter((one) => one.severity === 'WARNING' && !isIll(one));

describe("HL7's validator, under base R4, UK Core and our own profiles", () => {
  test('every type that the engine writes was among what it read, so that its silence says something', () => {
    expect([...new Set(written.map(({ resourceType }) => resourceType))].toSorted()).toEqual(
      expect.arrayContaining([
        'Appointment',
        'AuditEvent',
        'Binary',
        'CapabilityStatement',
        'CodeSystem',
        'Device',
        'DocumentReference',
        'HealthcareService',
        'List',
        'Organization',
        'Patient',
        'Practitioner',
        'Provenance',
        'ServiceRequest',
        'Task',
      ]),
    );
    expect(written.length).toBeGreaterThan(1000);
  });

  test('finds no error in anything that a journey wrote or that we publish', () => {
    expect(findings.filter((one) => isError(one) && !isIll(one))).toEqual([]);
  });

  test('warns of nothing that docs/conformance.md does not list', () => {
    expect(warnings().filter((one) => !rows.some((row) => meets(one, row)))).toEqual([]);
  });

  test('docs/conformance.md gives a reason for each warning, and lists none that is gone, on no type that has none', () => {
    expect(rows.filter(({ reason }) => !/\w{3}/.test(reason))).toEqual([]);
    const all = warnings();
    const gone = rows.flatMap((row) =>
      row.types
        .filter((type) => !all.some((one) => meets(one, { ...row, types: [type] })))
        .map((type) => `${row.text} on ${type}`),
    );
    expect(gone).toEqual([]);
  });

  test.each(ILL_RESOURCES.map(({ why }, index) => [why, index] as const))('refuses %s', (_why, index) => {
    expect(findings.filter((one) => one.of.includes(`/${ILL}-${index}/`) && isError(one))).not.toEqual([]);
  });
});
