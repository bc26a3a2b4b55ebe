import { type Answer, isRefusal } from './answer.ts';
import { versionHeadersOf } from './etag.ts';
import { refuse, refuseForStore, retryAfter } from './outcome.ts';
import { loadReview } from './review.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { within } from './within.ts';

/** Why a decision stays as it is: each is a conflict with what e-RS has, or may have. */
const CONFLICTS: ReadonlySet<string> = new Set(['nothing-to-reopen', 'task-closed', 'outcome-unknown']);

/**
 * `$ers-reopen`: gives a decision that is stuck on its way back to the reviewers; for operators.
 * Issues: task-copied; nothing-to-reopen, task-closed, outcome-unknown as 409; engine-unavailable; ers-unavailable
 * Source: target-model 5, E-9a
 */
export async function reopenTask(room: FacadeRoom, { route }: Call<RouteOf<'operation'>>): Promise<Answer> {
  const taskId = route.id ?? '';
  const review = await loadReview(room, taskId);
  if (isRefusal(review)) return review;
  if (!(await room.engine.isAtHand())) return refuse('engine-unavailable');
  const reopened = await within(room.clock, room.limits.fetchWaitMs, room.engine.reopen(taskId));
  if (reopened.isLate) return refuse('ers-unavailable', { headers: retryAfter(30_000) });
  if (!reopened.value.ok) {
    const { code, retryAfterMs } = reopened.value;
    return refuse(code, {
      ...(CONFLICTS.has(code) ? { status: 409, expression: 'Task.businessStatus' } : {}),
      ...(retryAfterMs === undefined ? {} : { headers: retryAfter(retryAfterMs) }),
    });
  }
  const now = await room.store.read('Task', taskId);
  return now.ok ? { status: 200, body: now.value, headers: versionHeadersOf(now.value) } : refuseForStore(now);
}
