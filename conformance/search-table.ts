import { canonicalOf } from './artefact.ts';

/** Resource types that clients may read. `Basic`, which holds the engine's records, is none of them (architecture 1). */
export const SERVED_TYPES = [
  'Appointment',
  'AuditEvent',
  'Binary',
  'CapabilityStatement',
  'CodeSystem',
  'ConceptMap',
  'Device',
  'DocumentReference',
  'HealthcareService',
  'List',
  'NamingSystem',
  'OperationDefinition',
  'Organization',
  'Patient',
  'Practitioner',
  'Provenance',
  'SearchParameter',
  'ServiceRequest',
  'StructureDefinition',
  'Task',
  'ValueSet',
] as const;

export type ServedType = (typeof SERVED_TYPES)[number];

/** Types whose resources are ours: published from memory (the store adds A004's code systems). */
export const CONFORMANCE_TYPES = [
  'CapabilityStatement',
  'CodeSystem',
  'ConceptMap',
  'NamingSystem',
  'OperationDefinition',
  'SearchParameter',
  'StructureDefinition',
  'ValueSet',
] as const satisfies readonly ServedType[];

export type ConformanceType = (typeof CONFORMANCE_TYPES)[number];

export const isServedType = (type: string): type is ServedType => SERVED_TYPES.some((served) => served === type);
export const isConformanceType = (type: string): type is ConformanceType =>
  CONFORMANCE_TYPES.some((ours) => ours === type);

export interface SearchEntry {
  readonly code: string;
  readonly type: 'token' | 'string' | 'date' | 'uri' | 'reference';
  /** The canonical of the SearchParameter that defines it. */
  readonly definition: string;
  /** Of a reference: the served types that it may point at; `any`: all of them. */
  readonly targets?: readonly ServedType[] | 'any';
  /** Ours, so only where the store indexes custom parameters (target-model 5). */
  readonly isCustom: boolean;
}

type Kind = Exclude<SearchEntry['type'], 'reference'>;
type Row = Partial<Record<Kind, string>> & {
  readonly reference?: Readonly<Record<string, string>>;
  readonly custom?: Partial<Record<Kind, string>> & { readonly reference?: Readonly<Record<string, string>> };
};

const PERSON = { token: 'active email gender identifier phone telecom', string: 'address family given name' } as const;
const ARTEFACT = { token: 'status version', string: 'name', uri: 'url' } as const;

/** Base R4 parameters by type, and ours under `custom`; of a reference, what it may point at. */
const TABLE: Readonly<Record<Exclude<ServedType, 'Binary'>, Row>> = {
  Appointment: {
    token: 'appointment-type identifier part-status reason-code service-category service-type specialty status',
    date: 'date',
    reference: {
      actor: 'Device HealthcareService Patient Practitioner',
      'based-on': 'ServiceRequest',
      patient: 'Patient',
      practitioner: 'Practitioner',
      'supporting-info': 'any',
    },
  },
  AuditEvent: {
    token: 'action agent-role altid entity-role entity-type outcome site subtype type',
    date: 'date',
    string: 'agent-name entity-name',
    reference: {
      agent: 'Device Organization Patient Practitioner',
      entity: 'any',
      patient: 'Patient',
      source: 'Device Organization Patient Practitioner',
    },
  },
  CapabilityStatement: ARTEFACT,
  CodeSystem: { ...ARTEFACT, uri: 'system url' },
  ConceptMap: ARTEFACT,
  Device: {
    token: 'identifier status type',
    string: 'device-name manufacturer model',
    reference: { organization: 'Organization', patient: 'Patient' },
  },
  DocumentReference: {
    token: 'category contenttype identifier language relation security-label setting status type',
    date: 'date period',
    string: 'description',
    uri: 'location',
    reference: {
      author: 'Device Organization Patient Practitioner',
      custodian: 'Organization',
      patient: 'Patient',
      related: 'any',
      relatesto: 'DocumentReference',
      subject: 'Device Patient Practitioner',
    },
    custom: { token: 'ers-availability' },
  },
  HealthcareService: {
    token: 'active characteristic identifier program service-category service-type specialty',
    string: 'name',
    reference: { organization: 'Organization' },
  },
  List: {
    token: 'code identifier status',
    date: 'date',
    string: 'title',
    reference: {
      item: 'any',
      patient: 'Patient',
      source: 'Device Patient Practitioner',
      subject: 'Device Patient',
    },
  },
  NamingSystem: { token: 'kind status', string: 'name value' },
  OperationDefinition: { ...ARTEFACT, token: 'code status version' },
  Organization: {
    token: 'active identifier type',
    string: 'address name',
    reference: { partof: 'Organization' },
  },
  Patient: {
    token: `${PERSON.token} deceased language`,
    date: 'birthdate death-date',
    string: `${PERSON.string} address-city address-postalcode`,
    reference: {
      'general-practitioner': 'Organization Practitioner',
      link: 'Patient',
      organization: 'Organization',
    },
  },
  Practitioner: PERSON,
  Provenance: {
    token: 'agent-role agent-type',
    date: 'recorded when',
    reference: {
      agent: 'Device Organization Patient Practitioner',
      entity: 'any',
      patient: 'Patient',
      target: 'any',
    },
  },
  SearchParameter: { ...ARTEFACT, token: 'base code status version' },
  ServiceRequest: {
    token: 'category code identifier intent performer-type priority status',
    date: 'authored occurrence',
    reference: {
      'based-on': 'ServiceRequest',
      patient: 'Patient',
      performer: 'Device HealthcareService Organization Patient Practitioner',
      replaces: 'ServiceRequest',
      requester: 'Device Organization Patient Practitioner',
      subject: 'Device Patient',
    },
    custom: {
      token: 'ers-priority ers-state',
      date: 'ers-pathway-start',
      reference: { 'supporting-info': 'DocumentReference ServiceRequest' },
    },
  },
  StructureDefinition: { ...ARTEFACT, token: 'kind status version', uri: 'type url' },
  Task: {
    token: 'business-status code group-identifier identifier intent performer priority status',
    date: 'authored-on modified period',
    reference: {
      'based-on': 'any',
      focus: 'any',
      owner: 'Device HealthcareService Organization Patient Practitioner',
      'part-of': 'Task',
      patient: 'Patient',
      requester: 'Device Organization Patient Practitioner',
      subject: 'any',
    },
    custom: { token: 'status-reason', date: 'due', reference: { 'ers-service': 'HealthcareService' } },
  },
  ValueSet: ARTEFACT,
};

/** Where R4 defines a parameter for several types at once, its definition has the first type's name. */
const SHARED: readonly { readonly id: string; readonly types: readonly string[]; readonly codes: readonly string[] }[] =
  [
    {
      id: 'individual',
      types: ['Patient', 'Practitioner'],
      codes: [
        'address',
        'address-city',
        'address-postalcode',
        'birthdate',
        'email',
        'family',
        'gender',
        'given',
        'phone',
        'telecom',
      ],
    },
    {
      id: 'conformance',
      types: CONFORMANCE_TYPES.filter((type) => type !== 'NamingSystem'),
      codes: ['name', 'status', 'url', 'version'],
    },
    { id: 'conformance', types: ['NamingSystem'], codes: ['name', 'status'] },
  ];
const CLINICAL: Readonly<Record<string, readonly string[]>> = {
  DocumentReference: ['identifier', 'patient', 'type'],
  List: ['code', 'date', 'identifier', 'patient'],
  ServiceRequest: ['code', 'identifier', 'patient'],
};

function definitionOf(type: string, code: string): string {
  const owner = CLINICAL[type]?.includes(code)
    ? 'clinical'
    : SHARED.find((shared) => shared.types.includes(type) && shared.codes.includes(code))?.id;
  return `http://hl7.org/fhir/SearchParameter/${owner ?? type}-${code}`;
}

const targetsOf = (targets: string): readonly ServedType[] | 'any' =>
  targets === 'any' ? 'any' : targets.split(' ').filter(isServedType);

function entriesOf(type: string, row: Row, isCustom: boolean): SearchEntry[] {
  const define = (code: string) =>
    isCustom ? canonicalOf('SearchParameter', customId(type, code)) : definitionOf(type, code);
  const plain = (['token', 'string', 'date', 'uri'] as const).flatMap((kind) =>
    (row[kind]?.split(' ') ?? []).map((code) => ({ code, type: kind, definition: define(code), isCustom })),
  );
  const references = Object.entries(row.reference ?? {}).map(([code, targets]) => ({
    code,
    type: 'reference' as const,
    definition: define(code),
    targets: targetsOf(targets),
    isCustom,
  }));
  return [...plain, ...references];
}

/** The id of one of our SearchParameters: `Task-due`, `ServiceRequest-ers-state`. */
export const customId = (type: string, code: string): string => `${type}-${code}`;

const GENERAL: readonly SearchEntry[] = (
  [
    ['_id', 'token'],
    ['_lastUpdated', 'date'],
    ['_profile', 'uri'],
    ['_security', 'token'],
    ['_tag', 'token'],
  ] as const
).map(([code, type]) => ({
  code,
  type,
  definition: `http://hl7.org/fhir/SearchParameter/Resource-${code.slice(1)}`,
  isCustom: false,
}));
const ID_ONLY = GENERAL.filter(({ code }) => code === '_id');

const ENTRIES: ReadonlyMap<string, readonly SearchEntry[]> = new Map(
  Object.entries(TABLE).map(([type, row]) => [
    type,
    [
      ...(isConformanceType(type) ? ID_ONLY : GENERAL),
      ...entriesOf(type, row, false),
      ...(row.custom ? entriesOf(type, row.custom, true) : []),
    ].sort((a, b) => (a.code < b.code ? -1 : 1)),
  ]),
);

/** The parameters by which a type can be searched; none for Binary. */
export function searchEntriesOf(type: string, hasCustom = true): readonly SearchEntry[] {
  const entries = ENTRIES.get(type) ?? [];
  return hasCustom ? entries : entries.filter((entry) => !entry.isCustom);
}

/** Values of `_include` for searches of a type, e.g. `Task:focus`. */
export function includesOf(type: string, hasCustom = true): readonly string[] {
  return searchEntriesOf(type, hasCustom)
    .filter((entry) => entry.targets !== undefined)
    .map(({ code }) => `${type}:${code}`);
}

/** Values of `_revinclude` for searches of a type: every reference that may point at it. */
export function revIncludesOf(type: ServedType, hasCustom = true): readonly string[] {
  if (isConformanceType(type)) return [];
  return SERVED_TYPES.flatMap((source) =>
    searchEntriesOf(source, hasCustom)
      .filter(({ targets }) => targets === 'any' || targets?.includes(type))
      .map(({ code }) => `${source}:${code}`),
  );
}
