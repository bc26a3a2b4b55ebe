import { randomUUID } from 'node:crypto';
import { jsonAnswer, r4Outcome } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';

/** Tells a clinician's administrator for whom they may act. `identifier` is an object: a known slip. Source: A040; provider-api 6.7. */
export const retrieveOnBehalfOf: PlainEndpoint = {
  id: 'A040',
  method: 'GET',
  path: /^\/R4\/Practitioner$/,
  fhir: 'R4',
  isOpenToApplications: false,
  roles: ['SERVICE_PROVIDER_CLINICIAN_ADMIN'],
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'none',
  answer({ url, caller, at }) {
    if (url.searchParams.get('_query') !== 'onBehalfOf')
      return r4Outcome(400, 'REC_BAD_REQUEST', at, "'_query' must be onBehalfOf");
    const principals = caller.mode === 'user' ? caller.user.onBehalfOf : [];
    const lastUpdated = at.toISOString();
    const entry = principals.map((id) => ({
      fullUrl: `Practitioner/${id}`,
      resource: {
        id,
        resourceType: 'Practitioner',
        meta: { lastUpdated },
        identifier: { system: 'https://fhir.nhs.uk/Id/sds-user-id', value: id },
      },
      search: { mode: 'match' },
    }));
    return jsonAnswer(200, {
      id: randomUUID(),
      resourceType: 'Bundle',
      meta: { lastUpdated },
      type: 'searchset',
      total: entry.length,
      timestamp: lastUpdated,
      link: [{ relation: 'self', url: `${url.origin}/FHIR/R4/Practitioner?_query=onBehalfOf` }],
      ...(entry.length > 0 && { entry }),
    });
  },
};
