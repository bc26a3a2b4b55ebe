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

/**
 * Reads a Task and its record. Undefined: no review Task of ours. A deleted Task is found by its record alone.
 * @param knownKey the record's key, where it is known: what somebody made of the Task's identifier says nothing then
 */
export async function loadReview(
  store: Store,
  taskId: string,
  knownKey?: string,
): Promise<StoreResult<Review | undefined>> {
  const task = await store.read('Task', taskId);
  if (!task.ok && task.code !== 'gone' && task.code !== 'not-found') return task;
  return reviewOf(store, taskId, task.ok ? task.value : undefined, knownKey);
}

/** Reads the record of a Task that was read already. The record names its Task: one that only bears the identifier is a copy. */
export async function reviewOf(
  store: Store,
  taskId: string,
  task: Stored<Task> | undefined,
  knownKey?: string,
): Promise<StoreResult<Review | undefined>> {
  const key = knownKey ?? (task && identifierOf(task, SYSTEM.reviewTask));
  if (key === undefined) return { ok: true, value: undefined };
  const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
  if (!record.ok) return record;
  if (record.value === undefined || !isOf(record.value.data, taskId)) return { ok: true, value: undefined };
  return { ok: true, value: { key, task, record: record.value } };
}

/** The id of the Task that a copy was made of; undefined for one that is no copy of a review. */
export async function originalOf(store: Store, task: Stored<Task>): Promise<StoreResult<string | undefined>> {
  const key = identifierOf(task, SYSTEM.reviewTask);
  if (key === undefined) return { ok: true, value: undefined };
  const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
  if (!record.ok) return record;
  const data = record.value?.data;
  return { ok: true, value: data === undefined || isOf(data, task.id) ? undefined : data.taskId };
}

/** Where the store chooses ids, a record is told the one of its Task just after both were written. */
const isOf = (record: DispatchRecord, taskId: string): boolean =>
  record.taskId === taskId || record.taskId.startsWith('urn:');
