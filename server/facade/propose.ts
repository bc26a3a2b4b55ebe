import type { Task } from '@medplum/fhirtypes';
import type { Stored } from '../core/index.ts';
import { isRefusal, type Refusal } from './answer.ts';
import { applyJsonPatch, type PatchLimits } from './json-patch.ts';
import { refuse, refuseDecision } from './outcome.ts';
import { bytesOf } from './size.ts';
import { checkTaskShape } from './task-shape.ts';

/** What a client wants a Task to be, made from the Task as it is. */
export type Propose = (current: Stored<Task>) => { task: Task } | Refusal;

/** By JSON Patch. */
export const proposePatched =
  (patch: unknown, limits: PatchLimits): Propose =>
  (current) => {
    const patched = applyJsonPatch<Task>(current, patch, limits);
    return isRefusal(patched) ? patched : proposal(current, patched.result, limits);
  };

/** By sending the whole Task. */
export const proposeReplaced =
  (task: unknown, limits: PatchLimits): Propose =>
  (current) =>
    proposal(current, task, limits);

function proposal(current: Stored<Task>, wanted: unknown, { maxTaskBytes }: PatchLimits): { task: Task } | Refusal {
  if ((bytesOf(wanted) ?? Number.POSITIVE_INFINITY) > maxTaskBytes) return taskTooLarge(maxTaskBytes);
  const checked = checkTaskShape(wanted);
  if (isRefusal(checked)) return checked;
  const { task } = checked;
  if (task.id !== current.id) {
    return refuse('body-unreadable', { text: 'Task.id is the id in the URL.', expression: 'Task.id' });
  }
  const narrative = task.text !== undefined && JSON.stringify(task.text) !== JSON.stringify(current.text);
  if (narrative || !hasSameLabels(task.meta, current.meta)) {
    const expression = narrative ? 'Task.text' : 'Task.meta';
    const text = `Only the engine writes ${expression}: send it as it was read.`;
    return refuseDecision([{ code: 'read-only-element', expression, text }]);
  }
  const { text: _, ...rest } = task;
  return { task: { ...rest, meta: current.meta, ...(current.text === undefined ? {} : { text: current.text }) } };
}

/** Issues: body-too-large */
export const taskTooLarge = (maxBytes: number): Refusal =>
  refuse('body-too-large', {
    text: `The Task would have more than ${maxBytes} bytes: shorten what you add. Notes are comments, not documents.`,
    expression: 'Task',
  });

/** Profiles, tags and labels are not the client's; left out altogether they stay. */
function hasSameLabels(wanted: Task['meta'], current: Task['meta']): boolean {
  return (['profile', 'tag', 'security'] as const).every(
    (name) => wanted?.[name] === undefined || JSON.stringify(wanted[name]) === JSON.stringify(current?.[name]),
  );
}
