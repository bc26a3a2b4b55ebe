import type { Appointment, Coding, DocumentReference, Extension, ReferralRequest } from './wire.ts';
import { codeSystem, profile, SYSTEM } from './wire.ts';

/** Every referral state with its display. Source: eRS-ReferralState-1; provider-api 5.4. */
export const STATES = {
  NOT_BOOKED: 'Not Booked',
  BOOKED: 'Booked',
  AWAITING_TRIAGE: 'Awaiting Triage',
  DEFERRED_TO_PROVIDER: 'Deferred To Provider',
  TRIAGED_PROVIDER_TO_ACTION: 'Triaged - Provider To Action',
  TRIAGE_RESPONSE: 'Triage Response',
  REJECTED: 'Rejected',
  APPT_CANCELLED_BY_PATIENT: 'Appointment Cancelled By Patient',
  APPT_CANCELLED_BY_PROVIDER: 'Appointment Cancelled By Provider',
  DID_NOT_ATTEND: 'Did Not Attend',
  ASSESSMENT_RESULT: 'Assessment Result',
  CANCELLED_REFERRAL: 'Cancelled Referral',
} as const;
export type ReferralState = keyof typeof STATES;

/** eRS-Priority-1 as referrals display it (A004 displays it otherwise). Source: provider-api 7.6. */
export const PRIORITIES = { ROUTINE: 'Routine', URGENT: 'Urgent', TWO_WEEK_WAIT: '2 Week Wait' } as const;
export type Priority = keyof typeof PRIORITIES;

export const isPriority = (code: string | undefined): code is Priority => code !== undefined && code in PRIORITIES;

const STATE_URL = profile('Extension-eRS-ReferralState-1');
const PRIORITY_URL = profile('Extension-eRS-ReferralPriority-1');

export const extensionOf = (referral: ReferralRequest, name: string): Extension | undefined =>
  referral.extension?.find((extension) => extension.url.endsWith(`/${name}`));

/** The current state with its reason and comment, whatever their order in the file. */
export function stateOf(referral: ReferralRequest): { state: string; reason?: Coding; comments?: string } {
  const parts = extensionOf(referral, 'Extension-eRS-ReferralState-1')?.extension ?? [];
  const part = (url: string): Extension | undefined => parts.find((extension) => extension.url === url);
  const reason = part('reason')?.valueCoding;
  const comments = part('comments')?.valueString;
  return {
    state: part('state')?.valueCoding?.code ?? '',
    ...(reason && { reason }),
    ...(comments !== undefined && { comments }),
  };
}

/** Replaces the state; reason and comment always belong to the current state only. Source: provider-api 5.4. */
export function setState(referral: ReferralRequest, state: ReferralState, reason?: Coding, comments?: string): void {
  const parts: Extension[] = [
    { url: 'state', valueCoding: { system: codeSystem('eRS-ReferralState-1'), code: state, display: STATES[state] } },
  ];
  if (reason) parts.push({ url: 'reason', valueCoding: reason });
  if (comments !== undefined) parts.push({ url: 'comments', valueString: comments });
  replaceExtension(referral, { url: STATE_URL, extension: parts });
}

export const priorityOf = (referral: ReferralRequest): string =>
  extensionOf(referral, 'Extension-eRS-ReferralPriority-1')?.valueCodeableConcept?.coding?.[0]?.code ?? 'ROUTINE';

/** Changes the priority extension; the search criteria keep the old one. Source: provider-api 9, trap 21. */
export function setPriority(referral: ReferralRequest, code: Priority): void {
  const coding = { system: codeSystem('eRS-Priority-1'), code, display: PRIORITIES[code] };
  replaceExtension(referral, { url: PRIORITY_URL, valueCodeableConcept: { coding: [coding] } });
}

/** Puts an extension in the place of the one with its url, or at the end. */
export function replaceExtension(referral: ReferralRequest, extension: Extension): void {
  const extensions = referral.extension ?? [];
  const index = extensions.findIndex((each) => each.url === extension.url);
  referral.extension = index < 0 ? [...extensions, extension] : extensions.with(index, extension);
}

export const appointmentOf = (referral: ReferralRequest): Appointment | undefined =>
  referral.contained?.find((resource) => resource.resourceType === 'Appointment');

/** The server id of the appointment, for A038. Source: Extension-eRS-Appointment-Reference-1. */
export const appointmentIdOf = (referral: ReferralRequest): string | undefined =>
  extensionOf(referral, 'Extension-eRS-Appointment-Reference-1')?.valueReference?.reference?.split('/')[1];

/** How the current appointment is booked: a slot means directly, booked without one indirectly. Source: provider-api 5.6. */
export function bookingOf(referral: ReferralRequest): 'direct' | 'indirect' | undefined {
  const appointment = appointmentOf(referral);
  if (appointment?.status !== 'booked') return undefined;
  return appointment.slot?.length ? 'direct' : 'indirect';
}

export const participantOf = (referral: ReferralRequest, system: string): { value?: string; display?: string } => {
  const actor = appointmentOf(referral)?.participant?.find((each) => each.actor?.identifier?.system === system)?.actor;
  return {
    ...(actor?.identifier?.value !== undefined && { value: actor.identifier.value }),
    ...(actor?.display !== undefined && { display: actor.display }),
  };
};

export const appointmentServiceOf = (referral: ReferralRequest): string | undefined =>
  participantOf(referral, SYSTEM.service).value;

/** The ids and names of the services on the shortlist. */
export const shortlistOf = (referral: ReferralRequest): { id: string; name: string }[] =>
  (referral.contained ?? [])
    .filter((resource) => resource.resourceType === 'List')
    .flatMap((list) => list.entry ?? [])
    .map(({ item }) => ({ id: item?.identifier?.value ?? '', name: item?.display ?? '' }));

export const attachmentsOf = (referral: ReferralRequest): DocumentReference[] =>
  (referral.contained ?? []).filter((resource) => resource.resourceType === 'DocumentReference');

export const binaryIdOf = (document: DocumentReference): string =>
  document.content?.[0]?.attachment?.url?.replace(/^Binary\//, '') ?? '';

export const availabilityOf = (document: DocumentReference): Coding | undefined =>
  document.content?.[0]?.attachment?.extension?.find(({ url }) => url.endsWith('/Extension-eRS-AvailabilityStatus-1'))
    ?.valueCoding;

export const versionOf = (referral: ReferralRequest): number => Number(referral.meta.versionId);

/** Raises the version, also where the contained appointment cites it. */
export function raiseVersion(referral: ReferralRequest, by: number): void {
  const version = String(versionOf(referral) + by);
  referral.meta.versionId = version;
  const appointment = appointmentOf(referral);
  if (appointment) appointment.incomingReferral = [{ reference: `ReferralRequest/${referral.id}/_history/${version}` }];
}
