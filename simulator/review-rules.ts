import type { Answer } from './answers.ts';
import { stu3Outcome } from './answers.ts';
import { appointmentOf, appointmentServiceOf, bookingOf, isPriority, stateOf } from './referral-document.ts';
import type { Coding } from './wire.ts';
import { codeSystem } from './wire.ts';
import type { Referral, World } from './world.ts';
import { isOtherwise, wayOf } from './world.ts';

const wrongState = (diagnostics: string): Answer => stu3Outcome(422, 'INVALID_REQUEST_STATE', diagnostics);

/** The calendar day in England: appointments are compared by day. */
const dayOf = (at: Date): string => at.toLocaleDateString('en-CA', { timeZone: 'Europe/London' });

/**
 * Refuses to review a booked referral in every state that e-RS is known to refuse.
 * Source: provider-api 2.3 causes of INVALID_REQUEST_STATE [F], 6.2
 */
export function refuseBookedReview(referral: Referral, world: World): Answer | undefined {
  const { state } = stateOf(referral.resource);
  if (state === 'AWAITING_TRIAGE') return wrongState('The shortlisted service is for triage, not for booking');
  if (state !== 'BOOKED') return wrongState(`The request is not booked (${state})`);
  const appointment = appointmentOf(referral.resource);
  if (appointment?.status !== 'booked') return wrongState('The latest booking is not in a booked state');
  const start = new Date(appointment.start ?? 0);
  if (!referral.isDateRuleWaived && dayOf(start) < dayOf(world.clock.now()))
    return wrongState('The appointment date has passed');
  if (referral.clinicalInformation === 'outstanding')
    return wrongState('The clinical information of the referrer is outstanding');
  // Acceptance leaves no trace, so whether a second review is refused is not known [I]
  if (referral.review === 'done' && !isOtherwise(world, `${referral.resource.id} is reviewed a second time`))
    return wrongState('The referral is not awaiting review');
  return undefined;
}

/** Refuses to record a triage outcome where nothing waits for one. Source: provider-api 6.2 (A028). */
export function refuseTriage(referral: Referral, world: World): Answer | undefined {
  const { state } = stateOf(referral.resource);
  if (state !== 'AWAITING_TRIAGE' && state !== 'DEFERRED_TO_PROVIDER')
    return wrongState(`The request is not awaiting triage (${state})`);
  if (referral.clinicalInformation === 'outstanding') return wrongState('There is no clinical information yet');
  if (referral.review === 'done') return wrongState('The request is not awaiting review');
  const service = serviceTypeOf(referral, world);
  if (state === 'DEFERRED_TO_PROVIDER' && service === 'INDIRECTLY_BOOKABLE')
    return wrongState('Only a deferral at a directly bookable service can be reviewed');
  if (state === 'DEFERRED_TO_PROVIDER' && !isForReview(referral, world))
    return wrongState('The request is not awaiting review');
  return undefined;
}

/**
 * Whether a slot issue waits for a review besides, which nothing but A029 tells: all that could be reviewed do, or by seed
 * those of some services, or some referrals and others not. One that is on Referrals for Review does in any case.
 * Source: provider-api 9.1 no. 13
 */
function isForReview(referral: Referral, world: World): boolean {
  if (referral.isOnBothLists) return true;
  const way = wayOf(world, 'which slot issues wait for a review', ['all', 'of some services', 'some']);
  if (way === 'all') return true;
  const who = way === 'some' ? referral.resource.id : appointmentServiceOf(referral.resource);
  return isOtherwise(world, `slot issues of ${who} wait for a review`);
}

const serviceTypeOf = (referral: Referral, world: World): string | undefined =>
  world.services.get(appointmentServiceOf(referral.resource) ?? '')?.bookableType;

/** `appointmentCancelledInPAS`: needed for an indirect booking, forbidden for a direct one. Source: provider-api 6.1. */
export function refusePasFlag(referral: Referral, flag: boolean | undefined): Answer | undefined {
  const booking = bookingOf(referral.resource);
  if (booking === 'indirect' && flag === undefined)
    return stu3Outcome(422, 'VALUE_IS_REQUIRED', "'appointmentCancelledInPAS' is required for an indirect booking");
  if (booking === 'direct' && flag !== undefined)
    return stu3Outcome(422, 'FIELD_NOT_PERMITTED', "'appointmentCancelledInPAS' is not permitted for a direct booking");
  return undefined;
}

/** Checks a priority that a reviewer may change. */
export function refusePriority(coding: Coding | undefined, name: string): Answer | undefined {
  if (coding === undefined) return undefined;
  if (coding.code === undefined) return stu3Outcome(422, 'MISSING_VALUE', `'${name}' has no code`);
  return coding.system === codeSystem('eRS-Priority-1') && isPriority(coding.code)
    ? undefined
    : stu3Outcome(422, 'INVALID_CODE', `'${name}' is not a priority`);
}
