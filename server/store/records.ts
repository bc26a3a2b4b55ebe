import type { Basic } from '@medplum/fhirtypes';
import {
  codeSystem,
  ID_NAMESPACE,
  identifierSystem,
  type RecordKind,
  type Store,
  type Stored,
  type StoreFailure,
  type StoreResult,
  structureDefinition,
  type TransactionEntry,
  uuidV5,
} from '../core/index.ts';

/** A record as read: its content, and what a compare-and-set write of it needs. */
export interface EngineRecord<T> {
  readonly key: string;
  readonly data: T;
  readonly id: string;
  readonly versionId: string;
}

const CODE_SYSTEM = codeSystem('ers-record');
const PAYLOAD = structureDefinition('ers-record');

/** Where the store takes client ids, a record's id follows from its key: one key can never have two records. */
const recordId = (kind: RecordKind, key: string) => uuidV5(ID_NAMESPACE, `${identifierSystem(kind)}|${key}`);

/** Reads an engine record by its key; undefined when there is none. Source: architecture 1. */
export async function readRecord<T>(
  store: Store,
  kind: RecordKind,
  key: string,
): Promise<StoreResult<EngineRecord<T> | undefined>> {
  if (store.capabilities.clientIds) {
    const read = await store.read('Basic', recordId(kind, key));
    if (read.ok) return recordOf<T>(read.value);
    return read.code === 'not-found' || read.code === 'gone' ? { ok: true, value: undefined } : read;
  }
  const found = await store.findByIdentifier('Basic', identifierSystem(kind), key);
  if (!found.ok) return found;
  const [basic, second] = found.value;
  if (second) return invalid('Two records have one key: an operator must remove the wrong one', 'multiple-matches');
  return basic ? recordOf<T>(basic) : { ok: true, value: undefined };
}

/**
 * The transaction entry that writes a record: a creation without `previous`, else a replacement of exactly that version.
 * Where the store chooses ids, a creation cannot be refused by the store: callers read first, under their lease.
 */
export function recordEntry<T>(
  store: Store,
  kind: RecordKind,
  key: string,
  data: T,
  previous?: { readonly id: string; readonly versionId: string },
): TransactionEntry {
  const basic: Basic = {
    resourceType: 'Basic',
    identifier: [{ system: identifierSystem(kind), value: key }],
    code: { coding: [{ system: CODE_SYSTEM, code: kind }] },
    extension: [{ url: PAYLOAD, valueString: JSON.stringify(data) }],
  };
  if (previous) return { kind: 'put', resource: { ...basic, id: previous.id }, ifMatch: previous.versionId };
  if (store.capabilities.clientIds) return { kind: 'put', resource: { ...basic, id: recordId(kind, key) } };
  return { kind: 'create', resource: basic };
}

/** Writes one record by compare-and-set; `conflict` when it exists already (no `previous`) or has moved on. */
export async function writeRecord<T>(
  store: Store,
  kind: RecordKind,
  key: string,
  data: T,
  previous?: { readonly id: string; readonly versionId: string },
): Promise<StoreResult<EngineRecord<T>>> {
  const entry = recordEntry(store, kind, key, data, previous);
  if (entry.kind === 'create') {
    const condition = new URLSearchParams({ identifier: `${identifierSystem(kind)}|${escapeValue(key)}` }).toString();
    const created = await store.create(entry.resource, { ifNoneExist: condition });
    if (!created.ok) return created;
    if (!created.value.created) return invalid('The record exists already: read it again', 'conflict');
    const { id, meta } = created.value.resource;
    return { ok: true, value: { key, data, id, versionId: meta.versionId } };
  }
  const written = await store.transaction([entry]);
  if (!written.ok) return written;
  const [stored] = written.value;
  if (!stored) return invalid('The store did not answer with the record that it wrote', 'unknown-outcome');
  return { ok: true, value: { key, data, id: stored.id, versionId: stored.meta.versionId } };
}

/** All records of a kind, read through to the last page. */
export async function listRecords<T>(store: Store, kind: RecordKind): Promise<StoreResult<readonly EngineRecord<T>[]>> {
  const query = recordsQuery(kind, 500);
  const records: EngineRecord<T>[] = [];
  for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const page = await store.search('Basic', query, next);
    if (!page.ok) return page;
    for (const basic of page.value.matches) {
      const record = recordOf<T>(basic as Stored<Basic>);
      if (!record.ok) return record;
      records.push(record.value);
    }
    next = page.value.next;
  }
  return { ok: true, value: records };
}

/** The record that a `Basic` of a search is; invalid when it is none of this engine's. */
export function recordOf<T>(basic: Stored<Basic>): StoreResult<EngineRecord<T>> {
  const payload = basic.extension?.find((one) => one.url === PAYLOAD)?.valueString;
  const key = basic.identifier?.[0]?.value;
  if (payload === undefined || key === undefined)
    return invalid('A record lacks its payload: it was not written by this engine', 'invalid');
  return { ok: true, value: { key, data: JSON.parse(payload) as T, id: basic.id, versionId: basic.meta.versionId } };
}

/** Key and content of a record that is not read but about to be written; undefined when it is none of that kind. */
export function contentOfRecord<T>(basic: Basic, kind: RecordKind): { key: string; data: T } | undefined {
  const isKind = basic.code.coding?.some(({ system, code }) => system === CODE_SYSTEM && code === kind);
  const payload = basic.extension?.find(({ url }) => url === PAYLOAD)?.valueString;
  const key = basic.identifier?.[0]?.value;
  return isKind && payload !== undefined && key !== undefined ? { key, data: JSON.parse(payload) as T } : undefined;
}

/** The record with other content. */
export const withContent = <B extends Basic, T>(basic: B, data: T): B => ({
  ...basic,
  extension: [{ url: PAYLOAD, valueString: JSON.stringify(data) }],
});

/** The search by which all records of a kind are found. */
export const recordsQuery = (kind: RecordKind, count: number): string =>
  new URLSearchParams({ code: `${CODE_SYSTEM}|${kind}`, _count: String(count) }).toString();

/** A comma or backslash in a value is no separator. Source: FHIR R4 search, escaping. */
const escapeValue = (value: string): string => value.replaceAll(/[\\,]/g, '\\$&');

function invalid(text: string, code: StoreFailure['code']): StoreFailure {
  const issue = [{ severity: 'error' as const, code: 'processing' as const, details: { text } }];
  return { ok: false, code, outcome: { resourceType: 'OperationOutcome', issue } };
}
