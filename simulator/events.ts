import { z } from 'zod';
import { attachTo } from './attach.ts';
import { attachmentSchema } from './control-schemas.ts';
import { obstacleTo } from './event-states.ts';
import { findReason } from './reference-data.ts';
import {
  appointmentOf,
  attachmentsOf,
  priorityOf,
  replaceExtension,
  setPriority,
  setState,
} from './referral-document.ts';
import { accept, cancelAppointment, cancelReferral, propose, reject, returnedState, rise } from './transitions.ts';
import type { Coding } from './wire.ts';
import { codeSystem, profile, REFERENCE_DATA, SYSTEM } from './wire.ts';
import type { Referral, World } from './world.ts';

const reasonFields = { reason: z.string().optional(), comments: z.string().optional() };
const priority = z.enum(['ROUTINE', 'URGENT', 'TWO_WEEK_WAIT']);

/** What others do to a referral, one shape a type. Source: architecture, control door; provider-api 6.3 T2 to T17. */
export const eventSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('attachment-added'), attachment: attachmentSchema.optional() }),
  z.strictObject({ type: z.literal('attachment-removed'), title: z.string().optional() }),
  z.strictObject({ type: z.literal('priority-changed'), priority: priority.optional() }),
  z.strictObject({ type: z.literal('clinical-information-updated') }),
  z.strictObject({
    type: z.literal('appointment-moved'),
    start: z.iso.datetime().optional(),
    inDays: z.number().optional(),
  }),
  z.strictObject({ type: z.literal('cancelled-by-referrer'), ...reasonFields }),
  z.strictObject({ type: z.literal('accepted-in-ers') }),
  z.strictObject({ type: z.literal('rejected-in-ers'), ...reasonFields }),
  z.strictObject({ type: z.literal('triaged-in-ers'), comments: z.string().optional() }),
  z.strictObject({ type: z.literal('returned-in-ers'), comments: z.string().optional() }),
  z.strictObject({ type: z.literal('redirected-in-ers'), comments: z.string().optional() }),
  z.strictObject({ type: z.literal('internal-version-bump') }),
  z.strictObject({ type: z.literal('appointment-cancelled-by-patient'), ...reasonFields }),
  z.strictObject({ type: z.literal('appointment-cancelled-by-provider'), ...reasonFields }),
  z.strictObject({ type: z.literal('did-not-attend'), ...reasonFields }),
  z.strictObject({ type: z.literal('assessment-recorded') }),
  z.strictObject({ type: z.literal('deferred-to-provider') }),
  z.strictObject({ type: z.literal('shortlist-changed') }),
  z.strictObject({ type: z.literal('rebooked'), service: z.string().optional(), inDays: z.number().optional() }),
  z.strictObject({ type: z.literal('moved-to-another-provider') }),
  z.strictObject({ type: z.literal('patient-restricted'), isRestricted: z.boolean().default(true) }),
  z.strictObject({ type: z.literal('hidden-from-worklists'), isHidden: z.boolean().default(true) }),
  z.strictObject({ type: z.literal('pas-trouble'), trouble: z.enum(['error', 'silent', 'refused']) }),
]);
export type ReferralEvent = z.infer<typeof eventSchema>;

/** Applies an event; answers why it cannot happen, if it cannot. */
export function applyEvent(world: World, referral: Referral, event: ReferralEvent): string | undefined {
  const obstacle = obstacleTo(event.type, referral);
  if (obstacle !== undefined) return obstacle;
  const { dice } = world;
  const { resource } = referral;
  const appointment = appointmentOf(resource);
  switch (event.type) {
    case 'attachment-added':
      attachTo(
        world,
        referral,
        event.attachment ?? { title: `added ${dice.integer(1, 9999)}.pdf`, contentType: 'application/pdf' },
      );
      return letterChanged(world, referral);
    case 'attachment-removed':
      return removeAttachment(world, referral, event.title);
    case 'priority-changed': {
      setPriority(resource, event.priority ?? (priorityOf(resource) === 'URGENT' ? 'ROUTINE' : 'URGENT'));
      const isLetterToo =
        referral.contextStatus === 'LETTER_CHANGED' || referral.contextStatus === 'PRIORITY_AND_LETTER_CHANGED';
      return backToReview(world, referral, isLetterToo ? 'PRIORITY_AND_LETTER_CHANGED' : 'PRIORITY_CHANGED');
    }
    case 'clinical-information-updated':
      return letterChanged(world, referral);
    case 'appointment-moved':
      if (!appointment?.start) return 'There is no booked appointment';
      return moveAppointment(world, referral, event.start ?? inDays(world, event.inDays ?? dice.integer(3, 60)));
    case 'cancelled-by-referrer':
      cancelReferral(
        referral,
        dice,
        {
          reason: reasonCoding(world, 'REFERRAL-CANCELLATION-REASON', event.reason ?? 'RAISED_IN_ERROR'),
          comments: event.comments ?? 'Synthetic comment of the referrer',
        },
        'referrer',
      );
      return undefined;
    case 'accepted-in-ers':
      accept(referral, dice);
      return undefined;
    case 'rejected-in-ers':
      reject(referral, dice, {
        reason: reasonCoding(world, 'APPOINTMENT-CANCELLATION-REASON', event.reason ?? 'SERVICE_INAPPROPRIATE'),
        comments: event.comments ?? 'Synthetic comment of another reviewer',
      });
      return undefined;
    case 'triaged-in-ers':
    case 'returned-in-ers':
    case 'redirected-in-ers': {
      const [code, display] = OUTCOMES[event.type];
      const isReturn = event.type === 'returned-in-ers';
      propose(referral, dice, isReturn ? returnedState(world, resource.id) : 'TRIAGED_PROVIDER_TO_ACTION', {
        reason: { system: codeSystem('eRS-ReviewOutcome-1'), code, display },
        comments: event.comments ?? 'Synthetic comment of another reviewer',
      });
      return undefined;
    }
    case 'internal-version-bump':
      rise(referral, dice);
      return undefined;
    case 'appointment-cancelled-by-patient':
    case 'appointment-cancelled-by-provider': {
      const isPatient = event.type === 'appointment-cancelled-by-patient';
      const code = event.reason ?? (isPatient ? 'PATIENT_ILL' : 'CLINIC_CANCELLED');
      const reason = reasonCoding(world, 'APPOINTMENT-CANCELLATION-REASON', code);
      cancelAppointment(referral, reason, event.comments);
      const state = isPatient ? 'APPT_CANCELLED_BY_PATIENT' : 'APPT_CANCELLED_BY_PROVIDER';
      setState(resource, state, reason, event.comments);
      rise(referral, dice);
      return undefined;
    }
    case 'did-not-attend': {
      const reason = reasonCoding(world, 'APPOINTMENT-NON-ATTENDANCE-REASON', event.reason ?? 'PATIENT_FORGOT');
      if (appointment) Object.assign(appointment, { status: 'noshow', reason: [{ coding: [reason] }] });
      setState(resource, 'DID_NOT_ATTEND', reason, event.comments);
      rise(referral, dice);
      return undefined;
    }
    case 'assessment-recorded': // which outcomes there are is not published
      setState(resource, 'ASSESSMENT_RESULT');
      rise(referral, dice);
      return undefined;
    case 'deferred-to-provider':
      return defer(world, referral);
    case 'shortlist-changed': // the contained appointment goes with the service that owned it [F 11133]
      resource.contained = (resource.contained ?? []).filter((each) => each !== appointment);
      resource.extension = (resource.extension ?? []).filter(({ url }) => !url.includes('/Extension-eRS-Appointment-'));
      setState(resource, 'NOT_BOOKED');
      rise(referral, dice);
      return undefined;
    case 'rebooked':
      return rebook(world, referral, event.service, inDays(world, event.inDays ?? dice.integer(7, 60)));
    case 'moved-to-another-provider': {
      const elsewhere = [...world.services.values()].find(({ odsCode }) => odsCode !== world.application.odsCode);
      return rebook(world, referral, elsewhere?.id ?? '', inDays(world, dice.integer(7, 60)));
    }
    case 'patient-restricted':
      referral.isPatientRestricted = event.isRestricted;
      return undefined;
    case 'hidden-from-worklists':
      referral.isHidden = event.isHidden;
      return undefined;
    case 'pas-trouble':
      referral.pas = event.trouble;
      return undefined;
  }
}

/** What the reviewer chose, where others review in e-RS itself. */
const OUTCOMES = {
  'triaged-in-ers': ['ACCEPT_REFER_BOOK_LATER', 'Accept Refer Book Later'],
  'returned-in-ers': ['RETURN_TO_REFERRER_WITH_ADVICE', 'Return to Referrer With Advice'],
  'redirected-in-ers': ['CANCEL_APPOINTMENT_ACTION_LATER', 'Cancel Appointment, Action Later'],
} as const;

const inDays = (world: World, days: number): string =>
  new Date(world.clock.now().getTime() + days * 86_400_000).toISOString();

function reasonCoding(world: World, type: string, code: string): Coding {
  const reason = findReason(world.codeSystems.get(type), code, world.clock.now());
  return typeof reason === 'object' ? reason.coding : { system: `${REFERENCE_DATA}${type}`, code };
}

/** A change by the referrer brings a reviewed booking back to the list. Source: provider-api T17 [I]. */
function backToReview(world: World, referral: Referral, status: Referral['contextStatus']): undefined {
  referral.contextStatus = status;
  referral.review = 'awaiting';
  rise(referral, world.dice);
}

function letterChanged(world: World, referral: Referral): undefined {
  const isFirstLetter = referral.clinicalInformation === 'outstanding';
  referral.clinicalInformation = 'present';
  const valueDateTime = world.clock.now().toISOString();
  for (const name of ['ClinicalInfoFirstSubmitted', 'ClinicalInfoLastUpdated']) {
    const url = profile(`Extension-eRS-${name}-1`);
    const isFirst = name === 'ClinicalInfoFirstSubmitted';
    if (isFirst && referral.resource.extension?.some((extension) => extension.url === url)) continue;
    replaceExtension(referral.resource, { url, valueDateTime });
  }
  const isPriorityToo =
    referral.contextStatus === 'PRIORITY_CHANGED' || referral.contextStatus === 'PRIORITY_AND_LETTER_CHANGED';
  const changed = isPriorityToo ? 'PRIORITY_AND_LETTER_CHANGED' : 'LETTER_CHANGED';
  backToReview(world, referral, isFirstLetter ? referral.contextStatus : changed);
}

function removeAttachment(world: World, referral: Referral, title: string | undefined): string | undefined {
  const { resource } = referral;
  const documents = attachmentsOf(resource);
  const gone = documents.find((each) => title === undefined || each.content?.[0]?.attachment?.title === title);
  if (!gone) return 'There is no such attachment';
  resource.contained = (resource.contained ?? []).filter((each) => each !== gone);
  resource.supportingInfo = (resource.supportingInfo ?? []).filter(({ reference }) => reference !== `#${gone.id}`);
  return letterChanged(world, referral);
}

function moveAppointment(world: World, referral: Referral, start: string): undefined {
  const appointment = appointmentOf(referral.resource);
  if (!appointment) return;
  const length = new Date(appointment.end ?? start).getTime() - new Date(appointment.start ?? start).getTime();
  appointment.start = start;
  appointment.end = new Date(new Date(start).getTime() + length).toISOString();
  rise(referral, world.dice);
}

/** No slot could be booked, so the provider is to arrange one. Source: provider-api T3. */
function defer(world: World, referral: Referral): string | undefined {
  const { resource } = referral;
  const appointment = appointmentOf(resource);
  if (!appointment) return 'There is no appointment to defer';
  const reason = { system: codeSystem('eRS-ReviewReason-1'), code: 'NO_SLOTS_AT_SERVICE' };
  for (const key of ['start', 'end', 'slot', 'comment'] as const) delete appointment[key];
  Object.assign(appointment, { status: 'proposed', reason: [{ coding: [reason] }] });
  setState(resource, 'DEFERRED_TO_PROVIDER', reason);
  referral.review = 'awaiting';
  rise(referral, world.dice);
  return undefined;
}

/** A new booking at a service, as administrators make it in the web application. Source: provider-api T2, T13. */
function rebook(world: World, referral: Referral, serviceId: string | undefined, start: string): string | undefined {
  const { resource } = referral;
  const appointment = appointmentOf(resource);
  const actor = appointment?.participant?.find((each) => each.actor?.identifier?.system === SYSTEM.service)?.actor;
  const service = world.services.get(serviceId ?? actor?.identifier?.value ?? '');
  if (!appointment || !actor || !service) return 'There is no such service, or no appointment to book again';
  const isDirect = service.bookableType === 'DIRECTLY_BOOKABLE';
  const isTriage = service.bookableType === 'TRIAGE';
  actor.identifier = { system: SYSTEM.service, value: service.id };
  actor.display = service.name;
  for (const key of ['start', 'end', 'slot', 'reason', 'comment'] as const) delete appointment[key];
  // A booking anew is another appointment, with an id of its own.
  world.nextAppointment += 1;
  const valueReference = { reference: `Appointment/${world.nextAppointment}` };
  replaceExtension(resource, { url: profile('Extension-eRS-Appointment-Reference-1'), valueReference });
  appointment.created = world.clock.now().toISOString();
  const triage = { system: codeSystem('eRS-ReviewReason-1'), code: 'TRIAGE', display: 'Triage' };
  if (isTriage) Object.assign(appointment, { status: 'proposed', reason: [{ coding: [triage] }] });
  else {
    const end = new Date(new Date(start).getTime() + (isDirect ? 900_000 : 0)).toISOString();
    Object.assign(appointment, { status: 'booked', start, end });
    if (isDirect) appointment.slot = [{ reference: `Slot/${service.id}${world.dice.integer(1000, 9999)}` }];
  }
  if (isTriage) setState(resource, 'AWAITING_TRIAGE', triage);
  else setState(resource, 'BOOKED');
  referral.review = 'awaiting';
  referral.contextStatus = 'NEVER_REVIEWED';
  rise(referral, world.dice);
  return undefined;
}
