import type { Annotation, CodeableConcept, Coding, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  ersVersionOf,
  identifierOf,
  isSameJson,
  type MappedReferral,
  makeOutput,
  normaliseSystem,
  parseTaskKey,
  reviewStatusOf,
  SYSTEM,
  withExtension,
  withReviewStatus,
} from '../../mappings/index.ts';
import { type AlertCode, CODES, type DispatchRecord, isPolledSince } from '../core/index.ts';
import { asOurs, isDecided, type Ours } from './as-ours.ts';
import {
  ATTEMPT_MAX_MS,
  asUnknowable,
  isShownUnrecorded,
  mayBeAtWork,
  mayBeRecorded,
  type QueuedDecision,
  showsOutcome,
} from './delivery.ts';
import { fingerprintOf } from './fingerprint.ts';
import { REVIEW_MACHINE } from './machine.ts';
import { recorded } from './outcomes.ts';
import { decisionProvenance } from './provenance.ts';
import { conflictFailure, fallenDecision, reopened } from './reopened.ts';
import { buildReview, followed, type Review, reviewedOf } from './review-task.ts';
import { type Closed, LEFT_WORKLIST, settledInErs } from './settled.ts';
import type { Episode, ReviewPlan, ReviewSituation } from './situation.ts';
import { withOffered, withOutputs, withoutDecision, withoutLeftovers } from './task-elements.ts';

const none = (...alerts: AlertCode[]): ReviewPlan => ({ kind: 'none', alerts });

/**
 * Says what the review Task of a referral must be, given what e-RS shows of it and what the store holds.
 * Source: target-model 1.8, 4.4 (E-1, E-9b, E-10, E-11, E-12), 4.5, 4.6
 */
export function planReview(situation: ReviewSituation): ReviewPlan {
  const { latest } = situation;
  if (latest === undefined) return planFirst(situation);
  return latest.record.ended === undefined ? planOpen(situation, asOurs(latest)) : planNext(situation, latest);
}

/** No review so far: one is opened if e-RS asks for it; a referral first seen already decided gets none (M-156). */
function planFirst(situation: ReviewSituation): ReviewPlan {
  return settledInErs(situation.referral.facts).kind === 'closed' ? none() : open(situation, 1);
}

function open(situation: ReviewSituation, n: number): ReviewPlan {
  const { facts } = situation.referral;
  const review = buildReview(situation, situation.listed ?? [], n);
  if (review === undefined) return none();
  const { task, offered, reviewed } = review;
  const record: DispatchRecord = {
    taskId: task.id ?? '',
    requestId: facts.requestId,
    ubrn: facts.ubrn,
    serviceRequestId: situation.referral.serviceRequest.id ?? '',
    baseline: task,
    sendable: sendableOf(situation.referral, reviewed),
    offered,
    reviewed,
  };
  return { kind: 'open', task, record, alerts: settledInErs(facts).kind === 'unknown' ? ['state-unknown'] : [] };
}

/** The latest review has ended: a new episode, if e-RS asks again (4.6). */
function planNext(situation: ReviewSituation, latest: Episode): ReviewPlan {
  const { ended, reviewed } = latest.record;
  const { facts } = situation.referral;
  const listed = situation.listed ?? [];
  if (ended === undefined || listed.length === 0 || settledInErs(facts).kind === 'closed') return none();
  if (!isPolledSince(ended, situation.polledAt)) return none();
  const n = episodeOf(latest.task) + 1;
  if (!ended.recorded) return open(situation, n);
  const review = buildReview(situation, listed, n);
  const isNewer = Math.max(...listed.map((item) => item.version ?? facts.version)) > ended.version;
  return isNewer && review !== undefined && asksAnew(reviewed, review.reviewed)
    ? open(situation, n)
    : none('decided-but-listed');
}

const asksAnew = (was: DispatchRecord['reviewed'], is: DispatchRecord['reviewed']): boolean =>
  (is.requestContextStatus !== undefined && is.requestContextStatus !== 'NEVER_REVIEWED') || isOther(was, is);

const isOther = (was: DispatchRecord['reviewed'], is: DispatchRecord['reviewed']): boolean =>
  was.appointment !== is.appointment || was.service !== is.service || was.referralType !== is.referralType;

const episodeOf = (task: Task): number => parseTaskKey(identifierOf(task, SYSTEM.reviewTask) ?? '')?.episode ?? 1;

/** The review is open or its decision is under way: it follows e-RS, or ends because e-RS has settled it. */
function planOpen(situation: ReviewSituation, latest: Ours): ReviewPlan {
  const { facts } = situation.referral;
  const { baseline, decision } = latest.record;
  const status = reviewStatusOf(baseline) ?? 'awaiting-review';
  const isUnderWay = REVIEW_MACHINE[status]['settled-in-ers'].kind === 'postpone';
  if (isUnderWay && !decision?.isUnknowable) return none();
  if (isUnheard(decision)) return none();
  if (decision?.wasUnknown && showsOutcome(decision, facts)) return recordedLate(situation, latest, decision);
  const settled = settledInErs(facts);
  if (settled.kind === 'closed') return close(situation, latest, settled);
  // An accept that may have been recorded when e-RS last spoke of it did not leave its list for somebody else's reasons.
  const mayBeOurs = decision?.code === 'accept' && decision.wasUnknown && situation.listed?.length === 0;
  if (decision !== undefined && (decision.isUnknowable || mayBeOurs))
    return planUnknowable(situation, latest, decision);
  // It left no trace, and what it was given for has changed: to open the review would be a guess (D3).
  if (decision?.code === 'accept' && decision.wasUnknown && !seenNow(situation, latest).isSame) {
    const plan = planUnknowable(situation, latest, decision);
    return plan.kind === 'none' ? unknowable(latest, decision) : plan;
  }
  // What may be recorded yet is not opened or closed for what changed besides: its next attempt tells, and is refused by If-Match.
  const mayEndElsewhere = situation.listed?.length === 0 && settled.kind === 'in-review';
  if (mayBeAtWork(decision, situation.now) && (mayEndElsewhere || !seenNow(situation, latest).isSame)) return none();
  if (mayEndElsewhere) return close(situation, latest, LEFT_WORKLIST);
  const plan = follow(situation, latest);
  return settled.kind === 'unknown' ? { ...plan, alerts: [...plan.alerts, 'state-unknown'] } : plan;
}

/** An attempt whose AuditEvent nobody has written yet: dispatch writes it before anything ends the review (E-3). */
const isUnheard = (decision: QueuedDecision | undefined): boolean =>
  decision?.lastAttempt?.outcome === 'unknown' && decision.lastAttempt.isWitnessed !== true;

/** The review as e-RS shows it now, and whether what a decision rests on is still the same. */
function seenNow(situation: ReviewSituation, { record, task }: Episode) {
  const review = buildReview(situation, situation.listed ?? [], episodeOf(task));
  const reviewed = review?.reviewed ?? reviewedOf(situation.referral.facts, undefined, record.reviewed);
  const sendable = sendableOf(situation.referral, reviewed);
  return { review, reviewed, sendable, isSame: sendable.fingerprint === record.sendable.fingerprint };
}

/** Nobody can say yet whether e-RS has recorded it: the Task says so, and the alert stands (4.5). */
function unknowable({ record }: Episode, decision: QueuedDecision): ReviewPlan {
  const task = withReviewStatus(record.baseline, 'decision-sending');
  return {
    kind: 'update',
    task,
    record: { ...record, baseline: task, decision: asUnknowable(decision) },
    alerts: ['outcome-unknown'],
  };
}

/** E-4: an attempt that seemed lost, or not to have been applied, is found in e-RS after all. */
function recordedLate(situation: ReviewSituation, latest: Episode, decision: QueuedDecision): ReviewPlan {
  const { referral, now } = situation;
  const { version } = referral.facts;
  const { priority } = referral.serviceRequest;
  const step = { task: latest.record.baseline, record: latest.record };
  const answer = { version, at: now, ...(priority === undefined ? {} : { priority }) };
  const witness = decisionProvenance(latest.record, decision, answer, situation.ids);
  return { kind: 'close', ...recorded(step, decision, answer), witness, alerts: [] };
}

/**
 * Reading the referral could not tell whether the last attempt was applied; a complete worklist that was polled later
 * can (4.5). An accept leaves no trace: gone from the list means recorded, by inference; still listed means not.
 */
function planUnknowable(situation: ReviewSituation, latest: Episode, decision: QueuedDecision): ReviewPlan {
  const { listed, polledAt } = situation;
  const { facts } = situation.referral;
  const sincePolled = Date.parse(polledAt ?? '') - Date.parse(decision.lastAttempt?.startedAt ?? '');
  if (listed === undefined || !(sincePolled > 0)) return none('outcome-unknown');
  const isAccept = decision.code === 'accept';
  if (listed.some(({ list }) => !isAccept || list === 'REFERRALS_FOR_REVIEW')) {
    // Listed while the attempt may still have been at work proves nothing.
    return sincePolled > ATTEMPT_MAX_MS
      ? conflict(situation, latest, buildReview(situation, listed, episodeOf(latest.task)))
      : none('outcome-unknown');
  }
  // An accept is inferred of the very appointment that was accepted: another one, or another service's, is asked for by itself.
  // And of what was decided on: where that has changed, it may have done so before the attempt, which then met a conflict.
  const { reviewed } = latest.record;
  const isAsReviewed =
    facts.state === 'BOOKED' &&
    !isOther(reviewed, reviewedOf(facts, undefined, reviewed)) &&
    seenNow(situation, latest).isSame;
  if (!isAccept || !isAsReviewed) return close(situation, latest, LEFT_WORKLIST);
  // It left its list for another reason: what an accept makes of a referral has another version (4.5).
  if (isShownUnrecorded(decision, facts))
    return mayBeAtWork(decision, polledAt ?? '') ? none('outcome-unknown') : close(situation, latest, LEFT_WORKLIST);
  const decided = withoutLeftovers(latest.record.baseline);
  const outputs = [...(decided.output ?? []), makeOutput('outcome-inferred', { valueBoolean: true })];
  const task = withReviewStatus(withOutputs(versioned(decided, facts.version), outputs), 'accepted');
  const answer = { version: facts.version, at: situation.now };
  const witness = decisionProvenance(latest.record, decision, answer, situation.ids);
  return { ...ended(situation, latest, task, true), witness };
}

/** E-10: e-RS has settled the review, or no longer asks for it. */
function close(situation: ReviewSituation, latest: Episode, settled: Closed): ReviewPlan {
  const { facts } = situation.referral;
  const { decision } = latest.record;
  const reason = settled.isDecision && facts.reason !== undefined ? ersReason(facts.reason) : codeReason(settled.code);
  const clean = withoutDecision(latest.task, []);
  const note = settled.isDecision && facts.comments !== undefined ? [ersNote(facts.comments)] : [];
  const outputs = [
    ...(decision === undefined ? [] : [fallenDecision(decision.code, mayBeRecorded(latest.record, decision, facts))]),
    ...(settled.isDecision ? [makeOutput('decided-in-ers', { valueBoolean: true })] : []),
  ];
  const notes = [...(clean.note ?? []), ...note];
  const task: Task = {
    ...withOutputs(versioned(clean, facts.version), outputs),
    status: settled.status,
    ...(reason === undefined ? {} : { statusReason: reason }),
    ...(notes.length === 0 ? {} : { note: notes }),
  };
  return ended(situation, latest, withReviewStatus(task, settled.businessStatus), false);
}

const ersReason = ({ system, ...coding }: Coding): CodeableConcept => ({
  coding: [{ ...(system === undefined ? {} : { system: normaliseSystem(system).system }), ...coding }],
});

const codeReason = (code: Closed['code']): CodeableConcept | undefined =>
  code === undefined
    ? undefined
    : { coding: [{ system: CODE_SYSTEM.decisionIssue, code }], text: CODES[code].happened };

/** R4 does not let a Device author an Annotation, so e-RS is named as a string. */
const ersNote = (text: string): Annotation => ({ authorString: 'NHS e-Referral Service', text });

const versioned = (task: Task, version: number): Task =>
  withExtension(task, 'ers-version', { valueUnsignedInt: version });

function ended(
  { referral, now }: ReviewSituation,
  latest: Episode,
  task: Task,
  isRecorded: boolean,
): Exclude<ReviewPlan, { kind: 'none' }> {
  const { decision: _, ...record } = latest.record;
  const end = { at: now, version: referral.facts.version, recorded: isRecorded };
  return { kind: 'close', task, record: { ...record, baseline: task, ended: end }, alerts: [] };
}

/**
 * What a review becomes when e-RS answered a decision with 409 and the referral, read again, has changed: settled there,
 * or open with the conflict shown (E-5). `situation.listed` are the entries that the review rests on.
 */
export function planConflict(situation: ReviewSituation, latest: Episode): ReviewPlan {
  const ours = asOurs(latest);
  const settled = settledInErs(situation.referral.facts);
  if (settled.kind === 'closed') return close(situation, ours, settled);
  return conflict(situation, ours, buildReview(situation, situation.listed ?? [], episodeOf(ours.task)));
}

/** E-9b, E-5: the referral changed under a decision that e-RS has not recorded. */
function conflict(situation: ReviewSituation, latest: Episode, review: Review | undefined): ReviewPlan {
  const { decision, ...record } = latest.record;
  const { facts } = situation.referral;
  const base = review === undefined ? latest.task : followed(latest.task, review.task);
  const offered = review?.offered ?? record.offered;
  const sent = decision?.lastAttempt?.version ?? record.sendable.version;
  const reviewed = review?.reviewed ?? reviewedOf(facts, undefined, record.reviewed);
  // What a list asks for as it did has not been accepted; what it asks for anew may have been, before (4.6).
  const isAskedAnew =
    decision?.code !== 'accept' ||
    record.reviewed.requestContextStatus !== reviewed.requestContextStatus ||
    isOther(record.reviewed, reviewed);
  const isDoubtful = decision !== undefined && isAskedAnew && mayBeRecorded(latest.record, decision, facts);
  const task = reopened(versioned(base, facts.version), offered, {
    ...conflictFailure({ sent, current: facts.version }, decision?.lastAttempt?.correlationId, isDoubtful),
    ...(decision === undefined ? {} : { failed: decision.code, isDoubtful }),
  });
  return {
    kind: 'update',
    task,
    record: { ...record, offered, reviewed, baseline: task, sendable: sendableOf(situation.referral, reviewed) },
    alerts: [],
  };
}

const sendableOf = (referral: MappedReferral, reviewed: DispatchRecord['reviewed']): DispatchRecord['sendable'] => ({
  version: referral.facts.version,
  fingerprint: fingerprintOf(referral.facts, reviewed.requestContextStatus),
});

/** E-11, E-12: the review goes on and follows e-RS. */
function follow(situation: ReviewSituation, latest: Ours): ReviewPlan {
  const { record, task: current } = latest;
  const { facts } = situation.referral;
  const { review, reviewed, sendable, isSame } = seenNow(situation, latest);
  if (!isSame && isDecided(latest)) return conflict(situation, latest, review);
  const moved = { ...record, sendable, reviewed };
  if (!isSame) {
    const base = review === undefined ? current : followed(current, review.task);
    const offered = review?.offered ?? record.offered;
    const open = versioned(withOffered(base, offered), facts.version);
    const task = latest.isRefused ? open : withReviewStatus(withoutLeftovers(open), 'referral-changed');
    return { kind: 'update', task, record: { ...moved, offered, baseline: task }, alerts: [] };
  }
  const bookkeeping: ReviewPlan =
    facts.version === record.sendable.version ? none() : { kind: 'bookkeeping', record: moved, alerts: [] };
  // A decision that was written straight to the store and not yet taken over must stay a difference to the baseline.
  if (review === undefined || isDecided(latest)) return bookkeeping;
  const quiet = versioned(followed(current, review.task), ersVersionOf(current) ?? facts.version);
  if (isSameJson(quiet, current)) return bookkeeping;
  return { kind: 'update', task: quiet, record: { ...moved, offered: review.offered, baseline: quiet }, alerts: [] };
}

/**
 * What becomes of a review whose referral e-RS no longer shows: moved to another provider (M-153), or hidden (M-154).
 */
export function planUnreadable(
  latest: Episode | undefined,
  reason: 'moved-away' | 'patient-error',
  now: string,
): ReviewPlan {
  const alerts: readonly AlertCode[] = reason === 'patient-error' ? ['patient-error'] : [];
  if (latest === undefined || latest.record.ended !== undefined) return none(...alerts);
  const { decision, ...record } = latest.record;
  if (reviewStatusOf(record.baseline) === 'decision-sending' || isUnheard(decision))
    return none('outcome-unknown', ...alerts);
  if (decision?.wasUnknown) {
    const plan = unknowable(latest, decision);
    return { ...plan, alerts: [...plan.alerts, ...alerts] };
  }
  const ours = asOurs(latest);
  if (reason === 'patient-error') {
    // What is decided goes to e-RS, which refuses it by the same rule.
    const task = withOffered(ours.task, []);
    if (isDecided(ours) || isSameJson(task, ours.task)) return none(...alerts);
    return { kind: 'update', task, record: { ...record, offered: [], baseline: task }, alerts };
  }
  const outputs = decision === undefined ? [] : [fallenDecision(decision.code)];
  const clean = withOutputs(withoutDecision(ours.task, []), outputs);
  const statusReason = codeReason('moved-away');
  const closed: Task = { ...clean, status: 'cancelled', ...(statusReason === undefined ? {} : { statusReason }) };
  const task = withReviewStatus(closed, 'withdrawn');
  const end = { at: now, version: record.sendable.version, recorded: false };
  return { kind: 'close', task, record: { ...record, baseline: task, ended: end }, alerts };
}
