import type { Caller } from './endpoint.ts';
import { appointmentServiceOf, shortlistOf } from './referral-document.ts';
import type { Referral, World } from './world.ts';

/**
 * Whether the caller has a legitimate relationship with a referral: it is at, or offered to, a service of the caller's
 * organisation and, if the user works for named services only, at one of these; an administrator who acts for a clinician
 * works where that clinician does. Referrers are related to all.
 * Source: provider-api 2.3 NO_RELATIONSHIP
 */
export function relationOf(world: World, caller: Caller, referral: Referral): boolean {
  if (caller.role.startsWith('REFERRING')) return true;
  const current = appointmentServiceOf(referral.resource);
  const services = current === undefined ? shortlistOf(referral.resource).map(({ id }) => id) : [current];
  return services.some((id) => isOwnService(world, caller, id));
}

export function isOwnService(world: World, caller: Caller, serviceId: string): boolean {
  if (world.services.get(serviceId)?.odsCode !== caller.organisation) return false;
  if (caller.mode === 'application') return true;
  return (caller.principal ?? caller.user).services?.includes(serviceId) ?? true;
}
