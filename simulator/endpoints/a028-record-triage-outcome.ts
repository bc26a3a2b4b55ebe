import { answerReferral } from '../answer-referral.ts';
import { stu3Outcome } from '../answers.ts';
import type { ReferralEndpoint } from '../endpoint.ts';
import { PROVIDER_CLINICAL } from '../endpoint.ts';
import { attachLinks, checkLinks } from '../file-links.ts';
import type { ParameterRules } from '../parameters.ts';
import { readParameters } from '../parameters.ts';
import { isPriority, priorityOf } from '../referral-document.ts';
import { refusePriority, refuseTriage } from '../review-rules.ts';
import { propose, returnedState } from '../transitions.ts';
import { codeSystem, profile } from '../wire.ts';

const RULES: ParameterRules = {
  profile: profile('eRS-RecordReviewOutcome-Parameters-1'),
  parameters: {
    reviewOutcome: { value: 'valueCoding', isRequired: true },
    reviewComments: { value: 'valueString', isRequired: true, maxLength: 2000 },
    reviewPriority: { value: 'valueCoding' },
    reviewAttachmentFile: { value: 'resource', isRepeatable: true },
  },
  unknownName: 'INVALID_VALUE',
  brokenStructure: 'empty-400',
};

const OUTCOMES: Record<string, string> = {
  RETURN_TO_REFERRER_WITH_ADVICE: 'Return to Referrer With Advice',
  ACCEPT_REFER_BOOK_LATER: 'Accept Refer Book Later',
};
/** In the enumeration, but set by other operations only. Source: provider-api 6.1. */
const NOT_FOR_CALLERS = ['CANCEL_APPOINTMENT_ACTION_LATER', 'PROVIDER_CONVERTED_ADVICE_AND_GUIDANCE_ADMIN_TO_REFER'];

/** Records what a triage decided. Source: A028; provider-api T8, T9. */
export const recordTriageOutcome: ReferralEndpoint = {
  id: 'A028',
  method: 'POST',
  path: /^\/STU3\/ReferralRequest\/(?<ubrn>[^/$]+)\/\$ers\.recordReviewOutcome$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: PROVIDER_CLINICAL,
  body: 'json',
  answers: 'application/fhir+json',
  isWrite: true,
  subject: 'referral',
  refuseState: refuseTriage,
  answer(call, world) {
    const { referral } = call;
    const read = readParameters(call.json, RULES);
    if ('refusal' in read) return read.refusal;
    const outcome = read.values.get('reviewOutcome')?.[0]?.valueCoding;
    const comments = read.values.get('reviewComments')?.[0]?.valueString;
    const priority = read.values.get('reviewPriority')?.[0]?.valueCoding;
    const system = codeSystem('eRS-ReviewOutcome-1');
    const code = outcome?.code ?? '';
    if (NOT_FOR_CALLERS.includes(code))
      return stu3Outcome(422, 'INAPPROPRIATE_VALUE', "'reviewOutcome' cannot be recorded by a caller");
    const display = OUTCOMES[code];
    if (outcome?.system !== system || display === undefined)
      return stu3Outcome(422, 'INVALID_CODE', "'reviewOutcome' is not an outcome");
    const wrongPriority = refusePriority(priority, 'reviewPriority');
    if (wrongPriority) return wrongPriority;
    const isReturn = code === 'RETURN_TO_REFERRER_WITH_ADVICE';
    if (isReturn && priority && priority.code !== priorityOf(referral.resource))
      return stu3Outcome(422, 'PRIORITY_NOT_CURRENT', "'reviewPriority' must not change when the referral is returned");
    if (!isReturn && !priority)
      return stu3Outcome(422, 'VALUE_IS_REQUIRED', "'reviewPriority' is required when the referral is accepted");
    const checked = checkLinks(call, world, read.values.get('reviewAttachmentFile') ?? []);
    if ('refusal' in checked) return checked.refusal;
    const wrongState = refuseTriage(referral, world);
    if (wrongState) return wrongState;
    propose(
      referral,
      world.dice,
      isReturn ? returnedState(world, referral.resource.id) : 'TRIAGED_PROVIDER_TO_ACTION',
      {
        reason: { system, code, display },
        ...(comments !== undefined && { comments }),
        ...(isPriority(priority?.code) && { priority: priority.code }),
      },
    );
    attachLinks(call, world, checked.links);
    return answerReferral(referral);
  },
};
