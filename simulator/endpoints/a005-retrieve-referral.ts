import { answerReferral } from '../answer-referral.ts';
import { emptyAnswer } from '../answers.ts';
import { chanceOf } from '../dice.ts';
import type { ReferralEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { versionOf } from '../referral-document.ts';
import { rise } from '../transitions.ts';

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
  answer({ referral, path }, world) {
    const version = versionOf(referral.resource);
    if (path['version'] !== undefined && path['version'] !== String(version)) return emptyAnswer(404);
    const answer = answerReferral(referral);
    // Internal processing may raise the version at any time, also between a read and the write that follows it [S]
    const isOpen = world.openQuestions.answers === 'by-seed';
    if (isOpen && chanceOf(world.seed, `processing after ${referral.resource.id} at ${version}`) < 0.1)
      rise(referral, world.dice);
    return answer;
  },
};
