import { emptyAnswer, jsonAnswer } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';

/** Serves one set of reference data. Source: A004; provider-api 7. */
export const retrieveReferenceData: PlainEndpoint = {
  id: 'A004',
  method: 'GET',
  path: /^\/STU3\/CodeSystem\/(?<type>[^/]+)$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'none',
  answer(call, world) {
    const system = world.codeSystems.get(call.path['type'] ?? '');
    return system ? jsonAnswer(200, system) : emptyAnswer(404);
  },
};
