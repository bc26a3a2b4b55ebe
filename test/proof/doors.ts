import type { Readable } from 'node:stream';
import type { Resource } from '@medplum/fhirtypes';
import type { Store, StoreResult, TransactionEntry } from '../../server/core/index.ts';
import type { Dice } from './dice.ts';
import { type Steps, stepOfFile } from './labels.ts';
import type { Life } from './life.ts';
import { never, type VirtualTime } from './virtual-time.ts';

/** What a store in trouble does with the next calls. */
export const TROUBLES = ['refuse', 'conflict', 'applied-unheard', 'lost', 'applied-late', 'slow'] as const;
export type Trouble = (typeof TROUBLES)[number];

/** Trouble ahead, shared by all lives: used up call by call. */
export class StoreWeather {
  #left: { trouble: Trouble; times: number }[] = [];

  brew(trouble: Trouble, times: number): void {
    this.#left.push({ trouble, times });
  }

  clear(): void {
    this.#left = [];
  }

  /** Trouble for a call; reads can be refused or slow, and nothing else. */
  strike(isWrite: boolean): Trouble | undefined {
    const next = this.#left.find(({ trouble }) => isWrite || trouble === 'refuse' || trouble === 'slow');
    if (next === undefined) return undefined;
    next.times -= 1;
    if (next.times <= 0) this.#left = this.#left.filter((one) => one !== next);
    return next.trouble;
  }
}

export interface DoorOptions {
  readonly store: Store;
  readonly life: Life;
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly weather: StoreWeather;
  readonly steps: Steps;
  /** How often a hint of the store is lost. */
  readonly deafness: number;
  /** Sees every write of the engine that the store carried out, at once. */
  readonly onWrite: (entries: readonly TransactionEntry[], life: Life) => void;
}

/** Longest lateness of a write whose answer was given up, and of a request that a dead process left on the wire. */
export const LATEST_MS = 4_000;

/** The store as one life of the engine sees it: slow at times, in trouble, and the place where that life may end. */
export function storeThroughDoor(options: DoorOptions): Store {
  const { store, life, time, dice, weather, steps, onWrite } = options;
  const soon = (work: () => Promise<unknown>) =>
    void time.sleep(dice.integer(1, LATEST_MS)).then(() => work().finally(() => time.sign()));

  async function linger(trouble: Trouble | undefined): Promise<void> {
    if (trouble === 'slow') await time.sleep(dice.integer(500, 8_000));
    else if (dice.chance(0.15)) await time.sleep(dice.integer(1, 25));
  }

  async function read<T>(work: () => Promise<StoreResult<T>>): Promise<StoreResult<T>> {
    if (life.isOver) return never();
    time.sign();
    const trouble = weather.strike(false);
    await linger(trouble);
    if (life.isOver) return never();
    const result: StoreResult<T> = trouble === 'refuse' ? { ok: false, code: 'unavailable' } : await work();
    return life.isOver ? never() : result;
  }

  async function write<T>(
    label: string,
    entries: readonly TransactionEntry[],
    work: () => Promise<StoreResult<T>>,
  ): Promise<StoreResult<T>> {
    time.sign();
    const noted = async (): Promise<StoreResult<T>> => {
      const result = await work();
      if (result.ok) onWrite(entries, life);
      return result;
    };
    return life.through(
      label,
      async () => {
        const trouble = weather.strike(true);
        await linger(trouble);
        switch (trouble) {
          case 'refuse':
            return { ok: false, code: 'unavailable' };
          case 'conflict':
            return { ok: false, code: 'conflict' };
          case 'lost':
            return { ok: false, code: 'unknown-outcome' };
          case 'applied-late':
            soon(noted);
            return { ok: false, code: 'unknown-outcome' };
          case 'applied-unheard':
            await noted();
            return { ok: false, code: 'unknown-outcome' };
          default:
            return noted();
        }
      },
      soon,
    );
  }

  const put = (resource: Resource): TransactionEntry[] => [
    { kind: 'put', resource: resource as Resource & { id: string } },
  ];
  const labelOf = (how: string, resource: Resource): string =>
    resource.resourceType === 'Basic'
      ? steps.ofWrite(put(resource), life.number)
      : `store: ${how} ${resource.resourceType}`;
  return {
    capabilities: store.capabilities,
    probe: () => read(() => store.probe()),
    read: (type, id) => read(() => store.read(type, id)),
    readVersion: (type, id, versionId) => read(() => store.readVersion(type, id, versionId)),
    history: (type, id, page) => read(() => store.history(type, id, page)),
    search: (type, query, next) => read(() => store.search(type, query, next)),
    findByIdentifier: (type, system, value) => read(() => store.findByIdentifier(type, system, value)),
    create: (resource, more) => write(labelOf('create', resource), put(resource), () => store.create(resource, more)),
    update: (resource, more) => write(labelOf('update', resource), put(resource), () => store.update(resource, more)),
    patch: (type, id, operations, more) =>
      write(`store: patch ${type}`, [], () => store.patch(type, id, operations, more)),
    remove: (type, id, more) =>
      write(`store: remove ${type}`, [{ kind: 'delete', type, id }], () => store.remove(type, id, more)),
    transaction: (entries) => write(steps.ofWrite(entries, life.number), entries, () => store.transaction(entries)),
    putBinary: (source: Readable, about) => write(stepOfFile(about), [], () => store.putBinary(source, about)),
    openBinary: (id) => read(() => store.openBinary(id)),
    onChange: (listener) =>
      store.onChange((change) => {
        time.sign();
        // A hint may be lost, as it is where the store is another server.
        if (!life.isOver && !dice.chance(options.deafness)) listener(change);
      }),
    close: async () => undefined,
  };
}
