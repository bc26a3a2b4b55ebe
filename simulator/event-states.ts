import type { ReferralState } from './referral-document.ts';
import { STATES, stateOf } from './referral-document.ts';
import type { Referral } from './world.ts';

const ALIVE = (Object.keys(STATES) as ReferralState[]).filter((state) => state !== 'CANCELLED_REFERRAL');
const BOOKED: ReferralState[] = ['BOOKED'];
const AWAITING: ReferralState[] = ['AWAITING_TRIAGE', 'DEFERRED_TO_PROVIDER'];
const NOT_WITH_REVIEWERS = ALIVE.filter((state) => !BOOKED.includes(state) && !AWAITING.includes(state));

/**
 * From which states an event can come; one that is absent is no change of the referral's life and may come at any time.
 * A booking anew stands for the cancellation that goes before it, so it may come to a booked referral too [I].
 * Source: provider-api 6.3 T2 to T17; T10 is terminal
 */
const FROM: Partial<Record<string, readonly ReferralState[]>> = {
  'attachment-added': ALIVE,
  'attachment-removed': ALIVE,
  'priority-changed': ALIVE,
  'clinical-information-updated': ALIVE,
  'cancelled-by-referrer': ALIVE,
  'shortlist-changed': ALIVE,
  'moved-to-another-provider': ALIVE,
  rebooked: ALIVE.filter((state) => state !== 'AWAITING_TRIAGE'),
  'deferred-to-provider': NOT_WITH_REVIEWERS,
  'appointment-moved': BOOKED,
  'accepted-in-ers': BOOKED,
  'rejected-in-ers': BOOKED,
  'redirected-in-ers': BOOKED,
  'appointment-cancelled-by-patient': BOOKED,
  'appointment-cancelled-by-provider': BOOKED,
  'did-not-attend': BOOKED,
  'assessment-recorded': BOOKED,
  'triaged-in-ers': AWAITING,
  'returned-in-ers': AWAITING,
};

/** Why an event cannot come to a referral in its present state, if it cannot. */
export function obstacleTo(type: string, referral: Referral): string | undefined {
  const { state } = stateOf(referral.resource);
  const from = FROM[type];
  return from === undefined || from.some((each) => each === state)
    ? undefined
    : `${type} cannot come to a referral in the state ${state}; it can from ${from.join(', ')}`;
}
