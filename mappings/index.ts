export { CANONICAL_BASE, codeSystem, identifierSystem, MAPPING_VERSION, structureDefinition } from './canonical.ts';
export { canonicalJson, isSameJson, sortedJson } from './canonical-json.ts';
export type { Extensible } from './elements.ts';
export {
  codeOf,
  concept,
  ersExtension,
  ersVersionOf,
  extensionOf,
  identifier,
  identifierOf,
  withExtension,
  withoutExtension,
} from './elements.ts';
export { asciiFileName, fileNameOf, headerText } from './file-name.ts';
export type { IdSpace, NhsNumber, OdsCode, Ubrn } from './ids.ts';
export {
  hasValidCheckDigit,
  ID_NAMESPACE,
  idSpace,
  logicalId,
  parseNhsNumber,
  parseOdsCode,
  parseUbrn,
  SYSTEM,
  uuidV5,
} from './ids.ts';
export type { LeafAccount, SourceKind } from './inbound/accounting.ts';
export { accountForLeaves } from './inbound/accounting.ts';
export type { ClinicalSummary } from './inbound/clinical-summary.ts';
export { clinicalSummaryDocument } from './inbound/clinical-summary.ts';
export type { StoredFile } from './inbound/document.ts';
export { availabilityOf, withAvailability, withBinary } from './inbound/document.ts';
export type { ReferralOptions } from './inbound/parts.ts';
export type { RejectionReason } from './inbound/reference-data.ts';
export { environmentSystemOf, mapReferenceData, rejectionReasons } from './inbound/reference-data.ts';
export { mapCancelAnswer, mapReferral } from './inbound/referral.ts';
export { buildReviewTask } from './inbound/review-task.ts';
export type { Unmapped } from './inbound/unmapped.ts';
export { unmappedOf } from './inbound/unmapped.ts';
export { mapWorklist } from './inbound/worklist.ts';
export type { MappingIssue, MappingIssueCode } from './issues.ts';
export type { BusinessKey } from './keys.ts';
export {
  appointmentKey,
  attachmentBinaryKey,
  clinicalSummaryBinaryId,
  deviceKey,
  documentKey,
  idOf,
  organisationKey,
  parseTaskKey,
  patientKey,
  practitionerKey,
  referenceTo,
  requestIdWithoutOne,
  requestKey,
  serviceKey,
  shortlistKey,
  summaryBinaryKey,
  summaryKey,
  taskKey,
} from './keys.ts';
export type * from './model.ts';
export type { AttachedFile } from './outbound/decision-attachment.ts';
export { attachedFile, decisionAttachment, freshFileName } from './outbound/decision-attachment.ts';
export type { DecisionEnvironment, DecisionRequest } from './outbound/decision-request.ts';
export { buildDecisionRequest } from './outbound/decision-request.ts';
export {
  appointmentKeyOf,
  ERS_NAME,
  ersDeviceReference,
  organisationReference,
  patientReference,
  practitionerReference,
  referralReference,
  serviceReference,
  shortlistReference,
} from './references.ts';
export { CODE_SYSTEM, DATA_ABSENT_REASON, ersProfile, ukCoreProfile } from './systems.ts';
export { AVAILABILITY } from './tables/availability.ts';
export { normaliseSystem, referenceDataOf } from './tables/code-systems.ts';
export { isNameOfType, UPLOAD_LIMITS, UPLOADABLE_TYPES } from './tables/file-types.ts';
export { DECISION_OPERATION, OPERATION_PATH, REVIEW_OUTCOME } from './tables/operations.ts';
export type { RequestPriority } from './tables/priority.ts';
export { mapPriority, PRIORITY, toErsPriority } from './tables/priority.ts';
export { REFERRAL_STATE, readState } from './tables/referral-state.ts';
export { REFERRAL_STATUS } from './tables/referral-status.ts';
export type { ClientOutputCode, EngineOutputCode, InputCode } from './task-parameters.ts';
export {
  availableDecisionsOf,
  codingOf,
  DECISION_CODES,
  decisionOf,
  decisionValue,
  FINAL_STATUSES,
  IN_FLIGHT_STATUSES,
  inputOf,
  inputsOf,
  isFinal,
  isInFlight,
  isOpen,
  makeInput,
  makeOutput,
  OPEN_STATUSES,
  outputCodeOf,
  outputsOf,
  reviewStatusOf,
  TASK_CODES,
  taskCodeOf,
  withReviewStatus,
} from './task-parameters.ts';
