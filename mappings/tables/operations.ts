import type { DecisionCode, DecisionOperation } from '../model.ts';

/** The e-RS operation that records a decision, and its path below `ReferralRequest/{ubrn}/`. Source: 4.3; provider-api 6.1 */
export const DECISION_OPERATION: Readonly<Record<DecisionCode, DecisionOperation>> = {
  accept: 'A013',
  reject: 'A014',
  redirect: 'A022',
  'accept-book-later': 'A028',
  'return-with-advice': 'A028',
};

export const OPERATION_PATH: Readonly<Record<DecisionOperation, string>> = {
  A013: '$ers.acceptReferral',
  A014: '$ers.rejectReferral',
  A022: '$ers.cancelAppointmentActionLater',
  A028: '$ers.recordReviewOutcome',
};

/** eRS-ReviewOutcome-1 codes by the decision that they record (4.3). */
export const REVIEW_OUTCOME = {
  redirect: 'CANCEL_APPOINTMENT_ACTION_LATER',
  'accept-book-later': 'ACCEPT_REFER_BOOK_LATER',
  'return-with-advice': 'RETURN_TO_REFERRER_WITH_ADVICE',
} as const satisfies Partial<Record<DecisionCode, string>>;
