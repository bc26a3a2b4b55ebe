import { createHash } from 'node:crypto';
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

/** Items by the hash of the entry that they were read from. */
type EntriesRead = MappedWorklist['read'];
const NONE: EntriesRead = new Map();

/**
 * Maps the answer of A008 for a provider list. An entry that names no referral is reported, never dropped (K1).
 * @param before what an earlier answer of the same list was read as: an entry that says the same, word by word, is the same
 * item, and its issues were told then. Of thousands of entries few change between two polls (architecture 5).
 * Issues: REQUIRED_ELEMENT_MISSING where the answer is no worklist; all others go with the value
 * Source: A008; target-model 1.3
 */
export function mapWorklist(source: unknown, list: WorklistName, before: EntriesRead = NONE): Mapped<MappedWorklist> {
  return traceWorklist(source, list, before).mapped;
}

export function traceWorklist(value: unknown, list: WorklistName, before: EntriesRead = NONE): TracedWorklist {
  const known = readBefore(value, before);
  const source = new Source(withoutKnown(value, known), 'List');
  const entries = source.get('entry');
  if (source.get('resourceType').peek() !== 'List' || (entries.exists && !entries.isArray))
    return { mapped: { ok: false, issues: [{ code: 'REQUIRED_ELEMENT_MISSING', at: 'List' }] }, source, places: [] };
  readStructure(source, 'List', ['eRS-FetchWorklist-List-1']);
  source.get('status').structuralIf((status) => status === 'current');
  source.get('mode').structuralIf((mode) => mode === 'snapshot');
  const contained = readContained(source);
  const findings = new Findings();
  const rows: Row[] = [];
  const unreadable: { index: number; ubrn?: Ubrn; issues: MappingIssue[] }[] = [];
  // Every element counts, even a null one: an index that is missing below would be a referral dropped in silence.
  for (const [index, entry] of entries.elements().entries()) {
    const { hash, item } = known[index] ?? {};
    const ubrn = item?.ubrn ?? readUbrn(entry);
    if (ubrn)
      rows.push({ at: entry.at, hash: hash ?? '', item: item ?? readItem(entry, ubrn, list, contained, findings) });
    else {
      const at = entry.get('item').get('reference').at;
      unreadable.push({ index, issues: [{ code: 'REQUIRED_ELEMENT_MISSING', at }] });
    }
  }
  const leftovers = source.leftovers();
  for (const { path, invalid } of leftovers) findings.add(invalid ? 'VALUE_INVALID' : 'VALUE_UNMAPPED', path);
  // What stands in an entry that could not be read is the list's own, so that it is not lost with its item.
  const readable = new Set(rows.map(({ at }) => at));
  const byEntry = Map.groupBy(leftovers, ({ path }) => {
    const entry = /^List\.entry\[\d+\]/.exec(path)?.[0] ?? '';
    return readable.has(entry) ? entry : '';
  });
  const keptAt = (at: string, as: string): Unmapped[] =>
    (byEntry.get(at) ?? []).map(({ path, json }) => ({ path: `${as}${path.slice(at.length)}`, json }));
  const items = rows.map(({ item, at }) => ('unmapped' in item ? item : { ...item, unmapped: keptAt(at, ENTRY) }));
  const mapped: MappedWorklist = {
    list,
    items,
    read: new Map(
      rows.flatMap(({ hash }, index) => {
        const item = items[index];
        return item === undefined ? [] : [[hash, item] as const];
      }),
    ),
    unreadable,
    unmapped: keptAt('', ''),
  };
  return { mapped: { ok: true, value: mapped, issues: findings.issues }, source, places: rows.map(({ at }) => at) };
}

/** An entry that names a referral; what is left over of it is not known before all are read. */
interface Row {
  readonly at: string;
  readonly hash: string;
  readonly item: WorklistItem | Omit<WorklistItem, 'unmapped'>;
}

interface KnownEntry {
  readonly hash: string;
  /** Ids of the contained resources that it points at. */
  readonly anchors: readonly string[];
  readonly item: WorklistItem | undefined;
}

/** What was read before of the entries that say the same, with what is contained for them. */
function readBefore(value: unknown, before: EntriesRead): readonly KnownEntry[] {
  const contained = new Map(membersOf(value, 'contained').map((one) => [idOf(one), JSON.stringify(one)]));
  return membersOf(value, 'entry').map((entry) => {
    const text = JSON.stringify(entry);
    const anchors = [...text.matchAll(/"#([^"]+)"/g)].map(([, id]) => id ?? '');
    const whole = [text, ...anchors.map((id) => contained.get(id) ?? '')].join('\n');
    const hash = createHash('sha1').update(whole).digest('base64url');
    return { hash, anchors, item: before.get(hash) };
  });
}

/** The answer without what need not be read again; what remains keeps its place. */
function withoutKnown(value: unknown, known: readonly KnownEntry[]): unknown {
  const [read, unread] = [known.filter(({ item }) => item), known.filter(({ item }) => item === undefined)];
  if (read.length === 0) return value;
  const needed = new Set(unread.flatMap(({ anchors }) => anchors));
  const done = new Set(read.flatMap(({ anchors }) => anchors).filter((id) => !needed.has(id)));
  return {
    ...(value as object),
    entry: membersOf(value, 'entry').map((one, index) => (known[index]?.item === undefined ? one : null)),
    contained: membersOf(value, 'contained').map((one) => (done.has(idOf(one)) ? null : one)),
  };
}

const membersOf = (value: unknown, name: 'contained' | 'entry'): readonly unknown[] => {
  const members: unknown =
    value !== null && typeof value === 'object' && name in value ? value[name as never] : undefined;
  return Array.isArray(members) ? members : [];
};

const idOf = (resource: unknown): string =>
  resource !== null && typeof resource === 'object' && 'id' in resource ? String(resource.id) : '';

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
