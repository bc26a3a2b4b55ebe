import type { ErsRefusal } from '../core/index.ts';

/**
 * What a documented e-RS error code means to a clinician, for `Task.statusReason.text`; the code itself is beside it.
 * Source: provider-api 2.3; E-6
 */
const MEANING = new Map(
  Object.entries({
    INVALID_REQUEST_STATE:
      'The referral is no longer in a state that this decision fits: it may have been decided, moved or cancelled in e-RS, or its appointment has passed.',
    INVALID_REQUEST_TYPE: 'e-RS does not know this referral as an active request of this kind.',
    PATIENT_ERROR: 'e-RS cannot show this patient. Do not try again; look the patient up in e-RS.',
    NO_RELATIONSHIP:
      'e-RS sees no relationship between the sender and this referral. It may have moved to another service.',
    MISSING_VALUE: 'e-RS misses a value that it needs for this decision.',
    VALUE_IS_REQUIRED:
      'e-RS requires a value that was not given: a comment, or whether the appointment was cancelled in the PAS.',
    FIELD_NOT_PERMITTED:
      'e-RS does not take one of the values given: for a directly bookable service it cancels the appointment itself.',
    UNEXPECTED_FIELD: 'e-RS did not expect one of the values given.',
    INVALID_VALUE: 'e-RS does not take one of the values given: it is too long or of the wrong form.',
    INVALID_CODE: 'e-RS does not know one of the codes given.',
    INAPPROPRIATE_VALUE:
      'e-RS does not take one of the values given here: the reason may no longer be in force, or an attachment may not fit this referral.',
    REFERENCE_NOT_FOUND: 'e-RS cannot find the attachment that was to be added.',
    INVALID_STATE: 'The attachment was added to a referral before.',
    DUPLICATE_FILENAME: 'The referral already has an attachment of that name.',
    CONFLICTING_VALUES: 'Two of the values given contradict each other.',
    PRIORITY_NOT_CURRENT: 'A referral goes back to the referrer with the priority that it has.',
    UNSUPPORTED_PRIORITY: 'The service does not take this priority.',
    UNABLE_TO_CANCEL_APPOINTMENT: 'e-RS could not cancel the appointment.',
    INVALID_FHIR_STRUCTURE: 'e-RS could not read the request.',
    FILE_SIZE_ERROR: 'The attachment is empty or too large for e-RS.',
  }),
);

/** The same for an upload (A020), where some codes mean something else. */
const MEANING_OF_UPLOAD = new Map(
  Object.entries({
    MISSING_VALUE: 'e-RS misses the name of the attachment.',
    INVALID_VALUE: 'e-RS does not take the name of the attachment: it is too long or of the wrong form.',
    INAPPROPRIATE_VALUE: 'e-RS does not take attachments of this type.',
    CONFLICTING_VALUES: 'The name of the attachment does not fit its type.',
    FILE_SIZE_ERROR: 'The attachment is empty or too large for e-RS.',
  }),
);
/** Servers before e-RS refuse a file without a code of e-RS's. */
const UPLOAD_CODE_OF_STATUS = new Map([
  [413, 'FILE_SIZE_ERROR'],
  [415, 'INAPPROPRIATE_VALUE'],
]);

/** Every documented e-RS error code of an upload. */
export const ERS_UPLOAD_CODES: readonly string[] = [...MEANING_OF_UPLOAD.keys()];

/** Every documented e-RS error code of a decision call. */
export const ERS_ERROR_CODES: readonly string[] = [...MEANING.keys()];

/** The sentence for a code; e-RS's lists are open-ended, so an unknown one is named as it is. */
export const ersRefusalText = (ersCode: string | undefined): string =>
  `${MEANING.get(ersCode ?? '') ?? 'e-RS refused the decision.'} Nothing was recorded.`;

/** The sentence for an upload that e-RS refused: the decision was not sent without its attachment. */
export function uploadRefusalText({ ersCode, status }: ErsRefusal): string {
  const code = ersCode ?? UPLOAD_CODE_OF_STATUS.get(status ?? 0) ?? '';
  const meaning = MEANING_OF_UPLOAD.get(code) ?? MEANING.get(code) ?? 'e-RS refused the attachment.';
  return `${meaning} Nothing was recorded.`;
}
