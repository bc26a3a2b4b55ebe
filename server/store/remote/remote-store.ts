import type { Resource } from '@medplum/fhirtypes';
import type {
  Clock,
  ResourceOf,
  ResourceType,
  Stored,
  StoreFailure,
  StoreResult,
  TransactionEntry,
} from '../../core/index.ts';
import { patchInPlace } from '../fhir/json-patch.ts';
import { binaryRefusal, failure, stale } from '../fhir/outcome.ts';
import { plainCopy } from '../fhir/plain-copy.ts';
import type { Validate } from '../fhir/validate.ts';
import { type Answer, unknownOutcome, type Wire } from './wire.ts';

export interface Change {
  readonly type: ResourceType;
  readonly id: string;
}

export interface RemoteParts<C> {
  readonly wire: Wire<C>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly validate: Validate;
}

/** How often something is tried that another writer undid. */
export const TRIES = 6;

/** What every store does that is a server of its own, whichever it is: the habits of one server stand in its own class. */
export abstract class RemoteStore<C> {
  protected readonly wire: Wire<C>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #validate: Validate;
  readonly #listeners = new Set<(change: Change) => void>();

  constructor({ wire, clock, random, validate }: RemoteParts<C>) {
    this.wire = wire;
    this.#clock = clock;
    this.#random = random;
    this.#validate = validate;
  }

  abstract read<K extends ResourceType>(type: K, id: string): Promise<StoreResult<Stored<ResourceOf<K>>>>;
  abstract update<T extends Resource>(
    resource: T & { id: string },
    condition: { ifMatch?: string },
  ): Promise<StoreResult<Stored<T>>>;
  /** A resource as the rest of the product expects it; undefined: it is none. */
  protected abstract storedOf<T extends Resource>(body: unknown): Stored<T> | undefined;
  protected abstract refusalOf(answer: Answer, type: string): StoreFailure;

  /** Read, patched here, and put back: these servers do not say which operation failed, nor check what comes of it. */
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
      await this.pause(tries);
    }
  }

  /** Tells of what this process wrote. What others write is found by state, a few seconds later (architecture 4). */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.wire.close();
  }

  /** A resource without an id, fit to be created; else what is wrong with it. */
  protected newBody(resource: Resource): StoreResult<object> {
    const { id: _, ...body } = plainCopy(resource);
    return this.#validate({ ...body, id: 'new' } as Resource) ?? { ok: true, value: body };
  }

  /** A resource fit to be put; else what is wrong with it. */
  protected wholeBody<T extends Resource>(resource: T): StoreResult<T> {
    const body = plainCopy(resource);
    return this.#validate(body) ?? { ok: true, value: body };
  }

  /** What is wrong with one entry of a transaction in itself. */
  protected faultOf(entry: Exclude<TransactionEntry, { kind: 'delete' }>): StoreFailure | undefined {
    const checked = entry.kind === 'create' ? this.newBody(entry.resource) : this.wholeBody(entry.resource);
    return checked.ok ? undefined : checked;
  }

  /** These servers do not heed If-Match on a deletion (measured: docs/stores.md), so the version is looked at just before. */
  protected async whyNotRemoved(
    type: ResourceType,
    id: string,
    ifMatch: string | undefined,
  ): Promise<StoreFailure | undefined> {
    if (ifMatch === undefined) return undefined;
    const read = await this.read(type, id);
    if (!read.ok) return read.code === 'gone' ? stale(type) : read;
    return read.value.meta.versionId === ifMatch ? undefined : stale(type);
  }

  /** The resource in an answer, or why there is none. */
  protected resourceIn<T extends Resource>(answer: StoreResult<Answer>, type: string): StoreResult<Stored<T>> {
    if (!answer.ok) return answer;
    if (answer.value.status >= 300) return this.refusalOf(answer.value, type);
    const stored = this.storedOf<T>(answer.value.body);
    return stored ? { ok: true, value: stored } : unknownOutcome;
  }

  /** Repeats a write that another one pushed aside (409): nothing was carried out, so nothing can be doubled. */
  protected async undisturbed(write: () => Promise<StoreResult<Answer>>): Promise<StoreResult<Answer>> {
    for (let tries = 1; ; tries++) {
      const written = await write();
      if (!written.ok || written.value.status !== 409 || tries >= TRIES) return written;
      await this.pause(tries);
    }
  }

  protected pause(tries: number): Promise<void> {
    return this.#clock.sleep(Math.round(20 * 2 ** tries * (0.5 + this.#random())));
  }

  protected tell(changes: readonly Change[]): void {
    queueMicrotask(() => {
      for (const change of changes) for (const listener of this.#listeners) listener(change);
    });
  }
}
