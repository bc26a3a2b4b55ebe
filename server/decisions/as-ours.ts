import type { Task } from '@medplum/fhirtypes';
import { assessFound } from './assess-found.ts';
import type { AssessContext } from './assessment.ts';
import { invalid } from './outcomes.ts';
import type { Episode } from './situation.ts';
import { notesAdded, withClientNotes, withEngineElementsOf } from './task-elements.ts';

/**
 * The episode with the engine's own elements, whatever somebody made of them in the store: what is built on it becomes
 * the baseline, and a forgery must not; nor what the rules refuse of a client, which is given back here as dispatch would
 * have (E-9c). A decision that was written straight into the store stands as it is, for dispatch to judge.
 */
export function asOurs(found: Episode): Ours {
  const { task, record } = found;
  const { baseline, offered } = record;
  const ours = withEngineElementsOf(baseline, task);
  if (isDecided(found))
    return { record, task: notesAdded(baseline, ours) === undefined ? withNotesOf(ours, baseline) : ours };
  const { assessment } = assessFound({ baseline, task, offered, context: NO_DECISION });
  switch (assessment.kind) {
    case 'annotated':
      return { record, task: assessment.task };
    case 'refused': {
      const given = invalid({ task: withClientNotes(baseline, task), record }, assessment.issues);
      return { ...given, isRefused: true };
    }
    default:
      return { record, task: baseline };
  }
}

/** An episode as it is to be built upon. */
export interface Ours extends Episode {
  /** Somebody wrote what the rules refuse: the Task says so, and is not stored yet. */
  readonly isRefused?: boolean;
}

/** An earlier note that somebody altered or dropped is as it was (T-2). */
function withNotesOf({ note: _, ...task }: Task, { note }: Task): Task {
  return note === undefined ? task : { ...task, note };
}

/** What only decisions are judged by. */
const NO_DECISION: AssessContext = { rejectionReasons: undefined, usableAttachments: new Set() };

/** A decision that is queued, or was written straight to the store and not yet taken over. */
export const isDecided = ({ task, record }: Episode): boolean =>
  record.decision !== undefined || task.status === 'accepted' || task.status === 'rejected';
