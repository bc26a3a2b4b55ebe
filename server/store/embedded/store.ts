import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Binary, Resource, SearchParameter } from '@medplum/fhirtypes';
import type {
  Clock,
  ResourceOf,
  ResourceType,
  SearchBounds,
  Store,
  StoreCapabilities,
  Stored,
  StoreResult,
  TransactionEntry,
} from '../../core/index.ts';
import { buildParameters, loadDefinitions, type Parameters } from '../fhir/definitions.ts';
import { patchInPlace } from '../fhir/json-patch.ts';
import { binaryRefusal, failure } from '../fhir/outcome.ts';
import { buildValidation, type Validate } from '../fhir/validate.ts';
import { type BinaryFiles, holdBinaries, openBinaryFiles } from './binaries.ts';
import { type Database, openDatabase, sqliteCode } from './database.ts';
import { buildLedger, type Change, type Ledger } from './ledger.ts';
import { buildSearch, type Search } from './search.ts';
import { openSearchIndex } from './search-index.ts';
import { type RunTransaction, transactionRunner } from './transaction.ts';

export interface EmbeddedOptions {
  /**
   * Holds `store.sqlite` and the folder `binaries`; made when it is not there. Only one process can have it open.
   * Without one the store is in memory and promises nothing: for tests.
   */
  readonly directory?: string;
  readonly clock: Clock;
  /** Beside those of base R4. */
  readonly searchParameters?: readonly SearchParameter[];
}

export const EMBEDDED_CAPABILITIES: StoreCapabilities = {
  kind: 'embedded',
  clientIds: true,
  typeHistory: true,
  customSearchParameters: true,
  maxTransactionEntries: 5000,
  maxTransactionBytes: 64 * 1024 * 1024,
};

/** How long calls may follow each other without letting sockets and timers have their turn. */
const MAX_TURN_MS = 10;

const SYNCHRONOUS_FULL = 2;

const SQLITE_OUTSIDE_FAULTS = new Map([
  [5, 'The database is locked by another process'],
  [8, 'The database cannot be written'],
  [10, 'The disk failed to read or write the database'],
  [13, 'The disk is full'],
]);

let validation: Validate | undefined;

/**
 * Opens the embedded store: one SQLite file and a folder of binaries. An acknowledged write is on the disk (WAL,
 * `synchronous=FULL`); a second process that opens the same directory is refused as `unavailable`.
 */
export function openEmbedded(options: EmbeddedOptions): StoreResult<Store> {
  loadDefinitions();
  validation ??= buildValidation();
  const { directory } = options;
  if (directory !== undefined) mkdirSync(directory, { recursive: true });
  const opened = openDatabase(directory === undefined ? ':memory:' : join(directory, 'store.sqlite'), () =>
    options.clock.monotonicMs(),
  );
  if (!opened.ok) return opened;
  const parameters = buildParameters(options.searchParameters ?? []);
  return { ok: true, value: new EmbeddedStore(opened.value, parameters, options, validation) };
}

class EmbeddedStore implements Store {
  readonly capabilities = EMBEDDED_CAPABILITIES;
  readonly #database: Database;
  readonly #ledger: Ledger;
  readonly #search: Search;
  readonly #runTransaction: RunTransaction;
  readonly #files: BinaryFiles;
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #clock: Clock;
  #turnStartedMs = 0;

  constructor(database: Database, parameters: Parameters, options: EmbeddedOptions, validate: Validate) {
    const { clock, directory } = options;
    this.#database = database;
    this.#clock = clock;
    const index = openSearchIndex(database, parameters);
    const onCommit = (changes: readonly Change[]) => this.#tell(changes);
    this.#ledger = buildLedger({ database, clock, index, validate, onCommit });
    this.#search = buildSearch({ database, ledger: this.#ledger, parameters, index, clock });
    this.#runTransaction = transactionRunner(this.#ledger, this.capabilities);
    const isNamed = (file: string) => database.prepare('SELECT 1 FROM binary WHERE file = ?').get(file) !== undefined;
    this.#files = directory === undefined ? holdBinaries() : openBinaryFiles(join(directory, 'binaries'), isNamed);
  }

  async probe(): Promise<StoreResult<void>> {
    return this.#attempt(() => {
      const setting = (name: string) => this.#database.prepare(`PRAGMA ${name}`).get()?.[name];
      if (setting('journal_mode') === 'wal' && setting('synchronous') === SYNCHRONOUS_FULL) return done;
      return failure(
        'unavailable',
        'The file system of the data directory cannot keep acknowledged writes: use a local disk',
      );
    });
  }

  read<K extends ResourceType>(type: K, id: string) {
    return this.#answer<K>(() => this.#ledger.read(type, id));
  }

  readVersion<K extends ResourceType>(type: K, id: string, versionId: string) {
    return this.#answer<K>(() => this.#ledger.readVersion(type, id, versionId));
  }

  history(type: ResourceType, id: string | undefined, page: { since?: string; count?: number; next?: string }) {
    return this.#attempt(() => this.#ledger.history(type, id, page));
  }

  search(type: ResourceType, query: string, next?: string, bounds?: SearchBounds) {
    return this.#attempt(() => this.#search.page(type, query, next, bounds));
  }

  findByIdentifier<K extends ResourceType>(type: K, system: string, value: string) {
    const escaped = `${system}|${value}`.replaceAll(/[\\,]/g, '\\$&');
    const query = new URLSearchParams({ identifier: escaped }).toString();
    return this.#attempt(() => this.#search.matches(type, query, -1)) as Promise<
      StoreResult<readonly Stored<ResourceOf<K>>[]>
    >;
  }

  create<T extends Resource>(resource: T, options: { ifNoneExist?: string } = {}) {
    type Created = { resource: Stored<T>; created: boolean };
    return this.#attempt((): StoreResult<Created> => {
      if (resource.resourceType === 'Binary') return binaryRefusal;
      return this.#ledger.transact((): StoreResult<Created> => {
        const { ifNoneExist } = options;
        const known = ifNoneExist === undefined ? none : this.#search.matches(resource.resourceType, ifNoneExist, 2);
        if (!known.ok) return known;
        if (known.value.length > 1)
          return failure('multiple-matches', 'More than one resource meets the condition of the create');
        const [match] = known.value;
        if (match) return { ok: true, value: { resource: match as Stored<T>, created: false } };
        const written = this.#ledger.create(resource);
        return written.ok
          ? { ok: true, value: { resource: written.value.stored as Stored<T>, created: true } }
          : written;
      });
    });
  }

  update<T extends Resource>(resource: T & { id: string }, options: { ifMatch?: string } = {}) {
    return this.#attempt((): StoreResult<Stored<T>> => {
      if (resource.resourceType === 'Binary') return binaryRefusal;
      const written = this.#ledger.transact(() => this.#ledger.put(resource, options));
      return written.ok ? { ok: true, value: written.value.stored as Stored<T> } : written;
    });
  }

  patch<K extends ResourceType>(
    type: K,
    id: string,
    operations: readonly unknown[],
    options: { ifMatch?: string } = {},
  ) {
    return this.#answer<K>(() =>
      this.#ledger.transact(() => {
        const current = this.#ledger.read(type, id);
        if (!current.ok) return current;
        if (options.ifMatch !== undefined && options.ifMatch !== current.value.meta.versionId) {
          return failure('conflict', `This ${type} is no longer at the version given: read it again`);
        }
        const fault = patchInPlace(current.value, operations);
        if (fault) return fault;
        if (current.value.resourceType !== type || current.value.id !== id) {
          return failure('invalid', 'A patch cannot change the type or id of a resource', `${type}.id`);
        }
        const written = this.#ledger.put(current.value, {});
        return written.ok ? { ok: true, value: written.value.stored } : written;
      }),
    );
  }

  remove(type: ResourceType, id: string, options: { ifMatch?: string } = {}) {
    return this.#attempt((): StoreResult<void> => {
      const removed = this.#ledger.transact(() => this.#ledger.remove(type, id, options));
      if (!removed.ok) return removed;
      if (type === 'Binary') this.#forgetBinary(removed.value.rid);
      return done;
    });
  }

  transaction(entries: readonly TransactionEntry[]) {
    return this.#attempt(() => this.#runTransaction(entries));
  }

  async putBinary(
    source: Readable,
    about: { contentType: string; id?: string; securityContext?: string; maxBytes?: number },
  ) {
    const received = await this.#files.receive(source, about.maxBytes);
    if (!received.ok) return received;
    const upload = received.value;
    const binary: Binary & { id: string } = {
      resourceType: 'Binary',
      id: about.id ?? randomUUID(),
      contentType: about.contentType,
      ...(about.securityContext === undefined ? {} : { securityContext: { reference: about.securityContext } }),
    };
    const stored = await this.#attempt(() =>
      this.#ledger.transact((): StoreResult<{ before: BinaryRow | undefined; isKnown: boolean }> => {
        const before = this.#binaryRow(binary.id);
        // New bytes under an old id are a new version although the resource, which does not hold them, is the same.
        const isSame = before?.sha1 === upload.sha1 && before.size === upload.size;
        const written = this.#ledger.put(binary, { isNewVersion: !isSame });
        if (!written.ok) return written;
        if (!isSame) {
          const sql = 'INSERT OR REPLACE INTO binary (rid, file, size, sha1) VALUES (?, ?, ?, ?)';
          this.#database.prepare(sql).run(written.value.rid, upload.file, upload.size, upload.sha1);
        }
        return { ok: true, value: { before, isKnown: isSame } };
      }),
    );
    if (!stored.ok || stored.value.isKnown) this.#files.discard(upload.file);
    if (!stored.ok) return stored;
    if (!stored.value.isKnown) {
      this.#files.keep(upload);
      if (stored.value.before) this.#files.discard(stored.value.before.file);
    }
    const { contentType } = about;
    return { ok: true as const, value: { id: binary.id, contentType, size: upload.size, sha1: upload.sha1 } };
  }

  async openBinary(id: string) {
    const read = await this.read('Binary', id);
    if (!read.ok) return read;
    const row = this.#binaryRow(id);
    if (!row) return failure('not-found', 'There is no such Binary');
    const { contentType, meta } = read.value;
    const stream = this.#files.stream(row.file);
    const { lastUpdated, versionId } = meta;
    return {
      ok: true as const,
      value: { id, contentType, size: row.size, sha1: row.sha1, stream, lastUpdated, versionId },
    };
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#database.close();
  }

  #tell(changes: readonly Change[]): void {
    queueMicrotask(() => {
      for (const change of changes) for (const listener of this.#listeners) listener(change);
    });
  }

  #binaryRow(id: string): BinaryRow | undefined {
    const sql =
      "SELECT b.rid, b.file, b.size, b.sha1 FROM resource r JOIN binary b ON b.rid = r.rid WHERE r.type = 'Binary' AND r.id = ? AND r.deleted = 0";
    return this.#database.prepare(sql).get(id) as BinaryRow | undefined;
  }

  #forgetBinary(rid: number): void {
    const row = this.#database.prepare('DELETE FROM binary WHERE rid = ? RETURNING file').get(rid);
    if (row) this.#files.discard(String(row['file']));
  }

  async #answer<K extends ResourceType>(work: () => StoreResult<Stored>): Promise<StoreResult<Stored<ResourceOf<K>>>> {
    return this.#attempt(work) as Promise<StoreResult<Stored<ResourceOf<K>>>>;
  }

  /** Runs one synchronous step; what the disk or another process did wrong is `unavailable`, anything else is a bug. */
  async #attempt<T>(work: () => StoreResult<T>): Promise<StoreResult<T>> {
    if (this.#clock.monotonicMs() - this.#turnStartedMs > MAX_TURN_MS) {
      await nextTurn();
      this.#turnStartedMs = this.#clock.monotonicMs();
    }
    try {
      return work();
    } catch (error) {
      const text = SQLITE_OUTSIDE_FAULTS.get(sqliteCode(error) ?? -1);
      if (text === undefined) throw error;
      return failure('unavailable', text);
    }
  }
}

interface BinaryRow {
  readonly rid: number;
  readonly file: string;
  readonly size: number;
  readonly sha1: string;
}

const done: StoreResult<void> = { ok: true, value: undefined };

const none: StoreResult<Stored[]> = { ok: true, value: [] };
