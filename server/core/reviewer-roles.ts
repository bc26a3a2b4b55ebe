export const CLINICIAN = 'SERVICE_PROVIDER_CLINICIAN';

/** Decides for a clinician who allows it, whom each of its calls names. */
export const CLINICIAN_ADMIN = 'SERVICE_PROVIDER_CLINICIAN_ADMIN';

/** The business functions of which any may record any decision on a review. Source: provider-api 1.3 (A013, A014, A022, A028) */
export const REVIEWER_ROLES: readonly string[] = [CLINICIAN, CLINICIAN_ADMIN];
