import type { DocumentReference } from '@medplum/fhirtypes';
import type { Availability } from '../model.ts';

/** What R4 says of an attachment whose bytes are not in the store. Source: 1.6.1 */
export interface AvailabilityRow {
  readonly docStatus?: NonNullable<DocumentReference['docStatus']>;
  /** Why `url` is absent (DataAbsentReason). For AVAILABLE: the file was not had from A042 yet. */
  readonly absentReason: 'temp-unknown' | 'not-permitted' | 'error' | 'unknown';
}

export const AVAILABILITY: Readonly<Record<Availability, AvailabilityRow>> = {
  AVAILABLE: { docStatus: 'final', absentReason: 'temp-unknown' },
  PENDING: { docStatus: 'preliminary', absentReason: 'temp-unknown' },
  THREATS_FOUND: { absentReason: 'not-permitted' },
  VALIDATION_FAILED: { absentReason: 'error' },
  UNKNOWN: { absentReason: 'unknown' },
};

const CODES = Object.keys(AVAILABILITY) as Availability[];

/** The availability that e-RS's code names; `THREATS FOUND` is how its prose spells it (M-118). */
export function readAvailability(code: string | undefined): Availability {
  return CODES.find((known) => known === code?.replaceAll(' ', '_')) ?? 'UNKNOWN';
}
