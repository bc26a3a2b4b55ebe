import { expect, test } from '@jest/globals';
import { CODE_SYSTEM } from '../../mappings/index.ts';
import { refer, standingIn, until } from '../sentinel/report.ts';
import { startWorld } from './world.ts';

test('architecture 4: what has happened and is over stays an alert while the process lives, since somebody has to act; then the log tells of it', async () => {
  await using world = await startWorld({ referrals: 0 });
  const [ubrn = ''] = await refer(world, 1);
  const task = await world.taskOf(ubrn);
  const businessStatus = { coding: [{ system: CODE_SYSTEM.reviewStatus, code: 'accepted' }] };
  await world.product.store.update({ ...task, businessStatus });
  await until(async () => (await standingIn(world)).some(({ code }) => code === 'task-repaired'));
  await until(async () => (await world.taskOf(ubrn)).businessStatus?.coding?.[0]?.code === 'awaiting-review');
  await world.settled();
  expect(await standingIn(world)).toEqual([{ code: 'task-repaired', count: 1 }]);
  await world.restart();
  await world.settled();
  expect(await standingIn(world)).toEqual([]);
  expect(world.log).toContainEqual(
    expect.objectContaining({ level: 'warn', event: 'dispatch.task.repaired', taskId: task.id }),
  );
}, 60_000);
