import type { MappedWorklist, WorklistItem, WorklistName } from '../../mappings/index.ts';
import type { SiteService } from '../core/index.ts';

/** The latest complete answer of one worklist. */
export interface Snapshot {
  readonly polledAt: string;
  readonly sha1: string;
  readonly items: ReadonlyMap<string, WorklistItem>;
  /** What the answer's entries were read as, so that those which say the same need not be read again. */
  readonly read: MappedWorklist['read'];
  /** Entries that name no referral: they are set aside (K1). */
  readonly unreadable: MappedWorklist['unreadable'];
}

/** What an answer says of a referral. */
export interface Entry {
  readonly item: WorklistItem;
  readonly polledAt: string;
}

/** When the oldest of them was polled. */
export const oldestOf = (answers: readonly { readonly polledAt: string }[]): string | undefined =>
  answers.map(({ polledAt }) => polledAt).toSorted()[0];

/** The latest complete answers of all worklists, in memory; read again from the store's raw answers after a start. */
export class Lists {
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #reconciled = new Set<string>();

  note(service: string, list: WorklistName, snapshot: Snapshot): void {
    this.#snapshots.set(`${service}.${list}`, snapshot);
  }

  of(service: string, list: WorklistName): Snapshot | undefined {
    return this.#snapshots.get(`${service}.${list}`);
  }

  /** Every entry of one of its answers has been dealt with, now or before the last start. */
  noteReconciled(service: string, list: WorklistName): void {
    this.#reconciled.add(`${service}.${list}`);
  }

  wasReconciled(service: string, list: WorklistName): boolean {
    return this.#reconciled.has(`${service}.${list}`);
  }

  /** All entries of a referral, on whatever list. */
  entriesOf(ubrn: string): readonly Entry[] {
    return [...this.#snapshots.values()].flatMap(({ items, polledAt }) => {
      const item = items.get(ubrn);
      return item === undefined ? [] : [{ item, polledAt }];
    });
  }

  /** Every list of a service has been answered completely, so that absence means something. */
  isComplete({ id, lists }: SiteService): boolean {
    return lists.every((list) => this.#snapshots.has(`${id}.${list}`));
  }

  /** How many entries a service's lists have. */
  countOf({ id, lists }: SiteService): number {
    return lists.reduce((count, list) => count + (this.of(id, list)?.items.size ?? 0), 0);
  }

  lastPolledAt({ id, lists }: SiteService): string | undefined {
    return lists
      .flatMap((list) => this.of(id, list)?.polledAt ?? [])
      .toSorted()
      .at(-1);
  }
}
