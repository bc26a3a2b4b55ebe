import type { ErsContext, Fate, Ubrn } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readJson } from './read-answer.ts';

/** Defaults may change, so each include is named; one is misspelt in e-RS's contract and must be sent so. */
const INCLUDES = [
  'Communication:requester-practitionerrole:PractitionerRole',
  'Communication:sender-practitionerrole:PractionerRole',
  'Communication:content-reference:DocumentReference',
]
  .map((include) => `&_include=${include}`)
  .join('');

/**
 * Fetches the messages of an advice request, a Bundle, unread. Their text may hold links: it is cleaned before it is shown.
 * @param version the advice request's current one (A024)
 * Fates: refused ERS_NOT_FOUND when the version is stale; else as A005's
 * Source: A025
 */
export function fetchConversation(
  ers: ErsHttp,
  ubrn: Ubrn,
  version: number,
  context: ErsContext,
): Promise<Fate<unknown>> {
  return ers.ask(
    {
      operation: 'A025',
      method: 'GET',
      path: `STU3/Communication?based-on=CommunicationRequest/${ubrn}/_history/${version}${INCLUDES}`,
    },
    context,
    async (answer) => {
      const source = await readJson(answer, ers.limits.maxJsonBytes);
      const isBundle = (source as { resourceType?: unknown } | undefined)?.resourceType === 'Bundle';
      return isBundle ? { kind: 'ok', value: source } : undefined;
    },
  );
}
