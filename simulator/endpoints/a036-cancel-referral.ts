import { shownOf } from '../answer-referral.ts';
import type { Answer } from '../answers.ts';
import { jsonAnswer, stu3Outcome } from '../answers.ts';
import type { ReferralCall, ReferralEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import type { ParameterRules } from '../parameters.ts';
import { readParameters } from '../parameters.ts';
import { cancelInPas } from '../pas.ts';
import { chooseReason } from '../reasons.ts';
import type { Reason } from '../reference-data.ts';
import { appointmentOf, stateOf } from '../referral-document.ts';
import { cancelReferral as end } from '../transitions.ts';
import { profile } from '../wire.ts';
import type { Referral, World } from '../world.ts';
import { isOtherwise } from '../world.ts';
import { standAloneAppointment } from './a038-retrieve-appointment.ts';

const RULES: ParameterRules = {
  profile: profile('eRS-CancelReferral-Request-Parameters-1'),
  parameters: {
    cancellationReason: { value: 'valueCoding', isRequired: true },
    cancellationComments: { value: 'valueString', maxLength: 2000 },
  },
  unknownName: 'INAPPROPRIATE_VALUE',
  brokenStructure: 'empty-400',
};

/** Ends a referral. Source: A036; provider-api T10. */
export const cancelReferral: ReferralEndpoint = {
  id: 'A036',
  method: 'POST',
  path: /^\/STU3\/ReferralRequest\/(?<ubrn>[^/$]+)\/\$ers\.cancelReferral$/,
  fhir: 'STU3',
  isOpenToApplications: true,
  roles: CLINICAL,
  body: 'json',
  answers: 'application/fhir+json',
  isWrite: true,
  subject: 'referral',
  refuseState,
  answer(call, world) {
    const { referral } = call;
    const read = readParameters(call.json, RULES);
    if ('refusal' in read) return read.refusal;
    const comments = read.values.get('cancellationComments')?.[0]?.valueString;
    const coding = read.values.get('cancellationReason')?.[0]?.valueCoding;
    const choice = chooseReason(world, 'REFERRAL-CANCELLATION-REASON', coding, 'cancellationReason', call.at);
    if ('refusal' in choice) return choice.refusal;
    const { reason } = choice;
    const refusal = refuseReason(call, reason, world);
    if (refusal) return refusal;
    if (reason.isCommentMandatory && !comments)
      return stu3Outcome(422, 'MISSING_VALUE', "'cancellationComments' is required for this reason");
    const wrongState = refuseState(referral);
    if (wrongState) return wrongState;
    let isAppointmentCancelled = false;
    const apply = (): void => {
      const by = call.caller.role.startsWith('REFERRING') ? 'referrer' : 'provider';
      const ending = { reason: reason.coding, ...(comments !== undefined && { comments }) };
      isAppointmentCancelled = end(referral, world.dice, ending, by);
    };
    const trouble = cancelInPas(referral, world, apply);
    if (trouble) return trouble;
    apply();
    const appointment = isAppointmentCancelled ? standAloneAppointment(referral.resource) : undefined;
    return jsonAnswer(200, {
      meta: { profile: [profile('eRS-CancelReferral-Response-Parameters-1')] },
      resourceType: 'Parameters',
      parameter: [
        { name: 'updatedReferralRequest', resource: shownOf(referral) },
        ...(appointment ? [{ name: 'updatedAppointment', resource: appointment }] : []),
      ],
    });
  },
};

function refuseState({ resource }: Referral): Answer | undefined {
  return stateOf(resource).state === 'CANCELLED_REFERRAL'
    ? stu3Outcome(422, 'INVALID_REQUEST_STATE', 'The referral is cancelled already')
    : undefined;
}

/** Which reasons may end which referral. Source: provider-api 6.1 "Reason selection". */
function refuseReason({ caller, referral }: ReferralCall, reason: Reason, world: World): Answer | undefined {
  const refuse = (diagnostics: string): Answer => stu3Outcome(422, 'INAPPROPRIATE_VALUE', diagnostics);
  if (reason.usage !== 'CANCEL_REFERRAL' || !reason.roles.includes(caller.role))
    return refuse("'cancellationReason' may not be used with this business function");
  const isReferrer = caller.role.startsWith('REFERRING');
  const { state } = stateOf(referral.resource);
  const isForTriage = reason.type === 'PROVIDER_TRIAGE';
  const isInTriage = state === 'AWAITING_TRIAGE' && isOtherwise(world, 'awaiting triage is ended like triage');
  if (!isReferrer && (state === 'TRIAGED_PROVIDER_TO_ACTION' || isInTriage) && !isForTriage)
    return refuse("'cancellationReason' must be of the type PROVIDER_TRIAGE to end a triage");
  // While triage is awaited the texts leave the type open (provider-api 9.1 no. 9): both are taken, or by seed the one
  if (!isReferrer && state !== 'TRIAGED_PROVIDER_TO_ACTION' && state !== 'AWAITING_TRIAGE' && isForTriage)
    return refuse("'cancellationReason' is for the end of a triage only");
  const hasAppointment = appointmentOf(referral.resource)?.status === 'booked';
  if (hasAppointment && !reason.canCancelAppointment)
    return refuse("'cancellationReason' cannot cancel an appointment");
  return undefined;
}
