import type { ErsContext, ErsReferral, Fate } from '../core/index.ts';
import { type DecisionRequest, sendWrite } from './decision-call.ts';
import type { ErsHttp } from './http.ts';

/**
 * Accepts a referral booked into a bookable service and awaiting review. It has no body.
 * Fates: target-model 4.4, E-4 to E-8b
 * Source: A013
 */
export function acceptReferral(
  ers: ErsHttp,
  request: DecisionRequest,
  context: ErsContext,
): Promise<Fate<ErsReferral>> {
  return sendWrite(ers, { operation: 'A013', name: '$ers.acceptReferral' }, request, context);
}
