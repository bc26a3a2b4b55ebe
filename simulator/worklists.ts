import {
  appointmentOf,
  appointmentServiceOf,
  extensionOf,
  participantOf,
  priorityOf,
  stateOf,
  versionOf,
} from './referral-document.ts';
import type { CodeableConcept, Coding, Extension, List, Reference, ReferralRequest } from './wire.ts';
import { codeSystem, profile, REFERENCE_DATA, SYSTEM } from './wire.ts';
import type { ListCode, Referral, World } from './world.ts';
import { isOtherwise } from './world.ts';

/** How the list's name is written in the url of an item's extension. */
const LIST_NAMES: Record<ListCode, string> = {
  REFERRALS_FOR_REVIEW: 'ReferralsforReview',
  APPOINTMENT_SLOT_ISSUES: 'AppointmentSlotIssues',
};

/**
 * Which lists of the provider show a referral now; lists are derived, never stored.
 * Source: provider-api 4.2, 6.3 T2 to T10
 */
export function listsOf(referral: Referral): ListCode[] {
  const { state } = stateOf(referral.resource);
  if (referral.isHidden || appointmentServiceOf(referral.resource) === undefined) return [];
  if (state === 'DEFERRED_TO_PROVIDER')
    return referral.isOnBothLists ? ['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES'] : ['APPOINTMENT_SLOT_ISSUES'];
  const isReviewable = state === 'BOOKED' || state === 'AWAITING_TRIAGE';
  const waits = referral.review === 'awaiting' && referral.clinicalInformation === 'present';
  return isReviewable && waits ? ['REFERRALS_FOR_REVIEW'] : [];
}

const concept = (system: string, code: string, display?: string): CodeableConcept => ({
  coding: [{ system, code, ...(display !== undefined && { display }) }],
});

/** Builds the answer of A008 from the referrals that passed its filters. Source: provider-api 4.3, 4.4. */
export function buildWorklist(world: World, list: ListCode, referrals: Referral[]): List {
  const contained = new Map<string, unknown>();
  const isReview = list === 'REFERRALS_FOR_REVIEW';
  const entry = referrals.map((referral) => {
    const fields = isReview ? reviewFields(referral, contained) : slotIssueFields(world, referral);
    const lent = (referral.lent[list] ?? []).filter(({ url }) => !fields.some((field) => field.url === url));
    const isOpen = world.openQuestions.answers === 'by-seed';
    const isOdd = referral.isListedOtherwise || (isOpen && versionOf(referral.resource) % 2 === 1);
    const written = isOdd ? 'Worklist' : 'WorkList';
    return {
      extension: [
        {
          extension: [...fields, ...lent],
          url: profile(`Extension-eRS-${LIST_NAMES[list]}-${written}Item-1`),
        },
      ],
      item: { reference: `ReferralRequest/${referral.resource.id}` },
    };
  });
  return {
    meta: { profile: [profile('eRS-FetchWorklist-List-1')] },
    resourceType: 'List',
    ...(isReview && { contained: [...contained.values()] }),
    status: 'current',
    mode: 'snapshot',
    // What nothing looks like is not known: no entries, or no `entry` [I]
    ...((entry.length > 0 || !isOtherwise(world, `an empty ${list} has no entry`)) && { entry }),
  };
}

/** Fields that both lists have; e-RS writes the patient differently on each. */
function sharedFields(referral: Referral, patient: Reference): Extension[] {
  const { resource } = referral;
  // The list has a specialty even where the referral itself lacks one: the referrer searched by it.
  const specialty = resource.specialty?.coding?.[0] ?? searchedSpecialty(resource);
  const pathwayStart = extensionOf(resource, 'Extension-eRS-eReferralPathwayStart-1');
  return [
    { url: 'priority', valueCodeableConcept: concept(codeSystem('eRS-Priority-1'), priorityOf(resource)) },
    {
      url: 'specialty',
      valueCodeableConcept: concept(specialty?.system ?? `${REFERENCE_DATA}SPECIALTY`, specialty?.code ?? 'CARDIOLOGY'),
    },
    { url: 'patient', valueReference: patient },
    {
      url: 'eReferralPathwayStart',
      valueDateTime: pathwayStart?.valueInstant ?? pathwayStart?.valueDateTime ?? referral.receivedAt,
    },
    { url: 'clinicalInfoPrinted', valueBoolean: referral.clinicalInformationPrinted },
  ];
}

const searchedSpecialty = (resource: ReferralRequest): Coding | undefined =>
  resource.contained
    ?.filter((each) => each.resourceType === 'Parameters')
    .flatMap((each) => each.parameter ?? [])
    .find(({ name }) => name === 'specialty')?.valueCoding;

function serviceField(referral: Referral): Extension {
  const { value, display } = participantOf(referral.resource, SYSTEM.service);
  return {
    url: 'service',
    valueReference: {
      identifier: { system: SYSTEM.service, value: value ?? '' },
      ...(display !== undefined && { display }),
    },
  };
}

function reviewFields(referral: Referral, contained: Map<string, unknown>): Extension[] {
  const { resource } = referral;
  const patient = contain(contained, 'Patient', SYSTEM.nhsNumber, resource.subject?.identifier?.value ?? '');
  const clinician = participantOf(resource, SYSTEM.sdsUser).value;
  const isAppointment = stateOf(resource).state === 'BOOKED';
  const start = appointmentOf(resource)?.start;
  const fields = sharedFields(referral, patient);
  if (clinician !== undefined)
    fields.push({
      url: 'allocatedClinician',
      valueReference: contain(contained, 'Practitioner', SYSTEM.sdsUser, clinician),
    });
  const status = referral.contextStatus;
  const display = status
    .toLowerCase()
    .replaceAll('_', ' ')
    .replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
  fields.push({
    url: 'requestContextStatus',
    valueCodeableConcept: concept(codeSystem('eRS-RequestContextStatus-1'), status, display),
  });
  for (const which of ['FirstSubmitted', 'LastUpdated']) {
    const at = extensionOf(resource, `Extension-eRS-ClinicalInfo${which}-1`)?.valueDateTime;
    if (at !== undefined) fields.push({ url: `clinicalInfo${which}`, valueDateTime: at });
  }
  if (isAppointment && start !== undefined) fields.push({ url: 'appointmentStart', valueDateTime: start });
  fields.push(
    {
      url: 'referralType',
      valueCodeableConcept: concept(
        codeSystem('eRS-ReferralType-1'),
        isAppointment ? 'APPOINTMENT' : 'TRIAGE_DEFERRAL',
      ),
    },
    serviceField(referral),
    { url: 'referralRequestVersion', valueInteger: versionOf(resource) },
  );
  // Lent references point into the worklist file that lent them, so what they point at comes along.
  for (const { valueReference } of referral.lent.REFERRALS_FOR_REVIEW ?? []) {
    const id = /^#Practitioner-(.+)$/.exec(valueReference?.reference ?? '')?.[1];
    if (id !== undefined) contain(contained, 'Practitioner', SYSTEM.sdsUser, id);
  }
  return fields;
}

function slotIssueFields(world: World, referral: Referral): Extension[] {
  const { resource } = referral;
  const patient = { identifier: { system: SYSTEM.nhsNumber, value: resource.subject?.identifier?.value ?? '' } };
  const clinician = participantOf(resource, SYSTEM.sdsUser).value;
  const reason = stateOf(resource).reason;
  const received = appointmentOf(resource)?.created ?? referral.receivedAt;
  const presence = referral.clinicalInformation === 'present' ? 'PRESENT' : 'NOT_DUE';
  return [
    ...sharedFields(referral, patient),
    ...(clinician === undefined
      ? []
      : [{ url: 'namedClinician', valueReference: { identifier: { system: SYSTEM.sdsUser, value: clinician } } }]),
    { url: 'ubrnReceived', valueDateTime: received },
    { url: 'patientContactExpected', valueDate: contactExpected(world, priorityOf(resource), new Date(received)) },
    {
      url: 'clinicalInformationStatus',
      valueCodeableConcept: concept(codeSystem('eRS-ClinicalInformationStatus-1'), presence),
    },
    ...(reason?.code === undefined
      ? []
      : [{ url: 'reason', valueCodeableConcept: concept(codeSystem('eRS-ReviewReason-1'), reason.code) }]),
    serviceField(referral),
  ];
}

function contain(
  contained: Map<string, unknown>,
  type: 'Patient' | 'Practitioner',
  system: string,
  value: string,
): Reference {
  const id = `${type}-${value}`;
  contained.set(id, {
    id,
    meta: { profile: [profile(`eRS-${type}-1`)] },
    resourceType: type,
    identifier: [{ system, value }],
  });
  return { reference: `#${id}` };
}

/** Working days after the deferral, by priority; bank holidays are not known to e-RS either. Source: provider-api 7.6. */
function contactExpected(world: World, priority: string, received: Date): string {
  const days = world.codeSystems
    .get('PRIORITY')
    ?.concept?.find(({ code }) => code === priority)
    ?.property?.find(({ code }) => code === 'deferToProviderContactDays')?.valueInteger;
  const date = new Date(received);
  for (let left = days ?? 40; left > 0; ) {
    date.setUTCDate(date.getUTCDate() + 1);
    if (date.getUTCDay() % 6 !== 0) left -= 1;
  }
  return date.toISOString().slice(0, 10);
}
