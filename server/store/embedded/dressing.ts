import type { Resource } from '@medplum/fhirtypes';
import {
  ID_NAMESPACE,
  type ResourceType,
  type Store,
  type StoreCapabilities,
  type Stored,
  type StoreFailure,
  type StoreResult,
  type TransactionEntry,
  uuidV5,
} from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';

/** Medplum's own limits are 50 writes and 1 MB; these keep a distance (stores.md 7, rule 9). */
const MEDPLUM_CAPABILITIES: StoreCapabilities = {
  kind: 'medplum',
  clientIds: false,
  typeHistory: false,
  customSearchParameters: false,
  maxTransactionEntries: 40,
  maxTransactionBytes: 900_000,
};

/**
 * The embedded store as HAPI would stand at the door: it takes client-chosen ids, but none that are all digits
 * (HAPI-0960); everything else in which HAPI differs (409 for 412) has the same name here.
 */
export function dressedAsHapi(store: Store): Store {
  const refuses = (id: string) => (/^\d+$/.test(id) ? allDigits : undefined);
  return {
    ...delegated(store),
    capabilities: { ...store.capabilities, kind: 'hapi' },
    update: async (resource, options) => refuses(resource.id) ?? store.update(resource, options),
    async transaction(entries) {
      const refused = entries.find((entry) => entry.kind === 'put' && refuses(entry.resource.id));
      return refused ? allDigits : store.transaction(entries);
    },
  };
}

/**
 * The embedded store as Medplum would stand at the door: the server chooses ids, versions are UUIDs without order, types
 * have no history, transactions are small. (Its search parameters are those of base R4: the opener sees to that.)
 */
export function dressedAsMedplum(store: Store): Store {
  const capabilities = MEDPLUM_CAPABILITIES;

  /** The store's own version behind a UUID, if that is the current one. */
  async function current(type: ResourceType, id: string, versionId: string): Promise<StoreResult<string>> {
    const read = await store.read(type, id);
    if (!read.ok) return read.code === 'not-found' || read.code === 'gone' ? stale : read;
    const version = read.value.meta.versionId;
    return veiledVersion(type, id, version) === versionId ? { ok: true, value: version } : stale;
  }

  async function unveilMatch(
    type: ResourceType,
    id: string,
    ifMatch?: string,
  ): Promise<StoreResult<{ ifMatch?: string }>> {
    if (ifMatch === undefined) return { ok: true, value: {} };
    const version = await current(type, id, ifMatch);
    return version.ok ? { ok: true, value: { ifMatch: version.value } } : version;
  }

  async function unveilEntry(entry: TransactionEntry): Promise<StoreResult<TransactionEntry>> {
    if (entry.kind !== 'put') return { ok: true, value: entry };
    const { resource, ifMatch } = entry;
    if (ifMatch === undefined) return clientId;
    const version = await current(resource.resourceType, resource.id, ifMatch);
    return version.ok ? { ok: true, value: { ...entry, ifMatch: version.value } } : version;
  }

  return {
    ...delegated(store),
    capabilities,
    read: async (type, id) => veiled(await store.read(type, id)),
    async readVersion(type, id, versionId) {
      for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
        const page = await store.history(type, id, next === undefined ? {} : { next });
        if (!page.ok) return page;
        const entry = page.value.entries.find((one) => veiledVersion(type, id, one.versionId) === versionId);
        if (entry) return veiled(await store.readVersion(type, id, entry.versionId));
        next = page.value.next;
      }
      return failure('not-found', `There is no such version of this ${type}`);
    },
    async history(type, id, page) {
      if (id === undefined) return failure('not-supported', 'This server keeps histories of single resources only');
      const result = await store.history(type, id, page);
      if (!result.ok) return result;
      const entries = result.value.entries.map((entry) => ({
        ...entry,
        versionId: veiledVersion(entry.type, entry.id, entry.versionId),
        ...(entry.resource ? { resource: veil(entry.resource) } : {}),
      }));
      return { ok: true, value: { ...result.value, entries } };
    },
    async search(type, query, next, bounds) {
      const page = await store.search(type, query, next, bounds);
      if (!page.ok) return page;
      return {
        ok: true,
        value: { ...page.value, matches: page.value.matches.map(veil), includes: page.value.includes.map(veil) },
      };
    },
    async findByIdentifier(type, system, value) {
      const found = await store.findByIdentifier(type, system, value);
      return found.ok ? { ok: true, value: found.value.map(veil) } : found;
    },
    async create(resource, options) {
      const created = await store.create(resource, options);
      return created.ok ? { ok: true, value: { ...created.value, resource: veil(created.value.resource) } } : created;
    },
    async update(resource, options) {
      const type = resource.resourceType;
      const condition = await unveilMatch(type, resource.id, options?.ifMatch);
      if (!condition.ok) return condition;
      const known = await store.read(type, resource.id);
      return known.ok ? veiled(await store.update(resource, condition.value)) : known;
    },
    async patch(type, id, operations, options) {
      const condition = await unveilMatch(type, id, options?.ifMatch);
      return condition.ok ? veiled(await store.patch(type, id, operations, condition.value)) : condition;
    },
    async remove(type, id, options) {
      const condition = await unveilMatch(type, id, options?.ifMatch);
      return condition.ok ? store.remove(type, id, condition.value) : condition;
    },
    async transaction(entries) {
      if (entries.length > capabilities.maxTransactionEntries) return tooLarge;
      if (Buffer.byteLength(JSON.stringify(entries)) > capabilities.maxTransactionBytes) return tooLarge;
      const unveiled: TransactionEntry[] = [];
      for (const entry of entries) {
        const one = await unveilEntry(entry);
        if (!one.ok) return one;
        unveiled.push(one.value);
      }
      const written = await store.transaction(unveiled);
      return written.ok ? { ok: true, value: written.value.map((one) => one && veil(one)) } : written;
    },
    putBinary: (source, { id: _, ...about }) => store.putBinary(source, about),
    async openBinary(id) {
      const opened = await store.openBinary(id);
      if (!opened.ok) return opened;
      return { ok: true, value: { ...opened.value, versionId: veiledVersion('Binary', id, opened.value.versionId) } };
    },
  };
}

/** The methods of a store as an object that can be spread and overridden. */
function delegated(store: Store): Omit<Store, 'capabilities'> {
  return {
    probe: () => store.probe(),
    read: (type, id) => store.read(type, id),
    readVersion: (type, id, versionId) => store.readVersion(type, id, versionId),
    history: (type, id, page) => store.history(type, id, page),
    search: (type, query, next, bounds) => store.search(type, query, next, bounds),
    findByIdentifier: (type, system, value) => store.findByIdentifier(type, system, value),
    create: (resource, options) => store.create(resource, options),
    update: (resource, options) => store.update(resource, options),
    patch: (type, id, operations, options) => store.patch(type, id, operations, options),
    remove: (type, id, options) => store.remove(type, id, options),
    transaction: (entries) => store.transaction(entries),
    putBinary: (source, about) => store.putBinary(source, about),
    openBinary: (id) => store.openBinary(id),
    onChange: (listener) => store.onChange(listener),
    close: () => store.close(),
  };
}

const veiledVersion = (type: string, id: string, version: string) => uuidV5(ID_NAMESPACE, `${type}/${id}/${version}`);

function veil<T extends Resource>(resource: Stored<T>): Stored<T> {
  const versionId = veiledVersion(resource.resourceType, resource.id, resource.meta.versionId);
  return { ...resource, meta: { ...resource.meta, versionId } };
}

const veiled = <T extends Resource>(result: StoreResult<Stored<T>>): StoreResult<Stored<T>> =>
  result.ok ? { ok: true, value: veil(result.value) } : result;

const stale: StoreFailure = failure('conflict', 'The resource is no longer at the version given: read it again');
const clientId: StoreFailure = failure('not-supported', 'This server chooses ids: create the resource instead');
const tooLarge: StoreFailure = failure('invalid', 'The transaction has more entries or bytes than this server takes');
const allDigits: StoreFailure = failure('invalid', 'An id that a client chooses needs a character that is no digit');
