import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OperationOutcome, Task } from '@medplum/fhirtypes';
import { CODE_SYSTEM, decisionOf } from '../../mappings/index.ts';
import type { Store } from '../../server/core/index.ts';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { accept } from './deciding.ts';
import { openWard, reach, successes, type Ward } from './ward.ts';

const owner = [{ op: 'add', path: '/owner', value: { display: 'Synthetic Team' } }];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a copy of a review Task that a client created in the store', () => {
  let ward: Ward;
  let transactions = 0;
  let readings: string[] = [];
  const counted = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        return (...all: unknown[]) => {
          if (name === 'transaction') transactions += 1;
          if (name === 'read') readings.push(String(all[1]));
          return value.apply(target, all) as unknown;
        };
      },
    });
  beforeEach(async () => {
    ward = await openWard({ around: counted, sweepEveryMs: 60_000 });
  });
  afterEach(async () => ward[Symbol.asyncDispose]());

  async function copy(ubrn: string, change: Partial<Task>): Promise<string> {
    const { id: _, meta: __, ...task } = await ward.taskOf(ubrn);
    const created = await ward.store.create({ ...task, ...change } as Task);
    if (!created.ok) throw new Error(created.code);
    await ward.dispatch.settled();
    return created.value.resource.id;
  }
  const copied = () => ward.alerts.standing().flatMap(({ code, subject }) => (code === 'task-copied' ? [subject] : []));
  const versionOf = async (id: string) => {
    const read = await ward.store.read('Task', id);
    return read.ok ? read.value.meta.versionId : read.code;
  };

  test.each([
    ['of the same version', []],
    ['of another version', owner],
  ])(
    'architecture 4: decides nothing, %s: the original stays open, and an alert tells of the copy',
    async (_what, written) => {
      const ubrn = await ward.refer('booked-direct');
      if (written.length > 0) expect((await ward.patch(ubrn, written)).status).toBe(200);
      await ward.dispatch.settled();
      const before = await ward.taskOf(ubrn);
      const id = await copy(ubrn, { status: 'accepted' });
      const version = await versionOf(id);
      await pause(300);
      await ward.dispatch.sweep();
      await ward.dispatch.settled();
      expect(await ward.taskOf(ubrn)).toEqual(before);
      expect([await ward.calls('A013'), await versionOf(id), copied()]).toEqual([[], version, [id]]);
      expect((await ward.patch(ubrn, accept)).status).toBe(200);
      expect(await reach(ward, ubrn, 'accepted')).toBe('accepted');
      expect(await successes(ward, 'A013', ubrn)).toBe(1);
    },
    30_000,
  );

  test('architecture 4: is looked at once, however often decided Tasks are looked for, and the alert goes when it has gone', async () => {
    const ubrn = await ward.refer('booked-direct');
    const id = await copy(ubrn, { status: 'accepted' });
    expect(copied()).toEqual([id]);
    await pause(100);
    [transactions, readings] = [0, []];
    await pause(500);
    expect([transactions, readings.filter((one) => one === id)]).toEqual([0, []]);
    await ward.store.patch('Task', id, [{ op: 'replace', path: '/status', value: 'requested' }]);
    await ward.dispatch.settled();
    expect(copied()).toEqual([]);
    await ward.store.patch('Task', id, accept);
    await ward.dispatch.settled();
    expect(copied()).toEqual([id]);
    await ward.store.remove('Task', id);
    await ward.dispatch.settled();
    expect([copied(), transactions]).toEqual([[], 0]);
  }, 30_000);

  test('4.7: of a decision that waits is not listed, signed or sent beside the original', async () => {
    await using waiting = await openWard({ isSignedIn: false });
    const ubrn = await waiting.refer('booked-direct');
    await waiting.patch(ubrn, accept);
    await reach(waiting, ubrn, 'awaiting-user-authorisation');
    const { id, meta: _, ...task } = await waiting.taskOf(ubrn);
    const created = await waiting.store.create(task as Task);
    const other = created.ok ? created.value.resource.id : '';
    const session = await signIn(waiting.simulator);
    const listed = await waiting.dispatch.waiting(session);
    expect(listed.ok && listed.value.map(({ taskId }) => taskId)).toEqual([id]);
    const signed = await waiting.dispatch.signAndSend(session, { taskIds: [other], waitMs: 5_000 });
    expect(signed).toMatchObject({ value: [{ outcome: 'not-waiting', code: 'resource-not-found' }] });
    expect(await waiting.dispatch.send(other, session)).toEqual({ ok: false, code: 'resource-not-found' });
    expect(await waiting.dispatch.reopen(other)).toEqual({ ok: false, code: 'resource-not-found' });
    expect(businessStatusOf(await waiting.taskOf(ubrn))).toBe('awaiting-user-authorisation');
    expect(await waiting.calls('A013')).toEqual([]);
  }, 30_000);

  test('T-16: takes no update through the facade, which names the original', async () => {
    const ubrn = await ward.refer('booked-direct');
    const id = await copy(ubrn, {});
    const read = await ward.store.read('Task', id);
    const answer = await ward.patch(ubrn, accept, read.ok ? read.value : undefined);
    const { issue } = (await answer.json()) as OperationOutcome;
    expect([answer.status, issue?.[0]?.details?.coding?.[0]?.code]).toEqual([422, 'task-copied']);
    expect(issue?.[0]?.details?.text).toContain(`Task/${(await ward.taskOf(ubrn)).id}`);
    expect([await ward.calls('A013'), copied()]).toEqual([[], []]);
  });

  test('architecture 4: a review Task that somebody gave the identifier of another keeps to its own referral', async () => {
    const [ubrn, other] = [await ward.refer('booked-direct'), await ward.refer('booked-direct')];
    await ward.dispatch.sweep();
    await ward.dispatch.settled();
    const { identifier } = await ward.taskOf(ubrn);
    await ward.decide(ubrn, [
      { op: 'replace', path: '/identifier', value: (await ward.taskOf(other)).identifier },
      ...accept,
    ]);
    expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
    const task = await ward.taskOf(ubrn);
    expect([task.identifier, task.statusReason?.coding?.[0]]).toEqual([
      identifier,
      { system: CODE_SYSTEM.decisionIssue, code: 'read-only-element' },
    ]);
    expect([businessStatusOf(await ward.taskOf(other)), decisionOf(await ward.taskOf(other))]).toEqual([
      'awaiting-review',
      undefined,
    ]);
    expect(await ward.calls('A013')).toEqual([]);
  }, 30_000);
});
