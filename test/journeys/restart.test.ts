import { describe, expect, test } from '@jest/globals';
import type { Bundle } from '@medplum/fhirtypes';
import { startWorld, type World } from './world.ts';

const CLINICAL = ['ServiceRequest', 'Task', 'Appointment', 'List', 'DocumentReference', 'Patient'];

async function versionsOf(world: World): Promise<string[]> {
  const versions: string[] = [];
  for (const type of CLINICAL) {
    const bundle = (await (await world.get(`${type}?_count=500`)).json()) as Bundle;
    versions.push(
      ...(bundle.entry ?? []).map(({ resource }) => `${type}/${resource?.id}/${resource?.meta?.versionId}`),
    );
  }
  return versions.toSorted();
}

describe('a restart', () => {
  test('K2: with unchanged lists costs worklist reads only, and writes no clinical resource', async () => {
    await using world = await startWorld({ referrals: 12 });
    await world.settled();
    await world.settled();
    const before = await versionsOf(world);
    const seen = (await world.calls()).length;
    await world.restart();
    await world.settled();
    const calls = (await world.calls()).slice(seen).map(({ endpoint }) => endpoint);
    expect(calls.filter((endpoint) => !['A008', 'A004', 'A030'].includes(endpoint))).toEqual([]);
    expect(calls).toContain('A008');
    expect(await versionsOf(world)).toEqual(before);
    expect(before.length).toBeGreaterThan(12 * 3);
  }, 60_000);

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
