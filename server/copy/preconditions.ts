import type { DispatchRecord, LeaseRecord, Store } from '../core/index.ts';
import { listRecords } from '../store/index.ts';
import type { CopyEnd } from './account.ts';

/**
 * Why one store must not be copied into the other now; undefined: it may.
 * Source: issue 6; D1, D2: a decision on its way is ended by the engine that has its record, and by no second one
 */
export async function whyNot(source: Store, target: Store): Promise<CopyEnd | undefined> {
  const dispatches = await listRecords<DispatchRecord>(source, 'ers-dispatch');
  if (!dispatches.ok) return { kind: 'failed', at: undefined, failure: dispatches };
  const inFlight = dispatches.value.flatMap(({ data }) => (data.decision === undefined ? [] : [data.taskId]));
  if (inFlight.length > 0) return { kind: 'in-flight', taskIds: inFlight };
  return whyNotInto(target);
}

/** Whether an engine works, or has worked, on the target, which is looked at again and again: one may be started meanwhile. */
export async function whyNotInto(target: Store): Promise<CopyEnd | undefined> {
  // A lease is the one record that is never copied: where there is one, an engine has worked, and knows better by now.
  const leases = await listRecords<LeaseRecord>(target, 'ers-lease');
  if (!leases.ok) return { kind: 'failed', at: undefined, failure: leases };
  return leases.value.length > 0 ? { kind: 'target-in-use' } : undefined;
}
