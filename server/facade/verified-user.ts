import { SYSTEM } from '../../mappings/index.ts';
import type { Caller, VerifiedUser } from '../core/index.ts';
import type { Refusal } from './answer.ts';
import { refuseForStore } from './outcome.ts';
import type { FacadeRoom } from './room.ts';

/** e-RS knows people by the same number as NHS CIS2, whose `sub` it is. Source: provider-api 1.2 */
const SDS_USER_ID = /^\d{12}$/;
const PRACTITIONER = /^(?:(.*)\/)?Practitioner\/([A-Za-z0-9.-]{1,64})$/;

/**
 * The user whom a caller has proven, with their SDS user id where the token is it, or names a Practitioner of this server
 * who has one.
 * Issues: store-unavailable
 * Source: architecture 10; target-model 4.7
 */
export async function verifiedUser(
  { store, baseUrl }: FacadeRoom,
  { user }: Caller,
): Promise<{ readonly user?: VerifiedUser } | Refusal> {
  if (user === undefined) return {};
  if (SDS_USER_ID.test(user)) return { user: { name: user, sdsUserId: user } };
  const [, base, id] = PRACTITIONER.exec(user) ?? [];
  if (id === undefined || (base !== undefined && base !== baseUrl)) return { user: { name: user } };
  const read = await store.read('Practitioner', id);
  if (!read.ok) {
    const isThere = read.code !== 'not-found' && read.code !== 'gone';
    return isThere ? refuseForStore(read) : { user: { name: user } };
  }
  const sdsUserId = read.value.identifier?.find(({ system }) => system === SYSTEM.sdsUser)?.value;
  return { user: { name: user, ...(sdsUserId === undefined ? {} : { sdsUserId }) } };
}
