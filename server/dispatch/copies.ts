import type { Task } from '@medplum/fhirtypes';
import { reviewStatusOf } from '../../mappings/index.ts';
import type { Alerts, Log, Store, Stored } from '../core/index.ts';
import { groupOf } from '../decisions/index.ts';
import { originalOf } from '../reviews/index.ts';

/**
 * Decided Tasks that bear the identifier of a review which is another Task's: somebody created them in the store. Nothing
 * is sent for one, and nothing done with it: an alert stands as long as it is there and decided.
 */
export class Copies {
  readonly #store: Store;
  readonly #alerts: Alerts;
  readonly #log: Log;
  /** Task id → the version that was looked at. */
  readonly #known = new Map<string, string>();

  constructor({ store, alerts, log }: { readonly store: Store; readonly alerts: Alerts; readonly log: Log }) {
    this.#store = store;
    this.#alerts = alerts;
    this.#log = log;
  }

  /** Whether this version of a Task is known to be a copy: it need not be looked at again. */
  has({ id, meta }: Stored): boolean {
    return this.#known.get(id) === meta.versionId;
  }

  /** Looks at a Task that is no review of ours. */
  async note(taskId: string): Promise<void> {
    const task = await this.#store.read('Task', taskId);
    if (!task.ok || !isDecided(task.value)) return;
    const original = await originalOf(this.#store, task.value);
    if (!original.ok || original.value === undefined) return;
    if (!this.#known.has(taskId)) this.#log.warn('dispatch.task.copied', { taskId });
    this.#known.set(taskId, task.value.meta.versionId);
    this.#alerts.raise('task-copied', taskId);
  }

  /** @param decided all decided Tasks that there are: copies that are not among them are gone, or decided no more */
  retain(decided: ReadonlySet<string>): void {
    for (const taskId of this.#known.keys()) if (!decided.has(taskId)) this.forget(taskId);
  }

  forget(taskId: string): void {
    if (this.#known.delete(taskId)) this.#alerts.clear('task-copied', taskId);
  }
}

/** As a scan finds it (architecture 4). */
function isDecided(task: Task): boolean {
  const shown = reviewStatusOf(task);
  const group = shown && groupOf(shown);
  return group === 'in-flight' || (group !== 'final' && (task.status === 'accepted' || task.status === 'rejected'));
}
