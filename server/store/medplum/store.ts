import type { Readable } from 'node:stream';
import type { MedplumClient } from '@medplum/core';
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
import { buildParameters, loadDefinitions } from '../fhir/definitions.ts';
import { binaryRefusal, failure, stale } from '../fhir/outcome.ts';
import { buildValidation, type Validate } from '../fhir/validate.ts';
import { isBundle, nextQueryOf } from '../remote/bundles.ts';
import { RemoteStore, TRIES } from '../remote/remote-store.ts';
import { changesOf, checkShape, ifMatchOf, storedBy } from '../remote/transaction.ts';
import { type Answer, unknownOutcome, type WireOptions } from '../remote/wire.ts';
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

const DEFAULT_COUNT = 50;

let validation: Validate | undefined;

/** A Medplum project behind the door. Its parameters are those of base R4; see `probe` for what it must be set to. */
export function connectMedplum(options: WireOptions): Store {
  loadDefinitions();
  validation ??= buildValidation();
  return new MedplumStore(openMedplumWire(options), options, validation);
}

const NONE: readonly SearchParameter[] = [];

class MedplumStore extends RemoteStore<MedplumClient> implements Store {
  readonly capabilities = MEDPLUM_CAPABILITIES;
  readonly #own: OwnProject;
  readonly #searches: MedplumSearches;

  constructor(wire: MedplumWire, { clock, random }: WireOptions, validate: Validate) {
    super({ wire, clock, random, validate });
    this.#own = new OwnProject(wire);
    this.#searches = new MedplumSearches(wire, this.#own, buildParameters(NONE));
  }

  probe(): Promise<StoreResult<void>> {
    return probe(this.wire);
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
    const body = this.newBody(resource);
    if (!body.ok) return body;
    const own = ifNoneExist === undefined ? undefined : await this.#own.condition();
    if (own?.ok === false) return own;
    const made = await this.undisturbed(() =>
      this.wire.ask(
        own === undefined ? 'write' : 'repeatable-write',
        (client, options) => client.post(client.fhirUrl(type), body.value, FHIR, options),
        own === undefined ? {} : { 'if-none-exist': `${ifNoneExist}&${own.value.join('=')}` },
      ),
    );
    const stored = this.resourceIn<T>(made, type);
    if (!stored.ok) return stored;
    const created = made.ok && made.value.status === 201;
    if (created) this.tell([{ type, id: stored.value.id }]);
    return { ok: true, value: { resource: stored.value, created } };
  }

  /** Medplum takes a stale If-Match on a deleted resource as leave to resurrect it, so it is looked at just before. */
  async update<T extends Resource>(
    resource: T & { id: string },
    { ifMatch }: { ifMatch?: string } = {},
  ): Promise<StoreResult<Stored<T>>> {
    const type = resource.resourceType;
    if (type === 'Binary') return binaryRefusal;
    const body = this.wholeBody(resource);
    if (!body.ok) return body;
    const current = await this.read(type, resource.id);
    if (!current.ok) {
      const isGone = current.code === 'gone' || current.code === 'not-found';
      return isGone && ifMatch !== undefined ? stale(type) : current;
    }
    if (ifMatch !== undefined && current.value.meta.versionId !== ifMatch) return stale(type);
    const put = () =>
      this.wire.ask(
        'write',
        (client, options) => client.put(client.fhirUrl(type, resource.id), body.value, FHIR, options),
        ifMatch === undefined ? {} : { 'if-match': ifMatchOf(ifMatch) },
      );
    const written = await (ifMatch === undefined ? this.undisturbed(put) : put());
    if (written.ok && [409, 412].includes(written.value.status)) return stale(type);
    const stored = this.resourceIn<T>(written, type);
    if (stored.ok) this.tell([{ type, id: resource.id }]);
    return stored;
  }

  async remove(type: ResourceType, id: string, { ifMatch }: { ifMatch?: string } = {}): Promise<StoreResult<void>> {
    const refusal = await this.whyNotRemoved(type, id, ifMatch);
    if (refusal) return refusal;
    const removed = await this.wire.ask('repeatable-write', (client, options) =>
      client.delete(client.fhirUrl(type, id), options),
    );
    if (!removed.ok) return removed;
    if (removed.value.status === 410) return { ok: true, value: undefined };
    if (removed.value.status >= 300) return refusalOf(removed.value, type);
    this.tell([{ type, id }]);
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
      const sent = await this.wire.ask('write', (client, options) =>
        client.post(client.fhirUrl(), bundle, FHIR, options),
      );
      if (!sent.ok) return sent;
      const { status, body } = sent.value;
      if (status === 409 && tries < TRIES) {
        await this.pause(tries);
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
    return putBinary(this.wire, source, about);
  }

  openBinary(id: string): Promise<StoreResult<OpenBinary>> {
    return openBinary(this.wire, id);
  }

  async #readPath<T extends Resource>(path: string, type: ResourceType): Promise<StoreResult<Stored<T>>> {
    const answer = await this.#get(path);
    const stored = this.resourceIn<T>(answer, type);
    if (!stored.ok || !answer.ok) return stored;
    const isOurs = await this.#own.has(answer.value.body);
    if (!isOurs.ok) return isOurs;
    return isOurs.value ? stored : failure('not-found', `There is no such ${type}`);
  }

  #get(path: string): ReturnType<MedplumWire['ask']> {
    // `no-cache`: a version that another program wrote a moment ago is what is asked for.
    return this.wire.ask('read', (client, options) => client.get(client.fhirUrl(path), options), {
      'cache-control': 'no-cache',
    });
  }

  #checkEntries(entries: readonly TransactionEntry[]): StoreFailure | undefined {
    for (const entry of entries) {
      if (entry.kind === 'delete') continue;
      if (entry.kind === 'put' && entry.ifMatch === undefined) return clientId;
      const fault = this.faultOf(entry);
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
    const stored = isBundle(body) ? storedBy(entries, body, storedOf) : undefined;
    if (stored === undefined) return unknownOutcome;
    this.tell(changesOf(entries, stored));
    return { ok: true, value: stored };
  }

  protected storedOf<T extends Resource>(body: unknown): Stored<T> | undefined {
    return storedOf<T>(body);
  }

  protected refusalOf(answer: Answer, type: string): StoreFailure {
    return refusalOf(answer, type);
  }
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

const clientId = failure('not-supported', 'This server chooses ids: create the resource instead');
const tooLarge = failure('invalid', 'The transaction has more entries or bytes than this server takes');
