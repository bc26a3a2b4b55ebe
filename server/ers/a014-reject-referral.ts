import type { ErsContext, ErsReferral, Fate } from '../core/index.ts';
import { type DecisionRequest, sendWrite } from './decision-call.ts';
import type { ErsHttp } from './http.ts';

/**
 * Rejects a booked referral, with a reason of the list in force. Signed-in clinicians only.
 * Fates: target-model 4.4, E-4 to E-8b
 * Source: A014
 */
export function rejectReferral(
  ers: ErsHttp,
  request: DecisionRequest,
  context: ErsContext,
): Promise<Fate<ErsReferral>> {
  return sendWrite(ers, { operation: 'A014', name: '$ers.rejectReferral' }, request, context);
}
