import type { Readable } from 'node:stream';
import type { OperationOutcome, Resource } from '@medplum/fhirtypes';

/** Names of R4 resource types, and the resource of a name. */
export type ResourceType = Resource['resourceType'];
export type ResourceOf<K extends ResourceType> = Extract<Resource, { resourceType: K }>;

/** A resource as a store returns it: it has an id and a version. */
export type Stored<T extends Resource = Resource> = T & {
  readonly id: string;
  readonly meta: NonNullable<T['meta']> & { readonly versionId: string; readonly lastUpdated: string };
};

/**
 * Why a store did not do what it was asked. `conflict`: a precondition failed, whatever the store's status (412, 409);
 * read again, decide again. `too-costly`: it was ended since it took longer than it may. `unknown-outcome`: the request may have been carried out; find out by business key.
 */
export type StoreFailureCode =
  | 'not-found'
  | 'gone'
  | 'conflict'
  | 'multiple-matches'
  | 'invalid'
  | 'not-supported'
  | 'too-costly'
  | 'unavailable'
  | 'unknown-outcome';

export interface StoreFailure {
  readonly ok: false;
  readonly code: StoreFailureCode;
  /** What the store said of it, fit for a client: names elements and remedies, holds no patient data. */
  readonly outcome?: OperationOutcome;
  readonly retryAfterMs?: number;
}

export type StoreResult<T> = { readonly ok: true; readonly value: T } | StoreFailure;

/** What a store can and cannot do; found by its start-up probe (stores.md 4). */
export interface StoreCapabilities {
  readonly kind: 'embedded' | 'hapi' | 'medplum';
  /** Whether a client may choose ids (PUT creates). If not, resources are found by business key. */
  readonly clientIds: boolean;
  readonly typeHistory: boolean;
  readonly customSearchParameters: boolean;
  readonly maxTransactionEntries: number;
  readonly maxTransactionBytes: number;
}

/** What a search of a client's may cost; the engine's own are left out of it. */
export interface SearchBounds {
  /** A store that holds up others as long as it searches ends the search then, as `too-costly`. */
  readonly withinMs: number;
}

/** One page of a search. `next` is opaque and holds no patient identifier; undefined on the last page. */
export interface SearchPage {
  readonly matches: readonly Stored[];
  readonly includes: readonly Stored[];
  readonly total?: number;
  readonly next?: string;
}

/** One version in a history, newest first. A deletion has no resource. */
export interface HistoryEntry {
  readonly type: ResourceType;
  readonly id: string;
  readonly versionId: string;
  readonly lastUpdated: string;
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly resource?: Stored;
}

export interface HistoryPage {
  readonly entries: readonly HistoryEntry[];
  readonly total?: number;
  readonly next?: string;
}

/** One write of a transaction. References between entries that are created in it use `fullUrl` (`urn:uuid:…`). */
export type TransactionEntry =
  | { readonly kind: 'create'; readonly resource: Resource; readonly fullUrl?: string }
  /** With `ifMatch`: that version or nothing. Without: the id must not exist yet (embedded, HAPI: PUT creates). */
  | { readonly kind: 'put'; readonly resource: Resource & { id: string }; readonly ifMatch?: string }
  | { readonly kind: 'delete'; readonly type: ResourceType; readonly id: string };

export interface StoredBinary {
  readonly id: string;
  readonly contentType: string;
  readonly size: number;
  /** Base64 of the SHA-1 of the bytes, as Attachment.hash wants it. */
  readonly sha1: string;
}

/** A file to be read or destroyed. Its hash is known to whoever wrote it; not every store keeps it. */
export interface OpenBinary extends Omit<StoredBinary, 'sha1' | 'size'> {
  /** Absent where the store does not say how long its files are (Medplum). */
  readonly size?: number;
  readonly stream: Readable;
  readonly lastUpdated: string;
  readonly versionId: string;
}

/** What a store's own server is to tell, and where. */
export interface HintRequest {
  /** A search, as `Subscription.criteria` has it. */
  readonly criteria: string;
  readonly endpoint: string;
  /** Sent along as a bearer token. */
  readonly secret: string;
}

/** The only way to R4 resources. Never throws for an expected failure; every call has a deadline. */
export interface Store {
  readonly capabilities: StoreCapabilities;
  /** Checks that the store keeps the promises that the engine needs; a failed probe names what to change. */
  probe(): Promise<StoreResult<void>>;
  read<K extends ResourceType>(type: K, id: string): Promise<StoreResult<Stored<ResourceOf<K>>>>;
  readVersion<K extends ResourceType>(
    type: K,
    id: string,
    versionId: string,
  ): Promise<StoreResult<Stored<ResourceOf<K>>>>;
  /** `since`: an instant. Without `id`: the history of the type. */
  history(
    type: ResourceType,
    id: string | undefined,
    page: { since?: string; count?: number; next?: string },
  ): Promise<StoreResult<HistoryPage>>;
  /** `query`: FHIR search parameters as in a URL, `_count` and `_sort` included. Unknown parameter or modifier: invalid. */
  search(type: ResourceType, query: string, next?: string, bounds?: SearchBounds): Promise<StoreResult<SearchPage>>;
  /** All resources of a type with that business identifier (mostly none or one). The value never travels in a URL. */
  findByIdentifier<K extends ResourceType>(
    type: K,
    system: string,
    value: string,
  ): Promise<StoreResult<readonly Stored<ResourceOf<K>>[]>>;
  /** `ifNoneExist`: a search; one match is returned instead of a second resource (`created` false), two are refused. */
  create<T extends Resource>(
    resource: T,
    options?: { ifNoneExist?: string },
  ): Promise<StoreResult<{ resource: Stored<T>; created: boolean }>>;
  /** With `ifMatch`: that version or `conflict`. Without: replaces, or creates under that id where the store lets clients choose. */
  update<T extends Resource>(
    resource: T & { id: string },
    options?: { ifMatch?: string },
  ): Promise<StoreResult<Stored<T>>>;
  /** JSON Patch (RFC 6902). A failing operation is `invalid`, with the operation's index in the outcome. */
  patch<K extends ResourceType>(
    type: K,
    id: string,
    operations: readonly unknown[],
    options?: { ifMatch?: string },
  ): Promise<StoreResult<Stored<ResourceOf<K>>>>;
  remove(type: ResourceType, id: string, options?: { ifMatch?: string }): Promise<StoreResult<void>>;
  /** All or nothing. Answers the stored resources in the order of the entries (deletes: undefined). */
  transaction(entries: readonly TransactionEntry[]): Promise<StoreResult<readonly (Stored | undefined)[]>>;
  /** Streams bytes into the store; they are durable when this resolves. A source that errors leaves nothing. `maxBytes` exceeded: invalid. */
  putBinary(
    source: Readable,
    about: { contentType: string; id?: string; securityContext?: string; maxBytes?: number },
  ): Promise<StoreResult<StoredBinary>>;
  openBinary(id: string): Promise<StoreResult<OpenBinary>>;
  /** Calls back soon after a resource of the type changed, whoever wrote it; a hint only. Returns the unsubscribe. */
  onChange(listener: (change: { type: ResourceType; id: string }) => void): () => void;
  /** Has the store's server call an address when others write what meets a condition; a hint only. Absent: it cannot. */
  sendHints?(request: HintRequest): Promise<StoreResult<void>>;
  /** Drops the versions of a resource before its last: a favour to the disk. Absent: it cannot. */
  forgetVersions?(type: ResourceType, id: string): Promise<StoreResult<void>>;
  close(): Promise<void>;
}
