import type { CodeSystem, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type ErsPriority,
  environmentSystemOf,
  identifierOf,
  rejectionReasons,
  SYSTEM,
} from '../../mappings/index.ts';
import type { DispatchRecord, Stored } from '../core/index.ts';
import { type AssessContext, type Assessment, assessTask } from '../decisions/index.ts';
import { type EngineRecord, readRecord } from '../store/index.ts';
import type { Refusal } from './answer.ts';
import { refuse, refuseForStore } from './outcome.ts';
import type { FacadeRoom } from './room.ts';

/** A review Task with the engine's picture of it. */
export interface Review {
  readonly task: Stored<Task>;
  readonly record: EngineRecord<DispatchRecord>;
}

/** Issues: resource-not-found, resource-gone; transition-not-allowed where the engine keeps no review for the Task */
export async function loadReview({ store }: FacadeRoom, taskId: string): Promise<Review | Refusal> {
  const task = await store.read('Task', taskId);
  if (!task.ok) return refuseForStore(task);
  const key = identifierOf(task.value, SYSTEM.reviewTask);
  const record = key === undefined ? undefined : await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
  if (record && !record.ok) return refuseForStore(record);
  if (!record?.value) {
    return refuse('transition-not-allowed', {
      text: 'The engine keeps no review for this Task.',
      expression: 'Task.identifier',
    });
  }
  return { task: task.value, record: record.value };
}

/** Judges what a client wants a review Task to be, by the rules that dispatch applies too (4.3). */
export async function judge(room: FacadeRoom, { task: before, record }: Review, task: Task): Promise<Assessment> {
  const { baseline, offered } = record.data;
  return assessTask({ baseline, before, task, offered, context: await judgeContext(room, record.data) });
}

export interface JudgeContext extends AssessContext {
  /** What this environment of e-RS calls the system of its rejection reasons; undefined while A004 has not been read. */
  readonly rejectionReasonSystem: string | undefined;
}

/** What the rules need to know besides the Task, as it is now. */
export async function judgeContext(room: FacadeRoom, { reviewed }: DispatchRecord): Promise<JudgeContext> {
  const { reasons, system } = await readRejectionReasons(room);
  const currentPriority = PRIORITIES.find((priority) => priority === reviewed.priority);
  return {
    rejectionReasons: reasons,
    rejectionReasonSystem: system,
    usableAttachments: new Set(),
    ...(currentPriority === undefined ? {} : { currentPriority }),
  };
}

const PRIORITIES: readonly ErsPriority[] = ['ROUTINE', 'URGENT', 'TWO_WEEK_WAIT'];

/** Rejection reasons in force now; undefined while A004 has not been read. `system`: what e-RS calls their system. */
export async function readRejectionReasons({ store, clock }: FacadeRoom) {
  const query = new URLSearchParams({ url: CODE_SYSTEM.appointmentCancellationReason });
  const found = await store.search('CodeSystem', query.toString());
  const mirror = found.ok ? (found.value.matches[0] as CodeSystem | undefined) : undefined;
  return mirror === undefined
    ? { reasons: undefined, system: undefined }
    : { reasons: rejectionReasons(mirror, clock.now().toISOString()), system: environmentSystemOf(mirror) };
}
