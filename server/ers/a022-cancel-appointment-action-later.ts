import type { ErsContext, ErsReferral, Fate } from '../core/index.ts';
import { type DecisionRequest, sendWrite } from './decision-call.ts';
import type { ErsHttp } from './http.ts';

/**
 * Redirects a booked referral: its appointment is cancelled, the provider books later. Signed-in clinicians only.
 * Fates: target-model 4.4, E-4 to E-8b
 * Source: A022
 */
export function cancelAppointmentActionLater(
  ers: ErsHttp,
  request: DecisionRequest,
  context: ErsContext,
): Promise<Fate<ErsReferral>> {
  return sendWrite(ers, { operation: 'A022', name: '$ers.cancelAppointmentActionLater' }, request, context);
}
