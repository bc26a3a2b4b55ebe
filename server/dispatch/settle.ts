import { randomUUID } from 'node:crypto';
import { withReviewStatus } from '../../mappings/index.ts';
import { backoffMs, type DispatchRecord, type ErsReferral, type TransactionEntry } from '../core/index.ts';
import {
  afterReread,
  asNotApplied,
  asUnknowable,
  type DeliveryStep,
  decisionProvenance,
  exhausted,
  expired,
  inDoubt,
  planConflict,
  planReview,
  type QueuedDecision,
  type RereadReason,
  recorded,
  refusedByErs,
} from '../decisions/index.ts';
import type { LandingSituation, ReviewWrites } from '../landing/index.ts';
import { loadReview, type Review } from '../reviews/index.ts';
import { writeRecord } from '../store/index.ts';
import { later, type Next, RETRY_MS, reload, rest } from './next.ts';
import type { DispatchRoom } from './room.ts';
import { writeStep } from './write.ts';

/** How long a referral whose decision cannot be settled is left alone between two reads. */
const UNSETTLED_MS = 60_000;
/** How long a store that fails is waited for with e-RS's 200 in hand: about a minute. */
const STORE_TRIES = 14;
const MAX_STORE_WAIT_MS = 5_000;

/** E-4: e-RS's answer is landed, and the Task becomes final in the same transaction (I-13). */
export async function landRecorded(
  options: DispatchRoom,
  review: Review,
  decision: QueuedDecision,
  answer: ErsReferral,
  witnesses: readonly TransactionEntry[],
): Promise<Next> {
  for (let tries = 0; ; tries += 1) {
    const landed = await options.landing.land({
      source: answer.source,
      items: undefined,
      review: (situation) => recordedWrites(options, situation, review, decision, answer.version, witnesses),
    });
    if (landed.kind === 'store-failed' && tries < STORE_TRIES) {
      // Only this process knows that e-RS said 200: it is kept in hand while the store recovers.
      await options.clock.sleep(backoffMs(tries, options.random(), MAX_STORE_WAIT_MS));
      continue;
    }
    if (landed.kind === 'store-failed') return later();
    options.alerts.clear('outcome-unknown', review.record.data.taskId);
    return landed.kind === 'landed' ? rest : writeUnlanded(options, review, decision, answer.version, witnesses);
  }
}

/** The answer cannot be kept as a referral; that e-RS recorded the decision is true all the same. */
async function writeUnlanded(
  options: DispatchRoom,
  review: Review,
  decision: QueuedDecision,
  version: number,
  witnesses: readonly TransactionEntry[],
): Promise<Next> {
  const at = options.clock.now().toISOString();
  const loaded = await loadReview(options.store, review.record.data.taskId, review.key);
  if (!loaded.ok || loaded.value === undefined) return later();
  const now = loaded.value;
  const { data } = now.record;
  const unchanged = { task: now.task ?? data.baseline, record: data };
  const resource = decisionProvenance(data, decision, { version, at }, options.ids);
  const written = isEndedOrOther(data, review)
    ? await writeStep(options, now, unchanged, witnesses)
    : await writeStep(options, now, recorded({ task: data.baseline, record: data }, decision, { version, at }), [
        ...witnesses,
        { kind: 'create', resource },
      ]);
  return written.ok ? rest : later(written.retryAfterMs);
}

/** The engine that took over has ended the review by what e-RS showed it: an answer that comes late rewrites nothing (4.6). */
const isEndedOrOther = (record: DispatchRecord, review: Review): boolean =>
  record.ended !== undefined || record.taskId !== review.record.data.taskId;

function recordedWrites(
  options: DispatchRoom,
  situation: LandingSituation,
  review: Review,
  decision: QueuedDecision,
  version: number,
  witnesses: readonly TransactionEntry[],
): ReviewWrites {
  const at = situation.now;
  const record = situation.latest?.record ?? review.record.data;
  if (isEndedOrOther(record, review)) return { extra: [...witnesses], alerts: [] };
  const priority = situation.referral.serviceRequest.priority;
  const step = recorded({ task: record.baseline, record }, decision, {
    version,
    at,
    ...(priority === undefined ? {} : { priority }),
  });
  const witness = decisionProvenance(record, decision, { version, at }, options.ids);
  return { ...step, extra: [...witnesses], witness, alerts: [] };
}

/**
 * Step 5c: reads the referral again and, in the transaction that lands it, writes what that means for the decision.
 * Source: target-model 4.5
 */
export const settle = async (
  options: DispatchRoom,
  review: Review,
  decision: QueuedDecision,
  why: RereadReason,
): Promise<Next> => (await readAndSettle(options, review, decision, why)).next;

/** The same, and whether e-RS was read and what it showed is in the store. */
export async function readAndSettle(
  options: DispatchRoom,
  review: Review,
  decision: QueuedDecision,
  why: RereadReason,
): Promise<{ readonly isRead: boolean; readonly next: Next }> {
  const { taskId, ubrn } = review.record.data;
  const correlationId = decision.lastAttempt?.correlationId ?? randomUUID();
  const read = await options.ers.fetchReferral(ubrn, { correlationId, priority: 'decision' });
  if (read.kind !== 'ok') {
    options.log.warn('dispatch.referral.unread', { taskId, code: read.code, correlationId });
    const isHidden = read.kind === 'refused';
    if (isHidden && why === 'unknown') {
      await noteHidden(options, review);
      options.alerts.raise('outcome-unknown', taskId);
    }
    const waitMs = isHidden ? UNSETTLED_MS : Math.max(read.afterMs, waitToReadMs(decision, options.clock.now()));
    return { isRead: false, next: later(waitMs) };
  }
  let step: DeliveryStep | undefined;
  const landed = await options.landing.land({
    source: read.value.source,
    items: undefined,
    review: (situation) => {
      const settled = settledWrites(options, situation, review, decision, why);
      step = settled.step;
      return settled.writes;
    },
  });
  if (landed.kind !== 'landed') return { isRead: false, next: later(UNSETTLED_MS) };
  options.log.info('dispatch.decision.settled', {
    taskId,
    decision: decision.code,
    code: step?.kind ?? 'none',
    correlationId,
  });
  if (step?.kind === 'unknowable') {
    options.alerts.raise('outcome-unknown', taskId);
    return { isRead: true, next: later(UNSETTLED_MS) };
  }
  options.alerts.clear('outcome-unknown', taskId);
  if (step?.kind === 'refused' && step.isDefect) options.alerts.raise('ers-request-wrong', taskId);
  const next = step?.kind === 'again' ? later(Date.parse(step.at) - options.clock.now().getTime()) : reload;
  return { isRead: true, next };
}

/** While e-RS does not answer, twice as long each time, up to a minute: many decisions in doubt share one budget. */
function waitToReadMs({ lastAttempt, queuedAt }: QueuedDecision, now: Date): number {
  const doubtfulMs = now.getTime() - Date.parse(lastAttempt?.startedAt ?? queuedAt);
  return Math.min(Math.max(doubtfulMs, RETRY_MS), UNSETTLED_MS);
}

/**
 * The account is made from the store, by whichever process comes next: it is noted there that nobody can tell. What the
 * store does not take now is noted by the next read.
 */
async function noteHidden({ store, clock }: DispatchRoom, { key, record }: Review): Promise<void> {
  const { decision } = record.data;
  if (decision === undefined || decision.hiddenSince !== undefined) return;
  const hidden = { ...decision, hiddenSince: clock.now().toISOString() };
  await writeRecord(store, 'ers-dispatch', key, { ...record.data, decision: hidden }, record);
}

/**
 * Reads a referral again whose decision e-RS refused by its state: somebody has decided, moved or cancelled it there, and
 * the review, which is open again, follows that at once. What cannot be read now is read by intake in its own time.
 * Source: target-model 4.5 (INVALID_REQUEST_STATE), E-10, E-11
 */
export async function follow(options: DispatchRoom, { record }: Review): Promise<void> {
  const { taskId, ubrn } = record.data;
  const correlationId = randomUUID();
  const read = await options.ers.fetchReferral(ubrn, { correlationId, priority: 'decision' });
  if (read.kind !== 'ok')
    return options.log.warn('dispatch.referral.unread', { taskId, code: read.code, correlationId });
  await options.landing.land({
    source: read.value.source,
    items: undefined,
    review: (situation) => {
      const plan = planReview({ ...situation, ...siteOf(options, situation), listed: undefined });
      return plan.kind === 'none' ? { alerts: plan.alerts } : plan;
    },
  });
}

/** What a review is built by besides what e-RS shows. */
function siteOf({ ids, services }: DispatchRoom, { referral }: LandingSituation) {
  const bookableType = services.find(({ id }) => id === referral.facts.service?.id)?.bookableType;
  return { ids, ...(bookableType === undefined ? {} : { bookableType }) };
}

interface Settled {
  readonly step: DeliveryStep;
  readonly writes: ReviewWrites;
}

function settledWrites(
  options: DispatchRoom,
  situation: LandingSituation,
  review: Review,
  given: QueuedDecision,
  why: RereadReason,
): Settled {
  const latest = situation.latest;
  const record = latest?.record ?? review.record.data;
  const decision = record.decision ?? given;
  const { facts } = situation.referral;
  const at = { now: situation.now, random: options.random() };
  const step = afterReread(record, decision, why, facts, at, options.policy);
  const isUnknown = why === 'unknown' || decision.wasUnknown;
  const nothing: Settled = { step, writes: { alerts: [] } };
  if (latest === undefined || record.decision === undefined)
    return { step: { kind: 'conflict' }, writes: { alerts: [] } };
  // Another engine has begun an attempt since: what was read before it says nothing of it.
  if (decision.lastAttempt?.correlationId !== given.lastAttempt?.correlationId)
    return { step: { kind: 'conflict' }, writes: { alerts: [] } };
  const notApplied: QueuedDecision = {
    ...asNotApplied(decision),
    wasUnknown: isUnknown,
    ...(decision.lastAttempt?.outcome === 'unknown' ? inDoubt(decision) : {}),
  };
  /** An attempt that was given up may be at work in e-RS: no other is sent meanwhile (D1). */
  const notBefore = (at: string | undefined): string | undefined => {
    const until = decision.lastAttempt?.mayRunUntil;
    return until === undefined || until <= (at ?? situation.now) ? at : until;
  };
  switch (step.kind) {
    case 'recorded':
      return { step, writes: recordedWrites(options, situation, review, decision, facts.version, []) };
    case 'again': {
      const task = withReviewStatus(record.baseline, 'decision-queued');
      return {
        step,
        writes: {
          task,
          record: {
            ...record,
            baseline: task,
            decision: { ...notApplied, nextAttemptAt: notBefore(step.at) ?? step.at },
          },
          alerts: [],
        },
      };
    }
    case 'send': {
      const probe = decision.code === 'accept' && isUnknown;
      const { nextAttemptAt: _, ...ready } = notApplied;
      const nextAttemptAt = notBefore(step.at);
      const next: QueuedDecision = {
        ...ready,
        probeUsed: decision.probeUsed || probe,
        resendUsed: decision.resendUsed || why === 'conflict',
        ...(nextAttemptAt === undefined ? {} : { nextAttemptAt }),
      };
      const sendable = { ...record.sendable, version: facts.version };
      return { step, writes: { record: { ...record, sendable, decision: next }, alerts: [] } };
    }
    case 'unknowable':
      return decision.isUnknowable
        ? nothing
        : {
            step,
            writes: {
              record: { ...record, decision: asUnknowable(decision) },
              alerts: ['outcome-unknown'],
            },
          };
    case 'refused': {
      const moved = { ...record, sendable: { ...record.sendable, version: facts.version } };
      return {
        step,
        writes: { ...refusedByErs({ task: record.baseline, record: moved }, decision, step.refusal), alerts: [] },
      };
    }
    case 'expired':
      return { step, writes: { ...expired({ task: record.baseline, record }, decision), alerts: [] } };
    case 'give-back':
      return { step, writes: { ...exhausted({ task: record.baseline, record }, decision), alerts: [] } };
    case 'conflict': {
      const plan = planConflict(
        { ...situation, ...siteOf(options, situation), listed: situation.sync?.items },
        { task: latest.task, record },
      );
      return { step, writes: plan.kind === 'none' ? { alerts: [] } : plan };
    }
    default:
      return nothing;
  }
}
