import { expect, test } from '@jest/globals';
import type { Bundle } from '@medplum/fhirtypes';
import type { World } from './world.ts';

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

/** A product that comes back finds all as it was, over whatever store the world has (12 referrals). */
export function restartWithUnchangedLists(start: () => Promise<World>): void {
  test('K2: with unchanged lists costs worklist reads only, and writes no clinical resource', async () => {
    await using world = await start();
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
  }, 180_000);
}
