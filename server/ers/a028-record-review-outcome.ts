import type { ErsContext, ErsReferral, Fate } from '../core/index.ts';
import { type DecisionRequest, sendWrite } from './decision-call.ts';
import type { ErsHttp } from './http.ts';

/**
 * Records the outcome of a triage: accept and book later, or return with advice.
 * Fates: target-model 4.4, E-4 to E-8b
 * Source: A028
 */
export function recordReviewOutcome(
  ers: ErsHttp,
  request: DecisionRequest,
  context: ErsContext,
): Promise<Fate<ErsReferral>> {
  return sendWrite(ers, { operation: 'A028', name: '$ers.recordReviewOutcome' }, request, context);
}
