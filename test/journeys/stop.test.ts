import { expect, test } from '@jest/globals';
import { sessionHeaders, signIn } from '../sign-in.ts';
import { startWorld } from './world.ts';

test('the server ends within seconds although e-RS answers neither a decision nor who signed in', async () => {
  await using world = await startWorld({ referrals: 0 });
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  const refer = () => world.control<{ ubrn: string }>('POST', 'referrals', { kind: 'booked-direct', service });
  const [one, other] = [await refer(), await refer()];
  await world.settled();
  const session = await signIn(world.simulator);
  await world.control('POST', 'faults', { endpoint: 'A013', kind: 'delay', delayMs: 60_000 });
  await world.patch(await world.taskOf(one.ubrn), [{ op: 'replace', path: '/status', value: 'accepted' }]);
  while ((await world.calls('A013')).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await world.control('POST', 'faults', { endpoint: 'A030', kind: 'delay', delayMs: 60_000 });
  const task = await world.taskOf(other.ubrn);
  const asked = world
    .patch(task, [{ op: 'replace', path: '/status', value: 'accepted' }], sessionHeaders(session))
    .catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const startedMs = performance.now();
  await world.product.stop();
  expect(performance.now() - startedMs).toBeLessThan(6_000);
  await asked;
}, 40_000);
