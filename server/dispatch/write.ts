import type { Task } from '@medplum/fhirtypes';
import { isSameJson } from '../../mappings/index.ts';
import type { StoreResult, TransactionEntry } from '../core/index.ts';
import type { StepResult } from '../decisions/index.ts';
import type { Review } from '../reviews/index.ts';
import { recordEntry } from '../store/index.ts';
import type { DispatchRoom } from './room.ts';

/** The members of a Task that make a version of it: not what stores and clocks write. */
export function contentOf(task: Task): Omit<Task, 'meta' | 'lastModified'> {
  const { meta: _, lastModified: __, ...content } = task;
  return content;
}

/** Whether two versions of a Task say the same. */
export const isSame = (one: Task, other: Task): boolean => isSameJson(contentOf(one), contentOf(other));

/**
 * Writes a step: the Task with If-Match, if it changed, its record with If-Match, and the witnesses as plain creates, in
 * one transaction. Conflict: somebody was faster; read again, judge again.
 * Source: architecture 1
 */
export async function writeStep(
  { store, clock, people, alerts, log }: DispatchRoom,
  review: Review,
  step: StepResult,
  witnesses: readonly TransactionEntry[] = [],
): Promise<StoreResult<void>> {
  const { task: found } = review;
  const isTaskChanged = found === undefined || !isSame(found, step.task);
  const task = { ...step.task, id: review.record.data.taskId, lastModified: clock.now().toISOString() };
  const entries: TransactionEntry[] = [
    ...(isTaskChanged
      ? [{ kind: 'put', resource: task, ...(found && { ifMatch: found.meta.versionId }) } as const]
      : []),
    recordEntry(store, 'ers-dispatch', review.key, step.record, review.record),
    ...witnesses.map((witness) =>
      witness.kind === 'create' ? { ...witness, resource: people.resolve(witness.resource) } : witness,
    ),
  ];
  const written = await store.transaction(entries);
  const { taskId } = review.record.data;
  if (written.ok) alerts.clear('task-unwritable', taskId);
  else if (written.code === 'invalid') {
    // No repetition mends it, and the clinician believes that it was sent: a person must know, once.
    const isKnown = alerts.standing().some(({ code, subject }) => code === 'task-unwritable' && subject === taskId);
    if (!isKnown) log.error('dispatch.step.refused', { taskId, code: 'task-unwritable' });
    alerts.raise('task-unwritable', taskId);
  }
  return written.ok ? { ok: true, value: undefined } : written;
}
