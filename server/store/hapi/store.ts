import type { Readable } from 'node:stream';
import type { Resource, SearchParameter } from '@medplum/fhirtypes';
import type { Client } from 'fhir-kit-client';
import type {
  HintRequest,
  HistoryPage,
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
import { buildParameters, loadDefinitions, type Parameters } from '../fhir/definitions.ts';
import { binaryRefusal, failure, stale } from '../fhir/outcome.ts';
import { buildValidation, type Validate } from '../fhir/validate.ts';
import { isBundle } from '../remote/bundles.ts';
import { RemoteStore, TRIES } from '../remote/remote-store.ts';
import { changesOf, checkShape, ifMatchOf, placeOf, storedBy } from '../remote/transaction.ts';
import { type Answer, unknownOutcome, type WireOptions } from '../remote/wire.ts';
import { openBinary, putBinary } from './binaries.ts';
import { type HapiWire, openHapiWire } from './client.ts';
import { expungeVersions } from './expunge.ts';
import { installHint } from './hints.ts';
import { historyPage } from './histories.ts';
import { probe } from './probe.ts';
import { refusalOf } from './refusals.ts';
import { storedOf } from './resources.ts';
import { allMatches, FRESH, searchPage } from './searches.ts';
import { bundleOf, madeByMistake } from './transaction.ts';

export interface HapiOptions extends WireOptions {
  /** Beside those of base R4; the probe installs them. */
  readonly searchParameters?: readonly SearchParameter[];
}

const HAPI_CAPABILITIES: StoreCapabilities = {
  kind: 'hapi',
  clientIds: true,
  typeHistory: true,
  customSearchParameters: true,
  // HAPI has no limit of its own; a transaction holds a database connection for as long as it takes.
  maxTransactionEntries: 500,
  maxTransactionBytes: 8 * 1024 * 1024,
};

const WHOLE = { prefer: 'return=representation' } as const;

let validation: Validate | undefined;

/** HAPI FHIR JPA behind the door. It is not asked for anything before the first call; see `probe`. */
export function connectHapi(options: HapiOptions): Store {
  loadDefinitions();
  validation ??= buildValidation();
  return new HapiStore(openHapiWire(options), options.searchParameters ?? [], options, validation);
}

class HapiStore extends RemoteStore<Client> implements Store {
  readonly capabilities = HAPI_CAPABILITIES;
  readonly #parameters: Parameters;
  readonly #custom: readonly SearchParameter[];
  readonly #clock: HapiOptions['clock'];

  constructor(wire: HapiWire, custom: readonly SearchParameter[], { clock, random }: HapiOptions, validate: Validate) {
    super({ wire, clock, random, validate });
    this.#parameters = buildParameters(custom);
    this.#custom = custom;
    this.#clock = clock;
  }

  probe(): Promise<StoreResult<void>> {
    return probe(this.wire, this.#custom, this.#clock);
  }

  async read<K extends ResourceType>(type: K, id: string): Promise<StoreResult<Stored<ResourceOf<K>>>> {
    // The bytes of a file are not wanted here, and could be 100 MB.
    const only = type === 'Binary' ? '?_elements=contentType,securityContext' : '';
    const read = await this.wire.ask(
      'read',
      (client, options) => client.request(`${type}/${encodeURIComponent(id)}${only}`, { options }),
      FRESH,
    );
    const stored = this.resourceIn<ResourceOf<K>>(read, type);
    return stored.ok && only !== '' ? { ok: true, value: withoutMark(stored.value) } : stored;
  }

  async readVersion<K extends ResourceType>(
    type: K,
    id: string,
    versionId: string,
  ): Promise<StoreResult<Stored<ResourceOf<K>>>> {
    const noSuch = failure('not-found', `There is no such version of this ${type}`);
    if (!/^[1-9]\d{0,14}$/.test(versionId)) return noSuch;
    const read = await this.wire.ask(
      'read',
      (client, options) =>
        client.vread({ resourceType: type, id: encodeURIComponent(id), version: versionId, options }),
      FRESH,
    );
    const stored = this.resourceIn<ResourceOf<K>>(read, type);
    return !stored.ok && stored.code === 'not-found' ? noSuch : stored;
  }

  history(
    type: ResourceType,
    id: string | undefined,
    page: { since?: string; count?: number; next?: string },
  ): Promise<StoreResult<HistoryPage>> {
    return historyPage(this.wire, type, id, page);
  }

  search(type: ResourceType, query: string, next?: string): Promise<StoreResult<SearchPage>> {
    return searchPage(this.wire, this.#parameters, type, query, next);
  }

  async findByIdentifier<K extends ResourceType>(type: K, system: string, value: string) {
    const identifier = `${system}|${value}`.replaceAll(/[\\,]/g, '\\$&');
    return (await allMatches(this.wire, type, { identifier: [identifier] })) as StoreResult<
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
    const condition: Readonly<Record<string, string>> =
      ifNoneExist === undefined ? {} : { 'if-none-exist': ifNoneExist };
    const effect = ifNoneExist === undefined ? 'write' : 'repeatable-write';
    const made = await this.undisturbed(() =>
      this.wire.ask(
        effect,
        (client, options) => client.create({ resourceType: type, body: body.value as never, options }),
        {
          ...WHOLE,
          ...condition,
        },
      ),
    );
    const stored = this.resourceIn<T>(made, type);
    if (!stored.ok) return stored;
    const created = made.ok && made.value.status === 201;
    if (created) this.tell([{ type, id: stored.value.id }]);
    return { ok: true, value: { resource: stored.value, created } };
  }

  async update<T extends Resource>(
    resource: T & { id: string },
    { ifMatch }: { ifMatch?: string } = {},
  ): Promise<StoreResult<Stored<T>>> {
    const type = resource.resourceType;
    if (type === 'Binary') return binaryRefusal;
    const body = this.wholeBody(resource);
    if (!body.ok) return body;
    if (ifMatch !== undefined && !isVersion(ifMatch)) return stale(type);
    const put = () =>
      this.wire.ask(
        'write',
        (client, options) => client.update({ resourceType: type, id: resource.id, body: body.value as never, options }),
        { ...WHOLE, ...(ifMatch === undefined ? {} : { 'if-match': ifMatchOf(ifMatch) }) },
      );
    const written = await (ifMatch === undefined ? this.undisturbed(put) : put());
    if (ifMatch !== undefined && written.ok && [409, 412].includes(written.value.status)) return stale(type);
    const stored = this.resourceIn<T>(written, type);
    if (ifMatch !== undefined && written.ok && written.value.status === 201)
      return this.#undo([`${type}/${resource.id}`]);
    if (stored.ok) this.tell([{ type, id: resource.id }]);
    return stored;
  }

  async remove(type: ResourceType, id: string, { ifMatch }: { ifMatch?: string } = {}): Promise<StoreResult<void>> {
    const refusal = await this.whyNotRemoved(type, id, ifMatch);
    if (refusal) return refusal;
    const removed = await this.wire.ask('repeatable-write', (client, options) =>
      client.delete({ resourceType: type, id: encodeURIComponent(id), options }),
    );
    if (!removed.ok) return removed;
    const { status, body } = removed.value;
    if (status === 409) return failure('conflict', `Something still refers to this ${type}: delete or change it first`);
    if (status >= 300) return refusalOf(removed.value, type);
    if (JSON.stringify(body ?? '').includes('SUCCESSFUL_DELETE_NOT_FOUND'))
      return failure('not-found', `There is no such ${type}`);
    this.tell([{ type, id }]);
    return { ok: true, value: undefined };
  }

  async transaction(entries: readonly TransactionEntry[]): Promise<StoreResult<readonly (Stored | undefined)[]>> {
    const refusal = checkShape(entries, this.capabilities) ?? this.#checkEntries(entries);
    if (refusal) return refusal;
    let tombstones: ReadonlyMap<string, string> = new Map();
    for (let tries = 1; ; tries++) {
      const bundle = bundleOf(entries, tombstones);
      const sent = await this.wire.ask(
        'write',
        (client, options) => client.transaction({ body: bundle as never, options }),
        WHOLE,
      );
      if (!sent.ok) return sent;
      if (sent.value.status === 409 && tries < TRIES) {
        const verdict = await this.#whyConflict(entries, tombstones);
        if (!verdict.ok) return verdict;
        tombstones = verdict.value;
        await this.pause(tries);
        continue;
      }
      return this.#concludeTransaction(entries, sent.value);
    }
  }

  putBinary(
    source: Readable,
    about: { contentType: string; id?: string; securityContext?: string; maxBytes?: number },
  ): Promise<StoreResult<StoredBinary>> {
    return putBinary(this.wire, source, about);
  }

  openBinary(id: string) {
    return openBinary(this.wire, id);
  }

  sendHints(request: HintRequest): Promise<StoreResult<void>> {
    return installHint(this.wire, request, this.#clock);
  }

  forgetVersions(type: ResourceType, id: string): Promise<StoreResult<void>> {
    return expungeVersions(this.wire, type, id);
  }

  protected storedOf<T extends Resource>(body: unknown): Stored<T> | undefined {
    return storedOf<T>(body);
  }

  protected refusalOf(answer: Answer, type: string): StoreFailure {
    return refusalOf(answer, type);
  }

  #checkEntries(entries: readonly TransactionEntry[]): StoreFailure | undefined {
    for (const [index, entry] of entries.entries()) {
      if (entry.kind === 'delete') continue;
      const fault = this.faultOf(entry);
      if (fault) return atEntry(fault, index);
      if (entry.kind === 'put' && entry.ifMatch !== undefined && !isVersion(entry.ifMatch))
        return atEntry(stale(entry.resource.resourceType), index);
    }
    return undefined;
  }

  /**
   * After a 409, of which nothing was carried out: a version that has moved on, or an id that is taken, is the caller's
   * conflict. Else two transactions met, or a deleted resource is to be made anew: both may be tried again.
   */
  async #whyConflict(
    entries: readonly TransactionEntry[],
    known: ReadonlyMap<string, string>,
  ): Promise<StoreResult<ReadonlyMap<string, string>>> {
    const tombstones = new Map(known);
    for (const [index, entry] of entries.entries()) {
      if (entry.kind !== 'put') continue;
      const { resourceType: type, id } = entry.resource;
      const read = await this.wire.ask(
        'read',
        (client, options) => client.request(`${type}/${id}`, { options }),
        FRESH,
      );
      if (!read.ok) return read;
      const { status, header } = read.value;
      const version = storedOf(read.value.body)?.meta.versionId;
      if (entry.ifMatch !== undefined && version !== entry.ifMatch) return atEntry(stale(type), index);
      if (entry.ifMatch !== undefined) continue;
      if (version !== undefined) return atEntry(failure('conflict', `This ${type} exists already`), index);
      const deletion = status === 410 ? /\/_history\/(\d+)$/.exec(header('location') ?? '')?.[1] : undefined;
      if (deletion !== undefined) tombstones.set(placeOf(entry), deletion);
    }
    return { ok: true, value: tombstones };
  }

  async #concludeTransaction(
    entries: readonly TransactionEntry[],
    answer: Answer,
  ): Promise<StoreResult<readonly (Stored | undefined)[]>> {
    if (answer.status === 409 || answer.status === 412)
      return failure('conflict', 'Something that the transaction writes has moved on: read it again');
    if (answer.status === 404 || answer.status === 410)
      return failure('not-found', 'The transaction names nothing here');
    if (answer.status >= 300) return refusalOf(answer, 'resource');
    if (!isBundle(answer.body)) return unknownOutcome;
    const mistakes = madeByMistake(entries, answer.body);
    if (mistakes.length > 0) return this.#undo(mistakes);
    const stored = storedBy(entries, answer.body, storedOf);
    if (stored === undefined) return unknownOutcome;
    this.tell(changesOf(entries, stored));
    return { ok: true, value: stored };
  }

  /**
   * HAPI takes If-Match on an id that never was as leave to create it. That happens only where a store has lost what it
   * acknowledged (a backup that was put back): what came of it is taken away again, and the caller reads afresh.
   */
  async #undo(places: readonly string[]): Promise<StoreFailure> {
    for (const place of places) {
      const [type, id] = place.split('/') as [ResourceType, string];
      const removed = await this.remove(type, id);
      if (!removed.ok) return unknownOutcome;
    }
    return failure('conflict', 'What was to be replaced is not here: read it again');
  }
}

/** Of a part that was asked for because the rest is bytes, nobody needs to be told that it is a part. */
function withoutMark<T extends Resource>({ meta, ...rest }: Stored<T>): Stored<T> {
  const tag = meta.tag?.filter(({ code }) => code !== 'SUBSETTED') ?? [];
  const { tag: _, ...others } = meta;
  return { ...rest, meta: tag.length > 0 ? { ...others, tag } : others } as unknown as Stored<T>;
}

/** Versions of HAPI are numbers; anything else cannot be the current one. */
const isVersion = (text: string): boolean => /^[1-9]\d{0,14}$/.test(text);

function atEntry(fault: StoreFailure, index: number): StoreFailure {
  const issue = (fault.outcome?.issue ?? []).map((one) => ({
    ...one,
    details: { ...one.details, text: `Entry ${index}: ${one.details?.text ?? fault.code}` },
  }));
  return { ...fault, outcome: { resourceType: 'OperationOutcome', issue } };
}
