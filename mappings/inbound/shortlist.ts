import type { Coding, Extension, List, ListEntry, Patient, Reference } from '@medplum/fhirtypes';
import { concept, ersExtension, identifier, sourceCode } from '../elements.ts';
import { type IdSpace, SYSTEM } from '../ids.ts';
import { idOf, shortlistKey } from '../keys.ts';
import type { ServiceName } from '../model.ts';
import { CODE_SYSTEM, ukCoreProfile } from '../systems.ts';
import { Extensions, type Findings, readCoding, readIdentifier, readStructure } from './elements.ts';
import type { SharedResources } from './shared.ts';
import type { Source } from './source.ts';

/** What the rest of the referral needs of its shortlist and search criteria. */
export interface MappedShortlist {
  readonly list: List;
  readonly services: readonly ServiceName[];
  readonly clinicType?: Coding;
  /** SDS id of the clinician whom the referrer searched for (M-28). */
  readonly namedClinician?: string;
}

export interface ShortlistContext {
  readonly ids: IdSpace;
  readonly requestId: string;
  readonly subject: Reference<Patient>;
  readonly shared: SharedResources;
  readonly findings: Findings;
}

const STATUSES = ['current', 'retired', 'entered-in-error'] as const;
const MODES = ['working', 'snapshot', 'changes'] as const;

/**
 * Maps the contained shortlist and the search criteria that led to it, wherever the Parameters stand.
 * Source: M-80..M-83
 */
export function mapShortlist(source: Source, criteria: Source | undefined, context: ShortlistContext): MappedShortlist {
  const { ids, requestId, subject, shared, findings } = context;
  readStructure(source, 'List', ['eRS-Shortlist-List-1']);
  source.get('id').structural();
  // The anchor only says where the criteria stand; one that leads nowhere is kept (M-24 does the same).
  if (criteria)
    new Extensions(source).one('Extension-eRS-Shortlist-SearchCriteria-1', (extension) => {
      const anchor = extension.get('valueReference').get('reference');
      anchor.structuralIf((reference) => reference === `#${criteria.get('id').peek()}`);
      return true;
    });
  const read = criteria && readCriteria(criteria, findings);
  const services: ServiceName[] = [];
  const entry = source
    .get('entry')
    .items()
    .flatMap((one): ListEntry[] => {
      const named = readIdentifier(one.get('item').first('identifier'));
      const display = one.get('item').get('display').text();
      if (named?.system === SYSTEM.service)
        services.push({ id: named.value, ...(display !== undefined && { display }) });
      if (named) return [{ item: shared.actor(named, display) }];
      return display === undefined ? [] : [{ item: { display } }];
    });
  const status = readListCode(source.get('status'), STATUSES, 'current');
  const mode = readListCode(source.get('mode'), MODES, 'snapshot');
  const key = shortlistKey(requestId);
  const list: List = {
    resourceType: 'List',
    id: idOf(ids, key),
    meta: { profile: [ukCoreProfile('List')] },
    ...(read && read.extensions.length > 0
      ? { extension: [ersExtension('ers-service-search-criteria', { extension: read.extensions })] }
      : {}),
    identifier: [identifier(key)],
    status: status.code,
    ...(status.unknown !== undefined && { _status: sourceCode(status.unknown) }),
    mode: mode.code,
    ...(mode.unknown !== undefined && { _mode: sourceCode(mode.unknown) }),
    code: concept({ system: CODE_SYSTEM.listCode, code: 'shortlist', display: 'e-RS service shortlist' }),
    subject,
    ...(entry.length > 0 && { entry }),
  };
  for (const { unknown, at } of [status, mode]) if (unknown !== undefined) findings.add('CODE_UNKNOWN', at);
  return {
    list,
    services,
    ...(read?.clinicType && { clinicType: read.clinicType }),
    ...(read?.namedClinician !== undefined && { namedClinician: read.namedClinician }),
  };
}

function readListCode<T extends string>(source: Source, known: readonly T[], fallback: T) {
  const value = source.text();
  const code = known.find((one) => one === value);
  return { code: code ?? fallback, unknown: code === undefined ? value : undefined, at: source.at };
}

type Criterion = 'coding' | 'unsignedInt' | 'string' | 'identifier' | 'boolean';

/** Search criteria by name and type, in the order in which they are written (G-7). Source: M-82; eRS-ServiceSearchCriteria-Parameters-1 */
const CRITERIA: Readonly<Record<string, Criterion>> = {
  priority: 'coding',
  specialty: 'coding',
  clinicType: 'coding',
  clinicalTerm: 'coding',
  commissioningProvisioning: 'coding',
  postcode: 'string',
  place: 'string',
  distanceLimit: 'unsignedInt',
  indicativeAppointmentWaitTimeLimit: 'unsignedInt',
  namedClinician: 'identifier',
  organisation: 'identifier',
  ageAndGenderAppropriate: 'boolean',
};

const ORDER = Object.keys(CRITERIA);

function readCriteria(source: Source, findings: Findings) {
  readStructure(source, 'Parameters', ['eRS-ServiceSearchCriteria-Parameters-1']);
  source.get('id').structural();
  const extensions = source
    .get('parameter')
    .items()
    .map((parameter): Extension => {
      const name = parameter.get('name').peek() ?? '';
      const value = Object.hasOwn(CRITERIA, name) ? readCriterion(parameter, CRITERIA[name], findings) : undefined;
      if (!value) return { url: 'other', valueString: parameter.json() };
      parameter.get('name').taken();
      return { url: name, ...value };
    })
    .toSorted((a, b) => rank(a) - rank(b));
  const clinicType = extensions.find(({ url }) => url === 'clinicType')?.valueCoding;
  const clinician = extensions.find(({ url }) => url === 'namedClinician')?.valueIdentifier;
  return {
    extensions,
    ...(clinicType && { clinicType }),
    ...(clinician?.system === SYSTEM.sdsUser && clinician.value !== undefined && { namedClinician: clinician.value }),
  };
}

const rank = ({ url = '' }: Extension) => (url === 'other' ? ORDER.length : ORDER.indexOf(url));

function readCriterion(
  parameter: Source,
  type: Criterion | undefined,
  findings: Findings,
): Omit<Extension, 'url'> | undefined {
  switch (type) {
    case 'coding': {
      const coding = readCoding(parameter.get('valueCoding'), findings);
      return coding && { valueCoding: coding };
    }
    case 'unsignedInt': {
      const value = parameter.get('valueUnsignedInt').unsigned() ?? parameter.get('valueInteger').unsigned();
      return value === undefined ? undefined : { valueUnsignedInt: value };
    }
    case 'string': {
      const value = parameter.get('valueString').text();
      return value === undefined ? undefined : { valueString: value };
    }
    case 'identifier': {
      const value = readIdentifier(parameter.get('valueIdentifier'));
      return value && { valueIdentifier: value };
    }
    case 'boolean': {
      const value = parameter.get('valueBoolean').boolean();
      return value === undefined ? undefined : { valueBoolean: value };
    }
    case undefined:
      return undefined;
  }
}
