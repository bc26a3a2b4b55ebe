import type { Task } from '@medplum/fhirtypes';
import { assessTask, readOnly, type TaskUpdate } from './assess-task.ts';
import type { Assessment } from './assessment.ts';
import { engineDifferences, withEngineElementsOf } from './task-elements.ts';

/** A Task as it was found in the store, judged against the engine's baseline (architecture 4). */
export interface Found {
  readonly assessment: Assessment;
  /** Engine elements that somebody else wrote; they are restored, and an alert is raised. */
  readonly forged: readonly string[];
}

/**
 * Judges a Task that may have been written behind the facade. What the facade itself writes with a decision is what
 * the rules make of it, so an engine element is forged only if it equals neither the baseline nor the judged Task. A
 * dropped or forged businessStatus never spoils a decision: it says nothing that the engine does not know better.
 */
export function assessFound(update: Omit<TaskUpdate, 'before'>): Found {
  const { baseline, task, offered, context } = update;
  const assessment = assessTask({ baseline, task: withEngineElementsOf(baseline, task), offered, context });
  const judged: Task = 'task' in assessment ? assessment.task : baseline;
  const unexplained = new Set(engineDifferences(judged, task));
  const forged = engineDifferences(baseline, task).filter((element) => unexplained.has(element));
  const spoiling = forged.filter((element) => element !== 'businessStatus');
  if (assessment.kind === 'decided' && spoiling.length > 0)
    return { assessment: { kind: 'refused', issues: spoiling.map(readOnly) }, forged };
  return { assessment, forged };
}
