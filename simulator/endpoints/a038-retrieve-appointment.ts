import { emptyAnswer, jsonAnswer, stu3Outcome } from '../answers.ts';
import type { PlainEndpoint } from '../endpoint.ts';
import { CLINICAL } from '../endpoint.ts';
import { appointmentIdOf, appointmentOf } from '../referral-document.ts';
import { relationOf } from '../relationship.ts';
import type { Appointment, ReferralRequest } from '../wire.ts';

/** The contained appointment as it looks on its own: with its number as id. Source: provider-api 5.6. */
export function standAloneAppointment(referral: ReferralRequest): Appointment | undefined {
  const appointment = appointmentOf(referral);
  const id = appointmentIdOf(referral);
  return appointment && id !== undefined ? { ...appointment, id } : undefined;
}

/** Serves an appointment; of its versions only the current one. Source: A038; provider-api 6.7. */
export const retrieveAppointment: PlainEndpoint = {
  id: 'A038',
  method: 'GET',
  path: /^\/STU3\/Appointment\/(?<id>[^/]+)(?:\/_history\/(?<version>[^/]+))?$/,
  fhir: 'STU3',
  isOpenToApplications: false,
  roles: CLINICAL,
  body: 'none',
  answers: 'application/fhir+json',
  isWrite: false,
  subject: 'none',
  answer({ path, caller }, world) {
    // Real data uses one number for several referrals: one that the caller may see goes first.
    const owners = [...world.referrals.values()].filter(
      ({ resource }) => appointmentIdOf(resource) === path['id'] && appointmentOf(resource),
    );
    const owner = owners.find((referral) => relationOf(world, caller, referral));
    if (!owner)
      return owners.length === 0
        ? emptyAnswer(404)
        : stu3Outcome(422, 'NO_RELATIONSHIP', 'No legitimate relationship with appointment');
    if (owner.isPatientRestricted)
      return stu3Outcome(422, 'PATIENT_ERROR', 'The patient cannot be retrieved. Do not attempt again.');
    const appointment = standAloneAppointment(owner.resource);
    const version = appointment?.meta?.versionId ?? '0';
    if (path['version'] !== undefined && path['version'] !== version) return emptyAnswer(404);
    return jsonAnswer(200, appointment, { ETag: `W/"${version}"` });
  },
};
