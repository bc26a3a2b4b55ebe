import { expect, test } from '@jest/globals';
import type { Clock } from '../../server/core/index.ts';
import { Visits } from '../../server/sign-in/visits.ts';

const flowOf = (state: string) => ({ state, nonce: 'n', verifier: 'v' });

function startVisits() {
  const time = { ms: Date.parse('2026-01-02T09:30:00Z') };
  const clock: Clock = { now: () => new Date(time.ms), monotonicMs: () => time.ms, sleep: async () => undefined };
  return { visits: new Visits(clock), time };
}

test('a sign-in is finished however many others were begun since: nobody can push it out', async () => {
  const { visits } = startVisits();
  const cookie = await visits.begin(flowOf('mine'));
  for (let index = 0; index < 2_000; index += 1) await visits.begin(flowOf(`other-${index}`));
  expect(await visits.flowOf(cookie, 'mine')).toEqual(flowOf('mine'));
});

test('a sign-in is for the browser and the state that it was begun with, for ten minutes, at this process', async () => {
  const { visits, time } = startVisits();
  const cookie = await visits.begin(flowOf('mine'));
  expect(cookie).not.toContain('mine');
  expect(await visits.flowOf(cookie, 'another')).toBeUndefined();
  expect(await visits.flowOf(cookie, null)).toBeUndefined();
  expect(await visits.flowOf(undefined, 'mine')).toBeUndefined();
  expect(await visits.flowOf(`${cookie.slice(0, -2)}xx`, 'mine')).toBeUndefined();
  expect(await startVisits().visits.flowOf(cookie, 'mine')).toBeUndefined();
  time.ms += 601_000;
  expect(await visits.flowOf(cookie, 'mine')).toBeUndefined();
});
