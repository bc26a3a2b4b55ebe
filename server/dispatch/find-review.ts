import type { EngineAnswer } from '../core/index.ts';
import { withoutParts } from '../decisions/index.ts';
import { loadReview, type RejectionReference, type Review, readRules } from '../reviews/index.ts';
import type { InHand } from './next.ts';
import { cameInOneUpdate } from './one-update.ts';
import type { DispatchRoom } from './room.ts';
import { refuse, takeOver } from './take-over.ts';
import { isSame } from './write.ts';

/** A review in hand, with what its decision is judged by. */
export type Found = InHand & { readonly reference: RejectionReference };

/**
 * Reads a review as the store has it now, with what others wrote on it taken over, but not written yet. Undefined: none of
 * ours.
 * Codes: store-unavailable
 */
export async function findReview(
  room: DispatchRoom,
  taskId: string,
  key: string | undefined,
  remember: (review: Review) => void,
): Promise<EngineAnswer<Found | undefined>> {
  const { store, clock } = room;
  const loaded = await loadReview(store, taskId, key);
  if (!loaded.ok) return { ok: false, code: 'store-unavailable' };
  const review = loaded.value;
  if (review === undefined) return { ok: true, value: undefined };
  remember(review);
  const record = review.record.data;
  // Mostly nobody wrote on it, and the rules need not be read to know that: a sweep looks at thousands.
  const isAtRest = record.decision === undefined && record.deciding === undefined;
  if (isAtRest && review.task !== undefined && isSame(review.task, record.baseline)) {
    // What an older version let clients write before they decided must not be stuck there: it comes with the decision.
    const task = record.ended === undefined ? withoutParts(record.baseline) : record.baseline;
    const isDirty = task !== record.baseline;
    const step = { task, record: isDirty ? { ...record, baseline: task } : record };
    return { ok: true, value: { review, step, isDirty, reference: { reasons: undefined, system: undefined } } };
  }
  const now = clock.now().toISOString();
  const rules = await readRules(store, record, review.task, now, room);
  if (!rules.ok) return { ok: false, code: 'store-unavailable' };
  const { context, reference } = rules.value;
  let taken = takeOver(review.task, record, context, now);
  const isAdopted = record.decision === undefined && taken.step?.record.decision !== undefined;
  if (isAdopted && review.task !== undefined) {
    const isTheirs = await cameInOneUpdate(store, review.task, record.baseline);
    if (!isTheirs.ok) return { ok: false, code: 'store-unavailable' };
    if (!isTheirs.value) taken = refuse(review.task, record, isTheirs.issues, taken.repaired);
  }
  report(
    room,
    review,
    taken.repaired,
    taken.refused.map(({ code }) => code),
  );
  const step = taken.step ?? { task: record.baseline, record };
  return { ok: true, value: { review, step, isDirty: taken.step !== undefined, reference } };
}

function report(
  { log, alerts }: DispatchRoom,
  review: Review,
  repaired: readonly string[],
  refused: readonly string[],
): void {
  const { taskId } = review.record.data;
  for (const element of repaired) log.warn('dispatch.task.repaired', { taskId, element });
  if (repaired.length > 0) alerts.raise('task-repaired', taskId);
  for (const code of refused) log.warn('dispatch.decision.refused', { taskId, code });
}
