import { randomUUID } from 'node:crypto';
import type { EngineAnswer, ErsClient, UserSession } from '../core/index.ts';
import type { IdentifiedSession } from './deliver.ts';

/** Roles that may record a review's outcome (provider-api 1.3). */
const REVIEWERS = new Set(['SERVICE_PROVIDER_CLINICIAN', 'SERVICE_PROVIDER_CLINICIAN_ADMIN']);

/**
 * Asks e-RS whom a session belongs to, and that he holds the role at the organisation that he claims (A030, 4.7).
 * Codes: ERS_FORBIDDEN, ERS_USER_SESSION_ENDED, or what kept e-RS from answering
 */
export async function identify(ers: ErsClient, session: UserSession): Promise<EngineAnswer<IdentifiedSession>> {
  const answer = await ers.fetchOwnRoles({ correlationId: randomUUID(), priority: 'decision', session });
  if (answer.kind !== 'ok') {
    return { ok: false, code: answer.code, ...('afterMs' in answer ? { retryAfterMs: answer.afterMs } : {}) };
  }
  const { sdsUserId, roles } = answer.value;
  const holds = roles.some(
    ({ organisation, businessFunctions }) =>
      organisation === session.organisation && businessFunctions.includes(session.businessFunction),
  );
  return holds && REVIEWERS.has(session.businessFunction)
    ? { ok: true, value: { session, sdsUserId } }
    : { ok: false, code: 'ERS_FORBIDDEN' };
}
