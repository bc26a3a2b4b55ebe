import type { ReviewStatus } from '../../mappings/index.ts';
import type { DecisionIssueCode } from '../core/index.ts';

/** Everything that can happen to a review Task (4.4). */
export type ReviewEvent =
  | 'client-claims' // T-11
  | 'client-releases' // T-12
  | 'client-decides' // T-13, E-2
  | 'client-takes-back' // T-14
  | 'client-errs' // E-9c: an update that the rules refuse was found in the store
  | 'attempt-starts' // E-3
  | 'recorded' // E-4
  | 'version-moved' // E-5: content changed under the decision
  | 'refused' // E-6
  | 'needs-user' // E-7
  | 'not-applied' // E-8, E-8a
  | 'outcome-unknown' // E-8b
  | 'attempts-exhausted' // E-9a
  | 'authorisation-expired' // E-9b
  | 'settled-in-ers' // E-10
  | 'referral-changed' // E-11
  | 'version-only-moved'; // E-12

/** What an event makes of the Task. `postpone`: not now; it is looked at again when the attempt is settled. */
export type Move =
  | { readonly kind: 'to'; readonly status: ToStatus; readonly businessStatus: ReviewStatus | 'outcome' }
  | { readonly kind: 'stay' }
  | { readonly kind: 'postpone' }
  | { readonly kind: 'refuse'; readonly code: DecisionIssueCode }
  /** Cannot happen while the engine keeps its own rules: a defect, reported and not acted upon. */
  | { readonly kind: 'defect' };

/** `decision`: accepted or rejected, as the client wrote it; `settled`: as table 1.8 says. */
type ToStatus = 'requested' | 'received' | 'decision' | 'unchanged' | 'settled';

const to = (status: ToStatus, businessStatus: ReviewStatus | 'outcome'): Move => ({
  kind: 'to',
  status,
  businessStatus,
});
const refuse = (code: DecisionIssueCode): Move => ({ kind: 'refuse', code });
const stay: Move = { kind: 'stay' };
const postpone: Move = { kind: 'postpone' };
const defect: Move = { kind: 'defect' };

type Row = Readonly<Record<ReviewEvent, Move>>;

const open: Row = {
  'client-claims': to('received', 'under-review'),
  'client-releases': to('requested', 'awaiting-review'),
  'client-decides': to('decision', 'decision-queued'),
  'client-takes-back': refuse('transition-not-allowed'),
  'client-errs': to('requested', 'decision-invalid'),
  'attempt-starts': defect,
  recorded: defect,
  'version-moved': defect,
  refused: defect,
  'needs-user': defect,
  'not-applied': defect,
  'outcome-unknown': defect,
  'attempts-exhausted': defect,
  'authorisation-expired': defect,
  'settled-in-ers': to('settled', 'outcome'),
  'referral-changed': to('unchanged', 'referral-changed'),
  'version-only-moved': stay,
};

const decided: Row = {
  'client-claims': refuse('transition-not-allowed'),
  'client-releases': refuse('transition-not-allowed'),
  'client-decides': refuse('transition-not-allowed'),
  'client-takes-back': to('received', 'under-review'),
  'client-errs': to('requested', 'decision-invalid'),
  'attempt-starts': to('unchanged', 'decision-sending'),
  recorded: to('unchanged', 'outcome'), // an attempt that seemed not to have been applied was, late
  'version-moved': to('requested', 'decision-conflict'),
  refused: defect,
  'needs-user': to('unchanged', 'awaiting-user-authorisation'),
  'not-applied': stay,
  'outcome-unknown': defect,
  'attempts-exhausted': to('requested', 'delivery-failed'),
  'authorisation-expired': to('requested', 'decision-expired'),
  'settled-in-ers': to('settled', 'outcome'),
  'referral-changed': to('requested', 'decision-conflict'),
  'version-only-moved': stay,
};

const closed: Row = {
  'client-claims': refuse('task-closed'),
  'client-releases': refuse('task-closed'),
  'client-decides': refuse('task-closed'),
  'client-takes-back': refuse('task-closed'),
  'client-errs': stay, // the closed Task is restored as it was
  'attempt-starts': defect,
  recorded: defect,
  'version-moved': defect,
  refused: defect,
  'needs-user': defect,
  'not-applied': defect,
  'outcome-unknown': defect,
  'attempts-exhausted': defect,
  'authorisation-expired': defect,
  'settled-in-ers': stay,
  'referral-changed': stay,
  'version-only-moved': stay,
};

/**
 * The state machine of a review, total: a status × event that nobody decided does not compile.
 * Source: target-model 4.4
 */
export const REVIEW_MACHINE: Readonly<Record<ReviewStatus, Row>> = {
  'awaiting-review': open,
  'under-review': open,
  'referral-changed': open,
  'decision-invalid': open,
  'decision-conflict': open,
  'decision-refused': open,
  'decision-expired': open,
  'delivery-failed': open,
  'decision-queued': decided,
  'awaiting-user-authorisation': { ...decided, 'needs-user': stay },
  'decision-sending': {
    'client-claims': refuse('task-in-flight'),
    'client-releases': refuse('task-in-flight'),
    'client-decides': refuse('task-in-flight'),
    'client-takes-back': refuse('task-in-flight'),
    'client-errs': stay, // what is being sent stands; the Task is restored
    'attempt-starts': stay, // a resend or probe after a reread (4.5)
    recorded: to('unchanged', 'outcome'),
    'version-moved': to('requested', 'decision-conflict'),
    refused: to('requested', 'decision-refused'),
    'needs-user': to('unchanged', 'awaiting-user-authorisation'),
    'not-applied': to('unchanged', 'decision-queued'),
    'outcome-unknown': stay,
    'attempts-exhausted': to('requested', 'delivery-failed'),
    'authorisation-expired': defect,
    'settled-in-ers': postpone, // but for an outcome that only e-RS's lists can tell (4.5)
    'referral-changed': postpone,
    'version-only-moved': postpone,
  },
  accepted: closed,
  redirected: closed,
  'accepted-book-later': closed,
  rejected: closed,
  'returned-with-advice': closed,
  withdrawn: closed,
};

/** The groups of 4.4, as the value sets `ers-review-status-open`, `-in-flight`, `-final` publish them. */
export type ReviewGroup = 'open' | 'in-flight' | 'final';

export function groupOf(status: ReviewStatus): ReviewGroup {
  const row = REVIEW_MACHINE[status];
  if (row === open) return 'open';
  return row === closed ? 'final' : 'in-flight';
}
