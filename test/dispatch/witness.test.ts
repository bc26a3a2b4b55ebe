import { expect, test } from '@jest/globals';
import type { AuditEvent } from '@medplum/fhirtypes';
import { taskKey } from '../../mappings/index.ts';
import type { DispatchRecord } from '../../server/core/index.ts';
import { readRecord, writeRecord } from '../../server/store/index.ts';
import { reject } from './deciding.ts';
import { deaf, openWard, reach, type Ward } from './ward.ts';

const CORRELATION_ID = '7d6fd4a6-2f0c-4a9f-9d0e-0c3d5a1b2c3d';

/** What a process leaves behind that dies right after it wrote the in-flight mark. */
async function dies(ward: Ward, ubrn: string): Promise<void> {
  const { requestId } = await ward.recordOf(ubrn);
  const record = await readRecord<DispatchRecord>(ward.store, 'ers-dispatch', taskKey(requestId, 1).value);
  if (!record.ok || record.value?.data.decision === undefined) throw new Error('no decision');
  const { data, key } = record.value;
  const lastAttempt = {
    number: 1,
    correlationId: CORRELATION_ID,
    operation: 'A014',
    version: data.sendable.version,
    bodyHash: 'of a body that nobody has any more',
    mode: 'user',
    startedAt: new Date(Date.now() - 400_000).toISOString(),
    outcome: 'unknown',
  } as const;
  const decision = { ...record.value.data.decision, attempts: 1, firstAttemptAt: lastAttempt.startedAt, lastAttempt };
  const written = await writeRecord(ward.store, 'ers-dispatch', key, { ...data, decision }, record.value);
  if (!written.ok) throw new Error(written.code);
}

/** What AuditEvents tell of a review: operation, outcome and correlation id. */
async function auditsOf(ward: Ward, ubrn: string) {
  const { taskId } = await ward.recordOf(ubrn);
  const found = await ward.store.search('AuditEvent', '_count=100');
  const about = (found.ok ? (found.value.matches as AuditEvent[]) : []).filter((event) =>
    event.entity?.some(({ what }) => what?.reference === `Task/${taskId}`),
  );
  return about.map((event) => {
    const correlation = JSON.stringify(event).includes(CORRELATION_ID) ? CORRELATION_ID : undefined;
    return [event.subtype?.[0]?.code, event.outcome, correlation];
  });
}

test('E-3: an attempt whose answer its process did not live to hear has its AuditEvent, by the process that settles it', async () => {
  await using ward = await openWard({ isSignedIn: false });
  const ubrn = await ward.refer('booked-direct');
  await ward.decide(ubrn, reject);
  await reach(ward, ubrn, 'awaiting-user-authorisation');
  await dies(ward, ubrn);
  await ward.restartDispatch();
  for (const startedMs = performance.now(); ; ) {
    await ward.dispatch.settled();
    if ((await ward.recordOf(ubrn)).decision?.lastAttempt?.outcome === 'not-applied') break;
    if (performance.now() - startedMs > 12_000) throw new Error('the attempt was not settled');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  expect(await auditsOf(ward, ubrn)).toEqual([['A014', '4', CORRELATION_ID]]);
}, 30_000);

test('E-3: nor does it lack one because an operator gave the decision back before anybody had looked', async () => {
  const seldom = 600_000;
  await using ward = await openWard({
    isSignedIn: false,
    around: deaf,
    scanEveryMs: seldom,
    sweepEveryMs: seldom,
    policy: { attemptMaxMs: 0 },
  });
  const ubrn = await ward.refer('booked-direct');
  await ward.decide(ubrn, reject);
  await reach(ward, ubrn, 'awaiting-user-authorisation');
  await dies(ward, ubrn);
  const { taskId } = await ward.recordOf(ubrn);
  expect(await ward.dispatch.reopen(taskId)).toEqual({ ok: true, value: undefined });
  expect(await auditsOf(ward, ubrn)).toEqual([['A014', '4', CORRELATION_ID]]);
}, 30_000);
