import { describe, expect, test } from '@jest/globals';
import type { ServiceRequest, Task } from '@medplum/fhirtypes';
import type { DispatchRecord, SyncRecord } from '../../server/core/index.ts';
import { readRecord, writeRecord } from '../../server/store/index.ts';
import { DAY, DIRECT, MINUTE, SLOTLESS } from '../intake/ward.ts';
import { HOUR, type Post, startPost } from './post.ts';

/** Two referrals under review, so that one can be tampered with and the other stays. */
async function twoReviews(): Promise<Post & { readonly ubrns: readonly string[] }> {
  const post = await startPost({ services: [DIRECT] });
  const ubrns = [];
  for (let index = 0; index < 2; index += 1)
    ubrns.push(await post.ward.create({ kind: 'booked-direct', service: DIRECT }));
  await post.ward.intake.runOnce();
  expect(await post.ofService()).toMatchObject({ seen: 2, open: 2, missing: 0 });
  return Object.assign(post, { ubrns });
}

/** A decision that was made straight in the store, where no engine takes it over. Answers the Task as it was before. */
async function decidedInStore({ ward }: Post): Promise<Task & { id: string }> {
  const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
  await ward.intake.runOnce();
  const [task] = await ward.tasksOf(ubrn);
  if (task === undefined) throw new Error('no Task');
  const decided = await ward.store.update({ ...task, status: 'accepted' });
  expect(decided.ok).toBe(true);
  return task;
}

describe('the account does not balance', () => {
  const ROWS = [
    ['Task', 'task-gone'],
    ['ServiceRequest', 'referral-gone'],
    ['ers-sync', 'landing-record-gone'],
    ['ers-dispatch', 'review-record-gone'],
  ] as const;

  test.each(ROWS)('K1: when somebody deletes a %s, and it says %s of just that referral', async (type, missing) => {
    await using post = await twoReviews();
    const { ward } = post;
    await post.remove(type);
    const account = await post.account();
    expect(account.balances).toBe(false);
    expect(account.services[0]).toMatchObject({ seen: 2, open: 1, missing: 1 });
    const [exception, second] = account.exceptions;
    expect(exception).toMatchObject({ code: 'referral-vanished', missing, service: DIRECT });
    expect(second).toBeUndefined();
    // It is named by what can be looked up; the number of the referral is not needed.
    expect(exception?.ubrn).toBeUndefined();
    expect(post.alerts()).toEqual(['referral-vanished']);
    const referrals = await ward.all<ServiceRequest>('ServiceRequest');
    const tasks = await ward.all<Task>('Task');
    const named = referrals.some(({ id }) => id === exception?.serviceRequestId);
    expect(named).toBe(type !== 'ServiceRequest');
    if (type === 'Task') expect(tasks.some(({ id }) => id === exception?.taskId)).toBe(false);
    // A sentinel that knows nothing of before says the same.
    expect((await post.account('afresh')).exceptions).toEqual(account.exceptions);
  });

  test('K1: when all that is known of a referral is deleted, it is named by its number, and fetched again it is well', async () => {
    await using post = await twoReviews();
    const { ward } = post;
    const [task] = await ward.tasksOf(post.ubrns[0] ?? '');
    const key = task?.identifier?.[0]?.value ?? '';
    const referral = await ward.referralOf(post.ubrns[0] ?? '');
    await post.remove('ServiceRequest', (id) => id === referral?.id);
    await post.remove('ers-dispatch', (name) => name === key);
    await post.remove('ers-sync', (name) => `${name}.1` === key);
    const account = await post.account();
    expect(account.services[0]).toMatchObject({ seen: 2, open: 1, missing: 1 });
    expect(account.exceptions).toMatchObject([
      { code: 'referral-vanished', missing: 'nothing-kept', service: DIRECT, ubrn: post.ubrns[0] },
    ]);
    await ward.restart();
    ward.advance(MINUTE);
    await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: 3, open: 3, missing: 0 });
    expect(post.alerts()).toEqual([]);
  });

  test('K1: when the note of what was seen is lost, the raw answers that are kept still say it', async () => {
    await using post = await twoReviews();
    await post.remove('ers-seen');
    await post.remove('ers-sync');
    expect(await post.ofService()).toMatchObject({ seen: 2, open: 1, missing: 1 });
  });

  test('K1: when a quarantine record is deleted, the referral that it explained has vanished', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 422, times: 1 });
    await ward.intake.runOnce();
    expect((await post.account()).balances).toBe(true);
    await post.remove('ers-quarantine');
    expect((await post.account()).exceptions).toMatchObject([
      { code: 'referral-vanished', missing: 'nothing-kept', ubrn },
    ]);
  });

  test('K1: when e-RS asks for a review that the engine took for ended, and has not opened another', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    // As a fault of the engine would leave it: the review is withdrawn, and the list says what it said.
    const [task] = await ward.tasksOf(ubrn);
    const key = task?.identifier?.[0]?.value ?? '';
    const record = await readRecord<DispatchRecord>(ward.store, 'ers-dispatch', key);
    if (task === undefined || !record.ok || record.value === undefined) throw new Error('no review');
    const withdrawn: Task & { id: string } = { ...task, status: 'cancelled' };
    const ended = { at: ward.simulator.clock.now().toISOString(), version: 1, recorded: false };
    await ward.store.update(withdrawn);
    await writeRecord(
      ward.store,
      'ers-dispatch',
      key,
      { ...record.value.data, baseline: withdrawn, ended },
      record.value,
    );
    expect(await post.ofService()).toMatchObject({ explained: 1, missing: 0 });
    ward.advance(MINUTE);
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual(['review-never-opened']);
    expect(await post.ofService()).toMatchObject({ seen: 1, explained: 0, missing: 1 });
  });

  test('K1 M-147: when a slot issue has no Task, since one that cannot be triaged gets one to be resolved', async () => {
    await using post = await startPost({ services: [SLOTLESS] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'slot-issue', service: SLOTLESS });
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ seen: 1, open: 1, missing: 0 });
    // As a fault of the engine would leave it: landed from its list, and no review was ever opened.
    const { requestId = '' } = ward.landing.index.byUbrn(ubrn) ?? {};
    const record = await readRecord<SyncRecord>(ward.store, 'ers-sync', requestId);
    if (!record.ok || record.value === undefined) throw new Error('not landed');
    expect(record.value.data.state).toBe('DEFERRED_TO_PROVIDER');
    await post.remove('Task');
    await post.remove('ers-dispatch');
    await writeRecord(ward.store, 'ers-sync', requestId, { ...record.value.data, episode: 0 }, record.value);
    expect(await post.exceptions()).toEqual(['review-never-opened']);
    expect(await post.ofService()).toMatchObject({ seen: 1, explained: 0, missing: 1 });
  });

  test('D3: when a review that has ended is opened again behind the engine, it is neither open nor decided', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'rejected-in-ers');
    await ward.intake.runOnce();
    expect(await post.ofService()).toMatchObject({ decided: 1, missing: 0 });
    const [task] = await ward.tasksOf(ubrn);
    if (task === undefined) throw new Error('no Task');
    await ward.store.update({ ...task, status: 'requested' });
    expect(await post.exceptions()).toEqual(['task-contradicts']);
    await ward.store.update(task);
    expect(await post.exceptions()).toEqual([]);
  });
});

describe('an exception is an alert while it stands', () => {
  test('poll-overdue: a service whose worklist has not been read for longer than its cadence allows', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    expect(await post.exceptions()).toEqual([]);
    ward.advance(31 * HOUR);
    expect(await post.exceptions()).toEqual(['poll-overdue']);
    expect(post.alerts()).toEqual(['poll-overdue']);
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual([]);
    ward.advance(29 * HOUR);
    await ward.intake.runOnce();
    ward.advance(29 * HOUR);
    expect(await post.exceptions()).toEqual([]);
    ward.advance(2 * HOUR);
    await ward.fault({ endpoint: 'A008', kind: 'status', status: 503, times: 5 });
    await ward.intake.runOnce();
    expect(post.alerts()).toEqual([]);
    expect(await post.exceptions()).toEqual(['poll-overdue']);
    expect((await post.account()).balances).toBe(true);
    await ward.control('DELETE', 'faults');
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual([]);
    expect(post.alerts()).toEqual([]);
  });

  test('poll-overdue: a service that was never read is told, however often the process that waits for it changes', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    await ward.fault({ endpoint: 'A008', kind: 'status', status: 503, times: 1000 });
    const told: string[][] = [];
    for (let day = 0; day < 7; day += 1) {
      await ward.restart();
      await ward.intake.runOnce();
      await post.account('afresh');
      ward.advance(DAY - HOUR);
      told.push(await post.exceptions());
      ward.advance(HOUR);
    }
    expect(told).toEqual([[], ...Array.from({ length: 6 }, () => ['poll-overdue'])]);
    expect(post.alerts()).toEqual(['poll-overdue']);
    const { exceptions } = await post.account();
    expect(exceptions).toMatchObject([{ service: DIRECT, since: '2027-03-01T09:00:00.000Z' }]);
    await ward.control('DELETE', 'faults');
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual([]);
    expect(post.alerts()).toEqual([]);
  });

  test('decision-overdue: one made straight in the store that the engine never took over, although notes are written on it', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const task = await decidedInStore(post);
    expect(await post.ofService()).toMatchObject({ open: 1, inFlight: 0 });
    for (let half = 0; half < 2; half += 1) {
      expect(await post.exceptions()).toEqual([]);
      ward.advance(30 * MINUTE);
      const { id } = task;
      const read = await ward.store.read('Task', id);
      if (!read.ok) throw new Error(read.code);
      const note = [...(read.value.note ?? []), { text: `Seen, ${half}.` }];
      const written = await ward.store.update({ ...read.value, note });
      expect(written.ok).toBe(true);
    }
    ward.advance(MINUTE);
    const since = '2027-03-01T09:00:00.000Z';
    const told = [{ code: 'decision-overdue', taskId: task.id, service: DIRECT, since }];
    expect((await post.account()).exceptions).toMatchObject(told);
    expect(post.alerts()).toEqual(['decision-overdue']);
    // A sentinel that has just come knows it from the store.
    expect((await post.account('afresh')).exceptions).toMatchObject(told);
    await ward.store.update(task);
    expect(await post.exceptions()).toEqual([]);
    expect(post.alerts()).toEqual([]);
  });

  test('decision-overdue T-14: the time for which decisions are held back on purpose comes on top of the patience', async () => {
    await using post = await startPost({ services: [DIRECT], decisionDelayMs: 15 * MINUTE });
    await decidedInStore(post);
    post.ward.advance(74 * MINUTE);
    expect(await post.exceptions()).toEqual([]);
    post.ward.advance(2 * MINUTE);
    expect(await post.exceptions()).toEqual(['decision-overdue']);
  });

  test('file-overdue: a file that e-RS is still scanning after a day, until it comes', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const attachment = {
      title: 'letter.pdf',
      contentType: 'application/pdf',
      availability: 'PENDING',
      availableAfterSeconds: 26 * 3600,
    };
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT, attachments: [attachment] });
    await ward.intake.runOnce();
    ward.advance(23 * HOUR);
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual([]);
    ward.advance(2 * HOUR);
    await ward.intake.runOnce();
    const { exceptions } = await post.account();
    const referral = await ward.referralOf(ubrn);
    expect(exceptions).toMatchObject([{ code: 'file-overdue', serviceRequestId: referral?.id }]);
    expect(post.alerts()).toEqual(['file-overdue']);
    ward.advance(2 * HOUR);
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual([]);
    expect(post.alerts()).toEqual([]);
  });

  test('file-overdue: a summary that e-RS fails to make for a day', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    await ward.fault({ endpoint: 'A007', kind: 'status', status: 500, times: 1000 });
    await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    for (let hours = 0; hours < 25; hours += 5) {
      expect(await post.exceptions()).toEqual([]);
      ward.advance(5 * HOUR);
      await ward.intake.runOnce();
    }
    expect(await post.exceptions()).toEqual(['file-overdue']);
    await ward.control('DELETE', 'faults');
    ward.advance(2 * HOUR);
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual([]);
  });

  test('referral-overdue: one that e-RS lists for a day and does not show', async () => {
    await using post = await startPost({ services: [DIRECT] });
    const { ward } = post;
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.fault({ endpoint: 'A005', kind: 'status', status: 503, times: 1000 });
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual([]);
    ward.advance(DAY + MINUTE);
    const { exceptions, balances } = await post.account();
    expect(exceptions).toMatchObject([{ code: 'referral-overdue', service: DIRECT, ubrn }]);
    expect(balances).toBe(true);
    await ward.control('DELETE', 'faults');
    await ward.intake.runOnce();
    expect(await post.exceptions()).toEqual([]);
    expect(post.alerts()).toEqual([]);
  });
});
