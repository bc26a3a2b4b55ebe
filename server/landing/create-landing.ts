import { mapReferral, type WorklistItem } from '../../mappings/index.ts';
import type { StoreFailure, SyncRecord } from '../core/index.ts';
import { readRecord, recordEntry } from '../store/index.ts';
import { type Attempt, attemptLanding, isOfReferral, storeFailed } from './attempt.ts';
import { commit } from './commit.ts';
import { type LandedRecord, standingAlerts } from './landed-record.ts';
import type {
  LandInput,
  Landing,
  LandingOptions,
  LandResult,
  LatestReview,
  Prepared,
  ReviewWrites,
  UnreadableResult,
} from './landing.ts';
import { later } from './looks.ts';
import { isPostponed } from './next-sync.ts';
import { Quarantine } from './quarantine.ts';
import { readReview } from './read-review.ts';
import { References } from './references.ts';
import { reviewEntries } from './review-entries.ts';
import type { LandingRoom } from './room.ts';
import { SharedResources } from './shared-resources.ts';
import { SyncIndex } from './sync-index.ts';

const TRIES = 6;
const UNREADABLE_MS = 7 * 24 * 3_600_000;

/** Opens the landing room. Source: architecture 2; target-model 2.2, 2.3 */
export function createLanding(options: LandingOptions): Landing {
  const room: LandingRoom = { options, shared: new SharedResources(options.store), index: new SyncIndex() };
  const quarantine = new Quarantine(options);
  return {
    index: room.index,
    prepare: (source, items) => prepare(room, source, items),
    async land(input) {
      const result = await land(room, input);
      if (result.kind === 'landed') await quarantine.release(result.sync.ubrn);
      return result;
    },
    landUnreadable: (requestId, review) => landUnreadable(room, requestId, review),
    quarantine: (entry) => quarantine.put(entry),
    async quarantined() {
      await quarantine.load();
      return quarantine.ubrns();
    },
    async load() {
      const loaded = await room.index.load(options.store);
      if (!loaded.ok) return loaded;
      for (const record of loaded.value) {
        for (const [code, stands] of standingAlerts(record))
          if (stands) options.alerts.raise(code, record.serviceRequestId);
      }
      return (await quarantine.load()) ? { ok: true, value: undefined } : UNAVAILABLE;
    },
  };
}

const UNAVAILABLE: StoreFailure = { ok: false, code: 'unavailable' };

/** The item that a referral is read with: reviews first, since they say more. */
const leading = (items: readonly WorklistItem[]): WorklistItem | undefined =>
  items.find(({ list }) => list === 'REFERRALS_FOR_REVIEW') ?? items[0];

function map(room: LandingRoom, source: unknown, items: readonly WorklistItem[]) {
  const worklistItem = leading(items);
  return mapReferral(source, { ids: room.options.ids, ...(worklistItem === undefined ? {} : { worklistItem }) });
}

const versionOf = (source: unknown): { version?: number } => {
  const version = Number((source as { meta?: { versionId?: unknown } } | null)?.meta?.versionId);
  return Number.isInteger(version) ? { version } : {};
};

async function prepare(
  room: LandingRoom,
  source: unknown,
  items: readonly WorklistItem[] | undefined,
): Promise<Prepared> {
  const mapped = map(room, source, items ?? []);
  if (!mapped.ok) return { kind: 'unlandable', codes: mapped.issues.map(({ code }) => code), ...versionOf(source) };
  const { facts, shared } = mapped.value;
  const held = await readRecord<SyncRecord>(room.options.store, 'ers-sync', facts.requestId);
  if (!held.ok) return { kind: 'store-failed', failure: held };
  const sync = held.value?.data;
  if (sync !== undefined && facts.version < sync.version) return { kind: 'stale', sync };
  const references = new References();
  const patients = shared.filter(({ resourceType }) => resourceType === 'Patient');
  const placed = await room.shared.place(patients, references);
  if (!placed.ok) {
    if (placed.code !== 'patient-ambiguous') return { kind: 'store-failed', failure: placed };
    room.options.alerts.raise('patient-ambiguous', facts.requestId);
    return { kind: 'unlandable', codes: ['patient-ambiguous'], version: facts.version };
  }
  return {
    kind: 'prepared',
    referral: mapped.value,
    sync,
    patientReference: references.of(`Patient/${patients[0]?.id ?? ''}`),
  };
}

async function land(room: LandingRoom, input: LandInput): Promise<LandResult> {
  const { log } = room.options;
  const known = input.items ?? (await knownItems(room, input.source));
  const mapped = map(room, input.source, known);
  if (!mapped.ok)
    return { kind: 'unlandable', codes: mapped.issues.map(({ code }) => code), ...versionOf(input.source) };
  let failure: StoreFailure | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    const attempt: Attempt = await attemptLanding(room, mapped.value, input, tries > 0);
    if (attempt.kind === 'again') {
      failure = attempt.failure;
      continue;
    }
    if (attempt.kind === 'store-failed' && attempt.failure.code === 'invalid' && failure?.code !== 'invalid') {
      // A shared resource may have been deleted behind the memory of its id.
      room.shared.forget();
      failure = attempt.failure;
      continue;
    }
    if (attempt.kind === 'landed' && attempt.changed) {
      const { serviceRequestId, version } = attempt.sync;
      for (const { code, at } of mapped.issues)
        log.warn('landing.issue.found', { serviceRequestId, version, code, element: at });
    }
    return attempt.kind === 'store-failed' ? refusal(room, attempt.failure, mapped.value.facts.version) : attempt;
  }
  const { serviceRequestId } = room.index.byRequestId(mapped.value.facts.requestId) ?? {};
  log.warn('landing.referral.contended', { ...(serviceRequestId ? { serviceRequestId } : {}), attempt: TRIES });
  return refusal(room, failure ?? { ok: false, code: 'conflict' }, mapped.value.facts.version);
}

/** A store that finds fault with the resources will not take them next time either: a person must look (K1). */
function refusal(room: LandingRoom, failure: StoreFailure, version: number): LandResult {
  if (failure.code !== 'invalid' && failure.code !== 'not-supported') return { kind: 'store-failed', failure };
  const element = failure.outcome?.issue?.[0]?.expression?.[0];
  room.options.log.error('landing.referral.refused', {
    code: 'store-refused',
    version,
    ...(element === undefined ? {} : { element }),
  });
  return { kind: 'unlandable', codes: ['store-refused'], version };
}

/** Where the lists were not asked, a referral is read with what they last said of it, or it would seem changed. */
async function knownItems(room: LandingRoom, source: unknown): Promise<readonly WorklistItem[]> {
  const mapped = map(room, source, []);
  if (!mapped.ok) return [];
  const held = await readRecord<SyncRecord>(room.options.store, 'ers-sync', mapped.value.facts.requestId);
  return held.ok ? (held.value?.data.items ?? []) : [];
}

async function landUnreadable(
  room: LandingRoom,
  requestId: string,
  review: (latest: LatestReview | undefined, now: string) => ReviewWrites,
): Promise<UnreadableResult> {
  const { store, clock, alerts } = room.options;
  for (let tries = 0; tries < TRIES; tries++) {
    const held = await readRecord<LandedRecord>(store, 'ers-sync', requestId);
    if (!held.ok) return { kind: 'store-failed', failure: held };
    if (held.value === undefined) return { kind: 'unknown' };
    const sync = held.value.data;
    const latest = sync.episode === 0 ? undefined : await readReview(store, requestId, sync.episode);
    if (latest !== undefined && !latest.ok) return { kind: 'store-failed', failure: latest };
    const now = clock.now().toISOString();
    const writes = review(latest?.value, now);
    const written = reviewEntries(store, writes, latest?.value, new References(), now);
    // It may come back, or PDS and e-RS may agree again: it is looked at now and then, like others that left the lists.
    const { summaryAwaitedSince: _, ...known } = sync;
    const next: LandedRecord = {
      ...known,
      attachments: unawaited(sync),
      items: isPostponed(written.record?.data ?? latest?.value?.record, []) ? sync.items : [],
      lastReadAt: now,
      recheckAt: later(now, UNREADABLE_MS),
    };
    const entries = [...written.entries, recordEntry(store, 'ers-sync', requestId, next, held.value)];
    const done = await commit(store, entries);
    if (done.ok) {
      room.index.note(next);
      for (const code of writes.alerts.filter(isOfReferral)) alerts.raise(code, next.serviceRequestId);
      return { kind: 'closed', sync: next, ...(written.task === undefined ? {} : { task: written.task }) };
    }
    const failed = storeFailed(done);
    if (failed.kind !== 'again') return { kind: 'store-failed', failure: done };
  }
  return { kind: 'store-failed', failure: { ok: false, code: 'conflict' } };
}

/** No file is waited for while e-RS does not show the referral. */
const unawaited = ({ attachments }: LandedRecord): LandedRecord['attachments'] =>
  Object.fromEntries(
    Object.entries(attachments).map(([id, { nextLookAt: _, awaitedSince: __, ...rest }]) => [id, rest]),
  );
