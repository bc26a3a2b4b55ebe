import { Readable } from 'node:stream';
import type { Alerts, Clock, Log, QuarantineRecord, Store } from '../core/index.ts';
import { listRecords, readRecord, writeRecord } from '../store/index.ts';
import type { Unlandable } from './landing.ts';

/** Without a service: it was let go. */
interface Change {
  readonly ubrn: string;
  readonly key: string;
  readonly service?: string;
}

/** Referrals that cannot be landed: kept with e-RS's answer and an alert until they land (K1, G-1). */
export class Quarantine {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #alerts: Alerts;
  readonly #log: Log;
  /** For each reading of the store that is under way: what was put here, or let go, meanwhile. */
  readonly #readings = new Set<Change[]>();
  /** Keys by UBRN, so that landing a healthy referral costs no look-up. */
  #keys: Map<string, Set<string>> | undefined;

  constructor({ store, clock, alerts, log }: { store: Store; clock: Clock; alerts: Alerts; log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#alerts = alerts;
    this.#log = log;
  }

  /**
   * Reads what is in quarantine, and raises its alerts again. What was put there or let go while the store was read counts, not
   * what it had read by then.
   */
  async load(): Promise<boolean> {
    const meanwhile: Change[] = [];
    this.#readings.add(meanwhile);
    const reading = listRecords<QuarantineRecord>(this.#store, 'ers-quarantine');
    const records = await reading.finally(() => this.#readings.delete(meanwhile));
    if (!records.ok) return false;
    const told = new Set([...this.#services(), ...records.value.map(({ data }) => data.service)]);
    this.#keys = new Map();
    for (const { data } of records.value) this.#note(data.ubrn, `${data.service}.${data.ubrn}`, data.service);
    for (const { ubrn, key, service } of meanwhile) {
      if (service === undefined) this.#forget(ubrn, key);
      else this.#note(ubrn, key, service);
    }
    const now = this.#services();
    for (const service of told) if (!now.has(service)) this.#alerts.clear('referral-quarantined', service);
    return true;
  }

  /** True: it is kept, durably. Else the alert stands in memory only, and the caller comes again. */
  async put({ service, ubrn, codes, raw, version }: Unlandable): Promise<boolean> {
    const key = `${service}.${ubrn}`;
    if (this.#keys === undefined) await this.load();
    const before = await readRecord<QuarantineRecord>(this.#store, 'ers-quarantine', key);
    const known = before.ok ? before.value : undefined;
    const now = this.#clock.now().toISOString();
    const isSame = known?.data.version === version && known?.data.binaryId !== undefined;
    const binaryId = isSame ? known?.data.binaryId : await this.#keepRaw(raw);
    const record: QuarantineRecord = {
      service,
      ubrn,
      codes,
      firstSeen: known?.data.firstSeen ?? now,
      lastSeen: now,
      ...(binaryId === undefined ? {} : { binaryId }),
      ...(version === undefined ? {} : { version }),
    };
    const written = await writeRecord(this.#store, 'ers-quarantine', key, record, known);
    this.#noteForReadings({ ubrn, key, service });
    this.#note(ubrn, key, service);
    const code = codes[0];
    this.#log[written.ok ? 'error' : 'warn']('landing.referral.quarantined', { service, ...(code ? { code } : {}) });
    // Somebody else who wrote the record first kept the referral as well.
    return written.ok || written.code === 'conflict';
  }

  ubrns(): ReadonlySet<string> {
    return new Set(this.#keys?.keys());
  }

  /** The referral has landed: nothing is kept back any more, whichever list it was on. */
  async release(ubrn: string): Promise<void> {
    if (this.#keys === undefined && !(await this.load())) return;
    for (const key of [...(this.#keys?.get(ubrn) ?? [])]) {
      const record = await readRecord<QuarantineRecord>(this.#store, 'ers-quarantine', key);
      if (!record.ok) return;
      if (record.value !== undefined) {
        const removed = await this.#store.remove('Basic', record.value.id);
        if (!removed.ok && removed.code !== 'not-found' && removed.code !== 'gone') return;
        if (record.value.data.binaryId !== undefined) await this.#store.remove('Binary', record.value.data.binaryId);
        this.#log.info('landing.referral.released', { service: record.value.data.service });
      }
      this.#noteForReadings({ ubrn, key });
      this.#forget(ubrn, key);
      const service = key.slice(0, -ubrn.length - 1);
      if (!this.#services().has(service)) this.#alerts.clear('referral-quarantined', service);
    }
  }

  #services(): ReadonlySet<string> {
    const all = [...(this.#keys ?? [])];
    return new Set(all.flatMap(([ubrn, keys]) => [...keys].map((key) => key.slice(0, -ubrn.length - 1))));
  }

  #noteForReadings(change: Change): void {
    for (const meanwhile of this.#readings) meanwhile.push(change);
  }

  #forget(ubrn: string, key: string): void {
    const keys = this.#keys?.get(ubrn);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys?.delete(ubrn);
  }

  #note(ubrn: string, key: string, service: string): void {
    this.#keys ??= new Map();
    this.#keys.set(ubrn, (this.#keys.get(ubrn) ?? new Set()).add(key));
    this.#alerts.raise('referral-quarantined', service);
  }

  async #keepRaw(raw: unknown): Promise<string | undefined> {
    if (raw === undefined) return undefined;
    const kept = await this.#store.putBinary(Readable.from([Buffer.from(JSON.stringify(raw))]), {
      contentType: 'application/json',
    });
    return kept.ok ? kept.value.id : undefined;
  }
}
