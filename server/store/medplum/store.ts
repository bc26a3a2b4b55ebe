import type { Readable } from 'node:stream';
import type { Bundle, BundleEntry, Resource, SearchParameter } from '@medplum/fhirtypes';
import type {
  HistoryEntry,
  HistoryPage,
  OpenBinary,
  ResourceOf,
  ResourceType,
  SearchPage,
  Store,
  StoreCapabilities,
  Stored,
  StoredBinary,
  StoreFailure,
  StoreResult,
  TransactionEntry,
} from '../../core/index.ts';
import { buildParameters, loadDefinitions } from '../embedded/definitions.ts';
import { patchInPlace } from '../embedded/json-patch.ts';
import { failure } from '../embedded/outcome.ts';
import { buildValidation, type Validate } from '../embedded/validate.ts';
import { isBundle, nextQueryOf } from '../hapi/resources.ts';
import { checkShape, ifMatchOf } from '../hapi/transaction.ts';
import { type Answer, unknownOutcome, type WireOptions } from '../hapi/wire.ts';
import { openBinary, putBinary } from './binaries.ts';
import { FHIR, type MedplumWire, openMedplumWire } from './client.ts';
import { OwnProject } from './own-project.ts';
import { probe } from './probe.ts';
import { refusalOf } from './refusals.ts';
import { storedOf } from './resources.ts';
import { MedplumSearches } from './searches.ts';

/** Medplum's own limits are 50 writes and 1 MB; these keep a distance (stores.md 7, rule 9). */
const MEDPLUM_CAPABILITIES: StoreCapabilities = {
  kind: 'medplum',
  clientIds: false,
  typeHistory: false,
  customSearchParameters: false,
  maxTransactionEntries: 40,
  maxTransactionBytes: 900_000,
};

/** How often something is tried that another writer undid. */
const TRIES = 6;
const DEFAULT_COUNT = 50;

let validation: Validate | undefined;

/** A Medplum project behind the door. Its parameters are those of base R4; see `probe` for what it must be set to. */
export function connectMedplum(options: WireOptions): Store {
  loadDefinitions();
  validation ??= buildValidation();
  return new MedplumStore(openMedplumWire(options), options, validation);
}

type Change = { readonly type: ResourceType; readonly id: string };
const NONE: readonly SearchParameter[] = [];

class MedplumStore implements Store {
  readonly capabilities = MEDPLUM_CAPABILITIES;
  readonly #wire: MedplumWire;
  readonly #own: OwnProject;
  readonly #searches: MedplumSearches;
  readonly #clock: WireOptions['clock'];
  readonly #random: () => number;
  readonly #validate: Validate;
  readonly #listeners = new Set<(change: Change) => void>();

  constructor(wire: MedplumWire, { clock, random }: WireOptions, validate: Validate) {
    this.#wire = wire;
    this.#own = new OwnProject(wire);
    this.#searches = new MedplumSearches(wire, this.#own, buildParameters(NONE));
    this.#clock = clock;
    this.#random = random;
    this.#validate = validate;
  }

  probe(): Promise<StoreResult<void>> {
    return probe(this.#wire);
  }

  async read<K extends ResourceType>(type: K, id: string): Promise<StoreResult<Stored<ResourceOf<K>>>> {
    return this.#readPath(`${type}/${encodeURIComponent(id)}`, type);
  }

  async readVersion<K extends ResourceType>(
    type: K,
    id: string,
    versionId: string,
  ): Promise<StoreResult<Stored<ResourceOf<K>>>> {
    return this.#readPath(`${type}/${encodeURIComponent(id)}/_history/${encodeURIComponent(versionId)}`, type);
  }

  async history(
    type: ResourceType,
    id: string | undefined,
    { since, count = DEFAULT_COUNT, next = '0' }: { since?: string; count?: number; next?: string },
  ): Promise<StoreResult<HistoryPage>> {
    if (id === undefined) return failure('not-supported', 'This server keeps histories of single resources only');
    if (!/^\d{1,9}$/.test(next)) return failure('invalid', 'The paging token is not one of ours');
    const sinceMs = since === undefined ? 0 : Date.parse(since);
    if (Number.isNaN(sinceMs)) return failure('invalid', '_since must be an instant');
    const asked = await this.#get(`${type}/${encodeURIComponent(id)}/_history?_count=${count}&_offset=${next}`);
    if (!asked.ok) return asked;
    if (asked.value.status !== 200) return refusalOf(asked.value, type);
    const { body } = asked.value;
    if (!isBundle(body)) return failure('unavailable', 'The store answered with something else than a history');
    const all = (body.entry ?? []).flatMap((entry) => historyEntryOf(type, id, entry) ?? []);
    const isFull = all.length >= count && count > 0;
    // Medplum does not know _since; newest first, so what is older ends the history.
    const entries = all.filter(({ lastUpdated }) => Date.parse(lastUpdated) >= sinceMs);
    const isMore = isFull && entries.length === all.length;
    return {
      ok: true,
      value: {
        entries,
        ...(isMore || nextQueryOf(body) !== undefined ? { next: String(Number(next) + all.length) } : {}),
      },
    };
  }

  search(type: ResourceType, query: string, next?: string): Promise<StoreResult<SearchPage>> {
    return this.#searches.page(type, query, next);
  }

  async findByIdentifier<K extends ResourceType>(type: K, system: string, value: string) {
    const escaped = `${system}|${value}`.replaceAll(/[\\,]/g, '\\$&');
    return (await this.#searches.matches(type, [['identifier', escaped]])) as StoreResult<
      readonly Stored<ResourceOf<K>>[]
    >;
  }

  async create<T extends Resource>(
    resource: T,
    { ifNoneExist }: { ifNoneExist?: string } = {},
  ): Promise<StoreResult<{ resource: Stored<T>; created: boolean }>> {
    const type = resource.resourceType;
    if (type === 'Binary') return binaryRefusal;
    const { id: _, ...body } = plainCopy(resource);
    const fault = this.#validate({ ...body, id: 'new' } as unknown as Resource);
    if (fault) return fault;
    const own = ifNoneExist === undefined ? undefined : await this.#own.condition();
    if (own?.ok === false) return own;
    const made = await this.#undisturbed(() =>
      this.#wire.ask(
        own === undefined ? 'write' : 'repeatable-write',
        (client, options) => client.post(client.fhirUrl(type), body, FHIR, options),
        own === undefined ? {} : { 'if-none-exist': `${ifNoneExist}&${own.value.join('=')}` },
      ),
    );
    const stored = resourceIn<T>(made, type);
    if (!stored.ok) return stored;
    const created = made.ok && made.value.status === 201;
    if (created) this.#tell([{ type, id: stored.value.id }]);
    return { ok: true, value: { resource: stored.value, created } };
  }

  /** Medplum takes a stale If-Match on a deleted resource as leave to resurrect it, so it is looked at just before. */
  async update<T extends Resource>(
    resource: T & { id: string },
    { ifMatch }: { ifMatch?: string } = {},
  ): Promise<StoreResult<Stored<T>>> {
    const type = resource.resourceType;
    if (type === 'Binary') return binaryRefusal;
    const body = plainCopy(resource);
    const fault = this.#validate(body);
    if (fault) return fault;
    const current = await this.read(type, resource.id);
    if (!current.ok) {
      const isGone = current.code === 'gone' || current.code === 'not-found';
      return isGone && ifMatch !== undefined ? stale(type) : current;
    }
    if (ifMatch !== undefined && current.value.meta.versionId !== ifMatch) return stale(type);
    const put = () =>
      this.#wire.ask(
        'write',
        (client, options) => client.put(client.fhirUrl(type, resource.id), body, FHIR, options),
        ifMatch === undefined ? {} : { 'if-match': ifMatchOf(ifMatch) },
      );
    const written = await (ifMatch === undefined ? this.#undisturbed(put) : put());
    if (written.ok && [409, 412].includes(written.value.status)) return stale(type);
    const stored = resourceIn<T>(written, type);
    if (stored.ok) this.#tell([{ type, id: resource.id }]);
    return stored;
  }

  /** Read, patched here, and put back: Medplum's PATCH heeds If-Match only since 5.1.29 (stores.md 5c). */
  async patch<K extends ResourceType>(
    type: K,
    id: string,
    operations: readonly unknown[],
    { ifMatch }: { ifMatch?: string } = {},
  ): Promise<StoreResult<Stored<ResourceOf<K>>>> {
    if (type === 'Binary') return binaryRefusal;
    for (let tries = 1; ; tries++) {
      const read = await this.read(type, id);
      if (!read.ok) return read;
      const current = structuredClone(read.value) as Stored;
      const version = current.meta.versionId;
      if (ifMatch !== undefined && ifMatch !== version) return stale(type);
      const fault = patchInPlace(current, operations);
      if (fault) return fault;
      if (current.resourceType !== type || current.id !== id)
        return failure('invalid', 'A patch cannot change the type or id of a resource', `${type}.id`);
      const written = await this.update(current, { ifMatch: version });
      const isOvertaken = !written.ok && written.code === 'conflict' && ifMatch === undefined;
      if (!isOvertaken || tries >= TRIES) return written as StoreResult<Stored<ResourceOf<K>>>;
      await this.#pause(tries);
    }
  }

  /** Medplum does not heed If-Match on a deletion (stores.md 1), so the version is looked at just before. */
  async remove(type: ResourceType, id: string, { ifMatch }: { ifMatch?: string } = {}): Promise<StoreResult<void>> {
    if (ifMatch !== undefined) {
      const read = await this.read(type, id);
      if (!read.ok) return read.code === 'gone' ? stale(type) : read;
      if (read.value.meta.versionId !== ifMatch) return stale(type);
    }
    const removed = await this.#wire.ask('repeatable-write', (client, options) =>
      client.delete(client.fhirUrl(type, id), options),
    );
    if (!removed.ok) return removed;
    if (removed.value.status === 410) return { ok: true, value: undefined };
    if (removed.value.status >= 300) return refusalOf(removed.value, type);
    this.#tell([{ type, id }]);
    return { ok: true, value: undefined };
  }

  /** No entry is ever conditional on a search: such transactions leave references that lead nowhere (stores.md 0). */
  async transaction(entries: readonly TransactionEntry[]): Promise<StoreResult<readonly (Stored | undefined)[]>> {
    const refusal = checkShape(entries, this.capabilities) ?? this.#checkEntries(entries);
    if (refusal) return refusal;
    const bundle: Bundle = { resourceType: 'Bundle', type: 'transaction', entry: entries.map(entryOf) };
    if (Buffer.byteLength(JSON.stringify(bundle)) > this.capabilities.maxTransactionBytes) return tooLarge;
    for (let tries = 1; ; tries++) {
      const gone = await this.#missing(entries);
      if (gone) return gone;
      const sent = await this.#wire.ask('write', (client, options) =>
        client.post(client.fhirUrl(), bundle, FHIR, options),
      );
      if (!sent.ok) return sent;
      const { status, body } = sent.value;
      if (status === 409 && tries < TRIES) {
        await this.#pause(tries);
        continue;
      }
      if (status === 409 || status === 412)
        return failure('conflict', 'Something that the transaction writes has moved on: read it again');
      if (status >= 300) return refusalOf(sent.value, 'resource');
      return this.#written(entries, body);
    }
  }

  putBinary(
    source: Readable,
    { id: _, ...about }: { contentType: string; id?: string; securityContext?: string; maxBytes?: number },
  ): Promise<StoreResult<StoredBinary>> {
    return putBinary(this.#wire, source, about);
  }

  openBinary(id: string): Promise<StoreResult<OpenBinary>> {
    return openBinary(this.#wire, id);
  }

  /** Tells of what this process wrote. What others write is found by state, a few seconds later (architecture 4). */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#wire.close();
  }

  async #readPath<T extends Resource>(path: string, type: ResourceType): Promise<StoreResult<Stored<T>>> {
    const answer = await this.#get(path);
    const stored = resourceIn<T>(answer, type);
    if (!stored.ok || !answer.ok) return stored;
    const isOurs = await this.#own.has(answer.value.body);
    if (!isOurs.ok) return isOurs;
    return isOurs.value ? stored : failure('not-found', `There is no such ${type}`);
  }

  #get(path: string): ReturnType<MedplumWire['ask']> {
    // `no-cache`: a version that another program wrote a moment ago is what is asked for.
    return this.#wire.ask('read', (client, options) => client.get(client.fhirUrl(path), options), {
      'cache-control': 'no-cache',
    });
  }

  #checkEntries(entries: readonly TransactionEntry[]): StoreFailure | undefined {
    for (const entry of entries) {
      if (entry.kind === 'delete') continue;
      if (entry.kind === 'put' && entry.ifMatch === undefined) return clientId;
      const fault = this.#validate(
        plainCopy(entry.kind === 'create' ? { ...entry.resource, id: 'new' } : entry.resource),
      );
      if (fault) return fault;
    }
    return undefined;
  }

  /** What is to be replaced has to be there as it was read: a deleted one would be resurrected. */
  async #missing(entries: readonly TransactionEntry[]): Promise<StoreFailure | undefined> {
    for (const entry of entries) {
      if (entry.kind !== 'put') continue;
      const { resourceType: type, id } = entry.resource;
      const read = await this.read(type, id);
      if (!read.ok) return read.code === 'gone' || read.code === 'not-found' ? stale(type) : read;
      if (read.value.meta.versionId !== entry.ifMatch) return stale(type);
    }
    return undefined;
  }

  /** Without its feature `transaction-bundles` Medplum answers 200 to a batch, refusals inside: so each entry is looked at. */
  #written(entries: readonly TransactionEntry[], body: unknown): StoreResult<readonly (Stored | undefined)[]> {
    const answers = isBundle(body) ? (body.entry ?? []) : [];
    if (answers.length !== entries.length) return unknownOutcome;
    const stored: (Stored | undefined)[] = [];
    for (const [index, entry] of entries.entries()) {
      const { response, resource } = answers[index] ?? {};
      const one = entry.kind === 'delete' ? undefined : storedOf(resource);
      if (!/^2\d\d\b/.test(response?.status ?? '') || (entry.kind !== 'delete' && one === undefined))
        return unknownOutcome;
      stored.push(one);
    }
    this.#tell(
      entries.map((entry, index) =>
        entry.kind === 'delete'
          ? { type: entry.type, id: entry.id }
          : { type: entry.resource.resourceType, id: stored[index]?.id ?? '' },
      ),
    );
    return { ok: true, value: stored };
  }

  /** Repeats a write that another one pushed aside (409): nothing was carried out, so nothing can be doubled. */
  async #undisturbed(write: () => ReturnType<MedplumWire['ask']>): ReturnType<MedplumWire['ask']> {
    for (let tries = 1; ; tries++) {
      const written = await write();
      if (!written.ok || written.value.status !== 409 || tries >= TRIES) return written;
      await this.#pause(tries);
    }
  }

  #pause(tries: number): Promise<void> {
    return this.#clock.sleep(Math.round(20 * 2 ** tries * (0.5 + this.#random())));
  }

  #tell(changes: readonly Change[]): void {
    queueMicrotask(() => {
      for (const change of changes) for (const listener of this.#listeners) listener(change);
    });
  }
}

function resourceIn<T extends Resource>(answer: StoreResult<Answer>, type: string): StoreResult<Stored<T>> {
  if (!answer.ok) return answer;
  if (answer.value.status >= 300) return refusalOf(answer.value, type);
  const stored = storedOf<T>(answer.value.body);
  return stored ? { ok: true, value: stored } : unknownOutcome;
}

function entryOf(entry: TransactionEntry): BundleEntry {
  switch (entry.kind) {
    case 'create': {
      const { id: _, ...resource } = entry.resource;
      const method = {
        resource: resource as Resource,
        request: { method: 'POST', url: entry.resource.resourceType },
      } as const;
      // Medplum rewrites lower-case urns only.
      return entry.fullUrl === undefined ? method : { fullUrl: entry.fullUrl.toLowerCase(), ...method };
    }
    case 'put': {
      const { resource, ifMatch = '' } = entry;
      const url = `${resource.resourceType}/${resource.id}`;
      return { resource, request: { method: 'PUT', url, ifMatch: ifMatchOf(ifMatch) } };
    }
    case 'delete':
      return { request: { method: 'DELETE', url: `${entry.type}/${entry.id}` } };
  }
}

function historyEntryOf(type: ResourceType, id: string, entry: BundleEntry): HistoryEntry | undefined {
  const resource = storedOf(entry.resource);
  if (resource !== undefined) {
    const { versionId, lastUpdated } = resource.meta;
    return { type, id, versionId, lastUpdated, method: 'PUT', resource };
  }
  const { etag, lastModified = '' } = entry.response ?? {};
  const versionId = /"([^"]+)"/.exec(etag ?? '')?.[1] ?? 'deleted';
  return { type, id, versionId, lastUpdated: lastModified, method: 'DELETE' };
}

const plainCopy = <T extends Resource>(resource: T): T => JSON.parse(JSON.stringify(resource));

const stale = (type: string): StoreFailure =>
  failure('conflict', `This ${type} is no longer at the version given: read it again`);
const clientId = failure('not-supported', 'This server chooses ids: create the resource instead');
const tooLarge = failure('invalid', 'The transaction has more entries or bytes than this server takes');
const binaryRefusal = failure(
  'not-supported',
  'The bytes of a Binary are streamed, not sent inside JSON',
  'Binary.data',
);
