import { randomUUID } from 'node:crypto';
import type { Clock, LeaseRecord, Log, Store } from '../core/index.ts';
import { type EngineRecord, readRecord, writeRecord } from '../store/index.ts';

export interface ClaimOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Names the e-RS application; no secret. */
  readonly application: string;
  /** Where other processes of the installation reach this engine. */
  readonly address: string;
  readonly leaseMs: number;
  /** The store itself proves that no other process has it open: whoever held the lease before is dead. */
  readonly isSoleProcess: boolean;
}

/** `unwritten`: the store did not answer, so the lease runs on and out. */
export type Renewal = 'renewed' | 'lost' | 'unwritten';

/** A moment, by both clocks of this machine. */
interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * Parts of the lease. A holder stops well before a standby may begin, and a standby that has looked every fifteenth
 * begins within the lease: between 0.8 and 14/15 nobody works, which is room for clocks that run unlike each other.
 */
const VALID = 0.8;
const PATIENCE = 14 / 15;
/** After so many renewals, an hour by default, their versions are dropped where the store can: nobody asks for them. */
const TIDY_EVERY = 360;

/**
 * One contender's hold on the lease record. Durations are measured by its own monotonic clock alone; the store's clock
 * (`meta.lastUpdated`) tells people until when, and no two machines' clocks are ever compared.
 * Source: architecture 3
 */
export class Claim {
  readonly #options: ClaimOptions;
  readonly #instance = randomUUID();
  #mine: EngineRecord<LeaseRecord> | undefined;
  /** When the write that gave or renewed the lease was begun: others count from later. */
  #since: Moment = { monotonicMs: 0, wallMs: 0 };
  /** Another's lease, and since when it has been seen unchanged. */
  #seen: { readonly versionId: string; readonly sinceMs: number } | undefined;
  #renewing: Promise<Renewal> | undefined;

  constructor(options: ClaimOptions) {
    this.#options = options;
  }

  /** This contender's name in the lease. */
  get instance(): string {
    return this.#instance;
  }

  /** Who else has the lease, by the store; undefined: nobody, or this contender. It may have died since. */
  async otherHolder(): Promise<LeaseRecord['holder']> {
    if (this.isHeld()) return undefined;
    const read = await this.#read();
    const holder = read.ok ? read.value?.data.holder : undefined;
    return holder?.instance === this.#instance ? undefined : holder;
  }

  /** Whether e-RS may be called now. A process that was frozen finds out here, before it sends. */
  isHeld(): boolean {
    return this.#mine !== undefined && (this.#options.isSoleProcess || this.leftMs() > 0);
  }

  /** How long the lease is still good for. */
  leftMs(): number {
    const now = this.#moment();
    // The monotonic clock stands still while a machine sleeps; its wall clock, mostly, does not.
    const elapsedMs = Math.max(now.monotonicMs - this.#since.monotonicMs, now.wallMs - this.#since.wallMs);
    return this.#options.leaseMs * VALID - elapsedMs;
  }

  /** Looks, and takes the lease if it is free: released, run out as seen from here, or left by the dead. */
  async take(): Promise<boolean> {
    if (this.#mine !== undefined) return (await this.renew()) === 'renewed' && this.isHeld();
    const { store, log } = this.#options;
    const read = await this.#read();
    if (!read.ok) {
      log.warn('lease.record.unread', { code: read.code });
      return false;
    }
    if (read.value !== undefined) return this.#isFree(read.value) && this.#seize(read.value);
    // Not every store refuses the second of two creations: what is created is nobody's, and taken by compare-and-set.
    const { application, leaseMs } = this.#options;
    await writeRecord<LeaseRecord>(store, 'ers-lease', application, { application, leaseMs, renewal: 0 });
    const created = await this.#read();
    return created.ok && created.value !== undefined && this.#isFree(created.value) && this.#seize(created.value);
  }

  /** Prolongs the lease by compare-and-set; never twice at once. */
  renew(): Promise<Renewal> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Gives the lease back, so that the next holder need not wait. */
  async release(): Promise<void> {
    await this.#renewing;
    const mine = this.#mine;
    this.#mine = undefined;
    if (mine === undefined) return;
    const { application, leaseMs, renewal } = mine.data;
    const free: LeaseRecord = { application, leaseMs, renewal: renewal + 1 };
    const written = await writeRecord(this.#options.store, 'ers-lease', application, free, mine);
    if (!written.ok) this.#options.log.warn('lease.record.unwritten', { code: written.code });
  }

  async #renew(): Promise<Renewal> {
    const mine = this.#mine;
    if (mine === undefined) return 'lost';
    const begun = this.#moment();
    const written = await this.#write(mine);
    if (written.ok) return this.#hold(written.value, begun);
    this.#options.log.warn('lease.record.unwritten', { code: written.code });
    if (written.code !== 'conflict') return 'unwritten';
    const read = await this.#read();
    if (!read.ok) return 'unwritten';
    if (read.value?.data.holder?.instance !== this.#instance) {
      this.#mine = undefined;
      return 'lost';
    }
    // An earlier renewal had been written, and its answer lost: this one is written on top of it.
    this.#mine = read.value;
    const again = this.#moment();
    const rewritten = await this.#write(read.value);
    return rewritten.ok ? this.#hold(rewritten.value, again) : 'unwritten';
  }

  #isFree({ versionId, data }: EngineRecord<LeaseRecord>): boolean {
    const { clock, leaseMs, isSoleProcess } = this.#options;
    if (data.holder === undefined || data.holder.instance === this.#instance || isSoleProcess) return true;
    const nowMs = clock.monotonicMs();
    if (this.#seen?.versionId !== versionId) this.#seen = { versionId, sinceMs: nowMs };
    return nowMs - this.#seen.sinceMs >= Math.max(leaseMs, data.leaseMs) * PATIENCE;
  }

  async #seize(record: EngineRecord<LeaseRecord>): Promise<boolean> {
    const begun = this.#moment();
    const written = await this.#write(record);
    if (!written.ok) return false;
    this.#seen = undefined;
    this.#hold(written.value, begun);
    // A process that was frozen while it wrote may find it run out already.
    return this.isHeld();
  }

  #hold(record: EngineRecord<LeaseRecord>, begun: Moment): 'renewed' {
    this.#mine = record;
    this.#since = begun;
    if (record.data.renewal % TIDY_EVERY === 0) void this.#tidy(record.id);
    return 'renewed';
  }

  /** Nothing waits for it, and a renewal that it pushes aside is written again. */
  async #tidy(id: string): Promise<void> {
    const { store, log } = this.#options;
    const dropped = await store.forgetVersions?.('Basic', id);
    if (dropped !== undefined && !dropped.ok) log.info('lease.versions.kept', { code: dropped.code });
  }

  #read() {
    return readRecord<LeaseRecord>(this.#options.store, 'ers-lease', this.#options.application);
  }

  #write(previous: EngineRecord<LeaseRecord>) {
    const { store, application, address, leaseMs } = this.#options;
    const next: LeaseRecord = {
      application,
      holder: { instance: this.#instance, address },
      leaseMs,
      renewal: previous.data.renewal + 1,
    };
    return writeRecord(store, 'ers-lease', application, next, previous);
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.now().getTime() };
  }
}
