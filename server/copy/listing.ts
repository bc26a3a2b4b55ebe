import type { Basic } from '@medplum/fhirtypes';
import {
  codeSystem,
  type RecordKind,
  type ResourceType,
  type Store,
  type Stored,
  type StoreResult,
} from '../core/index.ts';
import { fingerprintOf } from './fingerprint.ts';

const PAGE = '200';
const RECORD = codeSystem('ers-record');
/** The lease says who works on that very store, and what was renamed is of the copy itself. */
const NOT_COPIED: ReadonlySet<string> = new Set<RecordKind>(['ers-lease', 'ers-copy']);

/**
 * What is copied: every type that the embedded store searches, and its files. In the order in which one thing refers to another as a rule; where it is the other way round, the two go
 * together. Source: target-model 1, 5; architecture 1
 */
export const COPIED_TYPES = [
  'CodeSystem',
  'Organization',
  'Location',
  'Endpoint',
  'Practitioner',
  'PractitionerRole',
  'Device',
  'HealthcareService',
  'Patient',
  'RelatedPerson',
  'Schedule',
  'Slot',
  'List',
  'ServiceRequest',
  'Appointment',
  'Binary',
  'DocumentReference',
  'Communication',
  'Task',
  'Provenance',
  'AuditEvent',
  'Basic',
] as const satisfies readonly ResourceType[];

export type CopiedType = (typeof COPIED_TYPES)[number];
/** What a search lists: all but files. */
export type ListedType = Exclude<CopiedType, 'Binary'>;

export const isCopiedType = (type: string): type is CopiedType => COPIED_TYPES.some((one) => one === type);

/** A resource as it was listed. */
export interface Listed {
  readonly resource: Stored;
  readonly fingerprint: string;
}

/** What a store has of a resource, by its place. */
export type Holdings = ReadonlyMap<string, { readonly fingerprint: string; readonly versionId: string }>;

/** `Type/id`. */
export const placeOf = ({ resource }: Listed): string => `${resource.resourceType}/${resource.id}`;

export const listed = (resource: Stored): Listed => ({
  resource,
  fingerprint: fingerprintOf(resource),
});

/** Whether a resource is moved. Of `Basic`s only the engine's records are: a store's probe leaves one of its own. */
const isCopied = (resource: Stored): boolean =>
  resource.resourceType !== 'Basic' ||
  ((resource as Basic).code.coding ?? []).some(({ system, code = '' }) => system === RECORD && !NOT_COPIED.has(code));

/** Everything of a type, page by page; ends with the failure of a page. */
export async function* pagesOf(store: Store, type: ListedType): AsyncGenerator<StoreResult<readonly Listed[]>> {
  const query = new URLSearchParams({ _count: PAGE }).toString();
  for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const page = await store.search(type, query, next);
    if (!page.ok) {
      yield page;
      return;
    }
    yield { ok: true, value: page.value.matches.filter(isCopied).map(listed) };
    next = page.value.next;
  }
}

/** The ids of all files. Stores offer no search of them, so they are those that their history has and that are not deleted. */
export async function* filesOf(store: Store): AsyncGenerator<StoreResult<readonly string[]>> {
  const met = new Set<string>();
  for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const page = await store.history('Binary', undefined, {
      count: Number(PAGE),
      ...(next === undefined ? {} : { next }),
    });
    if (!page.ok) {
      yield page;
      return;
    }
    const latest = page.value.entries.filter(({ id }) => !met.has(id) && met.add(id));
    yield { ok: true, value: latest.flatMap(({ id, method }) => (method === 'DELETE' ? [] : [id])) };
    next = page.value.next;
  }
}

/** All that a store has of a type. */
export async function holdingsOf(store: Store, type: ListedType): Promise<StoreResult<Holdings>> {
  const held = new Map<string, { fingerprint: string; versionId: string }>();
  for await (const page of pagesOf(store, type)) {
    if (!page.ok) return page;
    for (const one of page.value) {
      const { fingerprint, resource } = one;
      held.set(placeOf(one), { fingerprint, versionId: resource.meta.versionId });
    }
  }
  return { ok: true, value: held };
}
