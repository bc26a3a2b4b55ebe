import type { Task } from '@medplum/fhirtypes';
import { SYSTEM, taskKey } from '../../mappings/index.ts';
import type { DispatchRecord, Store, Stored, StoreResult } from '../core/index.ts';
import { readRecord } from '../store/index.ts';
import type { LatestReview } from './landing.ts';
import { readIfThere } from './parts.ts';

/**
 * Reads the review of an episode: its record and its Task, or the record's picture of a Task that somebody deleted.
 * Undefined: there is no such review.
 */
export async function readReview(
  store: Store,
  requestId: string,
  episode: number,
): Promise<StoreResult<LatestReview | undefined>> {
  const key = taskKey(requestId, episode).value;
  const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
  if (!record.ok) return record;
  if (record.value === undefined) return { ok: true, value: undefined };
  const { data, id, versionId } = record.value;
  const found = await readTask(store, data.taskId, key);
  if (!found.ok) return found;
  const task = found.value ?? data.baseline;
  const taskVersion = found.value?.meta.versionId;
  return {
    ok: true,
    value: {
      task,
      record: data,
      key,
      recordId: id,
      recordVersion: versionId,
      ...(taskVersion === undefined ? {} : { taskVersion }),
    },
  };
}

async function readTask(store: Store, id: string, key: string): Promise<StoreResult<Stored<Task> | undefined>> {
  if (!id.startsWith('urn:')) {
    const task = await readIfThere(store, 'Task', id);
    if (!task.ok || task.value !== undefined || store.capabilities.clientIds)
      return task as StoreResult<Stored<Task> | undefined>;
  }
  const found = await store.findByIdentifier('Task', SYSTEM.reviewTask, key);
  return found.ok ? { ok: true, value: found.value[0] } : found;
}
