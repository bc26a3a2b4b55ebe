import type { ReferralStateCode } from '../model.ts';
import { ownRow } from './own-row.ts';

/** e-RS's states with the displays of its own value set. Source: eRS-ReferralState-1; provider-api 5.4 */
export const REFERRAL_STATE: Readonly<Record<ReferralStateCode, string>> = {
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
};

const STATES = Object.keys(REFERRAL_STATE) as ReferralStateCode[];

/** Spellings of the referrer worklists (M-16). */
const ALIAS: Readonly<Record<string, ReferralStateCode>> = {
  APP_CANCELLED_BY_PATIENT: 'APPT_CANCELLED_BY_PATIENT',
  APP_CANCELLED_BY_PROVIDER: 'APPT_CANCELLED_BY_PROVIDER',
};

/** The state that a code names, in either spelling; undefined when it names none (M-151). */
export function readState(code: string | undefined): ReferralStateCode | undefined {
  return code === undefined ? undefined : (ownRow(ALIAS, code) ?? STATES.find((state) => state === code));
}
