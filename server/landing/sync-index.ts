import { createHash } from 'node:crypto';
import { MAPPING_VERSION, sortedJson, type WorklistItem } from '../../mappings/index.ts';
import type { Store, StoreResult } from '../core/index.ts';
import { listRecords } from '../store/index.ts';
import type { LandedRecord } from './landed-record.ts';
import { FIRST_LOOK_MS, later } from './looks.ts';

/** What must be known of each referral at every poll, small enough to hold all of them in memory. */
export interface SyncSummary {
  readonly requestId: string;
  readonly ubrn: string;
  readonly serviceRequestId: string;
  readonly version: number;
  readonly mappingVersion: string;
  readonly terminal: boolean;
  readonly state?: string;
  readonly episode: number;
  readonly lastReadAt: string;
  /** Where it is listed, and a hash of what each list said of it. */
  readonly items: readonly { readonly list: WorklistItem['list']; readonly service: string; readonly hash: string }[];
  /**
   * When it was last landed a decision was under way, or A029 had not answered: whatever a complete list says of it is looked at
   * (4.5, T-10).
   */
  readonly isUnderWay: boolean;
  /** UBRNs that it names as related. */
  readonly related: readonly string[];
  /** A007 was had, or refused, for the version landed. */
  readonly hasSummary: boolean;
  /** When something is due of it: a file, a summary, a re-read. Undefined: nothing. */
  readonly dueAt?: string;
  readonly dueFor?: 'file' | 'recheck';
}

const NOTHING: readonly never[] = [];

/** Hash by which one item is known to be unchanged (I-10). */
export function itemHash(item: WorklistItem): string {
  const known = itemHashes.get(item);
  if (known !== undefined) return known;
  const hash = createHash('sha1').update(sortedJson(item)).digest('base64url');
  itemHashes.set(item, hash);
  return hash;
}

/** An unchanged entry is the same item at every poll (mapWorklist), so its hash is made once. */
const itemHashes = new WeakMap<WorklistItem, string>();

/** All sync records in brief, so that a poll of thousands of unchanged entries reads nothing from the store. */
export class SyncIndex {
  readonly #byRequestId = new Map<string, SyncSummary>();
  readonly #byUbrn = new Map<string, SyncSummary>();
  /** Who names a UBRN as related. */
  readonly #naming = new Map<string, Set<string>>();

  /** Reads all sync records; what was known before is forgotten. */
  async load(store: Store): Promise<StoreResult<readonly LandedRecord[]>> {
    const records = await listRecords<LandedRecord>(store, 'ers-sync');
    if (!records.ok) return records;
    this.#byRequestId.clear();
    this.#byUbrn.clear();
    this.#naming.clear();
    for (const { data } of records.value) this.note(data);
    return { ok: true, value: records.value.map(({ data }) => data) };
  }

  note(record: LandedRecord): void {
    const summary = summaryOf(record);
    this.#byRequestId.set(record.requestId, summary);
    this.#byUbrn.set(record.ubrn, summary);
    for (const ubrn of summary.related) this.#naming.set(ubrn, (this.#naming.get(ubrn) ?? new Set()).add(record.ubrn));
  }

  /** UBRNs of landed referrals that name this one as related. */
  naming(ubrn: string): readonly string[] {
    return [...(this.#naming.get(ubrn) ?? [])];
  }

  byUbrn(ubrn: string): SyncSummary | undefined {
    return this.#byUbrn.get(ubrn);
  }

  byRequestId(requestId: string): SyncSummary | undefined {
    return this.#byRequestId.get(requestId);
  }

  byServiceRequestId(id: string): SyncSummary | undefined {
    return this.all().find(({ serviceRequestId }) => serviceRequestId === id);
  }

  all(): SyncSummary[] {
    return [...this.#byRequestId.values()];
  }
}

function summaryOf(record: LandedRecord): SyncSummary {
  const { requestId, ubrn, serviceRequestId, version, mappingVersion, terminal, state, episode, lastReadAt } = record;
  const nextLook = Object.values(record.attachments)
    .flatMap(({ nextLookAt }) => nextLookAt ?? [])
    .toSorted()[0];
  const hasSummary = record.summary?.version === version;
  const summaryAt = hasSummary ? undefined : later(lastReadAt, FIRST_LOOK_MS);
  const filesAt = [nextLook, summaryAt].filter((at) => at !== undefined).toSorted()[0];
  // Other mapping rules than those of today: mapped again, whatever the lists say (M-31).
  const recheckAt = mappingVersion === MAPPING_VERSION ? record.recheckAt : lastReadAt;
  const isFileFirst = filesAt !== undefined && (recheckAt === undefined || filesAt <= recheckAt);
  const dueAt = isFileFirst ? filesAt : recheckAt;
  return {
    requestId,
    ubrn,
    serviceRequestId,
    version,
    mappingVersion,
    terminal,
    ...(state === undefined ? {} : { state }),
    episode,
    lastReadAt,
    items: record.items.map((item) => ({ list: item.list, service: item.service?.id ?? '', hash: itemHash(item) })),
    isUnderWay: record.isUnderWay || record.isUnasked || false,
    related: record.related ?? NOTHING,
    hasSummary,
    ...(dueAt === undefined ? {} : { dueAt, dueFor: isFileFirst ? 'file' : 'recheck' }),
  };
}
