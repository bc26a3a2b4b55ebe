import { createHash } from 'node:crypto';
import { isServedType, type ServedType } from '../../conformance/index.ts';
import { identifierOf, requestKey, SYSTEM } from '../../mappings/index.ts';
import type { Caller, Clock, Store, StoreResult } from '../core/index.ts';

/**
 * How a client that is limited to some e-RS services comes to resources of a type. All that is about a referral follows
 * the referral, and that belongs to the services which it names as `performer` now: so a condition is a search that
 * leads from the type to that element, and the store alone answers it.
 */
type Way =
  /** Names no patient: who is who, and our own artefacts. */
  | 'open'
  /** Not at all. */
  | 'closed'
  | 'by-shortlist'
  | 'by-document'
  | { readonly condition: string };

/** Source: docs/decisions/0019 */
const WAYS: Readonly<Record<ServedType, Way>> = {
  Appointment: { condition: 'based-on:ServiceRequest.performer' },
  // One event may name resources of several services.
  AuditEvent: 'closed',
  Binary: 'by-document',
  CapabilityStatement: 'open',
  CodeSystem: 'open',
  ConceptMap: 'open',
  Device: 'open',
  DocumentReference: { condition: 'related:ServiceRequest.performer' },
  HealthcareService: 'open',
  List: 'by-shortlist',
  NamingSystem: 'open',
  OperationDefinition: 'open',
  Organization: 'open',
  Patient: { condition: '_has:ServiceRequest:subject:performer' },
  Practitioner: 'open',
  Provenance: { condition: 'target:ServiceRequest.performer' },
  SearchParameter: 'open',
  ServiceRequest: { condition: 'performer' },
  StructureDefinition: 'open',
  Task: { condition: 'focus:ServiceRequest.performer' },
  ValueSet: 'open',
};

export const isOpen = (type: ServedType): boolean => WAYS[type] === 'open';

/** Whether searches of the type can be limited: what is searched is then what the client reaches. */
export const isSearchable = (type: ServedType): boolean => isOpen(type) || typeof WAYS[type] === 'object';

/** What a limited caller reaches: referrals whose `performer` is one of these, as a search takes them. */
export interface Limit {
  readonly performers: string;
}

/** No resource has it; so nothing is asked of a store otherwise than of something that is there. */
const NIL = '00000000-0000-0000-0000-000000000000';

/** How long a service is known by its ids before it is looked up again. */
const KNOWN_MS = 60_000;

/** Which HealthcareServices stand for the e-RS services of callers. */
export class ServiceDirectory {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly ids: readonly string[]; readonly untilMs: number }>();

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Undefined: the caller is not limited. A service of which nothing has landed has no referrals. */
  async limitOf({ services }: Caller): Promise<StoreResult<Limit | undefined>> {
    if (services === 'all') return { ok: true, value: undefined };
    const performers: string[] = [];
    for (const service of [...services].toSorted()) {
      const ids = await this.#idsOf(service);
      if (!ids.ok) return ids;
      performers.push(...ids.value.map((id) => `HealthcareService/${id}`));
    }
    return { ok: true, value: { performers: performers.join(',') || `HealthcareService/${NIL}` } };
  }

  async #idsOf(service: string): Promise<StoreResult<readonly string[]>> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#known.get(service);
    if (known !== undefined && nowMs < known.untilMs) return { ok: true, value: known.ids };
    const found = await this.#store.findByIdentifier('HealthcareService', SYSTEM.service, service);
    if (!found.ok) return found;
    const ids = found.value.map(({ id }) => id).toSorted();
    // One that is not there yet may land at any moment.
    if (ids.length > 0) this.#known.set(service, { ids, untilMs: nowMs + KNOWN_MS });
    return { ok: true, value: ids };
  }
}

/** What of a search keeps it to what the caller reaches: a parameter and its value; undefined where all do. */
export function conditionOf(type: ServedType, { performers }: Limit): readonly [string, string] | undefined {
  const way = WAYS[type];
  return typeof way === 'object' ? [way.condition, performers] : undefined;
}

/**
 * Whether a limited caller reaches the resource as it is now; old versions are judged by it too. For an id that nothing
 * has, the same is asked of the store as for one of another service, so neither answer nor work tells them apart.
 */
export async function isReached(store: Store, limit: Limit, type: string, id: string): Promise<StoreResult<boolean>> {
  const way = isServedType(type) ? WAYS[type] : 'closed';
  switch (way) {
    case 'open':
      return { ok: true, value: true };
    case 'closed':
      return { ok: true, value: false };
    case 'by-shortlist':
      return isOwnShortlist(store, limit, id);
    case 'by-document':
      return isAnyFound(store, limit, 'DocumentReference', ['location', `Binary/${id}`]);
    default:
      return isAnyFound(store, limit, type as ServedType, ['_id', id]);
  }
}

/** Which of these a limited caller reaches. The store is asked even if there are none. */
export async function reachedOf(
  store: Store,
  limit: Limit,
  type: ServedType,
  ids: readonly string[],
): Promise<StoreResult<ReadonlySet<string>>> {
  const reached = new Set<string>();
  for (let at = 0; at === 0 || at < ids.length; at += CHUNK) {
    const some = ids.slice(at, at + CHUNK);
    const found = await store.search(type, queryOf(type, limit, ['_id', some.join(',') || NIL], CHUNK));
    if (!found.ok) return found;
    for (const { id } of found.value.matches) reached.add(id);
  }
  return { ok: true, value: reached };
}

const CHUNK = 500;

async function isAnyFound(
  store: Store,
  limit: Limit,
  type: ServedType,
  wanted: readonly [string, string],
): Promise<StoreResult<boolean>> {
  const found = await store.search(type, queryOf(type, limit, wanted, 1));
  return found.ok ? { ok: true, value: found.value.matches.length > 0 } : found;
}

function queryOf(type: ServedType, limit: Limit, wanted: readonly [string, string], count: number): string {
  const condition = conditionOf(type, limit);
  const query = new URLSearchParams([[...wanted], ['_count', String(count)], ['_elements', 'id']]);
  if (condition) query.append(...condition);
  return query.toString();
}

/** A shortlist says whose it is by the request id in its own identifier (I-5); nothing searchable leads to it. */
async function isOwnShortlist(store: Store, limit: Limit, id: string): Promise<StoreResult<boolean>> {
  const list = await store.read('List', id);
  if (!list.ok && list.code !== 'not-found' && list.code !== 'gone') return list;
  const requestId = list.ok ? identifierOf(list.value, SYSTEM.shortlist) : undefined;
  // Nothing that a search would read as more than one value.
  const { system, value } = requestKey(requestId !== undefined && /^[\w.#-]+$/.test(requestId) ? requestId : NIL);
  return isAnyFound(store, limit, 'ServiceRequest', ['identifier', `${system}|${value}`]);
}

/** Whom a paging link is for: another client, or other services of the same one, open none of its pages. */
export const markOf = ({ clientId, services }: Caller): string =>
  createHash('sha256')
    .update(JSON.stringify([clientId, services === 'all' ? services : [...services].toSorted()]))
    .digest('base64url');
