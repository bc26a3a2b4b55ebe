import type { Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, codeOf } from '../mappings/index.ts';
import type { UserSession } from '../server/core/index.ts';
import type { Simulator } from '../simulator/index.ts';

/** Signs a synthetic clinician in at the simulator. */
export async function signIn(
  simulator: Simulator,
  wish: { sdsUserId?: string; roles?: string[]; onBehalfOf?: string[]; expiresInSeconds?: number } = {},
): Promise<UserSession> {
  const roles = wish.roles ?? ['SERVICE_PROVIDER_CLINICIAN'];
  const organisation = simulator.credentials.odsCode;
  const answer = await fetch(`${simulator.controlUrl}/users`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ sdsUserId: '555000000102', organisations: [organisation], ...wish, roles }),
  });
  const { userToken: token } = (await answer.json()) as { userToken: string };
  return { token, organisation, businessFunction: roles[0] ?? '' };
}

/** A session as it comes in headers. */
export const sessionHeaders = (session: UserSession): Record<string, string> => ({
  'NHSD-User-Authorization': `Bearer ${session.token}`,
  'NHSD-End-User-Organisation-ODS': session.organisation,
  'NHSD-eRS-Business-Function': session.businessFunction,
  ...(session.onBehalfOf === undefined ? {} : { 'NHSD-eRS-On-Behalf-Of-User-ID': session.onBehalfOf }),
});

/** The businessStatus of a review Task. */
export const businessStatusOf = (task: Task): string | undefined =>
  codeOf(task.businessStatus, CODE_SYSTEM.reviewStatus);
