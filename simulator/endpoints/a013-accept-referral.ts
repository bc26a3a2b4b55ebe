import { answerReferral } from '../answer-referral.ts';
import type { ReferralEndpoint } from '../endpoint.ts';
import { PROVIDER_CLINICAL } from '../endpoint.ts';
import { refuseBookedReview } from '../review-rules.ts';
import { accept } from '../transitions.ts';

/** Accepts a booked referral: it leaves the list, and nothing else shows. Source: A013; provider-api T5. */
export const acceptReferral: ReferralEndpoint = {
  id: 'A013',
  method: 'POST',
  path: /^\/STU3\/ReferralRequest\/(?<ubrn>[^/$]+)\/\$ers\.acceptReferral$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: PROVIDER_CLINICAL,
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: true,
  subject: 'referral',
  refuseState: refuseBookedReview,
  answer({ referral }, world) {
    const refusal = refuseBookedReview(referral, world);
    if (refusal) return refusal;
    accept(referral, world.dice);
    return answerReferral(referral);
  },
};
