import type { ValueSet, ValueSetComposeInclude } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  FINAL_STATUSES,
  IN_FLIGHT_STATUSES,
  OPEN_STATUSES,
  REFERRAL_STATE,
  type REVIEW_OUTCOME,
} from '../mappings/index.ts';
import { artefact } from './artefact.ts';
import { PRIORITY_DISPLAY } from './concept-maps.ts';

/** Those that a review can end with here; e-RS has more, which its own administrators use. Source: eRS-ReviewOutcome-1 */
const REVIEW_OUTCOME_DISPLAY: Readonly<Record<(typeof REVIEW_OUTCOME)[keyof typeof REVIEW_OUTCOME], string>> = {
  CANCEL_APPOINTMENT_ACTION_LATER: 'Cancel the appointment, action later (redirect of a booking)',
  ACCEPT_REFER_BOOK_LATER: 'Accept, refer/book later (triage)',
  RETURN_TO_REFERRER_WITH_ADVICE: 'Return to referrer with advice (triage)',
};

const valueSet = (id: string, title: string, description: string, include: ValueSetComposeInclude): ValueSet => ({
  ...artefact('ValueSet', id, title, description),
  compose: { include: [include] },
});

const concepts = (displays: Readonly<Record<string, string>>) =>
  Object.entries(displays).map(([code, display]) => ({ code, display }));

const statuses = (codes: readonly string[]): ValueSetComposeInclude => ({
  system: CODE_SYSTEM.reviewStatus,
  concept: codes.map((code) => ({ code })),
});

/** Source: target-model 5 */
export const valueSets: readonly ValueSet[] = [
  valueSet(
    'ers-rejection-reason',
    'Reasons for rejecting a referral',
    "What an EPR shows in its pick list: e-RS's reasons of type PROVIDER_REJECT. $expand leaves out those not in force today.",
    {
      system: CODE_SYSTEM.appointmentCancellationReason,
      filter: [{ property: 'appointmentBookingCancellationReasonType', op: '=', value: 'PROVIDER_REJECT' }],
    },
  ),
  valueSet('ers-review-status-open', 'Open reviews', 'A decision is needed.', statuses(OPEN_STATUSES)),
  valueSet(
    'ers-review-status-in-flight',
    'Reviews in flight',
    'Decided, not yet in e-RS.',
    statuses(IN_FLIGHT_STATUSES),
  ),
  valueSet(
    'ers-review-status-final',
    'Final reviews',
    'Recorded in e-RS, or no longer asked for.',
    statuses(FINAL_STATUSES),
  ),
  valueSet(
    'ers-review-outcome',
    'Outcomes of a review',
    'Codes of Task.statusReason beside the rejection reasons. With status accepted: a redirect, or a triage that is to be booked later; with rejected: a triage that goes back.',
    { system: CODE_SYSTEM.reviewOutcome, concept: concepts(REVIEW_OUTCOME_DISPLAY) },
  ),
  valueSet('ers-task-code', 'Kinds of referral review', 'All codes.', { system: CODE_SYSTEM.taskCode }),
  valueSet('ers-decision', 'Review decisions', 'All codes.', { system: CODE_SYSTEM.decision }),
  valueSet('ers-referral-state', 'e-RS referral states', 'eRS-ReferralState-1 as e-RS documents it.', {
    system: CODE_SYSTEM.referralState,
    concept: concepts(REFERRAL_STATE),
  }),
  valueSet('ers-priority', 'e-RS priorities', 'eRS-Priority-1 as e-RS documents it.', {
    system: CODE_SYSTEM.priority,
    concept: concepts(PRIORITY_DISPLAY),
  }),
];
