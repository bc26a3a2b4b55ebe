import type { Task } from '@medplum/fhirtypes';
import { identifierOf, SYSTEM } from '../../mappings/index.ts';
import type { DispatchRecord, Store, Stored, StoreResult } from '../core/index.ts';
import { type EngineRecord, readRecord } from '../store/index.ts';

/** One review as the store holds it: the Task, if it is still there, and the engine's record of it. */
export interface Review {
  readonly key: string;
  readonly task: Stored<Task> | undefined;
  readonly record: EngineRecord<DispatchRecord>;
}

/** Reads a Task and its record. Undefined: no review Task of ours. A deleted Task is found by its record alone. */
export async function loadReview(
  store: Store,
  taskId: string,
  knownKey?: string,
): Promise<StoreResult<Review | undefined>> {
  const task = await store.read('Task', taskId);
  if (!task.ok && task.code !== 'gone' && task.code !== 'not-found') return task;
  return reviewOf(store, task.ok ? task.value : undefined, knownKey);
}

/**
 * Reads the record of a Task that was read already.
 * @param knownKey what the Task's identifier was: one that somebody took away is still known by it
 */
export async function reviewOf(
  store: Store,
  task: Stored<Task> | undefined,
  knownKey?: string,
): Promise<StoreResult<Review | undefined>> {
  const key = (task && identifierOf(task, SYSTEM.reviewTask)) ?? knownKey;
  if (key === undefined) return { ok: true, value: undefined };
  const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
  if (!record.ok) return record;
  return { ok: true, value: record.value && { key, task, record: record.value } };
}
