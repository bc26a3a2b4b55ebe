import type { Task } from '@medplum/fhirtypes';
import type { DispatchRecord, Stored } from '../core/index.ts';
import { type Assessment, assessTask } from '../decisions/index.ts';
import { originalOf, type Rules, readRules, reviewOf } from '../reviews/index.ts';
import type { EngineRecord } from '../store/index.ts';
import type { Refusal } from './answer.ts';
import { refuse, refuseForStore } from './outcome.ts';
import type { FacadeRoom } from './room.ts';

/** A review Task with the engine's picture of it. */
export interface Review {
  readonly task: Stored<Task>;
  readonly record: EngineRecord<DispatchRecord>;
}

/**
 * Issues: resource-not-found, resource-gone; transition-not-allowed where the engine keeps no review for the Task;
 * task-copied where the review is another Task's
 */
export async function loadReview({ store }: FacadeRoom, taskId: string): Promise<Review | Refusal> {
  const task = await store.read('Task', taskId);
  if (!task.ok) return refuseForStore(task);
  const review = await reviewOf(store, taskId, task.value);
  if (!review.ok) return refuseForStore(review);
  if (review.value === undefined) {
    const original = await originalOf(store, task.value);
    if (!original.ok) return refuseForStore(original);
    if (original.value !== undefined) {
      return refuse('task-copied', {
        text: `This Task is a copy: the review is Task/${original.value}. Decide on that one, and delete the copy.`,
        expression: 'Task.identifier',
      });
    }
    return refuse('transition-not-allowed', {
      text: 'The engine keeps no review for this Task.',
      expression: 'Task.identifier',
    });
  }
  return { task: task.value, record: review.value.record };
}

/** What judging a Task needs to know besides it; a store that does not answer now is no rule that was broken. */
export async function rulesFor(room: FacadeRoom, { record }: Review, task: Task): Promise<Rules | Refusal> {
  const { store, clock } = room;
  const rules = await readRules(store, record.data, task, clock.now().toISOString(), room);
  return rules.ok ? rules.value : refuseForStore(rules);
}

/** Judges what a client wants a review Task to be, by the rules that dispatch applies too (4.3). */
export function assess({ task: before, record }: Review, task: Task, { context }: Rules): Assessment {
  const { baseline, offered } = record.data;
  return assessTask({ baseline, before, task, offered, context });
}
