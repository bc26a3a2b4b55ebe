import type { Appointment } from '@medplum/fhirtypes';

export type AppointmentStatus = NonNullable<Appointment['status']>;

/** STU3 and R4 share these. Source: M-92 */
const SHARED: readonly AppointmentStatus[] = [
  'proposed',
  'pending',
  'booked',
  'arrived',
  'fulfilled',
  'cancelled',
  'noshow',
];

/** Statuses that R4 lets stand without a start and an end (invariant app-3). */
const WITHOUT_TIMES: readonly AppointmentStatus[] = ['proposed', 'cancelled'];

/**
 * The R4 status of an appointment. One that R4 would refuse for want of times becomes the nearest that it accepts; `exact`
 * is then false, and the caller keeps e-RS's own word beside it (G-6).
 * Source: M-92; Appointment invariant app-3
 */
export function mapAppointmentStatus(
  status: string | undefined,
  hasTimes: boolean,
): { status: AppointmentStatus; exact: boolean } {
  const known = SHARED.find((one) => one === status);
  if (known && (hasTimes || WITHOUT_TIMES.includes(known))) return { status: known, exact: true };
  return { status: known === 'noshow' ? 'cancelled' : 'proposed', exact: false };
}
