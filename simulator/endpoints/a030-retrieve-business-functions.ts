import { randomUUID } from 'node:crypto';
import { jsonAnswer } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';

/** Tells a signed-in user at which organisations they hold which business functions. Source: A030; provider-api 6.7. */
export const retrieveBusinessFunctions: PlainEndpoint = {
  id: 'A030',
  method: 'GET',
  path: /^\/R4\/PractitionerRole$/,
  fhir: 'R4',
  isOpenToApplications: false,
  roles: [],
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'none',
  answer({ caller, at, url }) {
    const { sdsUserId, organisations, roles } =
      caller.mode === 'user' ? caller.user : { sdsUserId: '', organisations: [], roles: [] };
    const lastUpdated = at.toISOString();
    const base = `${url.origin}/FHIR/R4/PractitionerRole`;
    return jsonAnswer(200, {
      id: randomUUID(),
      meta: { lastUpdated },
      resourceType: 'Bundle',
      type: 'searchset',
      total: organisations.length,
      timestamp: lastUpdated,
      link: [{ relation: 'self', url: base }],
      entry: organisations.map((odsCode) => {
        const id = `PractitionerRole-${odsCode}-${sdsUserId}`;
        return {
          fullUrl: `${base}/${id}`,
          resource: {
            id,
            meta: { lastUpdated },
            resourceType: 'PractitionerRole',
            practitioner: { identifier: { system: 'https://fhir.nhs.uk/Id/sds-user-id', value: sdsUserId } },
            organization: { identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: odsCode } },
            code: roles.map((code) => ({
              coding: [{ system: 'https://fhir.nhs.uk/CodeSystem/eRS-BusinessFunction-1', code }],
            })),
          },
          search: { mode: 'match' },
        };
      }),
    });
  },
};
