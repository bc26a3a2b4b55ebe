import type { ErsContext, ErsReferral, Fate, Ubrn } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readReferral } from './referral.ts';

/**
 * Fetches a referral as it is now, with every field that e-RS sent.
 * Fates: refused ERS_NO_RELATIONSHIP when it has moved away, ERS_PATIENT_ERROR; else as any read
 * Source: A005
 */
export function fetchReferral(ers: ErsHttp, ubrn: Ubrn, context: ErsContext): Promise<Fate<ErsReferral>> {
  return ers.ask({ operation: 'A005', method: 'GET', path: `STU3/ReferralRequest/${ubrn}` }, context, (answer) =>
    readReferral(answer, ubrn, ers.limits.maxJsonBytes),
  );
}
