import type { DecisionOperation, ErsContext, ErsReferral, Fate, Ubrn } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readReferral } from './referral.ts';

/** A decision to send. */
export interface DecisionRequest {
  readonly ubrn: Ubrn;
  /** The e-RS version that was reviewed; sent as `If-Match: W/"7"`. */
  readonly version: number;
  /** Parameters; A013 has none. */
  readonly body?: object;
}

/**
 * The one way of all writes to a referral. Anything but a whole, updated referral leaves the outcome unknown.
 * Fates: target-model 4.4, E-4 to E-8b
 * Source: provider-api 6.1
 */
export function sendWrite(
  ers: ErsHttp,
  endpoint: { operation: DecisionOperation; name: string },
  { ubrn, version, body }: DecisionRequest,
  context: ErsContext,
): Promise<Fate<ErsReferral>> {
  return ers.ask(
    {
      operation: endpoint.operation,
      method: 'POST',
      path: `STU3/ReferralRequest/${ubrn}/${endpoint.name}`,
      headers: { 'if-match': `W/"${version}"` },
      ...(body && { body }),
    },
    context,
    (answer) => readReferral(answer, ubrn, ers.limits.maxJsonBytes),
  );
}
