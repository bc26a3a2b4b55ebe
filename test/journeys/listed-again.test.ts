import { expect, test } from '@jest/globals';
import { rawWorklist } from '../sentinel/report.ts';
import { startWorld } from './world.ts';

test('4.6 K1: a referral that was decided rests on its lists no more: a later list that names it just as before is looked at, and is an alert', async () => {
  await using world = await startWorld({ referrals: 0 });
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  const wish = { kind: 'booked-direct', service, priority: 'ROUTINE' };
  const { ubrn } = await world.control<{ ubrn: string }>('POST', 'referrals', wish);
  await world.settled();
  const before = JSON.parse(await rawWorklist(world));
  await world.patch(await world.taskOf(ubrn), [{ op: 'replace', path: '/status', value: 'accepted' }]);
  while ((await world.taskOf(ubrn)).businessStatus?.coding?.[0]?.code !== 'accepted')
    await new Promise((resolve) => setTimeout(resolve, 20));
  // The service is the first to be polled: of its own list only the same is said once more.
  expect(world.simulator.services[0]?.id).toBe(service);
  await world.control('POST', 'faults', { endpoint: 'A008', kind: 'status', status: 200, body: before, times: 1 });
  await world.settled();
  // Before any account is taken: the sentinel would tell it from the lists, too, but later.
  const ready = await fetch(world.fhir.replace('/fhir/R4', '/health/ready'));
  const { alerts } = (await ready.json()) as { alerts: { code: string; count: number }[] };
  expect(alerts).toContainEqual({ code: 'decided-but-listed', count: 1 });
}, 60_000);
