import { expect, test } from '@jest/globals';
import { businessStatusOf } from '../sign-in.ts';
import { accept, reject } from './deciding.ts';
import { openWard, reach, successes, type Ward } from './ward.ts';

const hang = (ward: Ward, ubrn: string, delayMs: number) =>
  ward.control('POST', 'faults', { endpoint: 'A013', kind: 'delay', delayMs, ubrn });

/** Waits until an attempt has been begun. */
async function begun(ward: Ward, ubrn: string): Promise<void> {
  for (let tries = 0; tries < 200 && !(await ward.recordOf(ubrn)).decision?.lastAttempt; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

test('a call that hangs delays its own referral only, however many hang', async () => {
  await using ward = await openWard({ parallel: 2, patienceMs: 50, graceMs: 10 });
  const slow: string[] = [];
  for (let n = 0; n < 6; n += 1) slow.push(await ward.refer('booked-direct'));
  const quick = await ward.refer('booked-direct');
  for (const ubrn of slow) await hang(ward, ubrn, 20_000);
  for (const ubrn of slow) await ward.decide(ubrn, accept);
  for (const ubrn of slow.slice(0, 2)) await begun(ward, ubrn);
  const startedMs = performance.now();
  await ward.decide(quick, accept);
  let status: string | undefined;
  while (status !== 'accepted' && performance.now() - startedMs < 5_000) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    status = businessStatusOf(await ward.taskOf(quick));
  }
  expect(status).toBe('accepted');
  expect(performance.now() - startedMs).toBeLessThan(1_500);
  for (const ubrn of slow) await begun(ward, ubrn);
  for (const ubrn of slow) expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('decision-sending');
}, 30_000);

test('a referral that somebody else has in hand keeps no place among those at work', async () => {
  await using ward = await openWard({ parallel: 1 });
  const [held, quick] = [await ward.refer('booked-direct'), await ward.refer('booked-direct')];
  let release = () => {};
  const done = ward.turns.take(held, () => new Promise<void>((resolve) => (release = resolve)));
  await ward.decide(held, accept);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await ward.decide(quick, accept);
  const startedMs = performance.now();
  let status: string | undefined;
  while (status !== 'accepted' && performance.now() - startedMs < 3_000) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    status = businessStatusOf(await ward.taskOf(quick));
  }
  release();
  await done;
  expect(status).toBe('accepted');
  expect(await reach(ward, held, 'accepted')).toBe('accepted');
}, 30_000);

test('D1, D2: the end of the engine does not wait for a call that hangs; its mark stays, and the next start settles it by reading', async () => {
  await using ward = await openWard({ graceMs: 100, policy: { attemptMaxMs: 2_500 } });
  const ubrn = await ward.refer('booked-direct');
  await ward.control('POST', 'faults', { endpoint: 'A014', kind: 'delay', delayMs: 1_500, ubrn });
  await ward.decide(ubrn, reject);
  await begun(ward, ubrn);
  const startedMs = performance.now();
  await ward.restartDispatch();
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  const attempt = (await ward.recordOf(ubrn)).decision?.lastAttempt;
  expect(attempt).toMatchObject({ outcome: 'unknown', mayRunUntil: expect.any(String) });
  expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('decision-sending');
  expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
  expect(await successes(ward, 'A014', ubrn)).toBe(1);
  expect(await ward.control('GET', 'audit')).toMatchObject({ parallelWrites: 0 });
}, 30_000);
