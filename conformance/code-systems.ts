import type { CodeSystem } from '@medplum/fhirtypes';
import type {
  ClientOutputCode,
  DecisionCode,
  DecisionOperation,
  EngineOutputCode,
  InputCode,
  ReviewStatus,
  TaskCode,
} from '../mappings/index.ts';
import { artefact } from './artefact.ts';

type Concepts<Code extends string> = Readonly<Record<Code, readonly [display: string, definition?: string]>>;

function ours<Code extends string>(
  id: string,
  title: string,
  description: string,
  concepts: Concepts<Code>,
): CodeSystem {
  const rows = Object.entries(concepts) as [string, readonly [string, string?]][];
  return {
    ...artefact('CodeSystem', id, title, description),
    caseSensitive: true,
    content: 'complete',
    count: rows.length,
    concept: rows.map(([code, [display, definition]]) => ({
      code,
      display,
      ...(definition === undefined ? {} : { definition }),
    })),
  };
}

const TASK_CODE: Concepts<TaskCode> = {
  'review-booking': [
    'Review a booked referral',
    'A patient is booked into a service of ours: accept, reject or redirect.',
  ],
  'review-triage': [
    'Triage a referral',
    'A referral to a referral assessment service: accept, or return it with advice.',
  ],
  'review-slot-issue': [
    'Review a referral without a slot',
    'No slot was found, and e-RS lets a reviewer record an outcome.',
  ],
  'resolve-slot-issue': [
    'Resolve a slot issue',
    'No slot was found: administrators book the patient. Nothing to decide here.',
  ],
  'review-unknown': ['Review of unknown kind', 'e-RS does not say what kind of review this is: decide it in e-RS.'],
};

/** Source: target-model 4.4 */
const REVIEW_STATUS: Concepts<ReviewStatus> = {
  'awaiting-review': ['Awaiting review', 'Nobody has decided.'],
  'under-review': ['Under review', 'Somebody has claimed it.'],
  'referral-changed': ['Referral changed', 'The referral changed in e-RS while the review was open: read it again.'],
  'decision-invalid': ['Decision invalid', 'The decision broke a rule. Nothing was recorded; decide again.'],
  'decision-conflict': [
    'Decision met a changed referral',
    'The referral changed first. Nothing was recorded; decide again.',
  ],
  'decision-refused': ['Decision refused by e-RS', 'e-RS said no. Nothing was recorded; decide again.'],
  'decision-expired': [
    'Decision expired',
    'No signed-in clinician sent it in time. Nothing was recorded; decide again.',
  ],
  'delivery-failed': ['Delivery failed', 'e-RS could not be reached. Nothing was recorded; decide again.'],
  'decision-queued': ['Decision queued', 'Decided, not yet in e-RS. It can still be taken back.'],
  'awaiting-user-authorisation': [
    'Awaiting a signed-in clinician',
    'Decided, not yet in e-RS: a signed-in clinician has to send it. It can still be taken back.',
  ],
  'decision-sending': ['Decision being sent', 'On its way to e-RS, or its outcome is being found out.'],
  accepted: ['Accepted', 'e-RS has recorded the acceptance.'],
  redirected: ['Redirected', 'e-RS has recorded that an administrator shall rebook or redirect the patient.'],
  'accepted-book-later': ['Accepted, refer or book later', 'e-RS has recorded that the provider will refer or book.'],
  rejected: ['Rejected', 'e-RS has recorded the rejection; the referrer has the referral again.'],
  'returned-with-advice': ['Returned with advice', 'e-RS has recorded it; the referrer has the referral again.'],
  withdrawn: ['Withdrawn', 'e-RS no longer asks for this review.'],
};

const DECISION: Concepts<DecisionCode> = {
  accept: ['Accept', 'Keep the referral and its booking.'],
  reject: ['Reject', 'Give it back to the referrer; the booking is cancelled.'],
  redirect: ['Redirect', 'Keep the referral, cancel the booking; an administrator rebooks or redirects.'],
  'accept-book-later': ['Accept, refer or book later', 'Keep the referral; an administrator books or refers.'],
  'return-with-advice': ['Return to referrer with advice', 'Give it back to the referrer with advice.'],
};

/** Source: target-model 4.2; the first group is Task.input, the second Task.output by clients, the third by the engine. */
const TASK_PARAMETER: Concepts<InputCode | ClientOutputCode | EngineOutputCode> = {
  'referral-type': ['Referral type'],
  'bookable-type': ['Bookable type', 'Directly or indirectly bookable.'],
  'available-decision': ['Available decision', 'One for each decision that can be made now.'],
  'clinical-info-printed': ['Clinical information printed'],
  'clinical-information-status': ['Clinical information status'],
  'review-reason': ['Review reason', 'Why a review is also asked for, when the referral is on both worklists.'],
  'last-contact': ['Last contact with the patient'],
  appointment: ['Appointment under review'],
  document: ['Attached document'],
  'clinical-summary': ['Clinical information summary'],
  priority: ['Priority', 'The priority that the referral shall have.'],
  'appointment-cancelled-in-pas': [
    'Appointment cancelled in the PAS',
    'Whether an indirectly bookable appointment was cancelled.',
  ],
  attachment: ['Attachment', 'A document to send with the decision.'],
  decision: ['Decision', 'The decision as it was understood.'],
  'recorded-version': ['Recorded version', 'The e-RS version that recorded the decision.'],
  'decided-in-ers': ['Decided in e-RS', 'Somebody decided in e-RS itself.'],
  'outcome-inferred': ['Outcome inferred', 'Known from a later worklist, since e-RS never answered the call.'],
  'failed-decision': ['Failed decision', 'The decision that was not recorded.'],
  'outcome-unknown': [
    'Outcome unknown',
    'The decision of which nobody can say whether e-RS recorded it before more happened to the referral.',
  ],
  outcome: ['Outcome', 'Why the decision was not recorded.'],
};

/** Displays are those of the catalogue in server/core/codes.ts; a test compares. Source: target-model 4.8 */
const DECISION_ISSUE = {
  'reason-required': ['This decision needs a reason.'],
  'reason-not-allowed': ['This decision takes no such reason.'],
  'reason-not-in-force': ['e-RS does not offer this rejection reason today.'],
  'comment-required': ['This decision needs a comment.'],
  'comment-not-allowed': ['An accept carries no comment to e-RS.'],
  'comment-too-long': ['The comment is longer than e-RS takes.'],
  'comment-ambiguous': ['More than one note is new: which one e-RS should get is unclear.'],
  'comment-in-wrong-place': ['Text in Task.statusReason.text is never sent to e-RS.'],
  'pas-flag-required': ['e-RS must be told whether the appointment was cancelled in the PAS.'],
  'pas-flag-not-allowed': ['e-RS cancels a directly bookable appointment in the PAS itself.'],
  'priority-not-allowed': ['This decision cannot change the priority.'],
  'priority-unknown': ['The priority is none that e-RS has.'],
  'attachment-not-allowed': ['This decision takes no attachment.'],
  'attachment-unusable': ['The attachment cannot be sent to e-RS.'],
  'decision-incomplete': ['A part of a decision came in another update than its status.'],
  'decision-not-available': ['This Task offers no such decision.'],
  'cancel-not-supported': ['Cancelling a referral cannot be undone, and is not offered through a Task.'],
  'transition-not-allowed': ['The Task cannot go from its status to that one.'],
  'read-only-element': ['An element that only the engine writes was changed.'],
  'task-in-flight': ['The decision is on its way to e-RS and can no longer be changed.'],
  'task-closed': ['The review is closed.'],
  'version-required': ['An update without If-Match could overwrite what somebody else decided.'],
  'user-session-required': ['e-RS takes this decision only from a signed-in clinician.'],
  'referral-changed': ['The referral changed in e-RS after it was read for this review. Nothing was recorded.'],
  'left-worklist': ['e-RS no longer asks for this review.'],
  'moved-away': ['The referral moved to another provider.'],
  'retries-exhausted': ['e-RS could not be reached long enough. Nothing was recorded.'],
  'reopened-by-operator': ['An operator gave the decision back before it reached e-RS. Nothing was recorded.'],
  'decision-expired': ['No signed-in clinician sent the decision in time. Nothing was recorded.'],
} as const;

/** Displays are those of the catalogue in server/core/codes.ts; a test compares. */
const FACADE_ISSUE = {
  ERS_BUSY: ['e-RS asked us to slow down.'],
  ERS_UNAVAILABLE: ['e-RS cannot be reached.'],
  ERS_LOCKED: ['Somebody else is changing this referral in e-RS at this moment.'],
  ERS_VERSION_CONFLICT: ['The referral has another version in e-RS by now.'],
  ERS_OUTCOME_UNKNOWN: ['e-RS did not say whether it recorded the decision.'],
  ERS_ANSWER_UNREADABLE: ['e-RS sent an answer that is not complete or not FHIR.'],
  ERS_BUSINESS_RULE: ['e-RS refused by a rule of its own.'],
  ERS_NOT_FOUND: ['e-RS has no such resource.'],
  ERS_NO_RELATIONSHIP: ['e-RS sees no relationship between this organisation and the referral.'],
  ERS_PATIENT_ERROR: ['e-RS cannot show this patient, and asks not to try again.'],
  ERS_FORBIDDEN: ['e-RS does not let this application or role do that.'],
  ERS_USER_SESSION_ENDED: ["The clinician's session with e-RS has ended."],
  ERS_APPLICATION_REFUSED: ["e-RS does not accept the application's credentials."],
  ERS_REQUEST_WRONG: ['e-RS says that our request was wrong.'],
  ERS_FILE_PENDING: ['e-RS is still scanning the file.'],
  ERS_FILE_THREATS_FOUND: ['e-RS found a threat in the file; it cannot be had.'],
  ERS_FILE_VALIDATION_FAILED: ['e-RS could not accept the file; it cannot be had.'],
  ERS_FILE_TOO_LARGE: ['The file is larger than this installation takes.'],
  ERS_LINK_EXPIRED: ['The link to the file had expired.'],
  'resource-unknown': ['This server keeps no such resource type.'],
  'resource-not-found': ['There is no such resource.'],
  'resource-gone': ['The resource was deleted.'],
  'parameter-unknown': ['This search parameter is not supported.'],
  'parameter-invalid': ['A search parameter has a value that it cannot take.'],
  'body-unreadable': ['The body is not what its media type says.'],
  'patch-test-failed': ['A test operation of the patch failed: the resource is not as you expected.'],
  'body-too-large': ['The body is too large.'],
  'media-type-unsupported': ['The body has a media type that is not taken here.'],
  'not-acceptable': ['Only FHIR JSON can be had here.'],
  'method-not-allowed': ['This cannot be done with this resource.'],
  'host-unknown': ['The request names a host that this server does not answer for.'],
  'token-missing': ['Nobody said who calls.'],
  'token-invalid': ['The token is not good here.'],
  'client-unknown': ['The client is not among those that may come in.'],
  'scope-missing': ['The token lacks a scope.'],
  'issuer-unavailable': ['The keys of the token issuer could not be read.'],
  'version-conflict': ['Somebody changed the resource since you read it.'],
  'identifier-in-url': ['This installation takes patient identifiers in request bodies only.'],
  'beyond-services': ['This client is limited to some e-RS services, and this is not offered to such a client.'],
  'nothing-to-reopen': ['No decision of this review is on its way to e-RS.'],
  'session-role-not-held': ['By e-RS, the signed-in user does not hold this role at this organisation.'],
  'on-behalf-not-permitted': ['By e-RS, the signed-in user may not act for this clinician.'],
  'sender-not-decider': ['Somebody else made this decision, and the signed-in user does not act for them.'],
  'sign-in-refused': ['NHS CIS2 has signed nobody in, or the sign-in was not begun in this browser.'],
  'assurance-too-low': ['You have signed in at NHS CIS2 in a way that is not strong enough for e-RS.'],
  'cis2-unavailable': ['NHS CIS2 did not answer.'],
  'engine-unavailable': ['No engine is active to carry this out.'],
  'engine-answer-lost': ['The active engine was given this, but what it answered was lost on the way.'],
  'too-many-requests': ['More is asked at once than this server answers, or than one client may.'],
  'search-too-costly': ['The search took longer than one may take here, and was ended.'],
  'audit-unavailable': ['Nothing is shown that cannot be audited: too much waits to be written.'],
  'service-unknown': ['This installation has no such e-RS service.'],
  'list-unknown': ['This service is not read from that worklist.'],
  'ers-unavailable': ['e-RS did not answer.'],
  'task-copied': ['The Task is a copy of a review Task: nothing becomes of what is decided on it.'],
  'store-refused': ['The FHIR store refused the write.'],
  'internal-error': ['Something went wrong here.'],
} as const;

const OPERATION: Concepts<
  DecisionOperation | 'A004' | 'A005' | 'A007' | 'A008' | 'A020' | 'A029' | 'A030' | 'A040' | 'A042'
> = {
  A004: ['Retrieve reference data'],
  A005: ['Retrieve referral request'],
  A007: ['Generate clinical information'],
  A008: ['Retrieve worklist'],
  A013: ['Accept referral'],
  A014: ['Reject referral'],
  A020: ['Upload file to document store'],
  A022: ['Cancel appointment, action later'],
  A028: ['Record review outcome'],
  A029: ['Available actions for user list'],
  A030: ['Retrieve business functions'],
  A040: ['Retrieve clinicians to act on behalf of'],
  A042: ['Retrieve attachment'],
};

/** Populations of the account that `$ers-reconciliation` answers. */
const ACCOUNT: Concepts<
  | 'seen'
  | 'open'
  | 'in-flight'
  | 'decided'
  | 'explained'
  | 'withdrawn'
  | 'unasked'
  | 'quarantined'
  | 'arriving'
  | 'missing'
> = {
  seen: ['Seen', 'Referrals that the worklists of the service ever named.'],
  open: ['Open', 'Under review, or with a decision that e-RS has not recorded.'],
  'in-flight': ['In flight', 'Of the open ones: decisions that are queued or on their way to e-RS.'],
  decided: ['Decided', 'e-RS has recorded a decision, made here or in e-RS itself.'],
  explained: ['Explained', 'Neither open nor decided, for one of the reasons that follow.'],
  withdrawn: ['Withdrawn', 'e-RS no longer asks for the review.'],
  unasked: ['Not put up for review', 'In the store; e-RS did not ask for a review when it was read.'],
  quarantined: ['In quarantine', "Cannot be kept in the store as it is; e-RS's answer is kept."],
  arriving: ['On its way', 'Named by a worklist that is still being worked through.'],
  missing: ['Missing', 'Neither open, nor decided, nor explained.'],
};

/** What an exception of the account is; displays are those of the catalogue in server/core/codes.ts; a test compares. */
const ACCOUNT_EXCEPTION = {
  'referral-vanished': ['A referral that a worklist named is neither open, nor decided, nor explained.'],
  'referral-quarantined': ['A referral cannot be kept in the store as it is.'],
  'referral-overdue': ['A referral that a worklist named more than a day ago has still not been brought in.'],
  'file-overdue': ['A file of a referral has not come for more than a day.'],
  'decision-overdue': ['A decision has been on its way to e-RS for more than an hour.'],
  'outcome-unknown': ['It is not known whether e-RS recorded a decision.'],
  'poll-overdue': ['A worklist has not been read for longer than its cadence allows.'],
  'decided-but-listed': ['A decided referral is still on the worklist.'],
} as const;

/** Codes that are shown under `ers-decision-issue`; all others are `ers-facade-issue`. */
export const isDecisionIssueCode = (code: string): code is keyof typeof DECISION_ISSUE =>
  Object.hasOwn(DECISION_ISSUE, code);

/** The code systems that we define. Those that mirror A004 are in the store, as e-RS keeps them. Source: target-model 5 */
export const codeSystems: readonly CodeSystem[] = [
  ours('ers-task-code', 'Kinds of referral review', 'What a review Task asks for.', TASK_CODE),
  ours(
    'ers-review-status',
    'Review status',
    'Whether a decision is needed, on its way, or recorded in e-RS.',
    REVIEW_STATUS,
  ),
  ours('ers-decision', 'Review decisions', 'What a provider can decide about a referral.', DECISION),
  ours('ers-task-parameter', 'Inputs and outputs of a review', 'Types of Task.input and Task.output.', TASK_PARAMETER),
  ours(
    'ers-decision-issue',
    'Why a decision was not taken over or not recorded',
    'Codes of OperationOutcome.issue.details and of Task.statusReason.',
    DECISION_ISSUE,
  ),
  ours(
    'ers-facade-issue',
    'Why a request was refused or could not be carried out',
    'Codes of OperationOutcome.issue.details where the request is at fault, or e-RS.',
    FACADE_ISSUE,
  ),
  ours('ers-document-type', 'Documents of a referral', 'What a DocumentReference of a referral is.', {
    attachment: ['e-RS attachment', 'A file that a referrer or provider attached.'],
    'clinical-information-summary': [
      'e-RS clinical information summary',
      'The PDF that e-RS makes of a referral (A007).',
    ],
    'decision-attachment': [
      'Attachment to a decision',
      'A file that a reviewer attached to a review, to be sent with its decision.',
    ],
    'generated-by-ers': ['Generated by e-RS', 'Made by e-RS when it was asked for, not by a person.'],
  }),
  ours('ers-list-code', 'Lists', 'What a List of ours holds.', {
    shortlist: ['e-RS service shortlist', 'The services that a referral was offered to, in order.'],
    worklist: ['e-RS worklist', 'As of when a worklist of a service was last read, and how much was on it.'],
  }),
  ours('ers-account', 'The account', 'What became of the referrals that worklists named.', ACCOUNT),
  ours(
    'ers-account-exception',
    'Exceptions of the account',
    'What a person should look at, in the account of what worklists named.',
    ACCOUNT_EXCEPTION,
  ),
  ours('ers-operation', 'e-RS operations', 'The e-RS API operations that are used, by their numbers.', OPERATION),
];
