import { answerReferral } from '../answer-referral.ts';
import type { ReferralEndpoint } from '../endpoint.ts';
import { PROVIDER_CLINICAL } from '../endpoint.ts';
import { attachLinks, checkLinks } from '../file-links.ts';
import type { ParameterRules } from '../parameters.ts';
import { readParameters } from '../parameters.ts';
import { cancelInPasUnlisted } from '../pas.ts';
import { isPriority } from '../referral-document.ts';
import { refuseBookedReview, refusePasFlag, refusePriority } from '../review-rules.ts';
import { propose } from '../transitions.ts';
import { codeSystem, profile } from '../wire.ts';

const RULES: ParameterRules = {
  profile: profile('eRS-cancelAppointmentActionLater-Parameters-1'),
  parameters: {
    comments: { value: 'valueString', isRequired: true, maxLength: 2000 },
    priority: { value: 'valueCoding' },
    appointmentCancelledInPAS: { value: 'valueBoolean' },
    providerAttachmentFile: { value: 'resource', isRepeatable: true },
  },
  unknownName: 'INVALID_VALUE',
  brokenStructure: 'empty-400',
};

/** Gives a booked referral to the provider's administrators, to redirect or book again. Source: A022; provider-api T7. */
export const cancelAppointmentActionLater: ReferralEndpoint = {
  id: 'A022',
  method: 'POST',
  path: /^\/STU3\/ReferralRequest\/(?<ubrn>[^/$]+)\/\$ers\.cancelAppointmentActionLater$/,
  fhir: 'STU3',
  isOpenToApplications: false,
  roles: PROVIDER_CLINICAL,
  body: 'json',
  answers: 'application/fhir+json',
  isWrite: true,
  subject: 'referral',
  refuseState: refuseBookedReview,
  answer(call, world) {
    const { referral } = call;
    const read = readParameters(call.json, RULES);
    if ('refusal' in read) return read.refusal;
    const comments = read.values.get('comments')?.[0]?.valueString;
    const priority = read.values.get('priority')?.[0]?.valueCoding;
    const flag = read.values.get('appointmentCancelledInPAS')?.[0]?.valueBoolean;
    const wrongField = refusePriority(priority, 'priority') ?? refusePasFlag(referral, flag);
    if (wrongField) return wrongField;
    const checked = checkLinks(call, world, read.values.get('providerAttachmentFile') ?? []);
    if ('refusal' in checked) return checked.refusal;
    const wrongState = refuseBookedReview(referral, world);
    if (wrongState) return wrongState;
    const apply = (): void => {
      propose(referral, world.dice, 'TRIAGED_PROVIDER_TO_ACTION', {
        reason: {
          system: codeSystem('eRS-ReviewOutcome-1'),
          code: 'CANCEL_APPOINTMENT_ACTION_LATER',
          display: 'Cancel Appointment, Action Later',
        },
        ...(comments !== undefined && { comments }),
        ...(isPriority(priority?.code) && { priority: priority.code }),
      });
      attachLinks(call, world, checked.links);
    };
    const trouble = cancelInPasUnlisted(referral, world, apply);
    if (trouble) return trouble;
    apply();
    return answerReferral(referral);
  },
};
