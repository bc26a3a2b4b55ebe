import { REVIEW_OUTCOME, type ReferralFacts, reviewStatusOf } from '../../mappings/index.ts';
import { backoffMs, CODES, type Code, type DispatchRecord, type ErsRefusal, type Fate } from '../core/index.ts';
import { appointmentKeyOf, fingerprintOf } from './fingerprint.ts';
import { settledInErs } from './settled.ts';

export type QueuedDecision = NonNullable<DispatchRecord['decision']>;
export type Attempt = NonNullable<QueuedDecision['lastAttempt']>;

export interface DeliveryPolicy {
  /** Hold-back between decision and sending (T-14). */
  readonly delayMs: number;
  /** E-9b */
  readonly authorisationTimeoutMs: number;
  /** E-9a: the attempts or the time after which a decision that is known not to be applied is given back. */
  readonly maxAttempts: number;
  readonly maxAgeMs: number;
  /** How long an attempt may still be at work in e-RS after it was started. */
  readonly attemptMaxMs: number;
  /** After a 409 with unchanged content (4.5). */
  readonly conflictResend: 'when-unchanged' | 'never';
}

/** Longer than any call is waited for. */
export const ATTEMPT_MAX_MS = 300_000;

export const DEFAULT_DELIVERY_POLICY: DeliveryPolicy = {
  delayMs: 0,
  authorisationTimeoutMs: 24 * 3_600_000,
  maxAttempts: 12,
  maxAgeMs: 4 * 3_600_000,
  attemptMaxMs: ATTEMPT_MAX_MS,
  conflictResend: 'when-unchanged',
};

/** Why a referral is read again before anything else is done with its decision. */
export type RereadReason = 'conflict' | 'locked' | 'unknown';

/** What is to be done next with a queued decision. */
export type DeliveryStep =
  /** `at`: not before. */
  | { readonly kind: 'send'; readonly version: number; readonly at?: string }
  | { readonly kind: 'wait'; readonly until: string }
  /** `why`: what became of the session that it was sent in, if there was one. */
  | { readonly kind: 'await-user'; readonly why?: Code }
  | {
      readonly kind: 'reread';
      readonly why: RereadReason;
      readonly afterMs: number;
      /** What e-RS refused, if reading shows that it was not our own doing. */
      readonly refused?: NonNullable<QueuedDecision['doubtedRefusal']>;
    }
  /** E-4 */
  | { readonly kind: 'recorded' }
  /** E-5 */
  | { readonly kind: 'conflict' }
  /** E-6 */
  | { readonly kind: 'refused'; readonly refusal: ErsRefusal; readonly isDefect: boolean }
  /** E-8: nothing happened in e-RS; again at `at`. */
  | { readonly kind: 'again'; readonly at: string }
  /** E-9a */
  | { readonly kind: 'give-back' }
  /** E-9b */
  | { readonly kind: 'expired' }
  /** 4.5: reading cannot tell; the alert stands until a complete worklist tells. */
  | { readonly kind: 'unknowable' };

const plus = (instant: string, ms: number): string => new Date(Date.parse(instant) + ms).toISOString();

/**
 * An accept that has been probed is not known to be unrecorded until the probe succeeds: whatever else the probe ends
 * with, the Task must not be opened by it (D3, 4.5).
 */
const isInDoubt = (decision: QueuedDecision): boolean => decision.code === 'accept' && decision.probeUsed;

/** When the latest attempt of a decision was started whose outcome nobody heard; undefined: there is none. */
const doubtedAtOf = ({ lastAttempt, doubtedAt }: QueuedDecision): string | undefined =>
  lastAttempt?.outcome === 'unknown' ? lastAttempt.startedAt : doubtedAt;

/** Until when an attempt that nobody heard the end of may be recorded after all, although reading showed nothing of it. */
const inDoubtUntil = (decision: QueuedDecision, { attemptMaxMs }: DeliveryPolicy): string => {
  const at = doubtedAtOf(decision);
  return at === undefined ? '' : plus(at, attemptMaxMs);
};

/** Looked at again when e-RS can be at work on none of its attempts any more; undefined: that is so now. */
function onceAtRest(decision: QueuedDecision, now: string, policy: DeliveryPolicy): DeliveryStep | undefined {
  const until = inDoubtUntil(decision, policy);
  return until > now ? { kind: 'again', at: until } : undefined;
}

/** Whether e-RS may still be at work on an attempt of a decision, although reading shows nothing of it (D3). */
export const mayBeAtWork = (decision: QueuedDecision | undefined, now: string): boolean =>
  decision !== undefined && inDoubtUntil(decision, DEFAULT_DELIVERY_POLICY) > now;

/** Whether e-RS is known to have recorded no attempt of a decision, so that the review may be open again (E-9a, D3). */
export const isKnownNotApplied = (decision: QueuedDecision, now: string, policy: DeliveryPolicy): boolean =>
  !decision.isUnknowable &&
  inDoubtUntil(decision, policy) <= now &&
  decision.lastAttempt?.outcome !== 'unknown' &&
  !isInDoubt(decision);

/**
 * The step for a decision at rest. An unsettled attempt is settled before anything else, also after a restart (D2).
 * @param channel `user` a session is at hand; `application` the site may send it unattended; `none` it must wait
 * Source: E-3, E-7, E-9a, E-9b, T-14
 */
export function nextDelivery(
  record: DispatchRecord,
  decision: QueuedDecision,
  situation: { now: string; channel: 'user' | 'application' | 'none' },
  policy: DeliveryPolicy,
): DeliveryStep {
  const { now } = situation;
  if (decision.isUnknowable || decision.lastAttempt?.outcome === 'unknown') return readFirst;
  if (decision.doubtedRefusal !== undefined) return notYet(decision, now) ?? readFirst;
  const readyAt = plus(decision.queuedAt, policy.delayMs);
  if (readyAt > now) return { kind: 'wait', until: readyAt };
  const mustWait = situation.channel === 'none' || (situation.channel === 'application' && needsUser(record, decision));
  if (mustWait) {
    if (isInDoubt(decision)) return { kind: 'unknowable' };
    const expiresAt = plus(decision.queuedAt, policy.authorisationTimeoutMs);
    if (expiresAt > now) return { kind: 'await-user' };
    return decision.wasUnknown ? (notYet(decision, now) ?? readFirst) : { kind: 'expired' };
  }
  const wait = notYet(decision, now);
  if (wait !== undefined) return wait;
  if (isExhausted(decision, now, policy))
    return decision.wasUnknown && !isInDoubt(decision) ? readFirst : giveBack(decision);
  return { kind: 'send', version: record.sendable.version };
}

const readFirst: DeliveryStep = { kind: 'reread', why: 'unknown', afterMs: 0 };

const notYet = ({ nextAttemptAt }: QueuedDecision, now: string): DeliveryStep | undefined =>
  nextAttemptAt !== undefined && nextAttemptAt > now ? { kind: 'wait', until: nextAttemptAt } : undefined;

/** Files are uploaded by users only (T-6); and what e-RS has refused the application is not asked again without one (E-7). */
const needsUser = (record: DispatchRecord, decision: QueuedDecision): boolean =>
  (decision.attachments ?? []).length > 0 ||
  (reviewStatusOf(record.baseline) === 'awaiting-user-authorisation' && decision.lastAttempt?.mode === 'application');

const giveBack = (decision: QueuedDecision): DeliveryStep =>
  isInDoubt(decision) ? { kind: 'unknowable' } : { kind: 'give-back' };

const isExhausted = (decision: QueuedDecision, now: string, policy: DeliveryPolicy): boolean =>
  decision.attempts >= policy.maxAttempts ||
  (decision.attempts > 0 && plus(decision.firstAttemptAt ?? decision.queuedAt, policy.maxAgeMs) <= now);

/**
 * The step after e-RS answered an attempt, or did not.
 * @param random a number in [0, 1), for the back-off
 * Source: E-4..E-8b
 */
export function afterAnswer(
  decision: QueuedDecision,
  fate: Fate<unknown>,
  situation: { now: string; random: number },
  policy: DeliveryPolicy,
): DeliveryStep {
  const step = afterFate(decision, fate, situation, policy);
  // Before it is given back, reading tells whether an earlier attempt was recorded although e-RS said 503, or nothing.
  return step.kind === 'give-back' && decision.wasUnknown ? readFirst : step;
}

function afterFate(
  decision: QueuedDecision,
  fate: Fate<unknown>,
  situation: { now: string; random: number },
  policy: DeliveryPolicy,
): DeliveryStep {
  switch (fate.kind) {
    case 'ok':
      return { kind: 'recorded' };
    case 'retry':
      return again(asNotApplied(decision), fate.afterMs, situation, policy);
    case 'reread':
      if (fate.code === 'ERS_VERSION_CONFLICT') return { kind: 'reread', why: 'conflict', afterMs: 0 };
      if (fate.code === 'ERS_LOCKED') return { kind: 'reread', why: 'locked', afterMs: fate.afterMs };
      return { kind: 'reread', why: 'unknown', afterMs: fate.afterMs };
    case 'refused':
      return afterRefusal(decision, fate, situation, policy);
  }
}

/** The decision with its last attempt, if there was one, known not to have been applied: it is at work no more. */
export const asNotApplied = ({ lastAttempt, ...decision }: QueuedDecision): QueuedDecision =>
  lastAttempt === undefined ? decision : { ...decision, lastAttempt: { ...lastAttempt, outcome: 'not-applied' } };

/** The decision of which reading e-RS cannot tell whether it was applied (4.5). */
export const asUnknowable = (decision: QueuedDecision): QueuedDecision => ({
  ...decision,
  ...doubt(decision),
  isUnknowable: true,
});

type Doubt = Pick<QueuedDecision, 'doubtedVersion'> & { readonly wasUnknown: true };

/** Of several attempts in doubt the first one had the lowest version: e-RS's versions only rise. */
function doubt(decision: QueuedDecision): Doubt {
  const version = decision.doubtedVersion ?? (decision.wasUnknown ? undefined : decision.lastAttempt?.version);
  return { wasUnknown: true, ...(version === undefined ? {} : { doubtedVersion: version }) };
}

/** Whether e-RS shows the referral as it was before the first attempt in doubt, so that it has recorded none (4.5). */
export const isShownUnrecorded = ({ doubtedVersion }: QueuedDecision, facts: ReferralFacts): boolean =>
  doubtedVersion !== undefined && facts.version === doubtedVersion;

/**
 * Whether e-RS may have recorded a decision that it does not show: an attempt of it is in doubt, and e-RS does not show what
 * would be if it had recorded none. An accept leaves no trace; any other decision shows until more happens to the referral.
 * Source: target-model 4.5, D3
 */
export function mayBeRecorded(record: DispatchRecord, decision: QueuedDecision, facts: ReferralFacts): boolean {
  if (!decision.wasUnknown || isShownUnrecorded(decision, facts)) return false;
  if (decision.code === 'accept') return true;
  const settled = settledInErs(facts);
  return settled.kind === 'closed' ? !settled.isDecision : !isUntouched(record, facts);
}

/** What a decision carries from now on whose last attempt nobody heard the end of. */
export const inDoubt = (decision: QueuedDecision): Doubt & Pick<QueuedDecision, 'doubtedAt'> => ({
  ...doubt(decision),
  ...(decision.lastAttempt === undefined ? {} : { doubtedAt: decision.lastAttempt.startedAt }),
});

/**
 * The decision as an answer leaves it. A 503 says that nothing was done (E-8), but a gateway says it too whose backend went
 * away after all was sent: the same is sent again, and a refusal by state that follows may be our own success.
 * Source: target-model 4.5; docs/decisions/0003
 */
export const doubted = (decision: QueuedDecision, fate: Fate<unknown>): QueuedDecision =>
  fate.kind === 'retry' && fate.refusal?.status === 503 ? { ...decision, ...doubt(decision) } : decision;

function afterRefusal(
  decision: QueuedDecision,
  fate: Extract<Fate<unknown>, { kind: 'refused' }>,
  situation: { now: string; random: number },
  policy: DeliveryPolicy,
): DeliveryStep {
  const refusal = fate.refusal ?? {};
  if (isInDoubt(decision)) return { kind: 'unknowable' };
  if (fate.code === 'ERS_FORBIDDEN' || fate.code === 'ERS_USER_SESSION_ENDED')
    return { kind: 'await-user', why: fate.code };
  if (fate.code === 'ERS_APPLICATION_REFUSED') return again(asNotApplied(decision), 0, situation, policy);
  const isDefect = CODES[fate.code].acts === 'developer' || fate.code === 'ERS_NOT_FOUND';
  // An earlier attempt of ours may have changed what this one was to change, and so have brought the refusal about itself.
  if (decision.wasUnknown) return { kind: 'reread', why: 'unknown', afterMs: 0, refused: { refusal, isDefect } };
  return { kind: 'refused', refusal, isDefect };
}

/** e-RS did nothing: the decision is queued again, but for a probe, which stays what it is until e-RS takes it. */
function again(
  decision: QueuedDecision,
  afterMs: number,
  { now, random }: { now: string; random: number },
  policy: DeliveryPolicy,
): DeliveryStep {
  const waitMs = Math.max(afterMs, backoffMs(decision.attempts - 1, random));
  if (isExhausted(decision, now, policy))
    return (isInDoubt(decision) ? undefined : onceAtRest(decision, now, policy)) ?? giveBack(decision);
  if (isInDoubt(decision)) return { kind: 'reread', why: 'unknown', afterMs: waitMs };
  return { kind: 'again', at: plus(now, waitMs) };
}

/**
 * The step after the referral was read again.
 * @param facts what A005 says now
 * Source: target-model 4.5
 */
export function afterReread(
  record: DispatchRecord,
  decision: QueuedDecision,
  why: RereadReason,
  facts: ReferralFacts,
  situation: { now: string; random: number },
  policy: DeliveryPolicy,
): DeliveryStep {
  const { now } = situation;
  const isSame = fingerprintOf(facts, record.reviewed.requestContextStatus) === record.sendable.fingerprint;
  // An accept leaves no trace but the version: whichever attempt of it is in doubt, it was recorded at none of those since the first.
  const first = decision.code === 'accept' && !isInDoubt(decision) ? decision.doubtedVersion : undefined;
  const isSameVersion = facts.version === (first ?? decision.lastAttempt?.version ?? record.sendable.version);
  const mayNotResend = why === 'conflict' && (decision.resendUsed || policy.conflictResend === 'never');
  const resend: DeliveryStep = { kind: 'send', version: facts.version };
  if (why === 'unknown' || decision.wasUnknown) {
    if (showsOutcome(decision, facts)) return { kind: 'recorded' };
    if (decision.isUnknowable) return { kind: 'unknowable' };
    if (decision.doubtedRefusal !== undefined) {
      // An accept leaves no trace but the version; every other decision would show.
      const isUnrecorded = decision.code === 'accept' ? isShownUnrecorded(decision, facts) : isSameVersion || isSame;
      if (isUnrecorded) return onceAtRest(decision, now, policy) ?? { kind: 'refused', ...decision.doubtedRefusal };
      return decision.code !== 'accept' && isUntouched(record, facts) ? { kind: 'conflict' } : { kind: 'unknowable' };
    }
    // The probe itself was not applied, so that it may go again; what came before it is as unknown as ever.
    if (isInDoubt(decision))
      return isSame && isSameVersion && !isExhausted(decision, now, policy)
        ? { ...resend, at: plus(now, backoffMs(decision.attempts - 1, situation.random)) }
        : { kind: 'unknowable' };
    // Whatever moved the version, an outcome but an accept would show.
    if (isSameVersion || (isSame && decision.code !== 'accept')) {
      if (plus(decision.queuedAt, policy.authorisationTimeoutMs) <= now)
        return onceAtRest(decision, now, policy) ?? { kind: 'expired' };
      if (!isSameVersion && mayNotResend) return onceAtRest(decision, now, policy) ?? { kind: 'conflict' };
      return isSameVersion || isExhausted(decision, now, policy) ? again(decision, 0, situation, policy) : resend;
    }
    // An accept leaves no trace: one probe may tell, then only the worklist can.
    if (isSame) return resend;
    if (decision.code === 'accept') return { kind: 'unknowable' };
    // Every other decision ends the state under review: where that still stands, ours was not applied.
    return isUntouched(record, facts) ? { kind: 'conflict' } : { kind: 'unknowable' };
  }
  if (why === 'locked' && isSameVersion) return again(decision, 0, situation, policy);
  if (!isSame) return { kind: 'conflict' };
  if (mayNotResend) return { kind: 'conflict' };
  return resend;
}

const isUntouched = (record: DispatchRecord, facts: ReferralFacts): boolean =>
  facts.state !== undefined &&
  facts.state === record.reviewed.state &&
  appointmentKeyOf(facts) === record.reviewed.appointment;

/** Whether e-RS shows just what we sent: state or reason, and comment. An accept is never shown (provider-api 6.4). */
export function showsOutcome(decision: QueuedDecision, facts: ReferralFacts): boolean {
  const { command } = decision;
  if (command.decision === 'accept') return false;
  const hasComment = wordsOf(facts.comments) === wordsOf(command.comment);
  if (command.decision === 'reject') {
    return facts.state === 'REJECTED' && facts.reason?.code === command.reason && hasComment;
  }
  const isState = facts.state === 'TRIAGED_PROVIDER_TO_ACTION' || facts.state === 'TRIAGE_RESPONSE';
  return isState && facts.reason?.code === REVIEW_OUTCOME[command.decision] && hasComment;
}

/** e-RS may break the lines of a comment in its own way: the words are what was sent. */
const wordsOf = (comment = ''): string => comment.trim().replaceAll(/\s+/g, ' ');
