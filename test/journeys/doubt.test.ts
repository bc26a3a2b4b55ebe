import { describe, expect, test } from '@jest/globals';
import { outputsOf } from '../../mappings/index.ts';
import { businessStatusOf } from '../sign-in.ts';
import { startWorld, type World } from './world.ts';

const accept = [{ op: 'replace', path: '/status', value: 'accepted' }];

async function acceptedUnder(world: World, faults: readonly object[]) {
  const service = world.simulator.services.find(({ bookableType }) => bookableType === 'DIRECTLY_BOOKABLE')?.id;
  const { ubrn } = await world.control<{ ubrn: string }>('POST', 'referrals', { kind: 'booked-direct', service });
  await world.settled();
  for (const fault of faults) await world.control('POST', 'faults', { endpoint: 'A013', times: 1, ...fault });
  expect((await world.patch(await world.taskOf(ubrn), accept)).status).toBe(200);
  const seen: (string | undefined)[] = [];
  // Polls go on all the while: none of them may use up what a later one needs to know.
  for (const endMs = performance.now() + 30_000; performance.now() < endMs && seen.at(-1) !== 'accepted'; ) {
    await world.settled();
    const status = businessStatusOf(await world.taskOf(ubrn));
    if (status !== seen.at(-1)) seen.push(status);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const calls = (await world.calls('A013')).filter((call) => call.ubrn === ubrn);
  return { seen, task: await world.taskOf(ubrn), calls: calls.map(({ status }) => status) };
}

const standing = async (world: World): Promise<string[]> => {
  const ready = (await (await fetch(`${world.product.url}/health/ready`)).json()) as { alerts: { code: string }[] };
  return ready.alerts.map(({ code }) => code);
};

describe('an accept in doubt', () => {
  test('D2 4.5: whose referral left its list between two attempts is settled by the next complete list, and its alert ends', async () => {
    await using world = await startWorld({ referrals: 0 });
    const { seen, task, calls } = await acceptedUnder(world, [
      { kind: 'lose-answer' },
      { kind: 'status', status: 503, retryAfterSeconds: 2 },
    ]);
    expect(seen).toEqual(['decision-sending', 'accepted']);
    expect(outputsOf(task, 'outcome-inferred')).toHaveLength(1);
    expect(calls.filter((status) => status === 200)).toHaveLength(1);
    expect(await standing(world)).not.toContain('outcome-unknown');
  }, 60_000);

  test('D3 E-8: that a 503 denied although e-RS recorded it is never open again: the list tells what the gateway did not', async () => {
    await using world = await startWorld({ referrals: 0 });
    const { seen, task } = await acceptedUnder(world, [{ kind: 'status', status: 503, applied: true }]);
    expect(seen.filter((status) => status !== 'decision-queued' && status !== 'decision-sending')).toEqual([
      'accepted',
    ]);
    expect(task.status).toBe('accepted');
    expect(outputsOf(task, 'outcome-inferred')).toHaveLength(1);
    expect(await standing(world)).not.toContain('outcome-unknown');
  }, 60_000);
});
