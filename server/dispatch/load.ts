import type { CodeSystem, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type ErsPriority,
  environmentSystemOf,
  identifierOf,
  rejectionReasons,
  SYSTEM,
} from '../../mappings/index.ts';
import type { DispatchRecord, Store, Stored, StoreResult } from '../core/index.ts';
import type { AssessContext } from '../decisions/index.ts';
import { readRecord } from '../store/index.ts';

/** One review as the store holds it: the Task, if it is still there, and the engine's record of it. */
export interface Review {
  readonly key: string;
  readonly task: Stored<Task> | undefined;
  readonly record: { readonly data: DispatchRecord; readonly versionId: string; readonly id: string };
}

/** Reads a Task and its record. Undefined: no review Task of ours. A deleted Task is found by its record alone. */
export async function loadReview(
  store: Store,
  taskId: string,
  knownKey?: string,
): Promise<StoreResult<Review | undefined>> {
  const task = await store.read('Task', taskId);
  if (!task.ok && task.code !== 'gone' && task.code !== 'not-found') return task;
  const key = task.ok ? identifierOf(task.value, SYSTEM.reviewTask) : knownKey;
  // A Task whose identifier somebody took away is known by what it was.
  const recordKey = key ?? knownKey;
  if (recordKey === undefined) return { ok: true, value: undefined };
  const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', recordKey);
  if (!record.ok) return record;
  if (record.value === undefined) return { ok: true, value: undefined };
  return { ok: true, value: { key: recordKey, task: task.ok ? task.value : undefined, record: record.value } };
}

/** What A004 said of rejection reasons: those in force now, and the system under which this environment takes them. */
export interface RejectionReference {
  readonly reasons: AssessContext['rejectionReasons'];
  readonly system: string | undefined;
}

/** Reads the rejection reasons in force at `now` from the store's mirror of A004; undefined: the store did not answer. */
export async function readRejectionReference(store: Store, now: string): Promise<RejectionReference | undefined> {
  const found = await store.search(
    'CodeSystem',
    `url=${encodeURIComponent(CODE_SYSTEM.appointmentCancellationReason)}`,
  );
  if (!found.ok) return undefined;
  const mirror = found.value.matches[0] as CodeSystem | undefined;
  if (mirror === undefined) return { reasons: undefined, system: undefined };
  return { reasons: rejectionReasons(mirror, now), system: environmentSystemOf(mirror) };
}

const PRIORITIES: readonly ErsPriority[] = ['ROUTINE', 'URGENT', 'TWO_WEEK_WAIT'];

/** The context in which a Task's update is judged (T-rules). */
export function assessContext(record: DispatchRecord, reference: RejectionReference): AssessContext {
  const currentPriority = PRIORITIES.find((priority) => priority === record.reviewed.priority);
  return {
    rejectionReasons: reference.reasons,
    usableAttachments: new Set(),
    ...(currentPriority === undefined ? {} : { currentPriority }),
  };
}
