import { expect, test } from '@jest/globals';
import { verifyAudit } from '../../server/audit/index.ts';
import { type Access, systemClock } from '../../server/core/index.ts';
import { startFacade } from '../facade/world.ts';
import { eventsIn, KEY, openTrail } from './trail.ts';

/** Takes a token for the client's name; nobody's is refused. */
const access: Access = {
  authenticate: async ({ authorization }) =>
    authorization === undefined
      ? { ok: false, code: 'token-missing', challenge: 'Bearer' }
      : authorization === 'forged'
        ? { ok: false, code: 'token-invalid', challenge: 'Bearer' }
        : {
            ok: true,
            caller: { clientId: String(authorization), user: undefined, scopes: ['system/Task.rs'], services: 'all' },
          },
  smartConfiguration: {},
  tokenUrl: undefined,
};

test('who asks for what their scopes do not permit is on record, with what they asked for', async () => {
  const { store, begin } = await openTrail();
  const audit = begin();
  await using world = await startFacade({ access, audit });
  const ask = (path: string, method = 'GET') =>
    fetch(`${world.fhir}/${path}`, { method, headers: { Authorization: 'epr' } });
  expect((await ask('Patient/patient-1')).status).toBe(403);
  expect((await ask('Patient?birthdate=1970-01-01')).status).toBe(403);
  expect((await ask('Task/task-1', 'PATCH')).status).toBe(403);
  await audit.settled();
  const events = (await eventsIn(store)).toReversed();
  expect(events.map(({ outcomeDesc, agent, subtype }) => [outcomeDesc, agent[0]?.altId, subtype?.[0]?.code])).toEqual([
    ['HTTP 403', 'epr', 'read'],
    ['HTTP 403', 'epr', 'search-type'],
    ['HTTP 403', 'epr', 'patch'],
  ]);
  expect(events[0]?.entity?.[0]?.what?.reference ?? events[0]?.entity?.[0]?.name).toBe('Patient/patient-1');
  expect(Buffer.from(events[1]?.entity?.[0]?.query ?? '', 'base64').toString()).toBe('birthdate=1970-01-01');
});

test('who cannot say who they are is counted, one event for each reason and minute: strangers do not fill the store', async () => {
  const { store, begin } = await openTrail();
  const audit = begin();
  await using world = await startFacade({ access, audit });
  for (const headers of [{}, { Authorization: 'forged' }, { Authorization: 'forged' }] as Record<string, string>[])
    expect((await fetch(`${world.fhir}/Patient/patient-1`, { headers })).status).toBe(401);
  await audit.settled();
  const counted = (await eventsIn(store)).map(({ type, outcome, outcomeDesc, entity }) => [
    type.code,
    outcome,
    outcomeDesc,
    Number(entity?.[0]?.detail?.[0]?.valueString),
  ]);
  const sum = (code: string) =>
    counted.reduce((total, [, , desc, count]) => total + (desc === code ? Number(count) : 0), 0);
  expect([sum('token-missing'), sum('token-invalid')]).toEqual([1, 2]);
  expect(counted.every(([type, outcome]) => type === '110114' && outcome === '4')).toBe(true);
  expect(JSON.stringify(await eventsIn(store))).not.toContain('patient-1');
  const verified = await verifyAudit(store, KEY);
  expect(verified).toMatchObject({ ok: true, value: { breaks: [] } });
});

test('strangers of the last minute are told of when the process stops', async () => {
  const { store, begin } = await openTrail();
  // In real time: a clock whose waits are over at once has no patience with the store, and the process would end first.
  const audit = begin(store, systemClock);
  for (let index = 0; index < 5_000; index += 1) audit.noteStranger('token-invalid');
  await audit.stop();
  const events = await eventsIn(store);
  expect(events).toHaveLength(1);
  expect(events[0]?.entity?.[0]?.detail).toEqual([{ type: 'count', valueString: '5000' }]);
});
