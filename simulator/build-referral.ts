import type { Priority } from './referral-document.ts';
import { PRIORITIES, setState } from './referral-document.ts';
import type {
  Appointment,
  Coding,
  Contained,
  DocumentReference,
  Extension,
  Participant,
  ReferralRequest,
} from './wire.ts';
import { codeSystem, profile, REFERENCE_DATA, SYSTEM } from './wire.ts';
import type { Service, StoredFile } from './world.ts';

export type ReferralKind = 'booked-direct' | 'booked-indirect' | 'triage' | 'slot-issue';

/** What a referrer decides, and the ids that e-RS gives. */
export interface ReferralPlan {
  ubrn: string;
  requestId: string;
  kind: ReferralKind;
  version: number;
  service: Service;
  alsoShortlisted: Service[];
  nhsNumber: string;
  clinician: string;
  referringOrganisation: string;
  priority: Priority;
  specialty: string;
  clinicType: string;
  createdAt: Date;
  appointmentId: string;
  appointmentStart: Date;
  slotIssue?: 'NO_SLOTS_AT_SERVICE' | 'SLOT_NOT_AVAILABLE' | 'BOOKING_ATTEMPT_PROBLEM';
  clinicalInformationAt?: Date;
  files: { id: string; file: StoredFile; description?: string }[];
  relatedTo: string[];
  requirements: ('ADVOCACY' | 'INTERPRETER' | 'TRANSPORT')[];
}

/**
 * Builds what A005 answers for a new referral.
 * Source: provider-api 5.1 to 5.7
 */
export function buildReferral(plan: ReferralPlan): ReferralRequest {
  const referral: ReferralRequest = {
    id: plan.ubrn,
    meta: { versionId: String(plan.version), profile: [profile('eRS-ReferralRequest-1')] },
    resourceType: 'ReferralRequest',
    extension: extensionsOf(plan),
    contained: [
      searchCriteria(plan),
      shortlist(plan),
      appointment(plan),
      ...plan.files.map((each) => attachmentDocument(each, plan)),
    ],
    status: 'active',
    specialty: {
      coding: [{ system: `${REFERENCE_DATA}SPECIALTY`, code: plan.specialty, display: titleCase(plan.specialty) }],
    },
    subject: { identifier: { system: SYSTEM.nhsNumber, value: plan.nhsNumber } },
    supportingInfo: [
      ...plan.files.map(({ id }) => ({ reference: `#DocumentReference-${id}` })),
      ...plan.relatedTo.map((ubrn) => ({ reference: `ReferralRequest/${ubrn}` })),
    ],
    intent: 'plan',
    identifier: [{ system: SYSTEM.request, value: `r.${plan.requestId}` }],
  };
  const reason = reasonOf(plan);
  if (plan.kind === 'triage') setState(referral, 'AWAITING_TRIAGE', reason);
  else if (plan.kind === 'slot-issue') setState(referral, 'DEFERRED_TO_PROVIDER', reason);
  else setState(referral, 'BOOKED');
  return referral;
}

const titleCase = (code: string): string => code.charAt(0) + code.slice(1).toLowerCase().replaceAll('_', ' ');

function reasonOf(plan: ReferralPlan): Coding | undefined {
  const system = codeSystem('eRS-ReviewReason-1');
  if (plan.kind === 'triage') return { system, code: 'TRIAGE', display: 'Triage' };
  if (plan.kind === 'slot-issue') return { system, code: plan.slotIssue ?? 'NO_SLOTS_AT_SERVICE' };
  return undefined;
}

function extensionsOf(plan: ReferralPlan): Extension[] {
  const priority = {
    system: codeSystem('eRS-Priority-1'),
    code: plan.priority,
    display: PRIORITIES[plan.priority],
  };
  const extensions: Extension[] = [
    { url: profile('Extension-eRS-Appointment-1'), valueReference: { reference: '#appointment' } },
    {
      url: profile('Extension-eRS-Appointment-Reference-1'),
      valueReference: { reference: `Appointment/${plan.appointmentId}` },
    },
    { url: profile('Extension-eRS-eReferralPathwayStart-1'), valueInstant: plan.createdAt.toISOString() },
    { url: profile('Extension-eRS-ReferralPriority-1'), valueCodeableConcept: { coding: [priority] } },
    { url: profile('Extension-eRS-ReferralShortlist-1'), valueReference: { reference: '#shortlist' } },
    {
      url: profile('Extension-eRS-Commissioning-Rule-Org-1'),
      valueIdentifier: { system: SYSTEM.ods, value: plan.referringOrganisation },
    },
  ];
  const clinicalInformationAt = plan.clinicalInformationAt?.toISOString();
  if (clinicalInformationAt)
    for (const name of ['ClinicalInfoFirstSubmitted', 'ClinicalInfoLastUpdated'])
      extensions.push({ url: profile(`Extension-eRS-${name}-1`), valueDateTime: clinicalInformationAt });
  for (const code of plan.requirements) {
    const valueCoding = { system: codeSystem('eRS-AdditionalRequirementType-1'), code, display: titleCase(code) };
    extensions.push({ url: profile('Extension-eRS-PatientAdditionalRequirement-1'), valueCoding });
  }
  return extensions;
}

function searchCriteria(plan: ReferralPlan): Contained {
  return {
    id: 'serviceSearchCriteria',
    meta: { profile: [profile('eRS-ServiceSearchCriteria-Parameters-1')] },
    resourceType: 'Parameters',
    parameter: [
      { name: 'priority', valueCoding: { system: codeSystem('eRS-Priority-1'), code: plan.priority } },
      { name: 'specialty', valueCoding: { system: `${REFERENCE_DATA}SPECIALTY`, code: plan.specialty } },
      { name: 'clinicType', valueCoding: { system: codeSystem('eRS-ClinicType-1'), code: plan.clinicType } },
      { name: 'postcode', valueString: 'ZZ99 3CZ' },
      { name: 'distanceLimit', valueUnsignedInt: 25 },
      { name: 'ageAndGenderAppropriate', valueBoolean: true },
    ],
  };
}

function shortlist(plan: ReferralPlan): Contained {
  return {
    id: 'shortlist',
    meta: { profile: [profile('eRS-Shortlist-List-1')] },
    resourceType: 'List',
    extension: [
      {
        url: profile('Extension-eRS-Shortlist-SearchCriteria-1'),
        valueReference: { reference: '#serviceSearchCriteria' },
      },
    ],
    status: 'current',
    mode: 'snapshot',
    entry: [plan.service, ...plan.alsoShortlisted].map(({ id, name }) => ({
      item: { identifier: { system: SYSTEM.service, value: id }, display: name },
    })),
  };
}

function appointment(plan: ReferralPlan): Appointment {
  const isBooked = plan.kind === 'booked-direct' || plan.kind === 'booked-indirect';
  const isDirect = plan.kind === 'booked-direct';
  const start = plan.appointmentStart;
  const reason = reasonOf(plan);
  const clinician: Participant = {
    type: { coding: [{ system: 'http://hl7.org/fhir/ValueSet/encounter-participant-type', code: 'CON' }] },
    actor: { identifier: { system: SYSTEM.sdsUser, value: plan.clinician } },
    status: 'accepted',
  };
  return {
    id: 'appointment',
    meta: {
      versionId: isBooked ? '0' : '1',
      profile: [
        profile('eRS-Appointment-1'),
        'https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Appointment-1',
      ],
    },
    language: 'en',
    resourceType: 'Appointment',
    status: isBooked ? 'booked' : 'proposed',
    ...(reason && { reason: [{ coding: [reason] }] }),
    description: 'e-Referral Appointment',
    ...(isBooked && {
      start: start.toISOString(),
      end: new Date(start.getTime() + (isDirect ? 15 * 60_000 : 0)).toISOString(),
    }),
    ...(isDirect && { slot: [{ reference: `Slot/${plan.service.id}${plan.appointmentId}` }] }),
    created: plan.createdAt.toISOString(),
    incomingReferral: [{ reference: `ReferralRequest/${plan.ubrn}/_history/${plan.version}` }],
    participant: [
      {
        actor: { identifier: { system: SYSTEM.service, value: plan.service.id }, display: plan.service.name },
        status: 'accepted',
      },
      { actor: { identifier: { system: SYSTEM.nhsNumber, value: plan.nhsNumber } }, status: 'accepted' },
      ...(isDirect ? [clinician] : []),
    ],
  };
}

/** An attachment as A005 shows it. Source: provider-api 5.7. */
export function attachmentDocument(
  { id, file, description }: { id: string; file: StoredFile; description?: string },
  by: { clinician: string; referringOrganisation: string; createdAt: Date; type?: 'REFERRER' | 'PROVIDER' },
): DocumentReference {
  const type = by.type ?? 'REFERRER';
  return {
    id: `DocumentReference-${id}`,
    meta: { profile: [profile('eRS-DocumentReference-1')] },
    resourceType: 'DocumentReference',
    type: { coding: [{ system: codeSystem('eRS-AttachmentType-1'), code: type, display: titleCase(type) }] },
    status: 'current',
    indexed: by.createdAt.toISOString(),
    ...(description !== undefined && { description }),
    content: [
      {
        attachment: {
          id,
          extension: [
            {
              url: profile('Extension-eRS-AvailabilityStatus-1'),
              valueCoding: { system: codeSystem('eRS-AvailabilityStatus-1'), code: file.availability },
            },
            {
              url: profile('Extension-eRS-AttachedBy-1'),
              valueReference: { identifier: { system: SYSTEM.sdsUser, value: by.clinician } },
            },
            {
              url: profile('Extension-eRS-AttachedByOrganisation-1'),
              valueReference: { identifier: { system: SYSTEM.ods, value: by.referringOrganisation } },
            },
          ],
          contentType: file.contentType,
          url: `Binary/${file.binaryId}`,
          size: file.size,
          title: file.title,
          creation: by.createdAt.toISOString().slice(0, 10),
        },
      },
    ],
  };
}
