import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import type { Access } from '../../server/core/index.ts';
import { refuseUnparsed, SLOW_CLIENTS } from '../../server/facade/index.ts';
import type { FacadeLimits } from '../../server/facade/options.ts';
import { Throttle } from '../../server/facade/throttle.ts';
import { startFacade } from './world.ts';

/** Takes a token for the client's name. */
const access: Access = {
  authenticate: async ({ authorization }) => ({
    ok: true,
    caller: { clientId: String(authorization), user: undefined, scopes: ['system/*.rs'], services: 'all' },
  }),
  smartConfiguration: {},
  tokenUrl: undefined,
};

describe('a client that asks too much', () => {
  test('is told to wait, while others are answered', async () => {
    await using world = await startFacade({ access, limits: { clientRequestsPerSecond: 5 } });
    const ask = (name: string) => fetch(`${world.fhir}/Task/task-1`, { headers: { Authorization: name } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('greedy')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(5);
    expect(refused.length).toBeGreaterThan(5);
    expect(refused[0]?.headers.get('Retry-After')).toBe('1');
    expect(await refused[0]?.json()).toMatchObject({
      issue: [{ code: 'throttled', details: { coding: [{ code: 'too-many-requests' }] } }],
    });
    expect((await ask('modest')).status).toBe(200);
  });

  test('has so many requests answered at the same time and no more; a place is free when an answer is out', async () => {
    await using world = await startFacade({ limits: { requestsInHand: 1 } });
    const until = async (status: number): Promise<boolean> => {
      for (let tries = 0; tries < 200; tries += 1) {
        if ((await fetch(`${world.fhir}/Task`)).status === status) return true;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return false;
    };
    expect(await until(200)).toBe(true);
    // Its body never comes to its end.
    const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
    socket.write('POST /fhir/R4/Task/_search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nstatus=');
    expect(await until(429)).toBe(true);
    socket.destroy();
    expect(await until(200)).toBe(true);
  });
});

test('who has no token yet takes a place, too: the token endpoint cannot be crowded while the rest is counted', async () => {
  const grant = async () => ({ status: 401, body: {} });
  await using world = await startFacade({
    access: { ...access, issuer: { jwks: {}, grant } },
    limits: { requestsInHand: 1 },
  });
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
  socket.write(
    'POST /auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\na=',
  );
  const post = async () => (await fetch(`${world.url}/auth/token`, { method: 'POST' })).status;
  let status = 0;
  for (let tries = 0; tries < 200 && status !== 429; tries += 1) status = await post();
  expect(status).toBe(429);
  socket.destroy();
  const large = {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: 'a'.repeat(30_000),
  };
  for (let tries = 0; tries < 200 && status === 429; tries += 1) status = await post();
  const refused = await fetch(`${world.url}/auth/token`, large);
  expect([refused.status, await refused.text()]).toEqual([413, expect.stringContaining('20000 bytes')]);
});

describe('a search that takes too long', () => {
  const DEAR = 'Patient?_count=1&name:contains=zz,zy&birthdate=ne2020';

  async function crowded(limits: Partial<FacadeLimits>) {
    const world = await startFacade({ access, limits });
    for (let index = 0; index < 200; index += 1)
      await world.put({
        resourceType: 'Patient',
        id: `crowd-${index}`,
        name: [{ family: 'Crowd' }],
        birthDate: '1970-01-01',
      });
    const ask = (path: string, name = 'dear') => fetch(`${world.fhir}/${path}`, { headers: { Authorization: name } });
    return { world, ask };
  }

  test('is ended: 400 too-costly, with what to ask instead; its client waits, and others do not', async () => {
    const none = { embedded: 0, hapi: 0, medplum: 0 };
    const { world, ask } = await crowded({ searchMs: none });
    await using _ = world;
    const answer = await ask(DEAR);
    expect([answer.status, await answer.json()]).toEqual([
      400,
      expect.objectContaining({
        issue: [
          expect.objectContaining({
            code: 'too-costly',
            details: expect.objectContaining({ coding: [expect.objectContaining({ code: 'search-too-costly' })] }),
          }),
        ],
      }),
    ]);
  });

  test('has its client wait as long again before it searches, while others search', async () => {
    // The clock of this world goes on by a millisecond whenever it is looked at.
    const { world, ask } = await crowded({ searchMs: { embedded: 2, hapi: 2, medplum: 2 } });
    await using _ = world;
    const waits = new Throttle(world.clock, { requestsInHand: 1, clientRequestsInHand: 1, clientRequestsPerSecond: 9 });
    const dear = { clientId: 'dear', user: undefined, scopes: [], services: 'all' } as const;
    waits.admit(dear, { once: () => undefined } as unknown as Parameters<Throttle['admit']>[1]);
    waits.makeWait(dear, 5_000);
    expect(waits.refuseWhoWaits(dear)).toMatchObject({ status: 429, headers: { 'Retry-After': '5' } });
    expect(waits.refuseWhoWaits({ ...dear, clientId: 'other' })).toBeUndefined();
    expect((await ask('Task?_id=task-1', 'other')).status).toBe(200);
  });

  test('is none that the engine itself makes: only those of clients are bounded', async () => {
    const { world } = await crowded({});
    await using _ = world;
    const query = DEAR.slice('Patient?'.length);
    expect(await world.store.search('Patient', query, undefined, { withinMs: 0 })).toMatchObject({
      ok: false,
      code: 'too-costly',
    });
    expect(await world.store.search('Patient', query)).toMatchObject({ ok: true });
    expect(await world.store.search('Patient', query, undefined, { withinMs: 60_000 })).toMatchObject({ ok: true });
  });
});

test('a client that sends its headers by the drop gives its connection back', async () => {
  const server = createServer({
    ...SLOW_CLIENTS,
    headersTimeout: 200,
    requestTimeout: 200,
    connectionsCheckingInterval: 50,
  });
  server.on('clientError', refuseUnparsed);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: local');
  const text = await new Promise<string>((resolve) => {
    let heard = '';
    socket.on('data', (chunk) => {
      heard += String(chunk);
    });
    socket.on('close', () => resolve(heard));
  });
  expect(text).toMatch(/^HTTP\/1\.1 408 /);
  await new Promise((resolve) => server.close(resolve));
});
