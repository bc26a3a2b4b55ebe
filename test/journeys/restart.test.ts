import { describe, expect, test } from '@jest/globals';
import { restartWithUnchangedLists } from './restart.ts';
import { startWorld } from './world.ts';

describe('a restart', () => {
  restartWithUnchangedLists(() => startWorld({ referrals: 12 }));

  test('B1: with unchanged lists polls only what the ledger still allows, which is nothing once both polls are spent', async () => {
    await using world = await startWorld({ referrals: 6, pollsPerDay: 2 });
    for (let polls = 0; polls < 3; polls += 1) await world.settled();
    for (let restarts = 0; restarts < 2; restarts += 1) {
      await world.restart();
      await world.settled();
    }
    const audit = await world.control<{ polls: Record<string, Record<string, number>>; pollsOverLimit: number }>(
      'GET',
      'audit',
    );
    expect(audit.pollsOverLimit).toBe(0);
    expect(Object.keys(audit.polls).toSorted()).toEqual(world.simulator.services.map(({ id }) => id).toSorted());
    for (const days of Object.values(audit.polls))
      expect(Object.values(days).reduce((sum, count) => sum + count, 0)).toBe(2);
  }, 60_000);
});
