import { codeSystem } from './canonical.ts';

/** Code systems that we read or write. The NHS ones are the true namespace of their codes (G-3). */
export const CODE_SYSTEM = {
  reviewStatus: codeSystem('ers-review-status'),
  decision: codeSystem('ers-decision'),
  taskCode: codeSystem('ers-task-code'),
  taskParameter: codeSystem('ers-task-parameter'),
  decisionIssue: codeSystem('ers-decision-issue'),
  documentType: codeSystem('ers-document-type'),
  listCode: codeSystem('ers-list-code'),
  operation: codeSystem('ers-operation'),
  appointmentCancellationReason: codeSystem('ers-appointment-cancellation-reason'),
  referralCancellationReason: codeSystem('ers-referral-cancellation-reason'),
  appointmentNonAttendanceReason: codeSystem('ers-appointment-non-attendance-reason'),
  specialty: 'https://fhir.nhs.uk/CodeSystem/eRS-Specialty',
  clinicType: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ClinicType-1',
  priority: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-Priority-1',
  bookableType: 'https://fhir.nhs.uk/CodeSystem/eRS-BookableType',
  reviewOutcome: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewOutcome-1',
  reviewReason: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewReason-1',
  requestContextStatus: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-RequestContextStatus-1',
  referralType: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralType-1',
  referralState: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralState-1',
  listSelector: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralListSelector-1',
  availability: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-AvailabilityStatus-1',
  attachmentType: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-AttachmentType-1',
  apiErrorCode: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-APIErrorCode-1',
  messageCategory: 'https://fhir.nhs.uk/CodeSystem/message-category-servicerequest',
  requestPriority: 'http://hl7.org/fhir/request-priority',
  fhirTaskCode: 'http://hl7.org/fhir/CodeSystem/task-code',
  participationType: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType',
  snomed: 'http://snomed.info/sct',
} as const;

/** Profiles that e-RS puts on what it sends and expects on what it receives (STU3). */
export const ersProfile = (name: string): string => `https://fhir.nhs.uk/STU3/StructureDefinition/${name}`;

/** A UK Core profile's canonical. */
export const ukCoreProfile = (type: string): string => `https://fhir.hl7.org.uk/StructureDefinition/UKCore-${type}`;

/** The core extension that says why a value is missing; its own codes are DataAbsentReason's. */
export const DATA_ABSENT_REASON = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
