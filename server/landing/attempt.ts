import type { MappedReferral } from '../../mappings/index.ts';
import type { StoreFailure, SyncRecord, TransactionEntry } from '../core/index.ts';
import { readRecord, recordEntry } from '../store/index.ts';
import { aheadOf, commit } from './commit.ts';
import { coreWrites } from './core-writes.ts';
import type { LandInput, LandingOptions, LandResult } from './landing.ts';
import { nextSync } from './next-sync.ts';
import { readReview } from './read-review.ts';
import { References } from './references.ts';
import { reviewEntries } from './review-entries.ts';
import { settleIds } from './settle-ids.ts';
import { engineDevice, type SharedResources } from './shared-resources.ts';
import type { SyncIndex } from './sync-index.ts';

/** What all landings share. */
export interface LandingRoom {
  readonly options: LandingOptions;
  readonly shared: SharedResources;
  readonly index: SyncIndex;
}

/** `again`: somebody was faster, or part of the work went ahead; everything is to be read afresh. */
export type Attempt = LandResult | { readonly kind: 'again'; readonly failure: StoreFailure | undefined };

/** Lost answers are settled like conflicts: read what is there, and write what is still missing. */
export const storeFailed = (failure: StoreFailure): Attempt =>
  failure.code === 'conflict' || failure.code === 'unknown-outcome'
    ? { kind: 'again', failure }
    : { kind: 'store-failed', failure };

/**
 * One try to land a referral: read what the store has, ask the caller for the review, write the differences in one
 * transaction that insists on what was read.
 * @param isRetry the store is looked at closely, although it should hold nothing of a referral without a sync record
 * Source: architecture 2; I-11, I-12
 */
export async function attemptLanding(
  room: LandingRoom,
  referral: MappedReferral,
  input: LandInput,
  isRetry: boolean,
): Promise<Attempt> {
  const { store, ids, clock, alerts, judge } = room.options;
  const { facts } = referral;
  const held = await readRecord<SyncRecord>(store, 'ers-sync', facts.requestId);
  if (!held.ok) return storeFailed(held);
  const sync = held.value?.data;
  if (sync !== undefined && facts.version < sync.version) return { kind: 'stale', sync };

  const references = new References();
  const placed = await room.shared.place([...referral.shared, engineDevice(ids)], references);
  if (!placed.ok) {
    if (placed.code !== 'patient-ambiguous') return storeFailed(placed);
    alerts.raise('patient-ambiguous', facts.requestId);
    return { kind: 'unlandable', codes: ['patient-ambiguous'], version: facts.version };
  }
  alerts.clear('patient-ambiguous', facts.requestId);

  const now = clock.now().toISOString();
  const isNew = sync === undefined && !isRetry;
  const core = await coreWrites(room, { referral, input, sync, references, isNew, now });
  if (!core.ok) return storeFailed(core);
  const episode = sync?.episode ?? (isRetry ? 1 : 0);
  const latest = episode === 0 ? undefined : await readReview(store, facts.requestId, episode);
  if (latest !== undefined && !latest.ok) return storeFailed(latest);
  const review = input.review({
    referral,
    sync,
    latest: latest?.value,
    hasClinicalSummary: input.summary?.kind === 'stored' || sync?.summary?.binaryId !== undefined,
    now,
    resolve: (task) => references.resolve(task),
  });
  const written = reviewEntries(store, review, latest?.value, references, now);
  const next = nextSync({
    referral,
    input,
    sync,
    references,
    judge,
    now,
    attachments: core.value.attachments,
    written,
  });
  const sealing: TransactionEntry[] = [
    ...written.entries,
    recordEntry(store, 'ers-sync', facts.requestId, next, held.value),
  ];
  const ahead = aheadOf(store.capabilities, core.value, sealing);
  if (ahead !== undefined) {
    for (const entries of ahead) {
      const sent = await commit(store, entries);
      if (!sent.ok) return storeFailed(sent);
    }
    return { kind: 'again', failure: undefined };
  }
  const entries = [...core.value.core, ...core.value.documents, ...sealing];
  const done = await commit(store, entries);
  if (!done.ok) return storeFailed(done);
  const sync2 = await settleIds(store, entries, done.value, next, written.record);
  room.index.note(sync2);
  for (const code of review.alerts) alerts.raise(code, sync2.serviceRequestId);
  return {
    kind: 'landed',
    referral,
    sync: sync2,
    changed: core.value.core.length + core.value.documents.length > 0 || written.task !== undefined,
    ...(written.task === undefined ? {} : { task: written.task }),
  };
}
