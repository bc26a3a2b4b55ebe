import type { DispatchRecord, VerifiedUser } from '../../server/core/index.ts';
import { readRecord, recordEntry } from '../../server/store/index.ts';
import type { Ward } from './ward.ts';

/** Accepts as the facade does it for an authenticated user: the Task, and in the same transaction who it was. */
export async function acceptAs(ward: Ward, ubrn: string, sdsUserId: string): Promise<void> {
  const task = await ward.taskOf(ubrn);
  const key = task.identifier?.find(({ system }) => system?.endsWith('review-task'))?.value ?? '';
  const record = await readRecord<DispatchRecord>(ward.store, 'ers-dispatch', key);
  if (!record.ok || record.value === undefined) throw new Error('no record');
  const user: VerifiedUser = { name: sdsUserId, sdsUserId };
  const deciding = { command: { decision: 'accept' as const }, user, isInSession: false };
  const written = await ward.store.transaction([
    { kind: 'put', resource: { ...task, status: 'accepted' }, ifMatch: task.meta.versionId },
    recordEntry(ward.store, 'ers-dispatch', key, { ...record.value.data, deciding }, record.value),
  ]);
  if (!written.ok) throw new Error(JSON.stringify(written));
}
