import type { Answer } from './answers.ts';
import { emptyAnswer, stu3Outcome } from './answers.ts';
import { chanceOf } from './dice.ts';
import { bookingOf, versionOf } from './referral-document.ts';
import type { Referral, World } from './world.ts';
import { wayOf } from './world.ts';

/**
 * Tells the provider's booking system that a direct booking is cancelled; answers how that failed, if it did. Each
 * trouble strikes once. A booking system that does not answer may have cancelled all the same.
 * Source: provider-api T6, T10, 2.2 (502, 504)
 */
export function cancelInPas(referral: Referral, world: World, apply: () => void): Answer | undefined {
  const trouble = referral.pas;
  if (trouble === undefined || bookingOf(referral.resource) !== 'direct') return undefined;
  delete referral.pas;
  const ubrn = referral.resource.id;
  if (trouble === 'refused')
    return stu3Outcome(422, 'UNABLE_TO_CANCEL_APPOINTMENT', 'The appointment cannot be cancelled');
  if (trouble === 'error')
    return stu3Outcome(
      502,
      'PAS_RESPONDED_WITH_ERROR',
      `PAS unable to cancel the booking of UBRN: ${ubrn}. PAS Request Status: ERROR`,
    );
  const question = `silent PAS cancelled ${ubrn} at ${versionOf(referral.resource)}`;
  if (world.openQuestions.answers === 'by-seed' && chanceOf(world.seed, question) < 0.5) apply();
  return stu3Outcome(
    504,
    'PAS_NOT_RESPONDING',
    `PAS unable to cancel the booking of UBRN: ${ubrn}. PAS Request Status: TIMED_OUT`,
  );
}

/**
 * The same for A022, which cancels a booking too and lists no status for a booking system in trouble: nobody hears of it, or by
 * seed A022 fails like A014, or with the 500 that it does list. A 500 proves as little as a 504.
 * Source: provider-api 2.3, 2.5, 9.1 no. 14
 */
export function cancelInPasUnlisted(referral: Referral, world: World, apply: () => void): Answer | undefined {
  const way = wayOf(world, 'A022 and a booking system in trouble', ['unheard', 'as A014', 'as 500']);
  if (way === 'unheard') return undefined;
  const trouble = cancelInPas(referral, world, apply);
  return trouble && way === 'as 500' ? emptyAnswer(500) : trouble;
}
