/** What a mapping may notice; `server/core/codes.ts` says of each who acts. Never renamed or reused. */
export type MappingIssueCode =
  | 'REQUIRED_ELEMENT_MISSING' // G-1: the referral is quarantined
  | 'CODE_UNKNOWN' // G-6: fall-back used, source code kept
  | 'CODE_SYSTEM_UNKNOWN' // 1.0.1, last row
  | 'REQUEST_ID_MISSING' // M-2
  | 'NHS_NUMBER_CHECK_DIGIT' // M-40
  | 'STATE_MISSING' // M-16
  | 'REFERENCE_DANGLING' // M-12, M-24
  | 'VALUE_UNMAPPED' // G-2: kept in ers-unmapped
  | 'VALUE_INVALID' // a value that R4 cannot hold: kept in ers-unmapped
  | 'VERSION_DIFFERS'; // M-96

/** One finding, with the path of the source element that it came from; never a value, which could name a patient. */
export interface MappingIssue {
  readonly code: MappingIssueCode;
  readonly at: string;
}
