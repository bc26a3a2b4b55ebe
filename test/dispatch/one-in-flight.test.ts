import { expect, test } from '@jest/globals';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { accept } from './deciding.ts';
import { openWard } from './ward.ts';

test('D1: however often a referral is asked for at once, e-RS sees one write at a time, and of slow ones each referral only its own', async () => {
  await using ward = await openWard();
  const ubrns = [
    await ward.refer('booked-direct'),
    await ward.refer('booked-direct'),
    await ward.refer('booked-direct'),
  ];
  await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'delay', delayMs: 300, times: 6 });
  await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 503, times: 2 });
  const session = await signIn(ward.simulator);
  for (const ubrn of ubrns) await ward.decide(ubrn, accept);
  const tasks = await Promise.all(ubrns.map((ubrn) => ward.taskOf(ubrn)));
  const asked = tasks.flatMap(({ id }) => [ward.dispatch.send(id, session), ward.dispatch.send(id, session)]);
  for (const { id } of tasks) ward.dispatch.wake(id);
  await Promise.all(asked);
  for (let status: string[] = []; status.join() !== 'accepted,accepted,accepted'; ) {
    await ward.dispatch.settled();
    status = await Promise.all(ubrns.map(async (ubrn) => businessStatusOf(await ward.taskOf(ubrn)) ?? ''));
  }
  const calls = await ward.calls('A013');
  for (const ubrn of ubrns) expect(calls.filter((call) => call.ubrn === ubrn && call.status === 200)).toHaveLength(1);
  expect(await ward.control('GET', 'audit')).toMatchObject({ parallelWrites: 0 });
}, 30_000);
