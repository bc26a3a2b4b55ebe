import { createHash } from 'node:crypto';
import type { ReferralFacts } from '../../mappings/index.ts';

/**
 * Hash of what a reviewer decides on, so that a version that moved without a change is told from one with (4.5).
 * @param requestContextStatus the worklist's word on an edited letter; what it was when the review was opened, where
 *   the lists were not asked
 */
export function fingerprintOf(facts: ReferralFacts, requestContextStatus: string | undefined): string {
  return createHash('sha256')
    .update(`${facts.fingerprintSource}\n${requestContextStatus ?? ''}`)
    .digest('base64url');
}

/** Business key of the appointment under review: its e-RS id, else when it was made and starts (4.6). */
export function appointmentKeyOf(facts: ReferralFacts): string | undefined {
  const appointment = facts.appointment;
  if (appointment === undefined) return undefined;
  return appointment.id ?? `${appointment.created ?? ''}+${appointment.start ?? ''}`;
}
