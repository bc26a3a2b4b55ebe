import type { Answer } from './answers.ts';
import { stu3Outcome } from './answers.ts';
import type { Reason } from './reference-data.ts';
import { findReason } from './reference-data.ts';
import type { Coding } from './wire.ts';
import type { World } from './world.ts';

/**
 * Looks up the reason that a caller chose. Its system is known by its end only: what to send is not documented.
 * Source: provider-api 6.1 "Reason selection", 9 traps 2 to 4
 */
export function chooseReason(
  world: World,
  type: 'APPOINTMENT-CANCELLATION-REASON' | 'REFERRAL-CANCELLATION-REASON',
  coding: Coding | undefined,
  name: string,
  at: Date,
): { reason: Reason } | { refusal: Answer } {
  if (!coding?.code || !coding.system)
    return { refusal: stu3Outcome(422, 'MISSING_VALUE', `'${name}' needs a system and a code`) };
  const reason = coding.system.toUpperCase().endsWith(`/CODESYSTEM/${type}`)
    ? findReason(world.codeSystems.get(type), coding.code, at)
    : undefined;
  // A036 lists no INVALID_CODE
  if (reason === undefined) {
    const code = type === 'REFERRAL-CANCELLATION-REASON' ? 'INAPPROPRIATE_VALUE' : 'INVALID_CODE';
    return { refusal: stu3Outcome(422, code, `'${name}' is not a reason`) };
  }
  if (reason === 'ended')
    return { refusal: stu3Outcome(422, 'INAPPROPRIATE_VALUE', `'${name}' is not in force today`) };
  return { reason };
}
