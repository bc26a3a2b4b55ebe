import type {
  Device,
  HealthcareService,
  List,
  Organization,
  Patient,
  Practitioner,
  Reference,
  ServiceRequest,
} from '@medplum/fhirtypes';
import { identifier } from './elements.ts';
import { type IdSpace, SYSTEM } from './ids.ts';
import {
  appointmentKey,
  deviceKey,
  organisationKey,
  patientKey,
  practitionerKey,
  referenceTo,
  requestKey,
  serviceKey,
  shortlistKey,
} from './keys.ts';
import type { ReferralFacts, ServiceName } from './model.ts';

/** What e-RS is called wherever it acts: requester of reviews, author of summaries. */
export const ERS_NAME = 'NHS e-Referral Service';

export function patientReference(ids: IdSpace, nhsNumber: string): Reference<Patient> {
  const key = patientKey(nhsNumber);
  return referenceTo<Patient>('Patient', ids, key, { identifier: identifier(key) });
}

export function serviceReference(ids: IdSpace, { id, display }: ServiceName): Reference<HealthcareService> {
  const key = serviceKey(id);
  return referenceTo<HealthcareService>('HealthcareService', ids, key, {
    identifier: identifier(key),
    ...(display === undefined ? {} : { display }),
  });
}

export function practitionerReference(ids: IdSpace, sdsUserId: string): Reference<Practitioner> {
  const key = practitionerKey(sdsUserId);
  return referenceTo<Practitioner>('Practitioner', ids, key, { identifier: identifier(key) });
}

export function organisationReference(ids: IdSpace, odsCode: string): Reference<Organization> {
  const key = organisationKey(odsCode);
  return referenceTo<Organization>('Organization', ids, key, { identifier: identifier(key) });
}

/** The Device that stands for e-RS. */
export function ersDeviceReference(ids: IdSpace): Reference<Device> {
  const key = deviceKey('nhs-ers');
  return referenceTo<Device>('Device', ids, key, { identifier: identifier(key), display: ERS_NAME });
}

/** A referral by its request id; the identifier shown is the UBRN, which people know (G-9). */
export function referralReference(
  ids: IdSpace,
  { requestId, ubrn }: Pick<ReferralFacts, 'requestId' | 'ubrn'>,
): Reference<ServiceRequest> {
  return referenceTo<ServiceRequest>('ServiceRequest', ids, requestKey(requestId), {
    identifier: { system: SYSTEM.ubrn, value: ubrn },
  });
}

export const shortlistReference = (ids: IdSpace, requestId: string): Reference<List> =>
  referenceTo<List>('List', ids, shortlistKey(requestId));

/** I-6 of the appointment that a referral has now. */
export const appointmentKeyOf = ({ requestId, appointment }: Pick<ReferralFacts, 'requestId' | 'appointment'>) =>
  appointmentKey(requestId, appointment?.id ?? appointment?.created ?? 'appointment');
