import { answerReferral } from '../answer-referral.ts';
import { stu3Outcome } from '../answers.ts';
import type { ReferralEndpoint } from '../endpoint.ts';
import { PROVIDER_CLINICAL } from '../endpoint.ts';
import type { ParameterRules } from '../parameters.ts';
import { readParameters } from '../parameters.ts';
import { cancelInPas } from '../pas.ts';
import { chooseReason } from '../reasons.ts';
import { refuseBookedReview, refusePasFlag } from '../review-rules.ts';
import { reject } from '../transitions.ts';
import { profile } from '../wire.ts';

const RULES: ParameterRules = {
  profile: profile('eRS-RejectReferral-Parameters-1'),
  parameters: {
    rejectionReason: { value: 'valueCoding', isRequired: true },
    rejectionComments: { value: 'valueString', maxLength: 2000 },
    appointmentCancelledInPAS: { value: 'valueBoolean' },
  },
  unknownName: 'UNEXPECTED_FIELD',
  brokenStructure: 'empty-400',
};

/** Rejects a booked referral and cancels its appointment. Source: A014; provider-api T6. */
export const rejectReferral: ReferralEndpoint = {
  id: 'A014',
  method: 'POST',
  path: /^\/STU3\/ReferralRequest\/(?<ubrn>[^/$]+)\/\$ers\.rejectReferral$/,
  fhir: 'STU3',
  isOpenToApplications: false,
  roles: PROVIDER_CLINICAL,
  body: 'json',
  answers: 'application/fhir+json',
  isWrite: true,
  subject: 'referral',
  refuseState: refuseBookedReview,
  answer({ referral, json, at }, world) {
    const read = readParameters(json, RULES);
    if ('refusal' in read) return read.refusal;
    const coding = read.values.get('rejectionReason')?.[0]?.valueCoding;
    const comments = read.values.get('rejectionComments')?.[0]?.valueString;
    const choice = chooseReason(world, 'APPOINTMENT-CANCELLATION-REASON', coding, 'rejectionReason', at);
    if ('refusal' in choice) return choice.refusal;
    const { reason } = choice;
    if (reason.type !== 'PROVIDER_REJECT')
      return stu3Outcome(422, 'INAPPROPRIATE_VALUE', "'rejectionReason' is not a reason to reject");
    if (reason.isCommentMandatory && !comments)
      return stu3Outcome(422, 'VALUE_IS_REQUIRED', "'rejectionComments' is required for this reason");
    const flag = read.values.get('appointmentCancelledInPAS')?.[0]?.valueBoolean;
    const refusal = refusePasFlag(referral, flag) ?? refuseBookedReview(referral, world);
    if (refusal) return refusal;
    const apply = (): void =>
      reject(referral, world.dice, { reason: reason.coding, ...(comments !== undefined && { comments }) });
    const trouble = cancelInPas(referral, world, apply);
    if (trouble) return trouble;
    apply();
    return answerReferral(referral);
  },
};
