import { sortedJson } from '../canonical-json.ts';
import type { BookableType, MappedDocument, ReferralFacts, ServiceName } from '../model.ts';
import type { MappedAppointment } from './appointment.ts';
import type { ReferralContent, ReferralIdentity } from './service-request.ts';
import type { MappedShortlist } from './shortlist.ts';

/** Takes from the mapped parts, once, what decisions and intake need to know of a referral. */
export function factsOf(
  { ubrn, requestId, version, nhsNumber }: ReferralIdentity,
  content: ReferralContent,
  appointment: MappedAppointment | undefined,
  service: ServiceName | undefined,
  shortlist: MappedShortlist | undefined,
  documents: readonly MappedDocument[],
): ReferralFacts {
  const { state, priority, firstSubmitted, lastUpdated, adviceUbrn } = content;
  const specialty = content.specialty?.coding?.[0];
  const bookableType = inferBookableType(appointment);
  return {
    ubrn,
    requestId,
    version,
    nhsNumber,
    ...(content.status !== undefined && { status: content.status }),
    ...(state?.code && { state: state.code }),
    ...(state?.coding && { stateCoding: state.coding }),
    ...(state?.reason && { reason: state.reason }),
    ...(state?.comments !== undefined && { comments: state.comments }),
    ...(priority && { priority }),
    ...(specialty && { specialty }),
    ...(service && { service }),
    ...(appointment && { appointment: appointment.facts }),
    ...(bookableType && { inferredBookableType: bookableType }),
    ...(firstSubmitted !== undefined && { clinicalInfoFirstSubmitted: firstSubmitted }),
    ...(lastUpdated !== undefined && { clinicalInfoLastUpdated: lastUpdated }),
    related: content.related.filter((one) => one !== ubrn),
    ...(adviceUbrn && { adviceUbrn }),
    fingerprintSource: fingerprintSource(content, appointment, service, shortlist, documents),
  };
}

/** 1.5: true in every example of e-RS; site configuration wins over it. */
function inferBookableType(appointment: MappedAppointment | undefined): BookableType | undefined {
  if (appointment?.facts.status !== 'booked') return undefined;
  return appointment.facts.hasSlot ? 'DIRECTLY_BOOKABLE' : 'INDIRECTLY_BOOKABLE';
}

/** What a reviewer decides on (4.5): codes, not displays, which vary without meaning (G-4). */
function fingerprintSource(
  content: ReferralContent,
  appointment: MappedAppointment | undefined,
  service: ServiceName | undefined,
  shortlist: MappedShortlist | undefined,
  documents: readonly MappedDocument[],
): string {
  const { state } = content;
  const facts = appointment?.facts;
  return sortedJson({
    state: state?.code ?? state?.coding?.code,
    reason: state?.reason?.code,
    priority: content.priority?.code,
    service: service?.id,
    appointment: facts && {
      id: facts.id ?? `${facts.created}+${facts.start}`,
      status: facts.status,
      start: facts.start,
      end: facts.end,
      clinicians: appointment.clinicians,
    },
    documents: documents.map(({ attachmentId, availability }) => `${attachmentId} ${availability}`).toSorted(),
    requirements: content.additionalRequirements.map(({ code }) => code),
    specialty: content.specialty?.coding?.[0]?.code,
    clinicType: shortlist?.clinicType?.code,
    firstSubmitted: content.firstSubmitted,
    lastUpdated: content.lastUpdated,
  });
}
