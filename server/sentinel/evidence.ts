import { text } from 'node:stream/consumers';
import type { Basic, ServiceRequest, Task } from '@medplum/fhirtypes';
import {
  type Clock,
  type DispatchRecord,
  identifierSystem,
  type QuarantineRecord,
  type RecordKind,
  type ResourceType,
  type SeenRecord,
  type Store,
  type Stored,
  type StoreResult,
  SYSTEM,
  type SyncRecord,
  type WorklistName,
  type WorklistRecord,
} from '../core/index.ts';
import { recordOf } from '../store/index.ts';
import { isUntaken, type Landed, landedOf, type Review, reviewOf, type TaskFacts } from './facts.ts';

/** Small pages, with a breath between them: nobody's decision waits for the account. */
const PAGE = '_count=100&_sort=_lastUpdated';
/** Writes become visible out of order, and clocks differ: what was written shortly before is looked at again. */
const OVERLAP_MS = 60_000;
const TRIES = 3;
/** Versions of a Task that are looked through: a Task that has had more since its decision is late in any case. */
const VERSIONS = 100;

/** When a worklist first named a referral. */
export interface FirstSeen {
  readonly list: WorklistName;
  readonly at: string;
}

/** What is kept of one type: an id for each resource, so that a deletion shows in the count. */
const TYPES = ['Basic', 'Task', 'ServiceRequest'] as const satisfies readonly ResourceType[];
type Kept = (typeof TYPES)[number];

const QUERY: Readonly<Record<Kept, string>> = {
  Basic: PAGE,
  Task: `${PAGE}&_elements=status`,
  ServiceRequest: `${PAGE}&_elements=identifier`,
};

/**
 * What the store says of all that the worklists ever named, read by the sentinel itself. First in full, then what changed;
 * in full again when the counts show that something was deleted. It relies on no other room's memory.
 */
export class Evidence {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #ids: Record<Kept, Set<string>> = { Basic: new Set(), Task: new Set(), ServiceRequest: new Set() };
  #latest = '';
  /** By service, what the polls noted as seen. */
  readonly seen = new Map<string, Map<string, FirstSeen>>();
  readonly worklists = new Map<string, WorklistRecord>();
  /** By Binary id, the referrals that a raw answer names: a second witness of what was seen. */
  readonly answers = new Map<string, ReadonlySet<string>>();
  readonly landed = new Map<string, Landed>();
  readonly reviews = new Map<string, Map<number, Review>>();
  /** `{service}.{ubrn}` to when it was first seen. */
  readonly quarantined = new Map<string, string>();
  readonly tasks = new Map<string, TaskFacts>();
  /** By Task id, since when the decisions stand that the engine has not taken over. */
  readonly untakenSince = new Map<string, string>();
  /** UBRN of each ServiceRequest, by id; and back. */
  readonly referrals = new Map<string, string>();
  readonly referralOf = new Map<string, string>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  openReviews(): readonly Review[] {
    const all = [...this.reviews.values()].flatMap((episodes) => [...episodes.values()]);
    return all.filter(({ endedAt }) => endedAt === undefined);
  }

  /** Everything anew. */
  async load(): Promise<StoreResult<void>> {
    for (const all of [this.seen, this.worklists, this.landed, this.reviews, this.quarantined]) all.clear();
    for (const all of [this.tasks, this.referrals, this.referralOf]) all.clear();
    for (const type of TYPES) this.#ids[type].clear();
    this.#latest = '';
    return this.#read();
  }

  /** What changed since; everything, if something is gone. */
  async refresh(): Promise<StoreResult<void>> {
    if (this.#latest === '') return this.load();
    for (let tries = 0; tries < TRIES; tries += 1) {
      const read = await this.#read();
      if (!read.ok) return read;
      const isWhole = await this.#isWhole();
      if (!isWhole.ok) return isWhole;
      if (isWhole.value) return { ok: true, value: undefined };
      // Somebody may have written between the reading and the counting.
    }
    return this.load();
  }

  async #isWhole(): Promise<StoreResult<boolean>> {
    for (const type of TYPES) {
      const counted = await this.#store.search(type, '_count=0&_total=accurate');
      if (!counted.ok) return counted;
      if (counted.value.total !== this.#ids[type].size) return { ok: true, value: false };
    }
    return { ok: true, value: true };
  }

  async #read(): Promise<StoreResult<void>> {
    const since = this.#latest === '' ? '' : new Date(Date.parse(this.#latest) - OVERLAP_MS).toISOString();
    let latest = this.#latest;
    // Records first: what they name was written with them or before, so a Task read later is there.
    for (const type of TYPES) {
      const query = since === '' ? QUERY[type] : `${QUERY[type]}&_lastUpdated=ge${encodeURIComponent(since)}`;
      let next: string | undefined;
      do {
        const page = await this.#store.search(type, query, next);
        if (!page.ok) return page;
        for (const resource of page.value.matches) {
          this.#note(resource);
          if (resource.meta.lastUpdated > latest) latest = resource.meta.lastUpdated;
        }
        next = page.value.next;
        await this.#clock.sleep(0);
      } while (next !== undefined);
    }
    const read = await this.#readAnswers();
    if (!read.ok) return read;
    await this.#readUntaken();
    this.#latest = latest;
    return read;
  }

  #note(resource: Stored): void {
    if (resource.resourceType === 'Basic') this.#noteRecord(resource as Stored<Basic>);
    else if (resource.resourceType === 'Task') {
      const { id, status, meta } = resource as Stored<Task>;
      this.#ids.Task.add(id);
      this.tasks.set(id, { status, updatedAt: meta.lastUpdated });
    } else if (resource.resourceType === 'ServiceRequest') {
      const { id, identifier } = resource as Stored<ServiceRequest>;
      const ubrn = identifier?.find(({ system }) => system === SYSTEM.ubrn)?.value ?? '';
      this.#ids.ServiceRequest.add(id);
      this.referrals.set(id, ubrn);
      this.referralOf.set(ubrn, id);
    }
  }

  #noteRecord(basic: Stored<Basic>): void {
    this.#ids.Basic.add(basic.id);
    const kind = KINDS.find((one) => basic.identifier?.[0]?.system === identifierSystem(one));
    if (kind === undefined) return;
    const record = recordOf<unknown>(basic);
    if (!record.ok) return;
    const { key, data } = record.value;
    if (kind === 'ers-seen') this.#noteSeen(data as SeenRecord);
    if (kind === 'ers-worklist') this.worklists.set(key, data as WorklistRecord);
    if (kind === 'ers-sync') this.landed.set((data as SyncRecord).ubrn, landedOf(data as SyncRecord));
    if (kind === 'ers-quarantine') this.quarantined.set(key, (data as QuarantineRecord).firstSeen);
    if (kind === 'ers-dispatch') {
      const review = reviewOf(key, data as DispatchRecord);
      const episodes = this.reviews.get(review.requestId) ?? new Map<number, Review>();
      this.reviews.set(review.requestId, episodes.set(review.episode, review));
    }
  }

  #noteSeen({ service, polls }: SeenRecord): void {
    const seen = this.seen.get(service) ?? new Map<string, FirstSeen>();
    for (const { list, polledAt, ubrns } of polls)
      for (const ubrn of ubrns) if (!seen.has(ubrn)) seen.set(ubrn, { list, at: polledAt });
    this.seen.set(service, seen);
  }

  /**
   * Since when a Task is decided, its versions tell: by its own date each note that is written on it puts off what is
   * overdue. Where they cannot be read now, that date has to do.
   */
  async #readUntaken(): Promise<void> {
    const untaken = new Set<string>();
    for (const review of this.openReviews())
      if (isUntaken(review, this.tasks.get(review.taskId))) untaken.add(review.taskId);
    for (const id of this.untakenSince.keys()) if (!untaken.has(id)) this.untakenSince.delete(id);
    for (const id of untaken) {
      if (this.untakenSince.has(id)) continue;
      const page = await this.#store.history('Task', id, { count: VERSIONS });
      const versions = page.ok ? page.value.entries : [];
      const status = this.tasks.get(id)?.status;
      const before = versions.findIndex(({ resource }) => (resource as Task | undefined)?.status !== status);
      const decided = before === -1 ? versions.at(-1) : versions[before - 1];
      if (decided !== undefined) this.untakenSince.set(id, decided.lastUpdated);
      await this.#clock.sleep(0);
    }
  }

  /** Raw answers are read once each, and forgotten when the store forgets them. */
  async #readAnswers(): Promise<StoreResult<void>> {
    const kept = new Set([...this.worklists.values()].flatMap(({ snapshots }) => snapshots.map((one) => one.binaryId)));
    for (const id of this.answers.keys()) if (!kept.has(id)) this.answers.delete(id);
    for (const id of kept) {
      if (this.answers.has(id)) continue;
      const opened = await this.#store.openBinary(id);
      if (!opened.ok && opened.code !== 'not-found' && opened.code !== 'gone') return opened;
      const raw = opened.ok ? await text(opened.value.stream).catch(() => undefined) : '';
      if (raw === undefined) return { ok: false, code: 'unavailable' };
      // Not by the mapping, whose faults this is to find.
      this.answers.set(
        id,
        new Set([...raw.matchAll(/ReferralRequest\/(\d{12})\b/g)].flatMap(([, ubrn]) => ubrn ?? [])),
      );
      await this.#clock.sleep(0);
    }
    return { ok: true, value: undefined };
  }
}

const KINDS: readonly RecordKind[] = ['ers-seen', 'ers-worklist', 'ers-sync', 'ers-quarantine', 'ers-dispatch'];
