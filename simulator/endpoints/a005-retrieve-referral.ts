import { emptyAnswer, jsonAnswer } from '../answers.ts';
import type { ReferralEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { versionOf } from '../referral-document.ts';

/** Serves a referral; of its versions only the current one. Source: A005; provider-api 5. */
export const retrieveReferral: ReferralEndpoint = {
  id: 'A005',
  method: 'GET',
  path: /^\/STU3\/ReferralRequest\/(?<ubrn>[^/$]+)(?:\/_history\/(?<version>[^/]+))?$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'referral',
  answer({ referral, path }) {
    const version = versionOf(referral.resource);
    if (path['version'] !== undefined && path['version'] !== String(version)) return emptyAnswer(404);
    return jsonAnswer(200, referral.resource, { ETag: `W/"${version}"` });
  },
};
