import { type Answer, isRefusal } from './answer.ts';
import { versionHeadersOf } from './etag.ts';
import { refuse, refuseForStore, retryAfter } from './outcome.ts';
import { loadReview } from './review.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { readSession } from './user-session.ts';
import { within } from './within.ts';

/**
 * `$ers-send-decision`: sends the decision that waits on the Task as the clinician whose session the headers carry.
 * 202: it is under way, and the Task will tell.
 * Issues: user-session-required, task-copied; what e-RS or the engine says
 * Source: target-model 4.7
 */
export async function sendDecision(room: FacadeRoom, { route, headers }: Call<RouteOf<'operation'>>): Promise<Answer> {
  const taskId = route.id ?? '';
  const carried = readSession(headers);
  if (isRefusal(carried)) return carried;
  if (carried.session === undefined) return refuse('user-session-required');
  const review = await loadReview(room, taskId);
  if (isRefusal(review)) return review;
  const sent = await within(room.clock, room.limits.sendWaitMs, room.engine.send(taskId, carried.session));
  const isUnderWay = sent.isLate || (!sent.value.ok && sent.value.code === 'engine-answer-lost');
  if (!sent.isLate && !sent.value.ok && !isUnderWay) {
    const { code, retryAfterMs } = sent.value;
    return refuse(code, retryAfterMs === undefined ? {} : { headers: retryAfter(retryAfterMs) });
  }
  const now = await room.store.read('Task', taskId);
  if (!now.ok) return refuseForStore(now);
  return { status: isUnderWay ? 202 : 200, body: now.value, headers: versionHeadersOf(now.value) };
}
