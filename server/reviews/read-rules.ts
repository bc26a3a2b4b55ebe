import type { CodeSystem, Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, type ErsPriority, environmentSystemOf, rejectionReasons } from '../../mappings/index.ts';
import type { DispatchRecord, Store, StoreResult } from '../core/index.ts';
import type { AssessContext } from '../decisions/index.ts';
import { usableAttachments } from './usable-attachments.ts';

/** What A004 said of rejection reasons: those in force now, and the system under which this environment takes them. */
export interface RejectionReference {
  /** Undefined while A004 has not been read. */
  readonly reasons: AssessContext['rejectionReasons'];
  readonly system: string | undefined;
}

/** Reads the rejection reasons in force at `now` from the store's mirror of A004. */
export async function readRejectionReference(store: Store, now: string): Promise<StoreResult<RejectionReference>> {
  const query = new URLSearchParams({ url: CODE_SYSTEM.appointmentCancellationReason });
  const found = await store.search('CodeSystem', query.toString());
  if (!found.ok) return found;
  const mirror = found.value.matches[0] as CodeSystem | undefined;
  if (mirror === undefined) return { ok: true, value: { reasons: undefined, system: undefined } };
  return { ok: true, value: { reasons: rejectionReasons(mirror, now), system: environmentSystemOf(mirror) } };
}

/** What judging and sending a decision need to know besides the Task, as it is now. */
export interface Rules {
  readonly context: AssessContext;
  readonly reference: RejectionReference;
}

/** Where nothing is rejected no reason is looked up: an accept does not wait for them. */
const NOT_READ: StoreResult<RejectionReference> = { ok: true, value: { reasons: undefined, system: undefined } };
const PRIORITIES: readonly ErsPriority[] = ['ROUTINE', 'URGENT', 'TWO_WEEK_WAIT'];

/**
 * Reads the rules for one review: facade and dispatch judge by the same (4.3).
 * @param task the Task to be judged: its attachments are looked up; undefined when somebody deleted it
 * @param site what the site allows
 */
export async function readRules(
  store: Store,
  record: DispatchRecord,
  task: Task | undefined,
  now: string,
  site: Pick<AssessContext, 'maxCommentLength'>,
): Promise<StoreResult<Rules>> {
  const mayReject = task?.status !== 'accepted' || record.decision?.code === 'reject';
  const reference = mayReject ? await readRejectionReference(store, now) : NOT_READ;
  if (!reference.ok) return reference;
  const usable = await usableAttachments(store, record, task);
  if (!usable.ok) return usable;
  const currentPriority = PRIORITIES.find((priority) => priority === record.reviewed.priority);
  const context: AssessContext = {
    rejectionReasons: reference.value.reasons,
    usableAttachments: usable.value,
    ...(record.decision?.wasUnknown ? { isInDoubt: true } : {}),
    ...(currentPriority === undefined ? {} : { currentPriority }),
    ...(site.maxCommentLength === undefined ? {} : { maxCommentLength: site.maxCommentLength }),
  };
  return { ok: true, value: { context, reference: reference.value } };
}
