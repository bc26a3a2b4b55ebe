import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import type { Access } from '../../server/core/index.ts';
import { refuseUnparsed, SLOW_CLIENTS } from '../../server/facade/index.ts';
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
