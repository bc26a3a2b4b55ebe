import type { Missing } from '../core/index.ts';
import type { Evidence, FirstSeen } from './evidence.ts';
import type { Landed, Review } from './facts.ts';

/** How it stands with one referral that a worklist of a service named. */
export type Standing =
  | { readonly kind: 'open'; readonly isInFlight: boolean }
  | { readonly kind: 'decided' }
  | { readonly kind: 'explained'; readonly by: 'withdrawn' | 'unasked' | 'quarantined' | 'arriving' }
  | { readonly kind: 'missing'; readonly missing: Missing };

const missing = (what: Missing): Standing => ({ kind: 'missing', missing: what });
const explained = (by: Extract<Standing, { kind: 'explained' }>['by']): Standing => ({ kind: 'explained', by });

/** e-RS shows these as under review: one that is on a list must have a Task, a slot issue as well. Source: M-146..148, T-10 */
const UNDER_REVIEW: readonly (string | undefined)[] = ['BOOKED', 'AWAITING_TRIAGE', 'DEFERRED_TO_PROVIDER'];

/** Says how it stands with a referral, from what the store holds of it, and from nothing else. Source: K1, D3 */
export function standingOf(evidence: Evidence, service: string, ubrn: string, seen: FirstSeen): Standing {
  const landed = evidence.landed.get(ubrn);
  if (landed === undefined) {
    if (evidence.quarantined.has(`${service}.${ubrn}`)) return explained('quarantined');
    if (isArriving(evidence, service, seen)) return explained('arriving');
    return missing(evidence.referralOf.has(ubrn) ? 'landing-record-gone' : 'nothing-kept');
  }
  if (!evidence.referrals.has(landed.serviceRequestId)) return missing('referral-gone');
  if (landed.episode === 0)
    return landed.isListed && UNDER_REVIEW.includes(landed.state)
      ? missing('review-never-opened')
      : explained('unasked');
  const latest = latestReview(evidence, landed);
  if (latest === undefined) return missing('review-record-gone');
  // A referral that went on to another service is judged, here, by the review that it had here.
  const review = reviewAt(evidence, landed, service) ?? latest;
  const task = evidence.tasks.get(review.taskId);
  if (task === undefined) return missing('task-gone');
  if (review.endedAt === undefined) return { kind: 'open', isInFlight: review.decidedAt !== undefined };
  if (task.status !== review.status) return missing('task-contradicts');
  if (review.status !== 'cancelled') return { kind: 'decided' };
  const isAskedAgain =
    review === latest && UNDER_REVIEW.includes(landed.state) && isListedSince(evidence, ubrn, review);
  return isAskedAgain ? missing('review-never-opened') : explained('withdrawn');
}

/** A worklist that was read after the review had ended, and dealt with, still names the referral. */
export const isListedSince = (evidence: Evidence, ubrn: string, { endedAt }: Review): boolean =>
  [...evidence.worklists.values()].some(({ snapshots: [latest] }) => {
    if (latest === undefined || !latest.reconciled || endedAt === undefined || latest.polledAt <= endedAt) return false;
    return evidence.answers.get(latest.binaryId)?.has(ubrn) === true;
  });

/** A list of the service that is worked through still owes all that was ever named and has not landed (intake). */
const isArriving = ({ worklists }: Evidence, service: string, { list }: FirstSeen): boolean =>
  [...worklists.values()].some(
    (one) => one.service === service && one.list === list && one.snapshots[0]?.reconciled === false,
  );

export const latestReview = (evidence: Evidence, landed: Landed): Review | undefined =>
  evidence.reviews.get(landed.requestId)?.get(landed.episode);

/** The latest review that a referral had at a service. */
export const reviewAt = (evidence: Evidence, { requestId }: Landed, service: string): Review | undefined =>
  [...(evidence.reviews.get(requestId)?.values() ?? [])]
    .filter((review) => review.service === service)
    .toSorted((a, b) => b.episode - a.episode)[0];
