import type { CodeSystem, CodeSystemConcept, Coding } from './wire.ts';
import { codeSystem, profile, REFERENCE_DATA } from './wire.ts';

type Property = NonNullable<CodeSystemConcept['property']>[number];

/** type, usage, comment mandatory, roles, from, to. Source: provider-api 7.2. */
type AppointmentReason = [code: string, display: string, type: string, comment: boolean, from: string, to?: string];

const APPOINTMENT_REASONS: AppointmentReason[] = [
  [
    'ADDITIONAL_REQ_NOT_AVAILABLE',
    'Additional requirement not available',
    'PROVIDER',
    false,
    '2004-06-01',
    '2007-06-25',
  ],
  ['ADDITIONAL_REQ_NOT_ELIGIBLE', 'Not eligible for additional requirement', 'PROVIDER', false, '2004-06-01'],
  ['ADDITIONAL_REQ_NOT_PROVIDED', 'Additional req not provided at location', 'PROVIDER', false, '2004-06-01'],
  ['ADDITIONAL_REQ_UNAVAILABLE', 'Additional req unavailable for this appt', 'PROVIDER', false, '2004-06-01'],
  ['APPT_MADE_FOR_WRONG_PATIENT', 'Appt. made for wrong patient', 'UNKNOWN', false, '2004-06-13', '2014-10-01'],
  ['CLINIC_CANCELLED', 'Clinic cancelled', 'PROVIDER', false, '2004-06-01'],
  ['CLINIC_CANCELLED_ALTERNATIVE', 'Clinic cancelled', 'PROVIDER', false, '2004-06-01'],
  ['CLINIC_OVERRUN', 'Clinic overrun', 'PROVIDER', false, '2004-06-01'],
  ['CLINIC_OVERRUN_ALTERNATIVE', 'Clinic overrun', 'PROVIDER', false, '2004-06-01'],
  ['FURTHER_INFORMATION_REQUIRED', 'Further information required', 'PROVIDER_REJECT', false, '2004-06-01'],
  ['NOT_SPECIFIED', 'Not Specified', 'PROVIDER', false, '2000-06-01'],
  ['OTHER', 'Other reason', 'PROVIDER_REJECT', false, '2004-06-01'],
  ['OTHER_MIGRATION_FROM_CAB', 'Other', 'UNKNOWN', false, '2014-10-01', '2014-10-01'],
  ['OUTPATIENT_APPT_NOT_REQUIRED', 'Outpatient appointment not required', 'PROVIDER_REJECT', false, '2004-06-01'],
  ['PATIENT_APPOINTMENT_CANCELLATION_OTHER', 'Other', 'PATIENT', true, '2004-06-01'],
  [
    'PATIENT_APPOINTMENT_CLASH',
    'Patient - Clashes with another appointment',
    'UNKNOWN',
    false,
    '2004-06-01',
    '2007-06-01',
  ],
  ['PATIENT_HOLIDAY', 'Patient on holiday', 'PATIENT', false, '2004-06-01'],
  ['PATIENT_ILL', 'Patient is sick', 'PATIENT', false, '2004-06-01'],
  ['PATIENT_OTHER_ENGAGEMENT', 'Patient - Other more pressing engagement', 'PATIENT', true, '2004-06-01'],
  ['PRIORITY_CHANGE', 'Priority change for other reasons', 'PROVIDER', true, '2004-06-01'],
  ['PRIORITY_INAPPROPRIATE', 'Inappropriate priority', 'PROVIDER', true, '2004-06-01'],
  ['PROVIDER_CANCELLATION', 'Other - Provider cancellation', 'PROVIDER', true, '2004-06-01'],
  ['REDIRECTED_AGE', 'Redirected due to patient age', 'UNKNOWN', true, '2004-06-01'],
  ['REDIRECTED_APPROPRIATE_CLINIC', 'Redirected to more appropriate clinic', 'UNKNOWN', true, '2004-06-01'],
  ['REDIRECTED_APPROPRIATE_SPECIALTY', 'Redirected to more appropriate specialty', 'UNKNOWN', true, '2004-06-01'],
  ['REDIRECTED_CONFIDENTIALITY', 'Redirected due to confidentiality', 'UNKNOWN', true, '2004-06-01'],
  ['REDIRECTED_GENDER', 'Redirected due to patient gender', 'UNKNOWN', true, '2004-06-01'],
  ['REDIRECTED_OTHER', 'Redirected due to other reason', 'UNKNOWN', true, '2004-06-01'],
  ['REDIRECTED_PRIORITY', 'Redirected due to priority', 'UNKNOWN', true, '2004-06-01'],
  ['REDIRECTED_STAFF_VACATION', 'Redirected due to staff vacation', 'UNKNOWN', true, '2004-06-01'],
  ['REDIRECTED_TEMPORARILY', 'A Temporary Redirected Reason', 'UNKNOWN', false, '2004-06-01', '2014-10-01'],
  ['SERVICE_INAPPROPRIATE', 'Inappropriate service', 'PROVIDER_REJECT', false, '2004-06-01'],
  [
    'SERVICE_PREREQUISITES_NOT_COMPLETE',
    'Pre-requisites for service not complete',
    'PROVIDER_REJECT',
    false,
    '2004-06-01',
  ],
  ['SLOT_CANCELLED', 'Slot cancelled', 'PROVIDER', false, '2004-06-01'],
  ['SLOT_CANCELLED_ALTERNATIVE', 'Slot cancelled', 'PROVIDER', false, '2004-06-01'],
  ['WRONG_PROVIDER', 'Appt. made with wrong provider', 'UNKNOWN', false, '2004-02-13', '2004-06-13'],
  // No reason of the official sample needs a comment on rejection; this one lets the rule be seen at work.
  ['SIMULATOR_COMMENT_NEEDED', 'Simulator only: needs a comment', 'PROVIDER_REJECT', true, '2020-01-01'],
  ['SIMULATOR_NO_LONGER_IN_FORCE', 'Simulator only: ended', 'PROVIDER_REJECT', false, '2004-06-01', '2020-01-01'],
];

type Who = 'provider' | 'everyone' | 'referrer' | 'nobody';
type ReferralReason = [
  code: string,
  display: string,
  type: string,
  comment: boolean,
  cancels: boolean,
  who: Who,
  from: string,
];

/** Source: provider-api 7.3. */
const REFERRAL_REASONS: ReferralReason[] = [
  [
    'BOOKED_CLINICAL_NEED',
    'Booked more urgently due to clinical need',
    'PROVIDER_TRIAGE',
    true,
    false,
    'provider',
    '2019-07-23',
  ],
  [
    'BOOKED_OUTSIDE_CAB',
    'Patient booked outside NHS e-Referral Service',
    'PROVIDER',
    false,
    true,
    'provider',
    '2007-09-14',
  ],
  [
    'COMMUNITY_SERVICE_NA',
    'Sent to community service not available in this system',
    'PROVIDER_TRIAGE',
    true,
    false,
    'provider',
    '2019-07-23',
  ],
  [
    'COMPLEX_PATHWAY',
    'Complex pathway, multiple appointments needed',
    'PROVIDER_TRIAGE',
    true,
    false,
    'provider',
    '2019-07-23',
  ],
  ['INTEND_PRIVATE', 'Patient will go to a private clinic', 'PATIENT', false, true, 'everyone', '2004-06-01'],
  ['NO_LONGER_REQUIRED', 'Referral is no longer required', 'PROVIDER_TRIAGE', true, false, 'provider', '2019-07-23'],
  ['OTHER_OTHER', 'Other reason', 'PROVIDER_TRIAGE', true, false, 'provider', '2019-07-23'],
  [
    'OUTPATIENT_CLINICIAN_NA',
    'Sent to outpatient service as named clinician is not available in this system',
    'PROVIDER_TRIAGE',
    true,
    false,
    'provider',
    '2019-07-23',
  ],
  [
    'OUTPATIENT_SERVICE_NA',
    'Sent to outpatient service not available in this system',
    'PROVIDER_TRIAGE',
    true,
    false,
    'provider',
    '2019-07-23',
  ],
  ['PATIENT_DIED', 'Patient died', 'PATIENT', false, true, 'everyone', '2004-06-01'],
  ['PATIENT_REQUEST_CANCELLATION_OTHER', 'Other', 'PATIENT', true, true, 'everyone', '2004-06-01'],
  ['RAISED_IN_ERROR', 'Referral created by mistake', 'UNKNOWN', false, true, 'referrer', '2007-09-14'],
  ['REFERRER_CANCELLATION', 'Other - Referrer request cancellation', 'UNKNOWN', false, true, 'referrer', '2007-09-14'],
  ['STRAIGHT_TO_TEST', 'Sent straight to test / procedure', 'PROVIDER_TRIAGE', true, false, 'provider', '2019-07-23'],
  ['TREATMENT_NO_LONGER_REQUIRED', 'Referral no longer needed', 'PATIENT', false, true, 'everyone', '2004-06-01'],
  ['TRIAGE_ENDED', 'Triage Ended', 'PROVIDER_TRIAGE', false, false, 'provider', '2019-07-23'],
  ['PATIENT_APPOINTMENT_CANCELLATION_OTHER', 'Other', 'PATIENT', false, true, 'nobody', '2004-06-01'],
  ['PROVIDER_CANCELLATION', 'Other - Provider Cancellation', 'UNKNOWN', false, true, 'nobody', '2004-06-01'],
];

const PROVIDERS = ['SERVICE_PROVIDER_CLINICIAN', 'SERVICE_PROVIDER_CLINICIAN_ADMIN'];
const REFERRERS = ['REFERRING_CLINICIAN', 'REFERRING_CLINICIAN_ADMIN'];
const ROLES: Record<Who, string[]> = {
  provider: [...PROVIDERS, 'PROVIDER_AUTHORISED_APPLICATION'],
  everyone: [...REFERRERS, ...PROVIDERS, 'PROVIDER_AUTHORISED_APPLICATION'],
  referrer: REFERRERS,
  nobody: [],
};

const NON_ATTENDANCE: [string, string, string?][] = [
  ['CANCELLED_TOO_LATE', 'Cancelled too late'],
  ['ARRIVED_TOO_LATE', 'Patient arrived too late to be seen'],
  ['PATIENT_FORGOT', 'Patient forgot about appointment'],
  ['PATIENT_DIED', 'Patient died'],
  ['PATIENT_ILL', 'Patient ill'],
  ['UNKNOWN', 'Reason not known'],
  ['NOT_SPECIFIED', 'Not specified'],
  ['OTHER_MIGRATION_FROM_CAB', 'Other (Migration from CAB)', '2012-01-31'],
];

/** The official sample plus what official examples use beyond it. Source: provider-api 7.5. */
export const SPECIALTIES: [string, string, string?][] = [
  ['ADULT_MENTAL_ILLNESS', 'Adult Mental Illness', '2008-05-09'],
  ['ALLERGY', 'Allergy'],
  ['AUDIOLOGICAL_MEDICINE', 'Audiological Medicine', '2008-05-09'],
  ['BONE_AND_MARROW_TRANSPLANTATION', 'Bone and Marrow Transplantation', '2008-05-09'],
  ['CARDIOLOGY', 'Cardiology'],
  ['UROLOGY', 'Urology'],
  ['DERMATOLOGY', 'Dermatology'],
  ['2WW', '2WW'],
];
const CLINIC_TYPES: [string, string, string, string?][] = [
  ['GENERAL_ADULT_MENTAL_ILLNESS', 'General Adult Mental Illness', 'ADULT_MENTAL_ILLNESS', '2008-05-09'],
  ['ALLERGY_1', 'Allergy', 'ALLERGY'],
  ['FOOD_AND_DRUG_ALLERGY', 'Food and Drug Allergy', 'ALLERGY', '2009-03-14'],
  [
    'GENERAL_PAEDIATRIC_AUDIOLOGICAL_MEDICINE',
    'General Paediatric Audiological Medicine',
    'AUDIOLOGICAL_MEDICINE',
    '2007-11-16',
  ],
  ['GENERAL_ADULT_AUDIOLOGICAL_MEDICINE', 'General Adult Audiological Medicine', 'AUDIOLOGICAL_MEDICINE', '2008-05-09'],
  ['GENERAL_AUDIOLOGICAL_MEDICINE', 'General Audiological Medicine', 'AUDIOLOGICAL_MEDICINE', '2008-05-09'],
  [
    'GENERAL_BONE_AND_MARROW_TRANSPLANTATION',
    'General Bone and Marrow Transplantation',
    'BONE_AND_MARROW_TRANSPLANTATION',
    '2008-05-09',
  ],
  ['HEART_FAILURE', 'Heart Failure', 'CARDIOLOGY'],
  ['LIPID_MANAGEMENT', 'Lipid Management', 'CARDIOLOGY'],
  ['GENERAL_UROLOGY', 'General Urology', 'UROLOGY'],
  ['GENERAL_DERMATOLOGY', 'General Dermatology', 'DERMATOLOGY'],
  ['2WW_BONE', '2WW Bone', '2WW'],
];
/** Working days until the patient must be contacted: deferred, triage. Source: provider-api 7.6. */
const PRIORITY_DAYS: [string, string, number, number][] = [
  ['ROUTINE', 'Routine', 40, 40],
  ['URGENT', 'urgent', 10, 5],
  ['TWO_WEEK_WAIT', 'Two Week Wait', 5, 2],
];

const instant = (date: string): string => `${date}T00:00:00.000Z`;
const inForce = (from: string, to?: string): Property[] => [
  { code: 'effectiveFrom', valueDateTime: instant(from) },
  ...(to ? [{ code: 'effectiveTo', valueDateTime: instant(to) }] : []),
];
const coded = (code: string, system: string, value: string): Property => ({
  code,
  valueCoding: { system: codeSystem(system), code: value },
});
const roles = (codes: string[]): Property[] =>
  codes.map((role) => coded('businessFunction', 'eRS-BusinessFunction-1', role));

function appointmentReason([code, display, type, comment, from, to]: AppointmentReason): CodeSystemConcept {
  const isReject = type === 'PROVIDER_REJECT';
  const isPatient = type === 'PATIENT';
  return {
    code,
    display,
    property: [
      ...inForce(from, to),
      coded('appointmentBookingCancellationReasonType', 'eRS-AppointmentBookingCancellationReasonType-1', type),
      ...(isReject || isPatient
        ? [coded('usage', 'eRS-AppointmentCancellationReasonUsage-1', isReject ? 'REJECT' : 'CANCEL')]
        : []),
      { code: 'willCancelWholeRequest', valueBoolean: false },
      { code: 'commentIsMandatory', valueBoolean: comment },
      ...roles(isReject ? PROVIDERS : isPatient ? REFERRERS : []),
    ],
  };
}

const referralReason = ([code, display, type, comment, cancels, who, from]: ReferralReason): CodeSystemConcept => ({
  code,
  display,
  property: [
    ...inForce(from),
    coded('appointmentRequestCancellationReasonType', 'eRS-AppointmentRequestCancellationReasonType-1', type),
    { code: 'commentIsMandatory', valueBoolean: comment },
    { code: 'canCancelAppointment', valueBoolean: cancels },
    ...(who === 'nobody'
      ? []
      : [coded('referrerUsage', 'eRS-ReferralRequestCancellationReasonUsage-1', 'CANCEL_REFERRAL')]),
    ...roles(ROLES[who]),
  ],
});

const specialty = ([code, display, to]: [string, string, string?]): CodeSystemConcept => ({
  code,
  display,
  extension: [
    { url: profile('Extension-eRS-EffectivefromDate-1'), valueDate: '2004-06-01' },
    ...(to ? [{ url: profile('Extension-eRS-EffectivetoDate-1'), valueDate: to }] : []),
  ],
  property: inForce('2004-06-01', to),
});

const PROPERTY_TYPES: Record<string, string> = {
  effectiveFrom: 'dateTime',
  effectiveTo: 'dateTime',
  willCancelWholeRequest: 'boolean',
  commentIsMandatory: 'boolean',
  canCancelAppointment: 'boolean',
  deferToProviderContactDays: 'integer',
  triageContactDays: 'integer',
};

const NAMES: Record<string, string> = {
  'APPOINTMENT-CANCELLATION-REASON': 'e-RS Appointment Cancellation Reason',
  'REFERRAL-CANCELLATION-REASON': 'e-RS ReferralRequest Cancellation Reason',
  'APPOINTMENT-NON-ATTENDANCE-REASON': 'e-RS Appointment Non-attendance Reason',
  SPECIALTY: 'e-RS Specialty',
  'CLINIC-TYPE': 'e-RS Clinic Type',
  PRIORITY: 'e-RS Priority',
};

function makeCodeSystem(id: string, concept: CodeSystemConcept[]): CodeSystem & Record<string, unknown> {
  const used = [...new Set(concept.flatMap(({ property = [] }) => property.map(({ code }) => code)))];
  const isSpecialty = id === 'SPECIALTY';
  return {
    resourceType: 'CodeSystem',
    id,
    meta: {
      profile: [
        isSpecialty
          ? profile('eRS-Specialty-CodeSystem-1')
          : 'http://hl7.org/fhir/StructureDefinition/shareablecodesystem',
      ],
    },
    url: `${REFERENCE_DATA}${id}`,
    version: '1',
    name: NAMES[id],
    status: 'active',
    experimental: false,
    date: '2024-01-01T00:00:00.000Z',
    publisher: 'e-Referral Service',
    description: NAMES[id],
    content: 'complete',
    caseSensitive: true,
    property: used.map((code) => ({
      code,
      uri: `${codeSystem('eRS-Concept-Properties-1')}#${code}`,
      type: PROPERTY_TYPES[code] ?? 'Coding',
    })),
    concept,
  };
}

/** The reference data that A004 serves, by type: the official sample, extended. Source: provider-api 7. */
export function makeReferenceData(): Map<string, CodeSystem> {
  const systems = [
    makeCodeSystem('APPOINTMENT-CANCELLATION-REASON', APPOINTMENT_REASONS.map(appointmentReason)),
    makeCodeSystem('REFERRAL-CANCELLATION-REASON', REFERRAL_REASONS.map(referralReason)),
    makeCodeSystem(
      'APPOINTMENT-NON-ATTENDANCE-REASON',
      NON_ATTENDANCE.map(([code, display, to]) => ({ code, display, property: inForce('2004-06-01', to) })),
    ),
    makeCodeSystem('SPECIALTY', SPECIALTIES.map(specialty)),
    makeCodeSystem(
      'CLINIC-TYPE',
      CLINIC_TYPES.map(([code, display, parent, to]) => ({
        code,
        display,
        property: [
          ...inForce('2004-06-01', to),
          { code: 'specialty', valueCoding: { system: `${REFERENCE_DATA}SPECIALTY`, code: parent } },
        ],
      })),
    ),
    makeCodeSystem(
      'PRIORITY',
      PRIORITY_DAYS.map(([code, display, deferred, triage]) => ({
        code,
        display,
        property: [
          ...inForce('2004-06-01'),
          { code: 'deferToProviderContactDays', valueInteger: deferred },
          { code: 'triageContactDays', valueInteger: triage },
        ],
      })),
    ),
  ];
  return new Map(systems.map((system) => [system.id, system]));
}

/** A concept with its properties at hand. */
export interface Reason {
  coding: Coding;
  type: string | undefined;
  usage: string | undefined;
  isCommentMandatory: boolean;
  canCancelAppointment: boolean;
  roles: string[];
}

/** Finds a reason that is in force at a moment: from ≤ now, and no end or an end after now. Source: provider-api 7.1. */
export function findReason(
  system: CodeSystem | undefined,
  code: string | undefined,
  now: Date,
): Reason | 'ended' | undefined {
  const concept = system?.concept?.find((each) => each.code === code);
  if (!system || !concept) return undefined;
  const properties = concept.property ?? [];
  const property = (name: string): Property | undefined => properties.find((each) => each.code === name);
  const from = property('effectiveFrom')?.valueDateTime;
  const to = property('effectiveTo')?.valueDateTime;
  if ((from && new Date(from) > now) || (to && new Date(to) <= now)) return 'ended';
  return {
    coding: {
      system: system.url,
      code: concept.code,
      ...(concept.display !== undefined && { display: concept.display }),
    },
    type: properties.find((each) => each.code.endsWith('ReasonType'))?.valueCoding?.code,
    usage: (property('referrerUsage') ?? property('usage'))?.valueCoding?.code,
    isCommentMandatory: property('commentIsMandatory')?.valueBoolean ?? false,
    canCancelAppointment: property('canCancelAppointment')?.valueBoolean ?? false,
    roles: properties.filter((each) => each.code === 'businessFunction').map((each) => each.valueCoding?.code ?? ''),
  };
}
