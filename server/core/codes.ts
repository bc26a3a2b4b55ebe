import type { MappingIssueCode } from '../../mappings/index.ts';

/** Who must act on a code. */
export type Actor = 'nobody' | 'client' | 'clinician' | 'operator' | 'developer';

export interface CodeEntry {
  /** What happened, in a sentence that a clinician can understand. */
  readonly happened: string;
  readonly acts: Actor;
  /** What the one who acts does. */
  readonly remedy: string;
  /** HTTP status at the facade, where the code is shown to a client as a refusal. */
  readonly httpStatus?: number;
}

/** Codes of `ers-decision-issue` (target-model 4.8): why a decision was not taken over, or not recorded. */
export type DecisionIssueCode =
  | 'reason-required'
  | 'reason-not-allowed'
  | 'reason-not-in-force'
  | 'comment-required'
  | 'comment-not-allowed'
  | 'comment-too-long'
  | 'comment-ambiguous'
  | 'comment-in-wrong-place'
  | 'pas-flag-required'
  | 'pas-flag-not-allowed'
  | 'priority-not-allowed'
  | 'priority-unknown'
  | 'attachment-not-allowed'
  | 'attachment-unusable'
  | 'decision-incomplete'
  | 'decision-not-available'
  | 'cancel-not-supported'
  | 'transition-not-allowed'
  | 'read-only-element'
  | 'task-in-flight'
  | 'task-closed'
  | 'version-required'
  | 'user-session-required'
  | 'referral-changed'
  | 'left-worklist'
  | 'moved-away'
  | 'retries-exhausted'
  | 'reopened-by-operator'
  | 'decision-expired';

/** Codes of fates: how a call to e-RS ended. */
export type ErsFateCode =
  | 'ERS_BUSY' // 429
  | 'ERS_UNAVAILABLE' // 503, connection refused or lost before the request was sent
  | 'ERS_LOCKED' // 423
  | 'ERS_VERSION_CONFLICT' // 409
  | 'ERS_OUTCOME_UNKNOWN' // the write may have been applied
  | 'ERS_ANSWER_UNREADABLE' // a read whose answer was not what it should be
  | 'ERS_BUSINESS_RULE' // 422
  | 'ERS_NOT_FOUND' // 404
  | 'ERS_NO_RELATIONSHIP' // 422 or 403 NO_RELATIONSHIP
  | 'ERS_PATIENT_ERROR' // 422 PATIENT_ERROR
  | 'ERS_FORBIDDEN' // 403: role, organisation, mode
  | 'ERS_USER_SESSION_ENDED' // 401 on a user token
  | 'ERS_APPLICATION_REFUSED' // 401 on a fresh application token
  | 'ERS_REQUEST_WRONG' // 400, 406, 412, 415: our defect
  | 'ERS_FILE_PENDING'
  | 'ERS_FILE_THREATS_FOUND'
  | 'ERS_FILE_VALIDATION_FAILED'
  | 'ERS_FILE_TOO_LARGE'
  | 'ERS_LINK_EXPIRED'; // A042's second hop

/** Codes of alerts: something that a person should know of; shown in readiness and metrics. */
export type AlertCode =
  | 'referral-quarantined'
  | 'worklist-incomplete'
  | 'worklist-suspiciously-empty'
  | 'worklist-too-large'
  | 'poll-refused-by-ledger'
  | 'state-unknown'
  | 'patient-error'
  | 'patient-ambiguous'
  | 'outcome-unknown'
  | 'decided-but-listed'
  | 'task-repaired'
  | 'task-copied'
  | 'summary-missing'
  | 'attachment-unavailable'
  | 'ers-request-wrong'
  | 'store-unavailable'
  | 'task-unwritable'
  | 'referral-vanished'
  | 'referral-overdue'
  | 'file-overdue'
  | 'decision-overdue'
  | 'poll-overdue'
  | 'audit-delayed'
  | 'audit-lost';

/** Codes of the facade's refusals that are not about a decision. */
export type FacadeCode =
  | 'resource-unknown'
  | 'resource-not-found'
  | 'resource-gone'
  | 'parameter-unknown'
  | 'parameter-invalid'
  | 'body-unreadable'
  | 'patch-test-failed'
  | 'body-too-large'
  | 'media-type-unsupported'
  | 'not-acceptable'
  | 'method-not-allowed'
  | 'host-unknown'
  | 'token-missing'
  | 'token-invalid'
  | 'client-unknown'
  | 'scope-missing'
  | 'issuer-unavailable'
  | 'version-conflict'
  | 'identifier-in-url'
  | 'beyond-services'
  | 'nothing-to-reopen'
  | 'session-role-not-held'
  | 'on-behalf-not-permitted'
  | 'sender-not-decider'
  | 'sign-in-refused'
  | 'assurance-too-low'
  | 'cis2-unavailable'
  | 'engine-unavailable'
  | 'engine-answer-lost'
  | 'service-unknown'
  | 'list-unknown'
  | 'ers-unavailable'
  | 'task-copied'
  | 'audit-unavailable'
  | 'too-many-requests'
  | 'search-too-costly'
  | 'store-refused'
  | 'internal-error';

export type Code = MappingIssueCode | DecisionIssueCode | ErsFateCode | AlertCode | FacadeCode;

const entry = (happened: string, acts: Actor, remedy: string, httpStatus?: number): CodeEntry => ({
  happened,
  acts,
  remedy,
  ...(httpStatus === undefined ? {} : { httpStatus }),
});

/** The one catalogue; `docs/errors.md` lists the same. Codes are never renamed or reused. */
export const CODES: Readonly<Record<Code, CodeEntry>> = {
  REQUIRED_ELEMENT_MISSING: entry(
    'e-RS sent a referral without an element that nothing works without.',
    'operator',
    "The referral is quarantined with e-RS's answer; report it to NHS England, then fetch it again.",
  ),
  CODE_UNKNOWN: entry(
    'e-RS sent a code that these mapping rules do not know.',
    'developer',
    'The source code is kept beside the element; extend the table.',
  ),
  CODE_SYSTEM_UNKNOWN: entry(
    'e-RS sent a code system that these mapping rules do not know.',
    'developer',
    'The code is kept under a system of ours; extend table 1.0.1.',
  ),
  REQUEST_ID_MISSING: entry(
    'e-RS sent a referral without its request id.',
    'developer',
    'The UBRN serves as the key; nothing to do.',
  ),
  NHS_NUMBER_CHECK_DIGIT: entry(
    'The NHS number that e-RS gave fails its check digit.',
    'operator',
    'Check the patient in e-RS and PDS before anything is decided.',
  ),
  STATE_MISSING: entry('e-RS sent a referral without a state.', 'operator', 'Look the referral up in e-RS.'),
  REFERENCE_DANGLING: entry(
    'e-RS referred to something that it did not send.',
    'developer',
    'The reference is kept in ers-unmapped.',
  ),
  VALUE_UNMAPPED: entry(
    'e-RS sent a value that no mapping rule names.',
    'developer',
    'The value is kept in ers-unmapped; add a rule.',
  ),
  VALUE_INVALID: entry(
    'e-RS sent a value that FHIR R4 cannot hold in its place.',
    'developer',
    'The value is kept in ers-unmapped; add a rule.',
  ),
  VERSION_DIFFERS: entry(
    'The appointment names another version of the referral than the referral itself.',
    'developer',
    'Kept in ers-unmapped.',
  ),

  'reason-required': entry(
    'This decision needs a reason.',
    'client',
    'Give Task.statusReason with a coding of the list that the error names.',
    422,
  ),
  'reason-not-allowed': entry(
    'This decision takes no such reason.',
    'client',
    'Leave out Task.statusReason, or give the code of the decision that you mean.',
    422,
  ),
  'reason-not-in-force': entry(
    'e-RS does not offer this rejection reason today.',
    'client',
    'Take a code from ValueSet/ers-rejection-reason/$expand.',
    422,
  ),
  'comment-required': entry(
    'This decision needs a comment.',
    'client',
    'Add one note to the Task in the deciding update.',
    422,
  ),
  'comment-not-allowed': entry(
    'An accept carries no comment to e-RS.',
    'client',
    'Leave the note out, or redirect with its code.',
    422,
  ),
  'comment-too-long': entry(
    'The comment is longer than e-RS takes.',
    'client',
    'Shorten the note to 2,000 characters.',
    422,
  ),
  'comment-ambiguous': entry(
    'More than one note is new: which one e-RS should get is unclear.',
    'client',
    'Add exactly one note in the deciding update.',
    422,
  ),
  'comment-in-wrong-place': entry(
    'Text in Task.statusReason.text is never sent to e-RS.',
    'client',
    'Put the comment into a note.',
    422,
  ),
  'pas-flag-required': entry(
    'e-RS must be told whether the appointment was cancelled in the PAS.',
    'client',
    'Add the output appointment-cancelled-in-pas, true or false.',
    422,
  ),
  'pas-flag-not-allowed': entry(
    'e-RS cancels a directly bookable appointment in the PAS itself.',
    'client',
    'Leave out the output appointment-cancelled-in-pas.',
    422,
  ),
  'priority-not-allowed': entry(
    'This decision cannot change the priority.',
    'client',
    'Leave out the output priority.',
    422,
  ),
  'priority-unknown': entry(
    'The priority is none that e-RS has.',
    'client',
    'Give ROUTINE, URGENT or TWO_WEEK_WAIT, or routine, urgent or asap.',
    422,
  ),
  'attachment-not-allowed': entry(
    'This decision takes no attachment.',
    'client',
    'Leave out the output attachment.',
    422,
  ),
  'attachment-unusable': entry(
    'The attachment cannot be sent to e-RS.',
    'client',
    'Make it with $ers-attach on this Task: a file type and size that e-RS takes.',
    422,
  ),
  'decision-incomplete': entry(
    'A part of a decision came in another update than its status.',
    'client',
    'Send status, statusReason, note and outputs of a decision in one update.',
    422,
  ),
  'decision-not-available': entry(
    'This Task offers no such decision.',
    'client',
    "Choose one of the Task's available-decision inputs.",
    422,
  ),
  'cancel-not-supported': entry(
    'Cancelling a referral cannot be undone, and is not offered through a Task.',
    'clinician',
    'Cancel it in e-RS itself.',
    422,
  ),
  'transition-not-allowed': entry(
    'The Task cannot go from its status to that one.',
    'client',
    'Read the Task again; requested and received can be decided.',
    422,
  ),
  'read-only-element': entry(
    'An element that only the engine writes was changed.',
    'client',
    'Send the element as it was read.',
    422,
  ),
  'task-in-flight': entry(
    'The decision is on its way to e-RS and can no longer be changed.',
    'client',
    'Wait until businessStatus is final or open again.',
    409,
  ),
  'task-closed': entry(
    'The review is closed.',
    'client',
    'Follow later work in a Task of your own (basedOn this one).',
    422,
  ),
  'version-required': entry(
    'An update without If-Match could overwrite what somebody else decided.',
    'client',
    'Send If-Match with the ETag of the Task as you read it.',
    400,
  ),
  'user-session-required': entry(
    'e-RS takes this decision only from a signed-in clinician.',
    'clinician',
    "Send it with a clinician's session: POST Task/{id}/$ers-send-decision.",
    403,
  ),
  'referral-changed': entry(
    'The referral changed in e-RS after it was read for this review. Nothing was recorded.',
    'clinician',
    'Review it again and decide again.',
    409,
  ),
  'left-worklist': entry('e-RS no longer asks for this review.', 'nobody', 'Nothing to do.'),
  'moved-away': entry('The referral moved to another provider.', 'nobody', 'Nothing to do.'),
  'retries-exhausted': entry(
    'e-RS could not be reached long enough. Nothing was recorded.',
    'clinician',
    'Decide again.',
  ),
  'reopened-by-operator': entry(
    'An operator gave the decision back before it reached e-RS. Nothing was recorded.',
    'clinician',
    'Decide again.',
  ),
  'decision-expired': entry(
    'No signed-in clinician sent the decision in time. Nothing was recorded.',
    'clinician',
    'Decide again.',
  ),

  ERS_BUSY: entry('e-RS asked us to slow down.', 'nobody', 'It is tried again by itself.'),
  ERS_UNAVAILABLE: entry('e-RS cannot be reached.', 'nobody', 'It is tried again by itself.', 503),
  ERS_LOCKED: entry(
    'Somebody else is changing this referral in e-RS at this moment.',
    'nobody',
    'It is tried again by itself.',
  ),
  ERS_VERSION_CONFLICT: entry(
    'The referral has another version in e-RS by now.',
    'nobody',
    'It is read again by itself.',
  ),
  ERS_OUTCOME_UNKNOWN: entry(
    'e-RS did not say whether it recorded the decision.',
    'nobody',
    'It is settled by reading e-RS.',
  ),
  ERS_ANSWER_UNREADABLE: entry(
    'e-RS sent an answer that is not complete or not FHIR.',
    'nobody',
    'It is tried again by itself.',
  ),
  ERS_BUSINESS_RULE: entry(
    'e-RS refused by a rule of its own.',
    'clinician',
    "Read the e-RS code in the Task's outcome.",
    422,
  ),
  ERS_NOT_FOUND: entry('e-RS has no such resource.', 'operator', 'Check the UBRN.', 404),
  ERS_NO_RELATIONSHIP: entry(
    'e-RS sees no relationship between this organisation and the referral.',
    'operator',
    "The referral may have moved; else check the service's workgroup.",
    422,
  ),
  ERS_PATIENT_ERROR: entry(
    'e-RS cannot show this patient, and asks not to try again.',
    'clinician',
    'Look the patient up in e-RS and PDS.',
    422,
  ),
  ERS_FORBIDDEN: entry(
    'e-RS does not let this application or role do that.',
    'operator',
    'Check roles and approvals (npm run ers -- check-ers).',
    403,
  ),
  ERS_USER_SESSION_ENDED: entry(
    "The clinician's session with e-RS has ended.",
    'clinician',
    'Sign in again and send the decision.',
    401,
  ),
  ERS_APPLICATION_REFUSED: entry(
    "e-RS does not accept the application's credentials.",
    'operator',
    'Check key, key id, token URL and clock.',
  ),
  ERS_REQUEST_WRONG: entry(
    'e-RS says that our request was wrong.',
    'developer',
    'A defect of this software: report it with the correlation id.',
  ),
  ERS_FILE_PENDING: entry('e-RS is still scanning the file.', 'nobody', 'It is looked at again by itself.'),
  ERS_FILE_THREATS_FOUND: entry(
    'e-RS found a threat in the file; it cannot be had.',
    'clinician',
    'Ask the uploader for a clean copy.',
  ),
  ERS_FILE_VALIDATION_FAILED: entry(
    'e-RS could not accept the file; it cannot be had.',
    'clinician',
    'Ask the uploader for another copy.',
  ),
  ERS_FILE_TOO_LARGE: entry(
    'The file is larger than this installation takes.',
    'operator',
    'Raise the limit, or look at the file in e-RS.',
  ),
  ERS_LINK_EXPIRED: entry('The link to the file had expired.', 'nobody', 'A new one is fetched by itself.'),

  'referral-quarantined': entry(
    'A referral cannot be kept in the store as it is.',
    'operator',
    'Its raw answer is kept; see the quarantine record.',
  ),
  'worklist-incomplete': entry(
    'A worklist was not read in full; nothing was closed because of it.',
    'operator',
    'It is read again at the next poll.',
  ),
  'worklist-suspiciously-empty': entry(
    'A worklist that had entries is empty; nothing was closed because of it.',
    'operator',
    'Look at the list in e-RS; poll again.',
  ),
  'worklist-too-large': entry(
    'e-RS does not deliver a worklist of more than 10 MB.',
    'operator',
    'Work the list down in e-RS, or ask for narrower services.',
  ),
  'poll-refused-by-ledger': entry(
    'A poll was due, but the permitted polls of this service are spent.',
    'nobody',
    'The next one comes when a permit is free.',
    429,
  ),
  'state-unknown': entry(
    'e-RS reports a referral state that is not known.',
    'developer',
    'Nothing is decided on it; extend the table.',
  ),
  'patient-error': entry('e-RS cannot show this patient.', 'clinician', 'Look the patient up in e-RS and PDS.'),
  'patient-ambiguous': entry(
    "Two or more Patients in the store have this referral's NHS number.",
    'operator',
    'Merge them; nothing is written for the referral until then.',
  ),
  'outcome-unknown': entry(
    'It is not known whether e-RS recorded a decision.',
    'operator',
    'Look the referral up in e-RS; reads go on by themselves.',
  ),
  'decided-but-listed': entry(
    'A decided referral is still on the worklist.',
    'operator',
    'Look the referral up in e-RS.',
  ),
  'task-repaired': entry(
    'Somebody changed elements of a Task that only the engine writes; they were restored.',
    'operator',
    'Find the client that writes them.',
  ),
  'summary-missing': entry('e-RS refused the clinical information PDF.', 'operator', 'Look at the referral in e-RS.'),
  'attachment-unavailable': entry('A file could not be fetched so far.', 'operator', 'It is tried again by itself.'),
  'ers-request-wrong': entry(
    'e-RS says that our request was wrong.',
    'developer',
    'A defect of this software: report it with the correlation id.',
  ),
  'store-unavailable': entry(
    'The FHIR store cannot be reached.',
    'operator',
    'Start or repair the store; work goes on by itself.',
  ),
  'task-unwritable': entry(
    'The FHIR store refuses what the engine has to write of a review, so its decision is not sent.',
    'operator',
    'Shorten what was written into the Task behind the facade: its notes, above all.',
  ),
  'referral-vanished': entry(
    'A referral that a worklist named is neither open, nor decided, nor explained.',
    'operator',
    'See what is missing of it (npm run ers -- reconcile); look it up in e-RS, and fetch it again.',
  ),
  'referral-overdue': entry(
    'A referral that a worklist named more than a day ago has still not been brought in.',
    'operator',
    'Look for what e-RS answers for it in the log; look the referral up in e-RS.',
  ),
  'file-overdue': entry(
    'A file of a referral has not come for more than a day.',
    'operator',
    'Look at the file in e-RS; it is tried again by itself.',
  ),
  'decision-overdue': entry(
    'A decision has been on its way to e-RS for more than an hour.',
    'operator',
    'See whether e-RS can be reached; look the referral up in e-RS before anything is done by hand.',
  ),
  'poll-overdue': entry(
    'A worklist has not been read for longer than its cadence allows.',
    'operator',
    'See whether e-RS can be reached (npm run ers -- check-ers), then poll the service.',
  ),
  'audit-delayed': entry(
    'The store does not take AuditEvents now; those of reads and calls wait in memory.',
    'operator',
    'See whether the store takes writes. A process that is killed now loses what waits.',
  ),
  'audit-lost': entry(
    'AuditEvents of reads or calls could not be kept: too many waited, or the store refused them.',
    'operator',
    'See the log for how many, and the log lines of the requests themselves for what they were.',
  ),

  'resource-unknown': entry(
    'This server keeps no such resource type.',
    'client',
    'See /metadata for the types that it has.',
    404,
  ),
  'resource-not-found': entry('There is no such resource.', 'client', 'Search for it.', 404),
  'resource-gone': entry('The resource was deleted.', 'client', 'Search for its successor.', 410),
  'parameter-unknown': entry(
    'This search parameter is not supported.',
    'client',
    'See /metadata for the parameters of the type.',
    400,
  ),
  'parameter-invalid': entry(
    'A search parameter has a value that it cannot take.',
    'client',
    'Correct the value.',
    400,
  ),
  'body-unreadable': entry('The body is not what its media type says.', 'client', 'Send well-formed JSON.', 400),
  'patch-test-failed': entry(
    'A test operation of the patch failed: the resource is not as you expected.',
    'client',
    'Read it again, and patch what is there.',
    422,
  ),
  'body-too-large': entry('The body is too large.', 'client', 'Send less.', 413),
  'media-type-unsupported': entry(
    'The body has a media type that is not taken here.',
    'client',
    'Send one that the error names.',
    415,
  ),
  'not-acceptable': entry('Only FHIR JSON can be had here.', 'client', 'Ask for application/fhir+json.', 406),
  'method-not-allowed': entry('This cannot be done with this resource.', 'client', 'Clients write Tasks only.', 405),
  'host-unknown': entry(
    'The request names a host that this server does not answer for.',
    'client',
    'Use the address that the server printed, or name yours in PUBLIC_URL.',
    421,
  ),
  'token-missing': entry(
    'Nobody said who calls.',
    'client',
    'Send Authorization: Bearer and a token; .well-known/smart-configuration says where tokens are had.',
    401,
  ),
  'token-invalid': entry(
    'The token is not good here.',
    'client',
    'Get a new one, for this server, from the issuer that .well-known/smart-configuration names.',
    401,
  ),
  'client-unknown': entry(
    'The client is not among those that may come in.',
    'operator',
    'Add it to AUTH_CLIENTS_FILE, with the services that it may see.',
    403,
  ),
  'scope-missing': entry('The token lacks a scope.', 'client', 'Get a token with the scope that is named.', 403),
  'issuer-unavailable': entry(
    'The keys of the token issuer could not be read.',
    'operator',
    'Check AUTH_JWKS_URL and the issuer, and try again.',
    503,
  ),
  'version-conflict': entry(
    'Somebody changed the resource since you read it.',
    'client',
    'Read it again, decide again.',
    412,
  ),
  'identifier-in-url': entry(
    'This installation takes patient identifiers in request bodies only.',
    'client',
    'Use POST [type]/_search.',
    400,
  ),
  'beyond-services': entry(
    'This client is limited to some e-RS services, and this is not offered to such a client.',
    'client',
    'Ask as the text says, or with a client of all services.',
    403,
  ),
  'nothing-to-reopen': entry(
    'No decision of this review is on its way to e-RS.',
    'client',
    'Read the Task: it is open already.',
    409,
  ),
  'session-role-not-held': entry(
    'By e-RS, the signed-in user does not hold this role at this organisation.',
    'clinician',
    'Name an organisation and a role that e-RS lists for you; nothing was sent.',
    403,
  ),
  'on-behalf-not-permitted': entry(
    'By e-RS, the signed-in user may not act for this clinician.',
    'clinician',
    'Name a clinician for whom e-RS lets you act; nothing was sent.',
    403,
  ),
  'sender-not-decider': entry(
    'Somebody else made this decision, and the signed-in user does not act for them.',
    'clinician',
    'The decider sends it, or somebody acting on their behalf; or take it back and decide yourself.',
    403,
  ),
  'sign-in-refused': entry(
    'NHS CIS2 has signed nobody in, or the sign-in was not begun in this browser.',
    'clinician',
    'Sign in again.',
    403,
  ),
  'assurance-too-low': entry(
    'You have signed in at NHS CIS2 in a way that is not strong enough for e-RS.',
    'clinician',
    'Sign in with a smartcard, a security key or another authenticator of level 2 or 3.',
    403,
  ),
  'cis2-unavailable': entry('NHS CIS2 did not answer.', 'operator', 'Try again later; check CIS2_ISSUER.', 503),
  'engine-unavailable': entry(
    'No engine is active to carry this out.',
    'operator',
    'Try again; nothing was stored.',
    503,
  ),
  'engine-answer-lost': entry(
    'The active engine was given this, but what it answered was lost on the way.',
    'client',
    'Read the Task, which says what became of it, before you ask again.',
    504,
  ),
  'service-unknown': entry(
    'This installation has no such e-RS service.',
    'operator',
    'Name a service of ERS_SERVICES, or add it there.',
    404,
  ),
  'list-unknown': entry(
    'This service is not read from that worklist.',
    'operator',
    "Name one of the service's lists in ERS_SERVICES, or add it there.",
    422,
  ),
  'ers-unavailable': entry('e-RS did not answer.', 'nobody', 'Try again later.', 503),
  'too-many-requests': entry(
    'More is asked at once than this server answers, or than one client may.',
    'client',
    'Wait as long as Retry-After says; ask for fewer things at a time.',
    429,
  ),
  'search-too-costly': entry(
    'The search took longer than one may take here, and was ended.',
    'client',
    'Ask by what few resources have (an identifier, a service, a status), with fewer chains; page through the rest.',
    400,
  ),
  'audit-unavailable': entry(
    'Nothing is shown that cannot be audited: too much waits to be written.',
    'operator',
    'See whether the store takes writes; try again later.',
    503,
  ),
  'task-copied': entry(
    'The Task is a copy of a review Task: nothing becomes of what is decided on it.',
    'operator',
    'Find the client that creates Tasks; decide on the Task that the engine made, and delete the copy.',
    422,
  ),
  'store-refused': entry('The FHIR store refused the write.', 'client', 'Read the issue that names the element.', 422),
  'internal-error': entry('Something went wrong here.', 'developer', 'Report it with the X-Request-Id.', 500),
};
