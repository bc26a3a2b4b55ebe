import type { Task } from '@medplum/fhirtypes';
import { identifierOf, SYSTEM } from '../../mappings/index.ts';
import type { DispatchRecord, Store, StoreResult, WaitingDecision } from '../core/index.ts';
import { readRecord } from '../store/index.ts';
import { decisionIdOf, type IdentifiedSession } from './sessions.ts';

const WAITING = 'business-status=awaiting-user-authorisation&_count=200&_sort=authored-on';

/**
 * Decisions that wait for a clinician, as far as a session could send them: its user's own, those of the clinician acted
 * for, and those of nobody known. Whose a decision is, the facade's authentication says; without that the Task itself, by
 * the author of the note or the owner.
 * Source: target-model 4.7
 */
export async function findWaiting(
  store: Store,
  identified: IdentifiedSession,
): Promise<StoreResult<readonly WaitingDecision[]>> {
  const found: WaitingDecision[] = [];
  const people = new Map<string, string | undefined>();
  let next: string | undefined;
  do {
    const page = await store.search('Task', WAITING, next);
    if (!page.ok) return page;
    for (const match of page.value.matches) {
      const key = identifierOf(match as Task, SYSTEM.reviewTask);
      if (key === undefined) continue;
      const record = await readRecord<DispatchRecord>(store, 'ers-dispatch', key);
      if (!record.ok) return record;
      const { taskId, decision } = record.value?.data ?? {};
      if (taskId !== match.id || decision === undefined) continue;
      const decider = decision.user ? decision.user.sdsUserId : await sdsUserIdOf(store, decision.decider, people);
      const isOwn = decider === identified.sdsUserId || decider === identified.session.onBehalfOf;
      if (decider === undefined || isOwn)
        found.push({
          taskId,
          id: decisionIdOf(decision),
          decision: decision.code,
          isOwn: decider !== undefined && isOwn,
        });
    }
    next = page.value.next;
  } while (next !== undefined);
  return { ok: true, value: found };
}

/** The SDS user id of a Practitioner whom a Task names. */
async function sdsUserIdOf(
  store: Store,
  reference: string | undefined,
  known: Map<string, string | undefined>,
): Promise<string | undefined> {
  const id = /^Practitioner\/(.+)$/.exec(reference ?? '')?.[1];
  if (id === undefined) return undefined;
  if (!known.has(id)) {
    const read = await store.read('Practitioner', id);
    known.set(id, read.ok ? identifierOf(read.value, SYSTEM.sdsUser) : undefined);
  }
  return known.get(id);
}
