import type { ConceptMap, ConceptMapGroup, ConceptMapGroupElement } from '@medplum/fhirtypes';
import {
  AVAILABILITY,
  CODE_SYSTEM,
  type ErsPriority,
  PRIORITY,
  REFERRAL_STATUS,
  type ReferralStateCode,
  type ReviewStatus,
} from '../mappings/index.ts';
import { artefact } from './artefact.ts';

/** How e-RS shows its priorities. Source: eRS-Priority-1 */
export const PRIORITY_DISPLAY: Readonly<Record<ErsPriority, string>> = {
  ROUTINE: 'Routine',
  URGENT: 'Urgent',
  TWO_WEEK_WAIT: '2 Week Wait',
};

type Equivalence = 'equivalent' | 'equal' | 'wider' | 'inexact';

const element = (code: string, target: string, equivalence: Equivalence, comment?: string): ConceptMapGroupElement => ({
  code,
  target: [{ code: target, equivalence, ...(comment === undefined ? {} : { comment }) }],
});

const conceptMap = (id: string, title: string, description: string, group: ConceptMapGroup[]): ConceptMap => ({
  ...artefact('ConceptMap', id, title, description),
  ...(group.length === 0 ? {} : { group }),
});

/** States in which a review ends by itself, or is asked for, where no reason says otherwise. Source: target-model 1.8 */
const STATE_TO_STATUS: Readonly<Record<ReferralStateCode, ReviewStatus | undefined>> = {
  NOT_BOOKED: 'withdrawn',
  BOOKED: 'awaiting-review',
  AWAITING_TRIAGE: 'awaiting-review',
  DEFERRED_TO_PROVIDER: 'awaiting-review',
  TRIAGED_PROVIDER_TO_ACTION: undefined,
  TRIAGE_RESPONSE: 'returned-with-advice',
  REJECTED: 'rejected',
  APPT_CANCELLED_BY_PATIENT: 'withdrawn',
  APPT_CANCELLED_BY_PROVIDER: 'withdrawn',
  DID_NOT_ATTEND: 'withdrawn',
  ASSESSMENT_RESULT: 'withdrawn',
  CANCELLED_REFERRAL: 'withdrawn',
};

/** Written from the tables that the mappings use. Source: target-model 5 */
export const conceptMaps: readonly ConceptMap[] = [
  conceptMap(
    'ers-priority-to-request-priority',
    'e-RS priority to request priority',
    'ServiceRequest.priority and Task.priority. The e-RS code stays beside it in the extension ers-priority.',
    [
      {
        source: CODE_SYSTEM.priority,
        target: CODE_SYSTEM.requestPriority,
        element: Object.entries(PRIORITY).map(([code, target]) =>
          code === 'TWO_WEEK_WAIT'
            ? element(code, target, 'inexact', 'R4 has no code for suspected cancer.')
            : element(code, target, 'equivalent'),
        ),
      },
    ],
  ),
  conceptMap(
    'ers-referral-status-to-request-status',
    'ReferralRequest.status (STU3) to ServiceRequest.status (R4)',
    'Never derived from the referral state: e-RS keeps active for a rejected referral.',
    [
      {
        source: 'http://hl7.org/fhir/STU3/request-status',
        target: 'http://hl7.org/fhir/request-status',
        element: Object.entries(REFERRAL_STATUS).map(([code, target]) => element(code, target, 'equivalent')),
      },
    ],
  ),
  conceptMap(
    'ers-referral-state-to-review-status',
    'e-RS referral state to review status',
    'What a state says of the review where no reason says otherwise; TRIAGED_PROVIDER_TO_ACTION says it by its reason only.',
    [
      {
        source: CODE_SYSTEM.referralState,
        target: CODE_SYSTEM.reviewStatus,
        element: Object.entries(STATE_TO_STATUS).map(([code, target]) =>
          target === undefined
            ? { code, target: [{ equivalence: 'unmatched', comment: 'Depends on the reason.' }] }
            : element(code, target, 'wider'),
        ),
      },
      {
        source: CODE_SYSTEM.reviewOutcome,
        target: CODE_SYSTEM.reviewStatus,
        element: [
          element('RETURN_TO_REFERRER_WITH_ADVICE', 'returned-with-advice', 'equivalent'),
          element('CANCEL_APPOINTMENT_ACTION_LATER', 'redirected', 'equivalent'),
          element('ACCEPT_REFER_BOOK_LATER', 'accepted-book-later', 'equivalent'),
          element('PROVIDER_CONVERTED_ADVICE_AND_GUIDANCE_ADMIN_TO_REFER', 'withdrawn', 'wider'),
        ],
      },
    ],
  ),
  conceptMap(
    'ers-availability-to-docstatus',
    'e-RS file availability to DocumentReference.docStatus',
    'Files with threats or failed validation have no docStatus; Attachment.url says why there is no file.',
    [
      {
        source: CODE_SYSTEM.availability,
        target: 'http://hl7.org/fhir/composition-status',
        element: Object.entries(AVAILABILITY).flatMap(([code, { docStatus }]) =>
          docStatus === undefined ? [] : [element(code, docStatus, 'equivalent')],
        ),
      },
    ],
  ),
  conceptMap(
    'ers-specialty-to-ukcore-practice-setting',
    'e-RS specialty to UK Core practice setting',
    'Holds clinically approved rows only; none is approved yet.',
    [],
  ),
  conceptMap(
    'ers-error-to-review-status',
    'e-RS error to review status',
    'What a refusal by e-RS makes of the review (E-6, E-7).',
    [
      {
        source: CODE_SYSTEM.apiErrorCode,
        target: CODE_SYSTEM.reviewStatus,
        element: [
          element('FORBIDDEN', 'awaiting-user-authorisation', 'wider'),
          element('NO_ACCESS', 'awaiting-user-authorisation', 'wider'),
        ],
        unmapped: { mode: 'fixed', code: 'decision-refused' },
      },
    ],
  ),
];
