import type { Task } from '@medplum/fhirtypes';
import { isSameJson } from '../../mappings/index.ts';
import type { Store, Stored, StoreFailure } from '../core/index.ts';
import {
  type DecisionIssue,
  hasParts,
  hasSameOutputs,
  notesAdded,
  partOfAnotherUpdate,
  partsKept,
} from '../decisions/index.ts';

/** Versions of a Task between two looks of the engine; with more, nobody can tell any longer. */
const VERSIONS = 100;

/** `value`: it came in one update; else `issues` say what did not. */
export type InOneUpdate =
  | { readonly ok: true; readonly value: boolean; readonly issues: readonly DecisionIssue[] }
  | StoreFailure;

/**
 * Whether what is new since the baseline is just what the deciding update brought: its notes (T-2), its reason and its
 * outputs (4.3). The baseline alone cannot tell, where others wrote straight into the store while nobody looked: a note for
 * colleagues would go to the referrer, and a reason that was left there would decide what a bare status means.
 */
export async function cameInOneUpdate(store: Store, task: Stored<Task>, baseline: Task): Promise<InOneUpdate> {
  const added = notesAdded(baseline, task) ?? [];
  if (added.length === 0 && !hasParts(task)) return said([]);
  const page = await store.history('Task', task.id, { count: VERSIONS });
  if (!page.ok) return page;
  const versions = page.value.entries.flatMap(({ resource }) => (resource === undefined ? [] : [resource as Task]));
  const before = versions.findIndex((version) => !isSameJson(decisionIn(version), decisionIn(task)));
  const [earlier, deciding] = [versions[before], versions[before - 1]];
  if (earlier === undefined || deciding === undefined)
    return said([added.length > 0 ? NOTE_OF_ANOTHER_UPDATE : UNTOLD]);
  const parts = new Set([...partsKept(earlier, deciding), ...(hasSameOutputs(deciding, task) ? [] : ['Task.output'])]);
  return said([
    ...(isSameJson(notesAdded(earlier, deciding), added) ? [] : [NOTE_OF_ANOTHER_UPDATE]),
    ...[...parts].map(partOfAnotherUpdate),
  ]);
}

const said = (issues: readonly DecisionIssue[]): InOneUpdate => ({ ok: true, value: issues.length === 0, issues });

/** What a client decides with, but for the note and the outputs. */
const decisionIn = ({ status, statusReason }: Task) => ({ status, statusReason });

/** The new notes are not those of the deciding update alone: one of them may be meant for colleagues only. */
const NOTE_OF_ANOTHER_UPDATE: DecisionIssue = {
  code: 'comment-ambiguous',
  expression: 'Task.note',
  text: 'A note was added before or after the deciding update: decide again, with the comment in that update.',
};

/** Where the store keeps no versions nobody can tell what a bare status meant. */
const UNTOLD: DecisionIssue = {
  code: 'decision-incomplete',
  expression: 'Task',
  text: 'Nobody can tell whether its reason and outputs came with the status: the store keeps no earlier version of this Task.',
};
