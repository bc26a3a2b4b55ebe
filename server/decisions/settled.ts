import { type FinalStatus, REVIEW_OUTCOME, type ReferralFacts, type ReferralStateCode } from '../../mappings/index.ts';
import type { DecisionIssueCode } from '../core/index.ts';

/**
 * What e-RS's state says of a review that is not decided here (table 1.8). `in-review`: the lists tell whether it is
 * still asked for; `unknown`: a state that nobody has decided on (M-151).
 */
export type Settled = { readonly kind: 'in-review' } | { readonly kind: 'unknown' } | Closed;

export interface Closed {
  readonly kind: 'closed';
  readonly status: 'accepted' | 'rejected' | 'cancelled';
  readonly businessStatus: FinalStatus;
  /** Decided in e-RS by somebody: reason and comment are shown on the Task. */
  readonly isDecision: boolean;
  readonly code?: DecisionIssueCode;
}

const withdrawn: Closed = { kind: 'closed', status: 'cancelled', businessStatus: 'withdrawn', isDecision: false };
/** What a review that left its lists undecided becomes while e-RS still shows it as under review (M-149, M-152). */
export const LEFT_WORKLIST: Closed = { ...withdrawn, code: 'left-worklist' };
const decidedAs = (status: 'accepted' | 'rejected', businessStatus: FinalStatus): Closed => ({
  kind: 'closed',
  status,
  businessStatus,
  isDecision: true,
});
const returned = decidedAs('rejected', 'returned-with-advice'); // M-141

const TRIAGED: ReadonlyMap<string | undefined, Settled> = new Map([
  [REVIEW_OUTCOME.redirect, decidedAs('accepted', 'redirected')], // M-143
  [REVIEW_OUTCOME['accept-book-later'], decidedAs('accepted', 'accepted-book-later')], // M-144
  ['PROVIDER_CONVERTED_ADVICE_AND_GUIDANCE_ADMIN_TO_REFER', withdrawn], // M-145
]);

const BY_STATE: Readonly<Record<ReferralStateCode, (reason: string | undefined) => Settled>> = {
  CANCELLED_REFERRAL: () => withdrawn, // M-140
  TRIAGE_RESPONSE: () => returned, // M-141
  REJECTED: () => decidedAs('rejected', 'rejected'), // M-142
  TRIAGED_PROVIDER_TO_ACTION: (reason) => TRIAGED.get(reason) ?? LEFT_WORKLIST, // M-143..145, M-155
  BOOKED: () => ({ kind: 'in-review' }), // M-146, M-148, M-149
  AWAITING_TRIAGE: () => ({ kind: 'in-review' }), // M-146, M-152
  DEFERRED_TO_PROVIDER: () => ({ kind: 'in-review' }), // M-147, M-152
  NOT_BOOKED: () => withdrawn, // M-150
  APPT_CANCELLED_BY_PATIENT: () => withdrawn,
  APPT_CANCELLED_BY_PROVIDER: () => withdrawn,
  DID_NOT_ATTEND: () => withdrawn,
  ASSESSMENT_RESULT: () => withdrawn,
};

/** Reads table 1.8 top-down: cancelled first, then reason before state, because e-RS's examples disagree on the state. */
export function settledInErs(facts: ReferralFacts): Settled {
  if (facts.status === 'cancelled' || facts.state === 'CANCELLED_REFERRAL') return withdrawn; // M-140
  if (facts.reason?.code === REVIEW_OUTCOME['return-with-advice']) return returned; // M-141
  return facts.state === undefined ? { kind: 'unknown' } : BY_STATE[facts.state](facts.reason?.code);
}

/** No more is to be expected of a referral in this state, so that it is not re-read for ever (architecture 6). */
export function isTerminal(facts: ReferralFacts): boolean {
  return facts.status === 'cancelled' || facts.status === 'completed' || facts.state === 'CANCELLED_REFERRAL';
}
