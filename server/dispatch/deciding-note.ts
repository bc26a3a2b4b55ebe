import type { Task } from '@medplum/fhirtypes';
import { isSameJson } from '../../mappings/index.ts';
import type { Store, Stored, StoreResult } from '../core/index.ts';
import { notesAdded } from '../decisions/index.ts';

/** Versions of a Task between two looks of the engine; with more, nobody can tell any longer. */
const VERSIONS = 100;

/**
 * Whether the notes that are new since the baseline are just those that the deciding update added (T-2). The baseline
 * alone cannot tell: a note for colleagues that was written straight into the store shortly before or after the decision,
 * while nobody looked, would go to the referrer as its comment.
 */
export async function areNotesOfDecision(
  store: Store,
  task: Stored<Task>,
  baseline: Task,
): Promise<StoreResult<boolean>> {
  const added = notesAdded(baseline, task) ?? [];
  if (added.length === 0) return { ok: true, value: true };
  const page = await store.history('Task', task.id, { count: VERSIONS });
  if (!page.ok) return page;
  const versions = page.value.entries.flatMap(({ resource }) => (resource === undefined ? [] : [resource as Task]));
  const before = versions.findIndex((version) => !isSameJson(decisionIn(version), decisionIn(task)));
  const [earlier, deciding] = [versions[before], versions[before - 1]];
  if (earlier === undefined || deciding === undefined) return { ok: true, value: false };
  return { ok: true, value: isSameJson(notesAdded(earlier, deciding), added) };
}

/** What a client decides with, but for the note. */
const decisionIn = ({ status, statusReason }: Task) => ({ status, statusReason });
