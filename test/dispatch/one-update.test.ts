import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { OperationOutcome, Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, makeOutput, outputsOf } from '../../mappings/index.ts';
import type { DispatchRecord } from '../../server/core/index.ts';
import { readRecord, recordEntry } from '../../server/store/index.ts';
import { businessStatusOf } from '../sign-in.ts';
import { deaf, openWard, reach, successes, type Ward } from './ward.ts';

const status = (value: string) => ({ op: 'replace', path: '/status', value });
const reasonOf = (system: string, code: string) => ({
  op: 'add',
  path: '/statusReason',
  value: { coding: [{ system, code }] },
});
const inappropriate = reasonOf(CODE_SYSTEM.appointmentCancellationReason, 'SERVICE_INAPPROPRIATE');
const rebook = reasonOf(CODE_SYSTEM.reviewOutcome, 'CANCEL_APPOINTMENT_ACTION_LATER');
const note = { op: 'add', path: '/note', value: [{ text: 'Rebook.' }] };
const flag = {
  op: 'add',
  path: '/output',
  value: [makeOutput('appointment-cancelled-in-pas', { valueBoolean: true })],
};

describe('a decision comes in one update', () => {
  let ward: Ward;
  beforeAll(async () => {
    ward = await openWard({ sweepEveryMs: 60_000 });
  }, 30_000);
  afterAll(async () => ward[Symbol.asyncDispose]());

  /** Writes updates straight into the store while the engine has to wait, so that it finds them together. */
  async function unseen(ubrn: string, ...updates: (readonly unknown[])[]): Promise<void> {
    await ward.turns.take((await ward.recordOf(ubrn)).ubrn, async () => {
      for (const operations of updates) await ward.decide(ubrn, operations);
    });
  }
  const nothingSent = async (ubrn: string) => {
    for (const endpoint of ['A013', 'A014', 'A022'])
      expect((await ward.calls(endpoint)).filter((call) => call.ubrn === ubrn)).toEqual([]);
  };

  test.each<[string, 'booked-direct' | 'booked-indirect', (readonly unknown[])[]]>([
    ['the reason of an earlier update', 'booked-direct', [[inappropriate], [status('rejected')]]],
    [
      'the outcome of an earlier update, which would make a redirect',
      'booked-direct',
      [[rebook], [status('accepted'), note]],
    ],
    ['the reason of a claim', 'booked-direct', [[status('received'), inappropriate], [status('rejected')]]],
    ['the flag of an earlier update', 'booked-indirect', [[flag], [status('rejected'), inappropriate]]],
    ['the flag of a later update', 'booked-indirect', [[status('rejected'), inappropriate], [flag]]],
    [
      'the reason of a decision that was taken back',
      'booked-direct',
      [[status('rejected'), inappropriate], [status('received')], [status('rejected')]],
    ],
  ])('4.3 E-9c: with %s it decides nothing, though the engine finds all together', async (_what, kind, updates) => {
    const ubrn = await ward.refer(kind);
    await unseen(ubrn, ...updates);
    expect(await reach(ward, ubrn, 'decision-invalid', 'rejected', 'redirected')).toBe('decision-invalid');
    const task = await ward.taskOf(ubrn);
    expect(task.statusReason?.coding?.[0]?.code).toBe('decision-incomplete');
    expect(outputsOf(task, 'appointment-cancelled-in-pas')).toEqual([]);
    await nothingSent(ubrn);
  });

  test('4.3: given back so, it is decided by the next update that brings all', async () => {
    const ubrn = await ward.refer('booked-direct');
    await unseen(ubrn, [inappropriate], [status('rejected')]);
    await reach(ward, ubrn, 'decision-invalid');
    await ward.decide(ubrn, [status('rejected'), inappropriate]);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
    expect(await successes(ward, 'A014', ubrn)).toBe(1);
  });

  test('T-7: what a failure left may stay, and go, in an update that decides nothing', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, [status('rejected')]);
    expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
    expect((await ward.patch(ubrn, [{ op: 'add', path: '/note', value: [{ text: 'Seen.' }] }])).status).toBe(200);
    expect((await ward.patch(ubrn, [{ op: 'remove', path: '/statusReason' }])).status).toBe(200);
    expect((await ward.patch(ubrn, [status('rejected'), inappropriate])).status).toBe(200);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
  });
});

describe('parts of a decision that an older version let stand on an open Task', () => {
  let ward: Ward;
  beforeAll(async () => {
    ward = await openWard({ around: deaf, sweepEveryMs: 60_000 });
  }, 30_000);
  afterAll(async () => ward[Symbol.asyncDispose]());

  /** On the Task and in the engine's record. */
  async function leave(ubrn: string, parts: Partial<Task>): Promise<void> {
    await ward.dispatch.settled();
    const read = await ward.taskOf(ubrn);
    const task = { ...read, ...parts };
    const key = task.identifier?.find(({ system }) => system?.endsWith('review-task'))?.value ?? '';
    const record = await readRecord<DispatchRecord>(ward.store, 'ers-dispatch', key);
    if (!record.ok || record.value === undefined) throw new Error('no record');
    const baseline = { ...record.value.data.baseline, ...parts };
    const written = await ward.store.transaction([
      { kind: 'put', resource: task, ifMatch: read.meta.versionId },
      recordEntry(ward.store, 'ers-dispatch', key, { ...record.value.data, baseline }, record.value),
    ]);
    expect(written.ok).toBe(true);
  }

  test('4.3: decide nothing, and the engine takes them away', async () => {
    const ubrn = await ward.refer('booked-direct');
    const { value: statusReason } = inappropriate;
    await leave(ubrn, { statusReason });
    const bare = await ward.patch(ubrn, [status('rejected')]);
    const { issue } = (await bare.json()) as OperationOutcome;
    expect([bare.status, issue?.[0]?.details?.coding?.[0]?.code]).toEqual([422, 'decision-incomplete']);
    expect(issue?.[0]?.details?.text ?? issue?.[0]?.diagnostics).toContain('take it away');
    await ward.dispatch.sweep();
    await ward.dispatch.settled();
    const task = await ward.taskOf(ubrn);
    expect([task.statusReason, businessStatusOf(task)]).toEqual([undefined, 'awaiting-review']);
    expect((await ward.calls('A014')).filter((call) => call.ubrn === ubrn)).toEqual([]);
    expect((await ward.patch(ubrn, [status('rejected'), inappropriate])).status).toBe(200);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
  });

  test('4.3: are in nobody’s way who takes them away as they decide', async () => {
    const ubrn = await ward.refer('booked-direct');
    await leave(ubrn, { statusReason: rebook.value, output: flag.value });
    const accepted = await ward.patch(ubrn, [
      { op: 'remove', path: '/statusReason' },
      { op: 'remove', path: '/output' },
      status('accepted'),
    ]);
    expect([accepted.status, await reach(ward, ubrn, 'accepted')]).toEqual([200, 'accepted']);
  });
});
