import { describe, expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, decisionOf, makeOutput, withReviewStatus } from '../../mappings/index.ts';
import type { DispatchRecord } from '../../server/core/index.ts';
import { recordEntry, writeRecord } from '../../server/store/index.ts';
import { businessStatusOf } from '../sign-in.ts';
import { accept } from './deciding.ts';
import { heldRecordOf, openWard, until, type Ward } from './ward.ts';

const REDIRECT = 'CANCEL_APPOINTMENT_ACTION_LATER';
const OTHER = 'an attempt of the engine that took over';

/** Another engine, which holds the lease by now, has begun an attempt of its own. */
async function takeOver(ward: Ward, ubrn: string): Promise<void> {
  const record = await heldRecordOf(ward, ubrn);
  const { decision } = record.data;
  if (decision?.lastAttempt === undefined) throw new Error('no attempt');
  const lastAttempt = { ...decision.lastAttempt, number: 2, correlationId: OTHER, outcome: 'unknown' as const };
  const data: DispatchRecord = { ...record.data, decision: { ...decision, attempts: 2, lastAttempt } };
  const written = await writeRecord(ward.store, 'ers-dispatch', record.key, data, record);
  if (!written.ok) throw new Error(written.code);
}

/** Whose attempt each later version of the record told of, and how it ended. */
async function attemptsSince(ward: Ward, ubrn: string): Promise<string[]> {
  const { id } = await heldRecordOf(ward, ubrn);
  const history = await ward.store.history('Basic', id, { count: 100 });
  if (!history.ok) throw new Error(history.code);
  const attempts = history.value.entries.toReversed().map(({ resource }) => {
    const payload = resource?.resourceType === 'Basic' ? resource.extension?.[0]?.valueString : undefined;
    const attempt = (JSON.parse(payload ?? '{}') as DispatchRecord).decision?.lastAttempt;
    return attempt === undefined ? 'none' : `${attempt.correlationId === OTHER ? 'theirs' : 'ours'} ${attempt.outcome}`;
  });
  // Its AuditEvent may be written first, which tells nothing new of the attempt.
  return attempts.slice(attempts.lastIndexOf('theirs unknown'));
}

const readsOf = async (ward: Ward, ubrn: string) => (await ward.calls('A005')).filter((call) => call.ubrn === ubrn);

describe('an engine that lost its lease while e-RS was at work', () => {
  test('D2: does not write the answer to its own attempt over the attempt of the engine that took over', async () => {
    await using ward = await openWard({ writeMs: 3_000 });
    const ubrn = await ward.refer('booked-direct');
    // 503: ours was not applied, as far as we know. That says nothing of theirs, for which e-RS is read.
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 503, applied: true, times: 1 });
    await ward.decide(ubrn, accept);
    await until(async () => (await ward.calls('A013')).some((call) => call.ubrn === ubrn));
    await takeOver(ward, ubrn);
    await until(async () => (await attemptsSince(ward, ubrn)).length > 1);
    expect((await attemptsSince(ward, ubrn))[1]).toBe('theirs not-applied');
  }, 30_000);

  test.each([
    { what: 'ended by what e-RS showed', isOver: true, shown: ['cancelled', 'withdrawn'] },
    { what: 'given back', isOver: false, shown: ['accepted', 'accepted'] },
  ])(
    'D3 4.6: a 200 that comes when the engine that took over has the review $what leaves the Task $shown',
    async ({ isOver, shown }) => {
      await using ward = await openWard({ writeMs: 3_000 });
      const ubrn = await ward.refer('booked-direct');
      await ward.decide(ubrn, accept);
      await until(async () => (await ward.calls('A013')).some((call) => call.ubrn === ubrn));
      const record = await heldRecordOf(ward, ubrn);
      const { decision: _, baseline, ...rest } = record.data;
      const task = withReviewStatus(
        { ...baseline, status: isOver ? 'cancelled' : 'requested' },
        isOver ? 'withdrawn' : 'delivery-failed',
      );
      const ended = { at: new Date().toISOString(), version: rest.sendable.version, recorded: false };
      const data: DispatchRecord = { ...rest, baseline: task, ...(isOver ? { ended } : {}) };
      const found = await ward.taskOf(ubrn);
      const theirs = await ward.store.transaction([
        { kind: 'put', resource: { ...task, id: found.id } as Task & { id: string }, ifMatch: found.meta.versionId },
        recordEntry(ward.store, 'ers-dispatch', record.key, data, record),
      ]);
      expect(theirs).toMatchObject({ ok: true });
      await until(async () => ward.lines.some((line) => line.includes('dispatch.decision.answered')));
      await ward.dispatch.settled();
      const last = await ward.taskOf(ubrn);
      expect([last.status, businessStatusOf(last)]).toEqual(shown);
      if (!isOver) expect(decisionOf(last)).toBe('accept');
      const end = (await ward.recordOf(ubrn)).ended;
      expect(end).toEqual(isOver ? ended : { at: expect.any(String), version: expect.any(Number), recorded: true });
    },
    30_000,
  );

  test('D2: does not settle the attempt of the engine that took over by what it read before', async () => {
    await using ward = await openWard();
    const ubrn = await ward.refer('booked-direct');
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-request', times: 1 });
    await ward.control('POST', 'faults', { endpoint: 'A005', kind: 'delay', delayMs: 3_000, times: 1 });
    const before = (await readsOf(ward, ubrn)).length;
    await ward.decide(ubrn, accept);
    await until(async () => (await readsOf(ward, ubrn)).length > before);
    await takeOver(ward, ubrn);
    await until(async () => (await attemptsSince(ward, ubrn)).length > 1);
    expect((await readsOf(ward, ubrn)).length - before).toBeGreaterThan(1);
    expect((await attemptsSince(ward, ubrn))[1]).toBe('theirs not-applied');
  }, 30_000);

  test('T-6: does not write the file that it uploaded into the decision that the engine which took over is sending', async () => {
    await using ward = await openWard();
    const ubrn = await ward.refer('booked-direct');
    const reference = await ward.attach(ubrn);
    await ward.control('POST', 'faults', { endpoint: 'A020', kind: 'delay', delayMs: 1_500, times: 1 });
    await ward.decide(ubrn, [
      ...accept,
      { op: 'add', path: '/statusReason', value: { coding: [{ system: CODE_SYSTEM.reviewOutcome, code: REDIRECT }] } },
      { op: 'add', path: '/note', value: [{ text: 'Rebook.' }] },
      { op: 'add', path: '/output', value: [makeOutput('attachment', { valueReference: { reference } })] },
    ]);
    await until(async () => (await ward.recordOf(ubrn)).uploadNames !== undefined);
    const record = await heldRecordOf(ward, ubrn);
    const { decision } = record.data;
    if (decision === undefined) throw new Error('no decision');
    const uploaded = { url: 'Binary/theirs', indexed: decision.queuedAt };
    const theirs = { ...record.data, decision: { ...decision, attachments: [{ reference, uploaded }] } };
    expect(await writeRecord(ward.store, 'ers-dispatch', record.key, theirs, record)).toMatchObject({ ok: true });
    await until(async () => (await ward.calls('A020')).length > 0);
    await until(async () => (await ward.recordOf(ubrn)).decision === undefined);
    const history = await ward.store.history('Basic', record.id, { count: 100 });
    const versions = history.ok ? history.value.entries.map(({ resource }) => JSON.stringify(resource)) : [];
    const withFile = versions.filter((version) => version.includes('uploaded'));
    expect(withFile.length).toBeGreaterThan(1);
    expect(withFile.every((version) => version.includes('Binary/theirs'))).toBe(true);
  }, 30_000);
});
