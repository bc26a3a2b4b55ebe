import type { Coding } from '@medplum/fhirtypes';
import { parseNhsNumber, parseUbrn, SYSTEM, type Ubrn } from '../ids.ts';
import type { MappingIssue } from '../issues.ts';
import type { Mapped, MappedWorklist, WorklistItem, WorklistName } from '../model.ts';
import { Extensions, Findings, readIdentifier, readStructure, readValueCoding } from './elements.ts';
import { Source } from './source.ts';
import type { Unmapped } from './unmapped.ts';

/** A mapping with the source that it read, which knows what became of each leaf, and where each item stood there. */
export interface TracedWorklist {
  readonly mapped: Mapped<MappedWorklist>;
  readonly source: Source;
  readonly places: readonly string[];
}

/** The path of an entry among the kept fields of its item: an index would change with every poll (G-7). */
export const ENTRY = 'entry';

/** The extension that holds an item's fields, by list. Source: provider-api 4.3 */
const ITEM_EXTENSION: Readonly<Record<WorklistName, string>> = {
  REFERRALS_FOR_REVIEW: 'Extension-eRS-ReferralsforReview-WorkListItem-1',
  APPOINTMENT_SLOT_ISSUES: 'Extension-eRS-AppointmentSlotIssues-WorkListItem-1',
};

/**
 * Maps the answer of A008 for a provider list. An entry that names no referral is reported, never dropped (K1).
 * Issues: REQUIRED_ELEMENT_MISSING where the answer is no worklist; all others go with the value
 * Source: A008; target-model 1.3
 */
export function mapWorklist(source: unknown, list: WorklistName): Mapped<MappedWorklist> {
  return traceWorklist(source, list).mapped;
}

export function traceWorklist(value: unknown, list: WorklistName): TracedWorklist {
  const source = new Source(value, 'List');
  const entries = source.get('entry');
  if (source.get('resourceType').peek() !== 'List' || (entries.exists && !entries.isArray))
    return { mapped: { ok: false, issues: [{ code: 'REQUIRED_ELEMENT_MISSING', at: 'List' }] }, source, places: [] };
  readStructure(source, 'List', ['eRS-FetchWorklist-List-1']);
  source.get('status').structuralIf((status) => status === 'current');
  source.get('mode').structuralIf((mode) => mode === 'snapshot');
  const contained = readContained(source);
  const findings = new Findings();
  const items: Omit<WorklistItem, 'unmapped'>[] = [];
  const places: string[] = [];
  const unreadable: { index: number; ubrn?: Ubrn; issues: MappingIssue[] }[] = [];
  // Every element counts, even a null one: an index that is missing below would be a referral dropped in silence.
  for (const [index, entry] of entries.elements().entries()) {
    const ubrn = readUbrn(entry);
    if (ubrn) {
      items.push(readItem(entry, ubrn, list, contained, findings));
      places.push(entry.at);
    } else {
      const at = entry.get('item').get('reference').at;
      unreadable.push({ index, issues: [{ code: 'REQUIRED_ELEMENT_MISSING', at }] });
    }
  }
  const leftovers = source.leftovers();
  for (const { path, invalid } of leftovers) findings.add(invalid ? 'VALUE_INVALID' : 'VALUE_UNMAPPED', path);
  // What stands in an entry that could not be read is the list's own, so that it is not lost with its item.
  const readable = new Set(places);
  const byEntry = Map.groupBy(leftovers, ({ path }) => {
    const entry = /^List\.entry\[\d+\]/.exec(path)?.[0] ?? '';
    return readable.has(entry) ? entry : '';
  });
  const keptAt = (at: string, as: string): Unmapped[] =>
    (byEntry.get(at) ?? []).map(({ path, json }) => ({ path: `${as}${path.slice(at.length)}`, json }));
  const mapped: MappedWorklist = {
    list,
    items: items.map((item, index) => ({ ...item, unmapped: keptAt(places[index] ?? '', ENTRY) })),
    unreadable,
    unmapped: keptAt('', ''),
  };
  return { mapped: { ok: true, value: mapped, issues: findings.issues }, source, places };
}

/** M-60 */
function readUbrn(entry: Source): Ubrn | undefined {
  const reference = entry.get('item').get('reference');
  const [, digits, version] =
    /^(?:.*\/)?ReferralRequest\/(\d{12})(\/_history\/\d+)?$/.exec(reference.peek() ?? '') ?? [];
  const ubrn = parseUbrn(digits);
  if (ubrn && version === undefined && reference.peek() === `ReferralRequest/${ubrn}`) reference.taken();
  return ubrn;
}

/** M-43: contained people by local reference; all that is in them is an identifier. */
function readContained(source: Source): ReadonlyMap<string, Source> {
  return new Map(
    source
      .get('contained')
      .items()
      .map((resource) => [`#${resource.get('id').peek() ?? ''}`, resource]),
  );
}

function readItem(
  entry: Source,
  ubrn: Ubrn,
  list: WorklistName,
  contained: ReadonlyMap<string, Source>,
  findings: Findings,
): Omit<WorklistItem, 'unmapped'> {
  const fields = new Extensions(entry).one(ITEM_EXTENSION[list], (extension) => {
    const parts = new Extensions(extension);
    return extension.get('extension').exists ? parts : undefined;
  });
  const coding = (name: string): Coding | undefined => fields?.one(name, (field) => readValueCoding(field, findings));
  const dateTime = (name: string) => fields?.one(name, (field) => field.get('valueDateTime').dateTime());
  const person = (name: string, system: string) =>
    fields?.one(name, (field) => readPerson(field.get('valueReference'), system, contained));
  const nhsNumber = parseNhsNumber(person('patient', SYSTEM.nhsNumber));
  const service = fields?.one('service', (field) => {
    const reference = field.get('valueReference');
    const identifier = reference.first('identifier');
    const named = readIdentifier(identifier);
    if (named?.system !== SYSTEM.service) {
      identifier.invalid();
      return undefined;
    }
    const display = reference.get('display').text();
    return { id: named.value, ...(display !== undefined && { display }) };
  });
  const version = fields?.one(
    'referralRequestVersion',
    (field) => field.get('valueInteger').unsigned() ?? field.get('valueUnsignedInt').unsigned(),
  );
  return {
    list,
    ubrn,
    ...defined({
      version,
      service,
      nhsNumber,
      referralType: coding('referralType'),
      requestContextStatus: coding('requestContextStatus'),
      clinicalInfoPrinted: fields?.one('clinicalInfoPrinted', (field) => field.get('valueBoolean').boolean()),
      priority: coding('priority'),
      specialty: coding('specialty'),
      namedClinician: person('namedClinician', SYSTEM.sdsUser),
      allocatedClinician: person('allocatedClinician', SYSTEM.sdsUser),
      pathwayStart: dateTime('eReferralPathwayStart'),
      clinicalInfoFirstSubmitted: dateTime('clinicalInfoFirstSubmitted'),
      clinicalInfoLastUpdated: dateTime('clinicalInfoLastUpdated'),
      appointmentStart: dateTime('appointmentStart'),
      reviewReason: coding('reason'),
      patientContactExpected: fields?.one('patientContactExpected', (field) => field.get('valueDate').date()),
      ubrnReceived: dateTime('ubrnReceived'),
      clinicalInformationStatus: coding('clinicalInformationStatus'),
      lastContact: dateTime('lastContact'),
    }),
  };
}

/** An identifier of a person, in the reference itself or in the contained resource that it points at (provider-api 4.4). */
function readPerson(reference: Source, system: string, contained: ReadonlyMap<string, Source>): string | undefined {
  const anchor = reference.get('reference');
  const target = contained.get(anchor.peek() ?? '');
  const holder = target ?? reference;
  const named = holder
    .get('identifier')
    .items()
    .find((one) => one.get('value').peek() !== undefined);
  const value = named && readIdentifier(named);
  if (!value || value.system !== system || (system === SYSTEM.nhsNumber && !parseNhsNumber(value.value))) {
    named?.invalid();
    return undefined;
  }
  if (target) {
    const type = system === SYSTEM.nhsNumber ? 'Patient' : 'Practitioner';
    readStructure(target, type, [`eRS-${type}-1`]);
    target.get('id').structural();
    anchor.structural();
  }
  return value.value;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

const defined = <T extends object>(members: T): Defined<T> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>;
