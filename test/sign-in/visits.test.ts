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

test('a session that nobody uses for a quarter of an hour ends, and one that is used lasts as long as e-RS gives it', () => {
  const { visits, time } = startVisits();
  const opened = { token: 't', lifeSeconds: 3_600, sdsUserId: '555000000101', roles: [] };
  const [idle, used] = [visits.open(opened), visits.open(opened)];
  for (const minutes of [5, 5, 4]) {
    time.ms += minutes * 60_000;
    expect(visits.of(used)).toBeDefined();
  }
  time.ms += 2 * 60_000;
  expect([visits.of(idle), visits.of(used)?.opened.sdsUserId]).toEqual([undefined, '555000000101']);
  for (const minutes of [14, 14, 14]) {
    time.ms += minutes * 60_000;
    visits.of(used);
  }
  time.ms += 3 * 60_000;
  expect(visits.of(used)).toBeUndefined();
});
