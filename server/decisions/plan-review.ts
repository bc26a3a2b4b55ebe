import { isDeepStrictEqual } from 'node:util';
import type { Annotation, CodeableConcept, Coding, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type DecisionCode,
  ersVersionOf,
  type FinalStatus,
  identifierOf,
  type MappedReferral,
  makeOutput,
  normaliseSystem,
  parseTaskKey,
  reviewStatusOf,
  SYSTEM,
  withExtension,
  withReviewStatus,
} from '../../mappings/index.ts';
import type { AlertCode, DispatchRecord } from '../core/index.ts';
import { CODES } from '../core/index.ts';
import { fingerprintOf } from './fingerprint.ts';
import { REVIEW_MACHINE } from './machine.ts';
import { type Failure, reopened } from './reopened.ts';
import { buildReview, followed, type Review } from './review-task.ts';
import { LEFT_WORKLIST, type Settled, settledInErs } from './settled.ts';
import type { Episode, ReviewPlan, ReviewSituation } from './situation.ts';
import { withOffered, withOutputs, withoutDecision, withoutLeftovers } from './task-elements.ts';

type Closed = Extract<Settled, { kind: 'closed' }>;
const none = (...alerts: AlertCode[]): ReviewPlan => ({ kind: 'none', alerts });

/**
 * Says what the review Task of a referral must be, given what e-RS shows of it and what the store holds.
 * Source: target-model 1.8, 4.4 (E-1, E-9b, E-10, E-11, E-12), 4.5, 4.6
 */
export function planReview(situation: ReviewSituation): ReviewPlan {
  const { latest } = situation;
  if (latest === undefined) return planFirst(situation);
  return latest.record.ended === undefined ? planOpen(situation, latest) : planNext(situation, latest);
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
    sendable: { version: facts.version, fingerprint: fingerprintOf(facts, reviewed.requestContextStatus) },
    offered,
    reviewed,
  };
  return { kind: 'open', task, record, alerts: settledInErs(facts).kind === 'unknown' ? ['state-unknown'] : [] };
}

/** The latest review has ended: a new episode, if e-RS asks again (4.6). */
function planNext(situation: ReviewSituation, latest: Episode): ReviewPlan {
  const { ended } = latest.record;
  const { facts } = situation.referral;
  const isListed = situation.listed !== undefined && situation.listed.length > 0;
  const isLater = ended !== undefined && situation.polledAt !== undefined && situation.polledAt > ended.at;
  if (!isListed || !isLater || settledInErs(facts).kind === 'closed') return none();
  const n = episodeOf(latest.task) + 1;
  if (!ended.recorded) return open(situation, n);
  const review = buildReview(situation, situation.listed ?? [], n);
  const version = Math.max(...(situation.listed ?? []).map((item) => item.version ?? facts.version));
  const isNewer = version > ended.version;
  return isNewer && review !== undefined && asksAnew(latest.record.reviewed, review.reviewed)
    ? open(situation, n)
    : none('decided-but-listed');
}

const asksAnew = (was: DispatchRecord['reviewed'], is: DispatchRecord['reviewed']): boolean =>
  (is.requestContextStatus !== undefined && is.requestContextStatus !== 'NEVER_REVIEWED') ||
  was.appointment !== is.appointment ||
  was.service !== is.service ||
  was.referralType !== is.referralType;

const episodeOf = (task: Task): number => parseTaskKey(identifierOf(task, SYSTEM.reviewTask) ?? '')?.episode ?? 1;

/** The review is open or its decision is under way: it follows e-RS, or ends because e-RS has settled it. */
function planOpen(situation: ReviewSituation, latest: Episode): ReviewPlan {
  const { facts } = situation.referral;
  const status = reviewStatusOf(latest.record.baseline) ?? 'awaiting-review';
  if (REVIEW_MACHINE[status]['settled-in-ers'].kind === 'postpone' && !latest.record.decision?.isUnknowable)
    return none();
  const settled = settledInErs(facts);
  if (latest.record.decision?.isUnknowable) return planUnknowable(situation, latest, settled);
  if (settled.kind === 'closed') return close(situation, latest, settled);
  if (situation.listed?.length === 0 && settled.kind === 'in-review') return close(situation, latest, LEFT_WORKLIST);
  const plan = follow(situation, latest);
  return settled.kind === 'unknown' ? { ...plan, alerts: [...plan.alerts, 'state-unknown'] } : plan;
}

/**
 * Reading the referral could not tell whether the last attempt was applied; a complete worklist that was polled later
 * can (4.5). An accept leaves no trace: gone from the list means recorded, by inference; still listed means not.
 */
function planUnknowable(situation: ReviewSituation, latest: Episode, settled: Settled): ReviewPlan {
  const { record } = latest;
  const startedAt = record.decision?.lastAttempt?.startedAt ?? '';
  const isTold = situation.listed !== undefined && (situation.polledAt ?? '') > startedAt;
  if (settled.kind === 'closed') return close(situation, latest, settled);
  if (!isTold) return none('outcome-unknown');
  if (situation.listed?.some(({ list }) => list === 'REFERRALS_FOR_REVIEW')) return conflict(situation, latest);
  if (record.decision?.code !== 'accept' || situation.referral.facts.state !== 'BOOKED') {
    return close(situation, latest, LEFT_WORKLIST);
  }
  const inferred = makeOutput('outcome-inferred', { valueBoolean: true });
  const decided = withoutLeftovers(latest.task);
  const task = withReviewStatus(
    withOutputs(versioned(decided, situation.referral.facts.version), [...(decided.output ?? []), inferred]),
    'accepted',
  );
  return ended('close', situation, latest, task, true);
}

/** E-10: e-RS has settled the review, or no longer asks for it. */
function close(situation: ReviewSituation, latest: Episode, settled: Closed): ReviewPlan {
  const { facts } = situation.referral;
  const failed = latest.record.decision?.code;
  const code = settled.code;
  const reason = settled.isDecision && facts.reason !== undefined ? ersReason(facts.reason) : codeReason(code);
  const clean = withOffered(withoutDecision(latest.task, []), []);
  const note = settled.isDecision && facts.comments !== undefined ? [ersNote(facts.comments)] : [];
  const outputs = [
    ...(failed === undefined ? [] : [failedDecision(failed)]),
    ...(settled.isDecision ? [makeOutput('decided-in-ers', { valueBoolean: true })] : []),
  ];
  const notes = [...(clean.note ?? []), ...note];
  const task: Task = {
    ...withOutputs(versioned(clean, facts.version), outputs),
    status: settled.status,
    ...(reason === undefined ? {} : { statusReason: reason }),
    ...(notes.length === 0 ? {} : { note: notes }),
  };
  return ended('close', situation, latest, withReviewStatus(task, settled.businessStatus), false);
}

const ersReason = ({ system, ...coding }: Coding): CodeableConcept => ({
  coding: [{ ...(system === undefined ? {} : { system: normaliseSystem(system).system }), ...coding }],
});

const codeReason = (code: Closed['code']) =>
  code === undefined
    ? undefined
    : { coding: [{ system: CODE_SYSTEM.decisionIssue, code }], text: CODES[code].happened };

const failedDecision = (decision: DecisionCode) =>
  makeOutput('failed-decision', {
    valueCodeableConcept: { coding: [{ system: CODE_SYSTEM.decision, code: decision }] },
  });

/** R4 does not let a Device author an Annotation, so e-RS is named as a string. */
const ersNote = (text: string): Annotation => ({ authorString: 'NHS e-Referral Service', text });

const versioned = (task: Task, version: number): Task =>
  withExtension(task, 'ers-version', { valueUnsignedInt: version });

function ended(kind: 'close', situation: ReviewSituation, latest: Episode, task: Task, recorded: boolean): ReviewPlan {
  const { decision: _, ...record } = latest.record;
  const { version } = situation.referral.facts;
  return {
    kind,
    task,
    record: { ...record, baseline: task, ended: { at: situation.now, version, recorded } },
    alerts: [],
  };
}

/**
 * What a review becomes when e-RS answered a decision with 409 and the referral, read again, has changed: settled there,
 * or open with the conflict shown (E-5). `situation.listed` are the entries that the review rests on.
 */
export function planConflict(situation: ReviewSituation, latest: Episode): ReviewPlan {
  const settled = settledInErs(situation.referral.facts);
  if (settled.kind === 'closed') return close(situation, latest, settled);
  return conflict(situation, latest, buildReview(situation, situation.listed ?? [], episodeOf(latest.task)));
}

/** E-9b, E-5: the referral changed under a decision that e-RS has not recorded. */
function conflict(situation: ReviewSituation, latest: Episode, review?: Review): ReviewPlan {
  const { decision, ...record } = latest.record;
  const { facts } = situation.referral;
  const base = review === undefined ? latest.task : followed(latest.task, review.task);
  const offered = review?.offered ?? record.offered;
  const task = reopened(versioned(base, facts.version), offered, {
    businessStatus: 'decision-conflict',
    ...conflictText(record.sendable.version, facts.version),
    ...(decision === undefined ? {} : { failed: decision.code }),
  });
  const reviewed = review?.reviewed ?? record.reviewed;
  return {
    kind: 'update',
    task,
    record: { ...record, offered, reviewed, baseline: task, sendable: sendableOf(situation.referral, reviewed) },
    alerts: [],
  };
}

/** What a Task says of a decision that the referral's change undid (4.8). */
export function conflictText(sent: number, current: number): Pick<Failure, 'reason' | 'issues'> {
  const coding = [{ system: CODE_SYSTEM.decisionIssue, code: 'referral-changed' }];
  return {
    reason: {
      coding,
      text: `The referral changed in e-RS (version ${sent} to ${current}). Nothing was recorded. Review it again.`,
    },
    issues: [
      {
        severity: 'error',
        code: 'conflict',
        details: { coding, text: 'The referral changed in e-RS after it was read for this review' },
        diagnostics: `Reviewed version ${sent}; current version is ${current}`,
      },
    ],
  };
}

const sendableOf = (referral: MappedReferral, reviewed: DispatchRecord['reviewed']): DispatchRecord['sendable'] => ({
  version: referral.facts.version,
  fingerprint: fingerprintOf(referral.facts, reviewed.requestContextStatus),
});

/** E-11, E-12: the review goes on and follows e-RS. */
function follow(situation: ReviewSituation, latest: Episode): ReviewPlan {
  const { record, task: current } = latest;
  const { facts } = situation.referral;
  const listed = situation.listed ?? [];
  const review = buildReview(situation, listed, episodeOf(current));
  const reviewed = review?.reviewed ?? record.reviewed;
  const sendable = sendableOf(situation.referral, reviewed);
  const isSame = sendable.fingerprint === record.sendable.fingerprint;
  // A decision that was written straight to the store and not yet taken over must stay a difference to the baseline.
  const isDecided = record.decision !== undefined || current.status === 'accepted' || current.status === 'rejected';
  if (!isSame && isDecided) return conflict(situation, latest, review);
  const moved = { ...record, sendable, reviewed };
  if (!isSame) {
    const base = withoutLeftovers(review === undefined ? current : followed(current, review.task));
    const offered = review?.offered ?? record.offered;
    const task = withReviewStatus(versioned(withOffered(base, offered), facts.version), 'referral-changed');
    return { kind: 'update', task, record: { ...moved, offered, baseline: task }, alerts: [] };
  }
  const bookkeeping: ReviewPlan =
    facts.version === record.sendable.version ? none() : { kind: 'bookkeeping', record: moved, alerts: [] };
  if (review === undefined || isDecided) return bookkeeping;
  const quiet = versioned(followed(current, review.task), ersVersionOf(current) ?? facts.version);
  if (isDeepStrictEqual(quiet, current)) return bookkeeping;
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
  if (latest === undefined || latest.record.ended !== undefined)
    return none(...(reason === 'patient-error' ? (['patient-error'] as const) : []));
  const { decision, ...record } = latest.record;
  if (reviewStatusOf(record.baseline) === 'decision-sending') return none('outcome-unknown');
  if (reason === 'patient-error') {
    const task = withOffered(latest.task, []);
    if (isDeepStrictEqual(task, latest.task)) return none('patient-error');
    return {
      kind: 'update',
      task,
      record: { ...latest.record, offered: [], baseline: task },
      alerts: ['patient-error'],
    };
  }
  const outputs = decision === undefined ? [] : [failedDecision(decision.code)];
  const clean = withOutputs(withoutDecision(latest.task, []), outputs);
  const statusReason = codeReason('moved-away');
  const businessStatus: FinalStatus = 'withdrawn';
  const task = withReviewStatus(
    { ...clean, status: 'cancelled', ...(statusReason === undefined ? {} : { statusReason }) },
    businessStatus,
  );
  const version = record.sendable.version;
  return {
    kind: 'close',
    task,
    record: { ...record, baseline: task, ended: { at: now, version, recorded: false } },
    alerts: [],
  };
}
