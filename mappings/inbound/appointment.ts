import type { Appointment, AppointmentParticipant, Patient, Reference, ServiceRequest, Slot } from '@medplum/fhirtypes';
import { concept, ersExtension, identifier, sourceCode } from '../elements.ts';
import { type IdSpace, SYSTEM, type Ubrn } from '../ids.ts';
import { idOf } from '../keys.ts';
import type { ReferralFacts, ServiceName } from '../model.ts';
import { appointmentKeyOf } from '../references.ts';
import { CODE_SYSTEM, ukCoreProfile } from '../systems.ts';
import { mapAppointmentStatus } from '../tables/appointment-status.ts';
import { type Findings, readConcept, readIdentifier, readStructure } from './elements.ts';
import type { SharedResources } from './shared.ts';
import type { Source } from './source.ts';

export interface AppointmentContext {
  readonly ids: IdSpace;
  readonly ubrn: Ubrn;
  readonly requestId: string;
  readonly version: number;
  /** e-RS appointment id (M-25). */
  readonly appointmentId?: string;
  readonly referral: Reference<ServiceRequest>;
  readonly subject: Reference<Patient>;
  readonly shared: SharedResources;
  readonly findings: Findings;
  /** A036's own copy of the appointment that it cancelled: it says why, which the contained one leaves out. */
  readonly updated?: Source;
  /** SDS id of the clinician on the worklist, used where the appointment names none (M-66). */
  readonly allocatedClinician?: string;
}

export interface MappedAppointment {
  readonly appointment: Appointment;
  readonly facts: NonNullable<ReferralFacts['appointment']>;
  /** M-27 */
  readonly service?: ServiceName;
  readonly clinicians: readonly string[];
}

/** Profiles of e-RS's appointments, contained or alone. */
const PROFILES = ['eRS-Appointment-1', 'CareConnect-Appointment-1'];

const PARTICIPANT_STATUSES = ['accepted', 'declined', 'tentative', 'needs-action'] as const;

/**
 * Maps the appointment that the referral has now.
 * Source: M-90..M-100
 */
export function mapAppointment(source: Source, context: AppointmentContext): MappedAppointment {
  const { ids, ubrn, requestId, version, appointmentId, referral, shared, findings } = context;
  readStructure(source, 'Appointment', PROFILES);
  source.get('id').structuralIf((id) => id === 'appointment' || id === appointmentId);
  const updated = context.updated ?? source;
  updated.get('id').structuralIf((id) => id === appointmentId);
  const either = (name: string) => (source.get(name).exists ? source : updated).get(name);
  const ownVersion = source.get('meta').get('versionId').unsigned();
  const language = source.get('language').code();
  const description = source.get('description').text();
  const comment = either('comment').text();
  const created = source.get('created').dateTime();
  const times = readTimes(source);
  const sourceStatus = source.get('status').text();
  const { status, exact } = mapAppointmentStatus(sourceStatus, times !== undefined);
  if (!exact) findings.add('CODE_UNKNOWN', source.get('status').at);
  readReferralVersion(source, ubrn, version, findings);
  const slot = source
    .get('slot')
    .items()
    .flatMap((one) => readSlot(one) ?? []);
  const participant = readParticipants(source, shared, findings);
  const clinicians = actorsOf(participant, SYSTEM.sdsUser);
  if (context.allocatedClinician !== undefined && clinicians.length === 0)
    participant.push({
      type: [concept({ system: CODE_SYSTEM.participationType, code: 'CON' })],
      actor: shared.practitioner(context.allocatedClinician),
      status: 'needs-action',
    });
  // R4 wants someone to take part; that it is about this patient is certain.
  if (participant.length === 0) participant.push({ actor: context.subject, status: 'needs-action' });
  const service = participant.find(({ actor }) => actor?.identifier?.system === SYSTEM.service)?.actor;
  const facts: NonNullable<ReferralFacts['appointment']> = {
    ...(appointmentId !== undefined && { id: appointmentId }),
    ...(created !== undefined && { created }),
    ...(sourceStatus !== undefined && { status: sourceStatus }),
    ...times,
    hasSlot: slot.length > 0,
  };
  const reason = readReason(either('reason'), sourceStatus === 'cancelled', findings);
  if (context.updated) {
    readStructure(updated, 'Appointment', PROFILES);
    updated.structuralWhereEqual(source);
  }
  const key = appointmentKeyOf({ requestId, appointment: facts });
  const appointment: Appointment = {
    resourceType: 'Appointment',
    id: idOf(ids, key),
    meta: { profile: [ukCoreProfile('Appointment')] },
    ...(language !== undefined && { language }),
    ...(ownVersion !== undefined && { extension: [ersExtension('ers-version', { valueUnsignedInt: ownVersion })] }),
    identifier: [identifier(key)],
    status,
    ...(!exact && sourceStatus !== undefined && { _status: sourceCode(sourceStatus) }),
    ...reason,
    ...(description !== undefined && { description }),
    ...times,
    ...(slot.length > 0 && { slot }),
    ...(created !== undefined && { created }),
    ...(comment !== undefined && { comment }),
    basedOn: [referral],
    participant: participant.toSorted((a, b) => (participantKey(a) < participantKey(b) ? -1 : 1)),
  };
  return {
    appointment,
    facts,
    clinicians,
    ...(service?.identifier?.value !== undefined && {
      service: {
        id: service.identifier.value,
        ...(service.display !== undefined && { display: service.display }),
      },
    }),
  };
}

/** Both or none: R4 takes no half interval (invariant app-2). */
function readTimes(source: Source): { start: string; end: string } | undefined {
  if (!source.get('start').exists || !source.get('end').exists) return undefined;
  const start = source.get('start').instant();
  const end = source.get('end').instant();
  if (start !== undefined && end !== undefined) return { start, end };
  source.get('start').invalid();
  source.get('end').invalid();
  return undefined;
}

/** M-93, M-94: R4 has one place for why it was cancelled, another for why it is. */
function readReason(source: Source, isCancelled: boolean, findings: Findings): Partial<Appointment> {
  const reasons = source
    .items()
    .slice(0, isCancelled ? 1 : undefined)
    .flatMap((one) => readConcept(one, findings) ?? []);
  const [first] = reasons;
  if (!first) return {};
  return isCancelled ? { cancelationReason: first } : { reasonCode: reasons };
}

/** M-95: the slot cannot be read by a provider, so that a literal reference would dangle. */
function readSlot(source: Source): Reference<Slot> | undefined {
  const id = /^Slot\/(\S+)$/.exec(source.get('reference').peek() ?? '')?.[1];
  if (id === undefined) return undefined;
  source.get('reference').taken();
  return { type: 'Slot', identifier: { system: SYSTEM.slot, value: id } };
}

/** M-96: says what the referral itself says; anything else is left to be kept. */
function readReferralVersion(source: Source, ubrn: Ubrn, version: number, findings: Findings): void {
  for (const one of source.get('incomingReferral').items()) {
    const reference = one.get('reference');
    const [, of, at] = /^ReferralRequest\/(\d{12})(?:\/_history\/(\d+))?$/.exec(reference.peek() ?? '') ?? [];
    if (of === ubrn && (at === undefined || Number(at) === version)) reference.taken();
    else findings.add('VERSION_DIFFERS', reference.at);
  }
}

function readParticipants(source: Source, shared: SharedResources, findings: Findings): AppointmentParticipant[] {
  return source
    .get('participant')
    .items()
    .flatMap((one): AppointmentParticipant[] => {
      const type = one
        .get('type')
        .items()
        .flatMap((concept) => readConcept(concept, findings) ?? []);
      const named = readIdentifier(one.get('actor').first('identifier'));
      const display = one.get('actor').get('display').text();
      // R4 wants a type or an actor (invariant app-1).
      if (type.length === 0 && !named && display === undefined) return [];
      const raw = one.get('status').text();
      const status = PARTICIPANT_STATUSES.find((known) => known === raw);
      if (status === undefined && raw !== undefined) findings.add('CODE_UNKNOWN', one.get('status').at);
      return [
        {
          ...(type.length > 0 && { type }),
          ...(named ? { actor: shared.actor(named, display) } : display !== undefined && { actor: { display } }),
          status: status ?? 'needs-action',
          ...(status === undefined && raw !== undefined && { _status: sourceCode(raw) }),
        },
      ];
    });
}

const actorsOf = (participants: readonly AppointmentParticipant[], system: string): string[] =>
  participants
    .flatMap(({ actor }) => (actor?.identifier?.system === system ? (actor.identifier.value ?? []) : []))
    .toSorted();

const ACTOR_ORDER = ['HealthcareService', 'Patient', 'Practitioner'];

/** Service, patient, clinician, then the rest (G-7). */
function participantKey({ actor }: AppointmentParticipant): string {
  const rank = ACTOR_ORDER.indexOf((actor as Reference<Patient> | undefined)?.type ?? '');
  return `${rank < 0 ? ACTOR_ORDER.length : rank}|${actor?.identifier?.value ?? ''}|${actor?.display ?? ''}`;
}
