import type { ErsContext, ErsReferral, Fate, Ubrn } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readJson } from './read-answer.ts';
import { versioned } from './referral.ts';

/**
 * Fetches the advice request that a referral was converted from; it has the referral's UBRN and a version of its own.
 * Fates: as A005's
 * Source: A024
 */
export function fetchAdviceRequest(ers: ErsHttp, ubrn: Ubrn, context: ErsContext): Promise<Fate<ErsReferral>> {
  return ers.ask(
    { operation: 'A024', method: 'GET', path: `STU3/CommunicationRequest/${ubrn}` },
    context,
    async (answer) => {
      const source = await readJson(answer, ers.limits.maxJsonBytes);
      const value = versioned(source, 'CommunicationRequest', ubrn, answer.header('etag'));
      return value && { kind: 'ok', value };
    },
  );
}
