import { CODE_SYSTEM } from '../../mappings/index.ts';
import type { DispatchRecord, VerifiedUser } from '../../server/core/index.ts';
import { readRecord, recordEntry } from '../../server/store/index.ts';
import type { Ward } from './ward.ts';

/** An accept as a client patches it. */
export const accept = [{ op: 'replace', path: '/status', value: 'accepted' }];

/** A rejection that needs no comment. */
export const reject = [
  { op: 'replace', path: '/status', value: 'rejected' },
  {
    op: 'add',
    path: '/statusReason',
    value: { coding: [{ system: CODE_SYSTEM.appointmentCancellationReason, code: 'SERVICE_INAPPROPRIATE' }] },
  },
];

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
