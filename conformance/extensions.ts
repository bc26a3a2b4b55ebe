import type { ElementDefinition, StructureDefinition } from '@medplum/fhirtypes';
import { CANONICAL_BASE } from '../mappings/index.ts';
import { artefact } from './artefact.ts';

interface ExtensionRow {
  readonly contexts: string;
  /** Its value type, or those of its parts. */
  readonly value: string | Readonly<Record<string, string>>;
  readonly meaning: string;
  readonly repeats?: boolean;
}

/** Source: target-model 1.1–1.7, 4.2; the rule of each in brackets. */
const EXTENSIONS: Readonly<Record<string, ExtensionRow>> = {
  'ers-version': {
    contexts: 'ServiceRequest Appointment DocumentReference Task',
    value: 'unsignedInt',
    meaning: 'The e-RS version that this was made from; on a Task the one that a decision is sent with (M-3).',
  },
  'ers-unverified': {
    contexts: 'Provenance.agent',
    value: 'boolean',
    meaning: 'The Task names this person as the one who decided; no authentication has shown that they did.',
  },
  'ers-mapping-version': {
    contexts: 'ServiceRequest',
    value: 'string',
    meaning: 'Version of the mapping rules that made this (M-31).',
  },
  'ers-referral-state': {
    contexts: 'ServiceRequest',
    value: { state: 'Coding', reason: 'Coding', comments: 'string' },
    meaning: 'The state of the referral in e-RS, with its reason and comments (M-16 to M-18).',
  },
  'ers-priority': {
    contexts: 'ServiceRequest',
    value: 'Coding',
    meaning: 'The priority as e-RS has it: TWO_WEEK_WAIT has no equal in R4 (M-8).',
  },
  'ers-pathway-start': {
    contexts: 'ServiceRequest',
    value: 'dateTime',
    meaning: 'When the e-RS pathway started; it may belong to an earlier referral (M-22).',
  },
  'ers-clinical-info-first-submitted': {
    contexts: 'ServiceRequest',
    value: 'dateTime',
    meaning: 'When clinical information was first submitted (M-20).',
  },
  'ers-clinical-info-last-updated': {
    contexts: 'ServiceRequest',
    value: 'dateTime',
    meaning: 'When clinical information was last updated (M-21).',
  },
  'ers-commissioning-rule-organisation': {
    contexts: 'ServiceRequest',
    value: 'Reference',
    meaning: 'Whose commissioning rules apply; not who referred (M-19).',
  },
  'ers-additional-requirement': {
    contexts: 'ServiceRequest',
    value: 'Coding',
    meaning: 'Advocacy, interpreter or transport (M-23).',
    repeats: true,
  },
  'ers-named-clinician': {
    contexts: 'ServiceRequest',
    value: 'Reference',
    meaning: 'The clinician whom the referrer named (M-28).',
  },
  'ers-shortlist': {
    contexts: 'ServiceRequest',
    value: 'Reference',
    meaning: 'The List of all services that the referral was offered to (M-26).',
  },
  'ers-service-search-criteria': {
    contexts: 'List',
    value: {
      priority: 'Coding',
      specialty: 'Coding',
      clinicType: 'Coding',
      clinicalTerm: 'Coding',
      commissioningProvisioning: 'Coding',
      indicativeAppointmentWaitTimeLimit: 'unsignedInt',
      distanceLimit: 'unsignedInt',
      postcode: 'string',
      place: 'string',
      namedClinician: 'Identifier',
      organisation: 'Identifier',
      ageAndGenderAppropriate: 'boolean',
      other: 'string',
    },
    meaning: 'What the referrer searched services by (M-82, M-83).',
  },
  'ers-availability-status': {
    contexts: 'Attachment',
    value: 'Coding',
    meaning: 'Whether e-RS has checked the file (M-118).',
  },
  'ers-attached-by': {
    contexts: 'DocumentReference',
    value: { user: 'Reference', organisation: 'Reference', onBehalfOf: 'Reference' },
    meaning: 'Who uploaded the file, for which organisation and clinician (M-119).',
  },
  'ers-declared-size': {
    contexts: 'Attachment',
    value: 'unsignedInt',
    meaning: 'The size that e-RS declared, where the file has another (M-116).',
  },
  'ers-binary-id': {
    contexts: 'Attachment',
    value: 'string',
    meaning: 'Key of the bytes: request, attachment and hash (I-9).',
  },
  'ers-service': {
    contexts: 'Task',
    value: 'Reference',
    meaning: 'The service that the review is asked of, whoever owns the Task (M-65).',
  },
  'ers-worklist': { contexts: 'Task', value: 'Coding', meaning: 'The e-RS worklist that asks for the review (M-68).' },
  'ers-advice-status': {
    contexts: 'ServiceRequest',
    value: 'Coding',
    meaning: 'Where an advice request stands in e-RS (M-162).',
  },
  'ers-provider-conversion-authorisation': {
    contexts: 'ServiceRequest',
    value: 'boolean',
    meaning: 'Whether the provider may convert an advice request into a referral (M-164).',
  },
  'ers-derived': {
    contexts: 'Element',
    value: 'boolean',
    meaning: 'The value was derived by this software; e-RS did not state it.',
  },
  'ers-source-code': {
    contexts: 'Element',
    value: 'string',
    meaning: 'What e-RS wrote, where R4 has no such code (G-6).',
  },
  'ers-unmapped': {
    contexts: 'Element',
    value: { path: 'string', json: 'string' },
    meaning: 'A source value that no rule maps, with the path that it was found at (G-2).',
    repeats: true,
  },
  'ers-reconciliation': {
    contexts: 'MeasureReport',
    value: { balances: 'boolean', exceptions: 'unsignedInt', offset: 'unsignedInt', next: 'unsignedInt' },
    meaning:
      'Whether nothing is missing; how many exceptions there are; how many were left out before this page, and the offset of the next, if there is one.',
  },
  'ers-reconciliation-exception': {
    contexts: 'MeasureReport.evaluatedResource',
    value: { code: 'Coding', missing: 'code', since: 'dateTime', service: 'Identifier', task: 'Reference' },
    meaning: 'Why a person should look at it, since when, at which e-RS service, and the review Task.',
  },
  'ers-audit-link': {
    contexts: 'AuditEvent',
    value: { chain: 'string', sequence: 'positiveInt', previous: 'string', hash: 'string' },
    meaning: 'The place of an AuditEvent in its chain, and the hash that binds it to the one before (decision 0021).',
  },
  'pds-version': { contexts: 'Patient', value: 'string', meaning: 'Version of the PDS record that was copied (M-44).' },
};

function extension(id: string, { contexts, value, meaning, repeats }: ExtensionRow): StructureDefinition {
  const root: ElementDefinition = {
    id: 'Extension',
    path: 'Extension',
    short: meaning,
    min: 0,
    max: repeats ? '*' : '1',
  };
  const url: ElementDefinition = {
    id: 'Extension.url',
    path: 'Extension.url',
    fixedUri: `${CANONICAL_BASE}StructureDefinition/${id}`,
  };
  return {
    ...artefact('StructureDefinition', id, id, meaning),
    fhirVersion: '4.0.1',
    kind: 'complex-type',
    abstract: false,
    context: contexts.split(' ').map((expression) => ({ type: 'element', expression })),
    type: 'Extension',
    baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Extension',
    derivation: 'constraint',
    differential: {
      element:
        typeof value === 'string'
          ? [
              root,
              { id: 'Extension.extension', path: 'Extension.extension', max: '0' },
              url,
              { id: 'Extension.value[x]', path: 'Extension.value[x]', min: 1, type: [{ code: value }] },
            ]
          : [
              root,
              ...Object.entries(value).flatMap(([name, type]) => part(name, type)),
              url,
              { id: 'Extension.value[x]', path: 'Extension.value[x]', max: '0' },
            ],
    },
  };
}

function part(name: string, type: string): ElementDefinition[] {
  const id = `Extension.extension:${name}`;
  return [
    { id, path: 'Extension.extension', sliceName: name, min: 0, max: '1' },
    { id: `${id}.url`, path: 'Extension.extension.url', fixedUri: name },
    { id: `${id}.value[x]`, path: 'Extension.extension.value[x]', min: 1, type: [{ code: type }] },
  ];
}

/** Source: target-model 5 */
export const extensions: readonly StructureDefinition[] = Object.entries(EXTENSIONS).map(([id, row]) =>
  extension(id, row),
);

/** Ids of the extensions that stand on a resource type itself, for its profile; those that may stand anywhere left out. */
export const extensionIdsOf = (type: string): readonly string[] =>
  Object.keys(EXTENSIONS).filter((id) => EXTENSIONS[id]?.contexts.split(' ').includes(type));
