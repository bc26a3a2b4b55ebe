import type { Dice } from './dice.ts';
import { chanceOf } from './dice.ts';
import type { Priority, ReferralState } from './referral-document.ts';
import { appointmentOf, raiseVersion, setPriority, setState, versionOf } from './referral-document.ts';
import type { Coding } from './wire.ts';
import { REFERENCE_DATA } from './wire.ts';
import type { RecordedDecision, Referral, World } from './world.ts';

interface Reviewed {
  reason: Coding;
  comments?: string;
  priority?: Priority;
}

/** A013: the state does not change, only the version; the referral leaves the list. Source: provider-api T5 [E]. */
export function accept(referral: Referral, dice: Dice): void {
  referral.review = 'done';
  rise(referral, dice);
  note(referral, 'accepted');
}

/** The appointment is cancelled; `status` stays active. Source: provider-api T6 [E]. */
export function reject(referral: Referral, dice: Dice, { reason, comments }: Reviewed): void {
  cancelAppointment(referral, reason, comments);
  setState(referral.resource, 'REJECTED', reason, comments);
  referral.review = 'done';
  rise(referral, dice);
  note(referral, 'rejected', reason, comments);
}

/** A022 and A028 hand the referral to the provider's administrators, or back. Source: provider-api T7 to T9. */
export function propose(referral: Referral, dice: Dice, state: ReferralState, reviewed: Reviewed): void {
  const appointment = appointmentOf(referral.resource);
  if (appointment) {
    clearBooking(appointment);
    appointment.status = 'proposed';
    appointment.reason = [{ coding: [reviewed.reason] }];
    if (reviewed.comments !== undefined) appointment.comment = reviewed.comments;
    raiseAppointmentVersion(appointment);
  }
  setState(referral.resource, state, reviewed.reason, reviewed.comments);
  if (reviewed.priority) setPriority(referral.resource, reviewed.priority);
  referral.review = 'done';
  rise(referral, dice);
  note(referral, 'proposed', reviewed.reason, reviewed.comments);
}

/**
 * The end of a referral. Answers whether a booked appointment was cancelled with it; that one has a reason of its own
 * kind, for which the examples show the catch-all of the side that cancels. Source: provider-api T10 [E]
 */
export function cancelReferral(
  referral: Referral,
  dice: Dice,
  { reason, comments }: Reviewed,
  by: 'provider' | 'referrer' = 'provider',
): boolean {
  const wasBooked = appointmentOf(referral.resource)?.status === 'booked';
  if (wasBooked)
    cancelAppointment(
      referral,
      { system: `${REFERENCE_DATA}APPOINTMENT-CANCELLATION-REASON`, ...CATCH_ALL[by] },
      comments,
    );
  setState(referral.resource, 'CANCELLED_REFERRAL', reason, comments);
  referral.resource.status = 'cancelled';
  referral.review = 'done';
  rise(referral, dice);
  note(referral, 'cancelled', reason, comments);
  return wasBooked;
}

/** Keeps what was decided; the pipeline says so if it came by the API. */
function note(referral: Referral, kind: RecordedDecision['kind'], reason?: Coding, comments?: string): void {
  referral.decisions.push({
    version: versionOf(referral.resource),
    kind,
    ...(reason?.code !== undefined && { reason: reason.code }),
    ...(comments !== undefined && { comments }),
    by: 'web',
  });
}

const CATCH_ALL = {
  provider: { code: 'PROVIDER_CANCELLATION', display: 'Other - Provider cancellation' },
  referrer: { code: 'PATIENT_APPOINTMENT_CANCELLATION_OTHER', display: 'Other' },
};

/** One call may raise the version by several. Source: provider-api 4.6, 6.6 step 14. */
export function rise(referral: Referral, dice: Dice): void {
  raiseVersion(referral.resource, dice.integer(1, 4));
}

export function cancelAppointment(referral: Referral, reason: Coding, comments?: string): void {
  const appointment = appointmentOf(referral.resource);
  if (!appointment) return;
  clearBooking(appointment);
  appointment.status = 'cancelled';
  appointment.reason = [{ coding: [reason] }];
  if (comments !== undefined) appointment.comment = comments;
  raiseAppointmentVersion(appointment);
}

function clearBooking(appointment: { start?: string; end?: string; slot?: unknown }): void {
  delete appointment.start;
  delete appointment.end;
  delete appointment.slot;
}

function raiseAppointmentVersion(appointment: { meta?: { versionId?: string } }): void {
  appointment.meta = { ...appointment.meta, versionId: String(Number(appointment.meta?.versionId ?? 0) + 1) };
}

/** Texts and examples disagree on the state after a return. Source: provider-api T9, 9.1 no. 1. */
export function returnedState({ openQuestions, seed }: World, ubrn: string): ReferralState {
  if (openQuestions.returnedState) return openQuestions.returnedState;
  const isOdd = openQuestions.answers === 'by-seed' && chanceOf(seed, `state of returned ${ubrn}`) < 0.5;
  return isOdd ? 'TRIAGED_PROVIDER_TO_ACTION' : 'TRIAGE_RESPONSE';
}
