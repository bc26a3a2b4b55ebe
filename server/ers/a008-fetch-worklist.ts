import type { ErsContext, ErsFile, Fate, PollGrant, WorklistQuery } from '../core/index.ts';
import { fileOf } from './file.ts';
import type { ErsHttp } from './http.ts';

/**
 * Fetches a provider worklist of one service; the answer is streamed as it comes.
 * Fates: poll-refused-by-ledger and store-unavailable, when no poll could be spent; ERS_UNAVAILABLE may also mean that the list is over e-RS's 10 MB, for which no error is documented
 * Source: A008; provider-api 4.1
 */
export function fetchWorklist(ers: ErsHttp, query: WorklistQuery, context: ErsContext): Promise<Fate<ErsFile>> {
  return ers.ask(
    {
      operation: 'A008',
      method: 'POST',
      path: 'STU3/ReferralRequest/$ers.fetchworklist',
      ...(query.spend === undefined ? {} : { beforeSend: spending(query.spend) }),
      body: {
        resourceType: 'Parameters',
        meta: { profile: ['https://fhir.nhs.uk/STU3/StructureDefinition/eRS-FetchWorklist-Parameters-1'] },
        parameter: [
          {
            name: 'listType',
            valueCodeableConcept: {
              coding: [{ system: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralListSelector-1', code: query.list }],
            },
          },
          {
            name: 'service',
            valueIdentifier: { system: 'http://fhir.nhs.net/Id/ers-service', value: query.service },
          },
        ],
      },
    },
    context,
    async (answer) => fileOf(answer, ers.limits.maxFileBytes, /json\b/i),
  );
}

/** Not later than the last moment, so that a poll is spent for a request that really goes, and counts from when it went. */
const spending =
  (spend: () => Promise<PollGrant>) => async (): Promise<Exclude<Fate<never>, { kind: 'ok' }> | undefined> => {
    const grant = await spend();
    if (grant.granted) return undefined;
    if (grant.reason === 'spent') return { kind: 'refused', code: 'poll-refused-by-ledger' };
    return { kind: 'retry', code: 'store-unavailable', afterMs: 5_000 };
  };
