import type { ServiceRequest } from '@medplum/fhirtypes';

/**
 * ReferralRequest.status to ServiceRequest.status. Never derived from the state: e-RS keeps `active` for a rejected referral.
 * Source: M-5
 */
export const REFERRAL_STATUS: Readonly<Record<string, NonNullable<ServiceRequest['status']>>> = {
  active: 'active',
  cancelled: 'revoked',
  completed: 'completed',
};
