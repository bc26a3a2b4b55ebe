import { randomUUID } from 'node:crypto';
import type { Resource } from '@medplum/fhirtypes';
import { type BusinessKey, canonicalJson } from '../../mappings/index.ts';
import type { ResourceType, Store, Stored, StoreResult, TransactionEntry } from '../core/index.ts';
import type { References } from './references.ts';

/** A resource as mappings made it, and as the store has it, if it does. */
export interface Part<T extends Resource = Resource> {
  readonly wanted: T;
  readonly stored: Stored | undefined;
  /** Stands for the id that the store will choose. */
  readonly fullUrl?: string;
}

/**
 * Finds what the store has of a resource: under its own id, or by business key where the store chooses ids. Notes where
 * references to it lead from now on.
 * @param isNew nothing is looked up: the caller holds that it is not there, and the transaction will prove it
 */
export async function locate<T extends Resource>(
  store: Store,
  wanted: T,
  key: BusinessKey,
  references: References,
  isNew: boolean,
): Promise<StoreResult<Part<T>>> {
  const made = `${wanted.resourceType}/${wanted.id ?? ''}`;
  if (store.capabilities.clientIds) {
    if (isNew) return { ok: true, value: { wanted, stored: undefined } };
    const found = await readIfThere(store, wanted.resourceType, wanted.id ?? '');
    return found.ok ? { ok: true, value: { wanted, stored: found.value } } : found;
  }
  const found = await store.findByIdentifier(wanted.resourceType, key.system, key.value);
  if (!found.ok) return found;
  const stored = found.value.toSorted((a, b) => (a.id < b.id ? -1 : 1))[0];
  const fullUrl = `urn:uuid:${randomUUID()}`;
  references.set(made, stored === undefined ? fullUrl : `${wanted.resourceType}/${stored.id}`);
  return { ok: true, value: { wanted, stored, ...(stored === undefined ? { fullUrl } : {}) } };
}

/** What is there under an id; undefined when nothing is, or no longer. */
export async function readIfThere(
  store: Store,
  type: ResourceType,
  id: string,
): Promise<StoreResult<Stored | undefined>> {
  const found = await store.read(type, id);
  if (found.ok) return { ok: true, value: found.value as Stored };
  return found.code === 'not-found' || found.code === 'gone' ? { ok: true, value: undefined } : found;
}

/** The write that makes the store agree; undefined when it does already (I-11). */
export function entryOf({ wanted, stored, fullUrl }: Part, references: References): TransactionEntry | undefined {
  const resource = references.resolve(wanted);
  if (stored !== undefined) {
    if (canonicalJson(resource) === canonicalJson(stored)) return undefined;
    return { kind: 'put', resource: { ...resource, id: stored.id }, ifMatch: stored.meta.versionId };
  }
  if (fullUrl === undefined) return { kind: 'put', resource: { ...resource, id: wanted.id ?? '' } };
  const { id: _, ...content } = resource;
  return { kind: 'create', resource: content as Resource, fullUrl };
}
