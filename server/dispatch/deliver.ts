import type { Task } from '@medplum/fhirtypes';
import { isSameJson, reviewStatusOf, withReviewStatus } from '../../mappings/index.ts';
import {
  backoffMs,
  CODES,
  type Code,
  type ErsReferral,
  type ErsRefusal,
  type Fate,
  isUnattended,
  type TransactionEntry,
} from '../core/index.ts';
import {
  type Attempt,
  afterAnswer,
  asNotApplied,
  asUnknowable,
  type DeliveryStep,
  doubted,
  exhausted,
  expired,
  inDoubt,
  nextDelivery,
  type QueuedDecision,
  refusedByErs,
  type StepResult,
} from '../decisions/index.ts';
import { loadReview, type RejectionReference, type Review } from '../reviews/index.ts';
import { attemptOf, requestOf } from './attempt.ts';
import { afterFailure, type InHand, later, type Next, reload, rest } from './next.ts';
import type { DispatchRoom } from './room.ts';
import type { IdentifiedSession } from './sessions.ts';
import { follow, landRecorded, settle } from './settle.ts';
import { unwitnessed, witnessed, witnessUnheard } from './unheard.ts';
import { uploadNext } from './upload.ts';
import { attemptAudit } from './witness.ts';
import { writeStep } from './write.ts';

// D1  A referral has at most one e-RS write in flight: deliver runs in the referral's turn only.
// D2  A write whose answer was lost is settled by reading e-RS; it is sent again only when e-RS shows that it was not
//     applied, or as the one probe of target-model 4.5.
// D3  A final businessStatus means that e-RS recorded it; an open one means that e-RS has not.
// D4  Nothing destructive happens by default: what is sent is the command that decisions read from the Task.
//
// Steps, and what a crash right after each leaves behind:
//   1 take over what others wrote (find-review.ts, take-over.ts). It is written by itself where nothing is to be sent: no
//     decision, one given back unsent, one that waits for its time or for a clinician (`await-user`); else with 1a, 2 or 5a.
//     Until then the Task differs from its record and is found again; afterwards the decision is found by its status.
//   1a-1c upload the files that go with the decision, one after the other (upload.ts): what is written is how far it came.
//   2 write the attempt: outcome `unknown`, Task `decision-sending`; found again and settled by reading e-RS, although
//     the call may never have left.
//   3 call e-RS: the same; nobody has witnessed the attempt.
//   4 write what the answer means, with the attempt's AuditEvent, in one transaction:
//     - recorded: e-RS's answer is landed with the final Task and its Provenance, and kept in hand for a minute while the
//       store fails. Nothing is left to be done.
//     - queued, with the time of the next attempt (and after a 503 with a doubt), or waiting for a clinician: found again by
//       its status.
//     - in doubt (no whole answer, 408, 500, 502, 504), not applied (409, 423, a 503 to the last attempt), or refused after a
//       doubt: noted on the record only, and settled by 5, at once or when it is due.
//     - given back: refused, or attempts or time at an end. The review is open; a refusal by state is followed by a reading
//       (`follow`), which intake makes up for. Unknowable, after a probe: the Task stays as it is, with an alert.
//   5 settle what is in doubt, each part after the next look at the Task:
//   5a write the AuditEvent of an attempt whose answer no process lived to note, with what was taken over (unheard.ts):
//     found again, and gone on with.
//   5b write what was repaired on the Task: the same.
//   5c read e-RS, land it, and write what that means in the same transaction (settle.ts): recorded, queued, to be sent once
//     more, unknowable, given back or in conflict. Where e-RS refuses to show it, that is noted on the record for the account.
//     Before it nothing was written, and it is repeated after a crash.

/** Brings a decision one step further. Runs in the referral's turn. */
export async function deliver(
  options: DispatchRoom,
  hand: InHand,
  identified: IdentifiedSession | undefined,
  reference: RejectionReference,
): Promise<Next> {
  const { decision } = hand.step.record;
  if (decision === undefined) return hand.isDirty ? write(options, hand, hand.step) : rest;
  const now = options.clock.now().toISOString();
  const channel =
    identified !== undefined
      ? 'user'
      : isUnattended(options.services, hand.step.record.reviewed.service, decision.code) && !decision.isInSession
        ? 'application'
        : 'none';
  const step = nextDelivery(hand.step.record, decision, { now, channel }, options.policy);
  switch (step.kind) {
    case 'send':
      return send(options, hand, decision, step.version, identified, reference);
    case 'reread': {
      // Step 5a
      const unheard = unwitnessed(decision);
      if (unheard !== undefined) return witnessUnheard(options, hand, decision, unheard);
      // Step 5b: what was repaired is written first, as a decision that cannot be settled would hide it for ever.
      if (!hand.isDirty) return settle(options, hand.review, decision, step.why);
      const written = await write(options, hand, hand.step);
      return written.kind === 'rest' ? reload : written;
    }
    case 'wait': {
      const written = hand.isDirty ? await write(options, hand, hand.step) : rest;
      return written.kind === 'rest' ? later(Date.parse(step.until) - Date.parse(now)) : written;
    }
    default:
      return apply(options, hand, decision, step, []);
  }
}

async function send(
  options: DispatchRoom,
  hand: InHand,
  decision: QueuedDecision,
  version: number,
  identified: IdentifiedSession | undefined,
  reference: RejectionReference,
): Promise<Next> {
  if (decision.code === 'reject' && reference.system === undefined) return later();
  const upload = await uploadNext(options, hand, decision, identified);
  if (upload.kind === 'rule') return apply(options, upload.hand, upload.decision, upload.step, upload.witnesses);
  if (upload.kind === 'next') return upload.next;
  const request = requestOf(hand.step.record, decision, reference);
  const attempt = attemptOf(decision, request, version, identified, options.clock.now().toISOString());
  const { nextAttemptAt: _, ...queued } = decision;
  const sending: QueuedDecision = {
    ...queued,
    attempts: attempt.number,
    firstAttemptAt: decision.firstAttemptAt ?? attempt.startedAt,
    lastAttempt: attempt,
  };
  const task = withReviewStatus(hand.step.task, 'decision-sending');
  const inFlight: StepResult = { task, record: { ...hand.step.record, baseline: task, decision: sending } };
  const { user } = sending;
  if (!(await options.people.place(identified?.sdsUserId, identified?.session.onBehalfOf, user?.sdsUserId)))
    return later();
  // Another engine may be at work: what is found next is its, or ours once we hold the lease again.
  if (options.fence?.() === false) return later();
  // Step 2
  const written = await write(options, hand, inFlight);
  if (written.kind !== 'rest') return written;

  // Step 3
  const { taskId, ubrn } = hand.step.record;
  const startedMs = options.clock.monotonicMs();
  const fate = await options.ers.sendDecision(
    { operation: request.operation, ubrn, version, ...(request.body === undefined ? {} : { body: request.body }) },
    {
      correlationId: attempt.correlationId,
      priority: 'decision',
      ...(identified === undefined ? {} : { session: identified.session }),
    },
  );
  options.log[fate.kind === 'ok' ? 'info' : 'warn']('dispatch.decision.answered', {
    taskId,
    decision: decision.code,
    operation: attempt.operation,
    attempt: attempt.number,
    correlationId: attempt.correlationId,
    tookMs: Math.round(options.clock.monotonicMs() - startedMs),
    ...(fate.kind === 'ok' ? { version: fate.value.version } : { code: fate.code, ...refusalFields(fate) }),
  });
  return answered(options, taskId, hand.review.key, sending, fate);
}

const isLatest = ({ record }: Review, { correlationId }: Attempt): boolean =>
  record.data.decision?.lastAttempt?.correlationId === correlationId;

const refusalFields = (fate: Exclude<Fate<ErsReferral>, { kind: 'ok' }>) => ({
  ...(fate.refusal?.status === undefined ? {} : { status: fate.refusal.status }),
  ...(fate.refusal?.ersCode === undefined ? {} : { ersCode: fate.refusal.ersCode }),
  ...(fate.refusal?.ersRequestId === undefined ? {} : { ersRequestId: fate.refusal.ersRequestId }),
});

/** Step 4: what e-RS's answer means for the Task, its record and the audit. */
async function answered(
  options: DispatchRoom,
  taskId: string,
  key: string,
  sent: QueuedDecision,
  fate: Fate<ErsReferral>,
): Promise<Next> {
  const decision = witnessed(doubted(sent, fate));
  const loaded = await loadReview(options.store, taskId, key);
  if (!loaded.ok) return later(); // the attempt stays `unknown` and is settled by reading e-RS
  const review = loaded.value;
  const attempt = decision.lastAttempt;
  if (review === undefined || attempt === undefined) return reload;
  // Another engine took over meanwhile and has begun an attempt of its own, which this answer says nothing of.
  if (fate.kind !== 'ok' && !isLatest(review, attempt)) return reload;
  const now = options.clock.now().toISOString();
  const step = afterAnswer(decision, fate, { now, random: options.random() }, options.policy);
  const witness = audit(options, review, attempt, fate, now);
  if (fate.kind === 'ok') return landRecorded(options, review, decision, fate.value, witness);
  const hand: InHand = {
    review,
    step: { task: review.record.data.baseline, record: review.record.data },
    isDirty: false,
  };
  if (fate.kind === 'reread' || (step.kind === 'reread' && step.why === 'unknown')) {
    // A 503 was heard: its attempt is at work no more, and what it says is checked by reading.
    const isUnheard = step.kind === 'reread' && step.why === 'unknown' && fate.kind === 'reread';
    const noted = isUnheard
      ? parkedIfEnding(options, { ...decision, ...inDoubt(decision) })
      : restedAttempt(options, {
          ...decision,
          ...(step.kind === 'reread' && step.refused !== undefined ? { doubtedRefusal: step.refused } : {}),
        });
    const written = await write(
      options,
      hand,
      { ...hand.step, record: { ...hand.step.record, decision: noted } },
      witness,
    );
    if (written.kind !== 'rest') return written;
    if (step.kind !== 'reread') return reload;
    if (options.isParking()) return rest;
    // What is locked is read at once (E-8a): the wait before the next attempt follows from what reading tells.
    if (step.afterMs > 0 && step.why === 'unknown') return later(step.afterMs);
    const again = await loadReview(options.store, taskId, key);
    return again.ok && again.value !== undefined ? settle(options, again.value, noted, step.why) : later();
  }
  return apply(options, hand, decision, step, witness);
}

/** An attempt that was given up because this process ends may be at work in e-RS for as long as any (D1). */
function parkedIfEnding({ isParking, policy }: DispatchRoom, decision: QueuedDecision): QueuedDecision {
  const attempt = decision.lastAttempt;
  if (!isParking() || attempt === undefined) return decision;
  const mayRunUntil = new Date(Date.parse(attempt.startedAt) + policy.attemptMaxMs).toISOString();
  return { ...decision, lastAttempt: { ...attempt, mayRunUntil } };
}

/** Not applied, and not tried again at once where reading e-RS, which would say how to go on, fails (E-8). */
const restedAttempt = ({ clock, random }: DispatchRoom, decision: QueuedDecision): QueuedDecision => ({
  ...asNotApplied(decision),
  nextAttemptAt: new Date(clock.now().getTime() + backoffMs(decision.attempts - 1, random())).toISOString(),
});

function audit(
  options: DispatchRoom,
  review: Review,
  attempt: Attempt,
  fate: Fate<ErsReferral>,
  recordedAt: string,
): TransactionEntry[] {
  const refusal = fate.kind === 'ok' ? { status: 200 } : (fate.refusal ?? {});
  const about = { ...refusal, recorded: recordedAt, isRecorded: fate.kind === 'ok' };
  const task = review.task ?? { ...review.record.data.baseline, id: review.record.data.taskId };
  return [{ kind: 'create', resource: attemptAudit(task, attempt, about, options.ids) }];
}

/** Writes the Task and record that a step makes (E-5..E-9). */
async function apply(
  options: DispatchRoom,
  hand: InHand,
  decision: QueuedDecision,
  step: DeliveryStep,
  witnesses: readonly TransactionEntry[],
): Promise<Next> {
  const { task, record } = hand.step;
  const now = options.clock.now();
  switch (step.kind) {
    case 'again': {
      const queued = withReviewStatus(task, 'decision-queued');
      const waiting = { ...asNotApplied(decision), nextAttemptAt: step.at };
      const written = await write(
        options,
        hand,
        { task: queued, record: { ...record, baseline: queued, decision: waiting } },
        witnesses,
      );
      return written.kind === 'rest' ? later(Date.parse(step.at) - now.getTime()) : written;
    }
    case 'await-user': {
      if (step.why !== undefined) options.sessionRefused(record.taskId, decision, step.why);
      const waiting = awaitingUser(task, options.whyNotSent(record.taskId, decision));
      if (!hand.isDirty && witnesses.length === 0 && isSameJson(waiting.businessStatus, record.baseline.businessStatus))
        return rest;
      return write(
        options,
        hand,
        { task: waiting, record: { ...record, baseline: waiting, decision: asNotApplied(decision) } },
        witnesses,
      );
    }
    case 'refused':
      if (step.isDefect) options.alerts.raise('ers-request-wrong', record.taskId);
      return refuse(options, hand, decision, step.refusal, witnesses);
    case 'give-back':
      return write(options, hand, exhausted(hand.step, decision), witnesses);
    case 'expired':
      return write(options, hand, expired(hand.step, decision), witnesses);
    case 'unknowable': {
      options.alerts.raise('outcome-unknown', record.taskId);
      return write(options, hand, { task, record: { ...record, decision: asUnknowable(decision) } }, witnesses);
    }
    case 'send':
    case 'wait':
    case 'reread':
    case 'recorded':
    case 'conflict':
      return reload; // these are acted upon where they arise: deliver, answered, settle
  }
}

/** E-7: the Task waits, and says why the last session did not send it; what it said before stands until another is tried. */
function awaitingUser(task: Task, why: Code | undefined): Task {
  if (why === undefined && reviewStatusOf(task) === 'awaiting-user-authorisation') return task;
  const { businessStatus, ...waiting } = withReviewStatus(task, 'awaiting-user-authorisation');
  const text = why === undefined ? {} : { text: `${CODES[why].happened} ${CODES[why].remedy}` };
  return { ...waiting, businessStatus: { ...businessStatus, ...text } };
}

/** E-6 */
async function refuse(
  options: DispatchRoom,
  hand: InHand,
  decision: QueuedDecision,
  refusal: ErsRefusal,
  witnesses: readonly TransactionEntry[],
): Promise<Next> {
  const written = await write(options, hand, refusedByErs(hand.step, decision, refusal), witnesses);
  if (written.kind === 'rest' && refusal.ersCode === 'INVALID_REQUEST_STATE') await follow(options, hand.review);
  return written;
}

async function write(
  options: DispatchRoom,
  hand: InHand,
  step: StepResult,
  witnesses: readonly TransactionEntry[] = [],
): Promise<Next> {
  const written = await writeStep(options, hand.review, step, witnesses);
  if (written.ok) return rest;
  return afterFailure(written);
}
