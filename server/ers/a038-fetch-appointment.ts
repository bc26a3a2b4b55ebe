import type { ErsContext, ErsReferral, Fate } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readJson } from './read-answer.ts';
import { versioned } from './referral.ts';

/**
 * Fetches an appointment by e-RS's number of it, with the appointment's own version. Signed-in clinicians only.
 * Fates: as A005's
 * Source: A038
 */
export async function fetchAppointment(ers: ErsHttp, id: string, context: ErsContext): Promise<Fate<ErsReferral>> {
  if (!/^\d{1,20}$/.test(id)) return { kind: 'refused', code: 'ERS_NOT_FOUND' };
  return ers.ask({ operation: 'A038', method: 'GET', path: `STU3/Appointment/${id}` }, context, async (answer) => {
    const source = await readJson(answer, ers.limits.maxJsonBytes);
    const value = versioned(source, 'Appointment', id, answer.header('etag'));
    return value && { kind: 'ok', value };
  });
}
