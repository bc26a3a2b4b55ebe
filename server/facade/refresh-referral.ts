import type { EngineAnswer } from '../core/index.ts';
import type { Answer } from './answer.ts';
import { versionHeadersOf } from './etag.ts';
import { refuse, refuseForStore, retryAfter } from './outcome.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { type Timely, within } from './within.ts';

/** `$ers-refresh`: reads the referral from e-RS now, and answers it as it then is in the store. Source: target-model 5 */
export async function refreshReferral(room: FacadeRoom, { route }: Call<RouteOf<'operation'>>): Promise<Answer> {
  const id = route.id ?? '';
  const known = await room.store.read('ServiceRequest', id);
  if (!known.ok) return refuseForStore(known);
  const refreshed = await within(room.clock, room.limits.fetchWaitMs, room.engine.refresh(id));
  return answerReferral(room, refreshed, () => id);
}

/** The referral that the engine brought, or why it did not. */
export async function answerReferral<T>(
  { store }: FacadeRoom,
  asked: Timely<EngineAnswer<T>>,
  idOf: (value: T) => string,
): Promise<Answer> {
  if (asked.isLate) return refuse('ers-unavailable', { headers: retryAfter(30_000) });
  if (!asked.value.ok) {
    const { code, retryAfterMs } = asked.value;
    return refuse(code, retryAfterMs === undefined ? {} : { headers: retryAfter(retryAfterMs) });
  }
  const found = await store.read('ServiceRequest', idOf(asked.value.value));
  return found.ok ? { status: 200, body: found.value, headers: versionHeadersOf(found.value) } : refuseForStore(found);
}
