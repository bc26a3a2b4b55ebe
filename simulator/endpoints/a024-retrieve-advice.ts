import { emptyAnswer, jsonAnswer, stu3Outcome } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { relationOf } from '../relationship.ts';

/** Serves the advice request that a referral was converted from, under the same UBRN. Source: A024; provider-api 8.2. */
export const retrieveAdvice: PlainEndpoint = {
  id: 'A024',
  method: 'GET',
  path: /^\/STU3\/CommunicationRequest\/(?<ubrn>[^/$]+)(?:\/_history\/(?<version>[^/]+))?$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'none',
  answer({ path, caller }, world) {
    const ubrn = path['ubrn'] ?? '';
    const advice = world.advice.get(ubrn);
    const referral = world.referrals.get(ubrn);
    if (!advice)
      return referral
        ? stu3Outcome(422, 'INVALID_REQUEST_TYPE', 'The UBRN is not that of an advice request')
        : emptyAnswer(404);
    if (referral && !relationOf(world, caller, referral))
      return stu3Outcome(422, 'NO_RELATIONSHIP', `No legitimate relationship with request (${ubrn})`);
    if (referral?.isPatientRestricted)
      return stu3Outcome(422, 'PATIENT_ERROR', 'The patient cannot be retrieved. Do not attempt again.');
    const { versionId } = advice.resource.meta;
    if (path['version'] !== undefined && path['version'] !== versionId) return emptyAnswer(404);
    return jsonAnswer(200, advice.resource, { ETag: `W/"${versionId}"` });
  },
};
