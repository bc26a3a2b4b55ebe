import { type MappedReferral, sortedJson } from '../../mappings/index.ts';
import type { AlertCode, DispatchRecord, Store, StoreFailure, TransactionEntry } from '../core/index.ts';
import { readRecord, recordEntry } from '../store/index.ts';
import { aheadOf, commit } from './commit.ts';
import { coreWrites } from './core-writes.ts';
import { type LandedRecord, standingAlerts } from './landed-record.ts';
import type { LandInput, LandResult, ReviewWrites } from './landing.ts';
import { nextSync } from './next-sync.ts';
import { readReview } from './read-review.ts';
import { References } from './references.ts';
import { reviewEntries } from './review-entries.ts';
import type { LandingRoom } from './room.ts';
import { settleIds } from './settle-ids.ts';
import { engineDevice, usersIn } from './shared-resources.ts';

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
  const held = await readRecord<LandedRecord>(store, 'ers-sync', facts.requestId);
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
  const wanted = input.review({
    referral,
    sync,
    latest: latest?.value,
    hasClinicalSummary: input.summary?.kind === 'stored' || sync?.summary?.binaryId !== undefined,
    now,
    resolve: (task) => references.resolve(task),
  });
  const review = asShown(wanted, latest?.value?.record);
  const people = await room.shared.place(usersIn(ids, review.witness), references);
  if (!people.ok)
    return people.code === 'patient-ambiguous' ? { kind: 'again', failure: undefined } : storeFailed(people);
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
    review: written.record?.data ?? latest?.value?.record,
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
  if (!done.ok && !(done.code === 'unknown-outcome' && (await isApplied(store, next)))) return storeFailed(done);
  const landed = await settleIds(store, entries, done.ok ? done.value : [], next, written.record);
  room.index.note(landed);
  for (const [code, stands] of alertsOf(landed, review))
    stands ? alerts.raise(code, landed.serviceRequestId) : alerts.clear(code, landed.serviceRequestId);
  // A worklist, or an ending here, may settle what dispatch could not.
  const reviewed = latest?.value?.record.taskId;
  const { decision } = written.record?.data ?? {};
  const wasHidden = latest?.value?.record.decision?.hiddenSince !== undefined;
  const isKnown = written.record !== undefined && (decision === undefined || (wasHidden && !decision.isUnknowable));
  if (reviewed !== undefined && isKnown) alerts.clear('outcome-unknown', reviewed);
  return {
    kind: 'landed',
    referral,
    sync: landed,
    changed: core.value.core.length + core.value.documents.length > 0 || written.task !== undefined,
    ...(written.task === undefined ? {} : { task: written.task }),
  };
}

/** A transaction whose answer was lost was carried out if the sync record says so: it was part of it. */
async function isApplied(store: Store, next: LandedRecord): Promise<boolean> {
  const held = await readRecord<LandedRecord>(store, 'ers-sync', next.requestId);
  return held.ok && held.value !== undefined && sortedJson(held.value.data) === sortedJson(next);
}

/** Alerts that each landing decides anew; what else the caller raises stands until its room clears it. */
const REVIEW_ALERTS: readonly AlertCode[] = ['state-unknown', 'decided-but-listed', 'patient-error'];

const alertsOf = (landed: LandedRecord, { alerts }: ReviewWrites): readonly (readonly [AlertCode, boolean])[] => [
  ...standingAlerts(landed),
  ...REVIEW_ALERTS.map((code) => [code, alerts.includes(code)] as const),
  ...alerts.filter((code) => isOfReferral(code) && !REVIEW_ALERTS.includes(code)).map((code) => [code, true] as const),
];

/** An outcome that is unknown is told under its Task, by dispatch and the sentinel, who know when it is no more. */
export const isOfReferral = (code: AlertCode): boolean => code !== 'outcome-unknown';

/** e-RS shows the referral again: its record says so, whatever else is written of it. */
function asShown(writes: ReviewWrites, latest: DispatchRecord | undefined): ReviewWrites {
  const record = writes.record ?? latest;
  if (record?.decision?.hiddenSince === undefined) return writes;
  const { hiddenSince: _, ...decision } = record.decision;
  return { ...writes, record: { ...record, decision } };
}
