import { expect, test } from '@jest/globals';
import { systemClock } from '../../server/core/index.ts';
import { until } from '../journeys/process.ts';
import { startFacade } from './world.ts';

const SECRET = 'a secret of the hints';
const hint = (url: string, authorization?: string, body?: string) =>
  fetch(`${url}/hints/store`, {
    method: 'POST',
    headers: authorization === undefined ? {} : { authorization },
    ...(body === undefined ? {} : { body }),
  });

test('a hint with the secret wakes the engine, and says nothing of a Task', async () => {
  await using world = await startFacade({ hintSecret: SECRET, clock: systemClock });
  const answer = await hint(world.url, `Bearer ${SECRET}`, '{"resourceType":"Task","id":"any"}');
  expect([answer.status, await answer.text()]).toEqual([204, '']);
  await until(async () => world.engine.woken.length > 0 || undefined);
  expect(world.engine.woken).toEqual([undefined]);
});

test.each([
  ['none', undefined],
  ['a wrong one', 'Bearer another secret of hints'],
  ['part of it', 'Bearer a secret of the'],
  ['another scheme', `Basic ${SECRET}`],
])('without the secret (%s) it is 401, and wakes nobody', async (_what, authorization) => {
  await using world = await startFacade({ hintSecret: SECRET, clock: systemClock });
  const answer = await hint(world.url, authorization);
  expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect((await hint(world.url, `Bearer ${SECRET}`)).status).toBe(204);
  await until(async () => world.engine.woken.length > 0 || undefined);
  expect(world.engine.woken).toEqual([undefined]);
});

test('where no secret is set there is no such door', async () => {
  await using world = await startFacade();
  expect((await hint(world.url, 'Bearer undefined')).status).toBe(404);
  expect((await hint(world.url)).status).toBe(404);
});

test('hints that come together are one look, so that a bulk of decisions is no storm of searches', async () => {
  await using world = await startFacade({ hintSecret: SECRET, clock: systemClock });
  const answers = await Promise.all(Array.from({ length: 20 }, () => hint(world.url, `Bearer ${SECRET}`)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
  await until(async () => world.engine.woken.length > 0 || undefined);
  expect(world.engine.woken.length).toBeLessThan(5);
});
