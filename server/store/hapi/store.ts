import type { Readable } from 'node:stream';
import type { Resource, SearchParameter } from '@medplum/fhirtypes';
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
import { buildParameters, loadDefinitions, type Parameters } from '../embedded/definitions.ts';
import { patchInPlace } from '../embedded/json-patch.ts';
import { failure } from '../embedded/outcome.ts';
import { buildValidation, type Validate } from '../embedded/validate.ts';
import { openBinary, putBinary } from './binaries.ts';
import { expungeVersions } from './expunge.ts';
import { installHint } from './hints.ts';
import { historyPage } from './histories.ts';
import { probe } from './probe.ts';
import { refusalOf } from './refusals.ts';
import { isBundle, storedOf } from './resources.ts';
import { allMatches, FRESH, searchPage } from './searches.ts';
import { bundleOf, checkShape, ifMatchOf, madeByMistake, placeOf, storedBy } from './transaction.ts';
import { type Answer, openWire, unknownOutcome, type Wire, type WireOptions } from './wire.ts';

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

/** How often something is tried that another writer undid. */
const TRIES = 6;

const WHOLE = { prefer: 'return=representation' } as const;

let validation: Validate | undefined;

/** HAPI FHIR JPA behind the door. It is not asked for anything before the first call; see `probe`. */
export function connectHapi(options: HapiOptions): Store {
  loadDefinitions();
  validation ??= buildValidation();
  const custom = options.searchParameters ?? [];
  return new HapiStore(openWire(options), buildParameters(custom), custom, options, validation);
}

type Change = { readonly type: ResourceType; readonly id: string };

class HapiStore implements Store {
  readonly capabilities = HAPI_CAPABILITIES;
  readonly #wire: Wire;
  readonly #parameters: Parameters;
  readonly #custom: readonly SearchParameter[];
  readonly #clock: HapiOptions['clock'];
  readonly #random: () => number;
  readonly #validate: Validate;
  readonly #listeners = new Set<(change: Change) => void>();

  constructor(
    wire: Wire,
    parameters: Parameters,
    custom: readonly SearchParameter[],
    { clock, random }: HapiOptions,
    validate: Validate,
  ) {
    this.#wire = wire;
    this.#parameters = parameters;
    this.#custom = custom;
    this.#clock = clock;
    this.#random = random;
    this.#validate = validate;
  }

  probe(): Promise<StoreResult<void>> {
    return probe(this.#wire, this.#custom, this.#clock);
  }

  async read<K extends ResourceType>(type: K, id: string): Promise<StoreResult<Stored<ResourceOf<K>>>> {
    // The bytes of a file are not wanted here, and could be 100 MB.
    const only = type === 'Binary' ? '?_elements=contentType,securityContext' : '';
    const read = await this.#wire.ask(
      'read',
      (client, options) => client.request(`${type}/${encodeURIComponent(id)}${only}`, { options }),
      FRESH,
    );
    const stored = resourceIn<ResourceOf<K>>(read, type);
    return stored.ok && only !== '' ? { ok: true, value: withoutMark(stored.value) } : stored;
  }

  async readVersion<K extends ResourceType>(
    type: K,
    id: string,
    versionId: string,
  ): Promise<StoreResult<Stored<ResourceOf<K>>>> {
    const noSuch = failure('not-found', `There is no such version of this ${type}`);
    if (!/^[1-9]\d{0,14}$/.test(versionId)) return noSuch;
    const read = await this.#wire.ask(
      'read',
      (client, options) =>
        client.vread({ resourceType: type, id: encodeURIComponent(id), version: versionId, options }),
      FRESH,
    );
    const stored = resourceIn<ResourceOf<K>>(read, type);
    return !stored.ok && stored.code === 'not-found' ? noSuch : stored;
  }

  history(
    type: ResourceType,
    id: string | undefined,
    page: { since?: string; count?: number; next?: string },
  ): Promise<StoreResult<HistoryPage>> {
    return historyPage(this.#wire, type, id, page);
  }

  search(type: ResourceType, query: string, next?: string): Promise<StoreResult<SearchPage>> {
    return searchPage(this.#wire, this.#parameters, type, query, next);
  }

  async findByIdentifier<K extends ResourceType>(type: K, system: string, value: string) {
    const identifier = `${system}|${value}`.replaceAll(/[\\,]/g, '\\$&');
    return (await allMatches(this.#wire, type, { identifier: [identifier] })) as StoreResult<
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
    const condition: Readonly<Record<string, string>> =
      ifNoneExist === undefined ? {} : { 'if-none-exist': ifNoneExist };
    const effect = ifNoneExist === undefined ? 'write' : 'repeatable-write';
    const made = await this.#undisturbed(() =>
      this.#wire.ask(effect, (client, options) => client.create({ resourceType: type, body: body as never, options }), {
        ...WHOLE,
        ...condition,
      }),
    );
    const stored = resourceIn<T>(made, type);
    if (!stored.ok) return stored;
    const created = made.ok && made.value.status === 201;
    if (created) this.#tell([{ type, id: stored.value.id }]);
    return { ok: true, value: { resource: stored.value, created } };
  }

  async update<T extends Resource>(
    resource: T & { id: string },
    { ifMatch }: { ifMatch?: string } = {},
  ): Promise<StoreResult<Stored<T>>> {
    const type = resource.resourceType;
    if (type === 'Binary') return binaryRefusal;
    const body = plainCopy(resource);
    const fault = this.#validate(body);
    if (fault) return fault;
    if (ifMatch !== undefined && !isVersion(ifMatch)) return stale(type);
    const put = () =>
      this.#wire.ask(
        'write',
        (client, options) => client.update({ resourceType: type, id: resource.id, body: body as never, options }),
        { ...WHOLE, ...(ifMatch === undefined ? {} : { 'if-match': ifMatchOf(ifMatch) }) },
      );
    const written = await (ifMatch === undefined ? this.#undisturbed(put) : put());
    if (ifMatch !== undefined && written.ok && [409, 412].includes(written.value.status)) return stale(type);
    const stored = resourceIn<T>(written, type);
    if (ifMatch !== undefined && written.ok && written.value.status === 201)
      return this.#undo([`${type}/${resource.id}`]);
    if (stored.ok) this.#tell([{ type, id: resource.id }]);
    return stored;
  }

  /** Read, patched here, and put back: HAPI would not say which operation failed, nor check what comes of it. */
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
      if (ifMatch !== undefined && ifMatch !== current.meta.versionId) return stale(type);
      const version = current.meta.versionId;
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

  /** HAPI does not heed If-Match on a deletion (measured, 8.8.0), so the version is looked at just before. */
  async remove(type: ResourceType, id: string, { ifMatch }: { ifMatch?: string } = {}): Promise<StoreResult<void>> {
    if (ifMatch !== undefined) {
      const read = await this.read(type, id);
      if (!read.ok) return read.code === 'gone' ? stale(type) : read;
      if (read.value.meta.versionId !== ifMatch) return stale(type);
    }
    const removed = await this.#wire.ask('repeatable-write', (client, options) =>
      client.delete({ resourceType: type, id: encodeURIComponent(id), options }),
    );
    if (!removed.ok) return removed;
    const { status, body } = removed.value;
    if (status === 409) return failure('conflict', `Something still refers to this ${type}: delete or change it first`);
    if (status >= 300) return refusalOf(removed.value, type);
    if (JSON.stringify(body ?? '').includes('SUCCESSFUL_DELETE_NOT_FOUND'))
      return failure('not-found', `There is no such ${type}`);
    this.#tell([{ type, id }]);
    return { ok: true, value: undefined };
  }

  async transaction(entries: readonly TransactionEntry[]): Promise<StoreResult<readonly (Stored | undefined)[]>> {
    const refusal = checkShape(entries, this.capabilities) ?? this.#checkEntries(entries);
    if (refusal) return refusal;
    let tombstones: ReadonlyMap<string, string> = new Map();
    for (let tries = 1; ; tries++) {
      const bundle = bundleOf(entries, tombstones);
      const sent = await this.#wire.ask(
        'write',
        (client, options) => client.transaction({ body: bundle as never, options }),
        WHOLE,
      );
      if (!sent.ok) return sent;
      if (sent.value.status === 409 && tries < TRIES) {
        const verdict = await this.#whyConflict(entries, tombstones);
        if (!verdict.ok) return verdict;
        tombstones = verdict.value;
        await this.#pause(tries);
        continue;
      }
      return this.#concludeTransaction(entries, sent.value);
    }
  }

  putBinary(
    source: Readable,
    about: { contentType: string; id?: string; securityContext?: string; maxBytes?: number },
  ): Promise<StoreResult<StoredBinary>> {
    return putBinary(this.#wire, source, about);
  }

  openBinary(id: string) {
    return openBinary(this.#wire, id);
  }

  /** Tells of what this process wrote. What others write is found by state, a few seconds later (architecture 4). */
  sendHints(request: HintRequest): Promise<StoreResult<void>> {
    return installHint(this.#wire, request, this.#clock);
  }

  forgetVersions(type: ResourceType, id: string): Promise<StoreResult<void>> {
    return expungeVersions(this.#wire, type, id);
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#wire.close();
  }

  #checkEntries(entries: readonly TransactionEntry[]): StoreFailure | undefined {
    for (const [index, entry] of entries.entries()) {
      if (entry.kind === 'delete') continue;
      const resource = plainCopy(entry.kind === 'create' ? { ...entry.resource, id: 'new' } : entry.resource);
      const fault = this.#validate(resource);
      if (fault) return atEntry(fault, index);
      if (entry.kind === 'put' && entry.ifMatch !== undefined && !isVersion(entry.ifMatch))
        return atEntry(stale(resource.resourceType), index);
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
      const read = await this.#wire.ask(
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
    const stored = storedBy(entries, answer.body);
    if (stored?.ok) {
      const changes = entries.map((entry, index) =>
        entry.kind === 'delete'
          ? { type: entry.type, id: entry.id }
          : { type: entry.resource.resourceType, id: stored.value[index]?.id ?? '' },
      );
      this.#tell(changes);
    }
    return stored ?? unknownOutcome;
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

  /** Repeats a write that another one pushed aside (409): nothing was carried out, so nothing can be doubled. */
  async #undisturbed(write: () => ReturnType<Wire['ask']>): ReturnType<Wire['ask']> {
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

/** The resource in an answer, or why there is none. */
function resourceIn<T extends Resource>(answer: StoreResult<Answer>, type: string): StoreResult<Stored<T>> {
  if (!answer.ok) return answer;
  if (answer.value.status >= 300) return refusalOf(answer.value, type);
  const stored = storedOf<T>(answer.value.body);
  return stored ? { ok: true, value: stored } : unknownOutcome;
}

/** Of a part that was asked for because the rest is bytes, nobody needs to be told that it is a part. */
function withoutMark<T extends Resource>({ meta, ...rest }: Stored<T>): Stored<T> {
  const tag = meta.tag?.filter(({ code }) => code !== 'SUBSETTED') ?? [];
  const { tag: _, ...others } = meta;
  return { ...rest, meta: tag.length > 0 ? { ...others, tag } : others } as unknown as Stored<T>;
}

const plainCopy = <T extends Resource>(resource: T): T => JSON.parse(JSON.stringify(resource));

/** Versions of HAPI are numbers; anything else cannot be the current one. */
const isVersion = (text: string): boolean => /^[1-9]\d{0,14}$/.test(text);

const stale = (type: string): StoreFailure =>
  failure('conflict', `This ${type} is no longer at the version given: read it again`);

function atEntry(fault: StoreFailure, index: number): StoreFailure {
  const issue = (fault.outcome?.issue ?? []).map((one) => ({
    ...one,
    details: { ...one.details, text: `Entry ${index}: ${one.details?.text ?? fault.code}` },
  }));
  return { ...fault, outcome: { resourceType: 'OperationOutcome', issue } };
}

const binaryRefusal = failure(
  'not-supported',
  'The bytes of a Binary are streamed, not sent inside JSON',
  'Binary.data',
);
