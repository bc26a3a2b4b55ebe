import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createRunningClock } from '../../simulator/index.ts';
import { startProcess } from '../journeys/process.ts';
import { DIRECT, type ErsWorld, startErsWorld } from './ers-world.ts';

const { privateKey: STRANGE_KEY } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const { privateKey: CURVE_KEY } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

const pollsSeen = async (world: ErsWorld) =>
  (await world.control<{ calls: { endpoint: string }[] }>('GET', 'calls')).calls.filter(
    ({ endpoint }) => endpoint === 'A008',
  ).length;

describe('check-ers', () => {
  test('with all in order it says so, spends no poll, and says what it did not check and how that can be had', async () => {
    await using world = await startErsWorld();
    const { exitCode, said } = await world.run('check-ers');
    expect(said).toMatch(/^ok {7}credentials/);
    expect(said).toMatch(/^ok {7}clock: \d seconds/m);
    expect(said).toMatch(/^ok {7}reference data/m);
    expect(said).toMatch(/^skipped {2}service 70101: not checked.*--spend-poll.*poll 70101/m);
    expect(exitCode).toBe(0);
    expect(await pollsSeen(world)).toBe(0);
  });

  test('B1: with --spend-poll each service is read by a poll of the ledger, which refuses the third', async () => {
    await using world = await startErsWorld();
    const first = await world.run('check-ers', ['--spend-poll']);
    expect(first.said).toMatch(/^ok {7}service 70101: .*Polls left: 1\./m);
    const second = await world.run('check-ers', ['--spend-poll']);
    expect(second.said).toMatch(/^ok {7}service 70101: .*Polls left: 0; the next is free at \d{4}-/m);
    const third = await world.run('check-ers', ['--spend-poll']);
    expect(third.said).toMatch(/^REFUSED {2}service 70101: e-RS was not asked\. .*spent/m);
    expect([first, second, third].map(({ exitCode }) => exitCode)).toEqual([0, 0, 1]);
    expect(await pollsSeen(world)).toBe(2);
  });

  test('a service that e-RS does not have is refused in words, and the others are checked all the same', async () => {
    await using world = await startErsWorld({}, ['99999', DIRECT]);
    const { exitCode, said } = await world.run('check-ers', ['--spend-poll']);
    expect(said).toMatch(/^REFUSED {2}service 99999: service-not-found \(HTTP 422\)\. e-RS has no service of this/m);
    expect(said).toMatch(/^ok {7}service 70101/m);
    expect(exitCode).toBe(1);
  });

  const CREDENTIALS = [
    ['a key id that is not registered', () => ({ ERS_KEY_ID: 'nobody-1' }), 'key-id-unknown'],
    [
      'a key of somebody else',
      (world: ErsWorld) => ({ ERS_PRIVATE_KEY_FILE: world.keyFile(STRANGE_KEY) }),
      'key-wrong',
    ],
    [
      'a key that cannot sign',
      (world: ErsWorld) => ({ ERS_PRIVATE_KEY_FILE: world.keyFile(CURVE_KEY) }),
      'key-unusable',
    ],
    ['an API key of another environment', () => ({ ERS_API_KEY: 'another' }), 'api-key-unknown'],
    ['another audience', () => ({ ERS_TOKEN_AUDIENCE: 'https://other.example/oauth2/token' }), 'audience-wrong'],
    ['nobody at the address', () => ({ ERS_TOKEN_URL: 'http://127.0.0.1:9/oauth2/token' }), 'unreachable'],
  ] as const;

  test.each(CREDENTIALS)('%s is told from all other faults', async (_what, more, refusal) => {
    await using world = await startErsWorld();
    const { exitCode, said } = await world.run('check-ers', ['--spend-poll'], more(world));
    expect(said).toMatch(new RegExp(`^REFUSED {2}credentials: ${refusal}\\b`, 'm'));
    expect(said).toMatch(/^skipped {2}service 70101: there is no token/m);
    expect(exitCode).toBe(1);
    expect(await pollsSeen(world)).toBe(0);
  });

  test('a clock that is an hour off is said in seconds, whatever e-RS makes of it', async () => {
    await using world = await startErsWorld({ clock: createRunningClock(new Date(Date.now() + 3_600_000)) });
    const { exitCode, said } = await world.run('check-ers');
    const behind = Number(/^REFUSED {2}clock: (\d+) seconds behind e-RS's/m.exec(said)?.[1]);
    expect(behind).toBeGreaterThan(3_590);
    expect(behind).toBeLessThan(3_610);
    expect(exitCode).toBe(1);
  });

  test('an assertion that has expired by e-RS’s clock is put down to the clock', async () => {
    await using world = await startErsWorld();
    const body = { error: 'invalid_request', error_description: 'Invalid exp claim in JWT - JWT has expired' };
    await world.control('POST', 'faults', { endpoint: 'TOKEN', kind: 'status', status: 400, body });
    const { said } = await world.run('check-ers');
    expect(said).toMatch(/^REFUSED {2}credentials: clock-wrong \(HTTP 400\)/m);
  });

  const CALLS = [
    [403, 'FORBIDDEN', 'role-not-allowed'],
    [403, 'NO_ACCESS', 'organisation-not-allowed'],
    [403, undefined, 'application-incomplete'],
    [401, undefined, 'token-not-taken'],
    [500, undefined, 'failing'],
    [429, undefined, 'slowed-down'],
  ] as const;

  test.each(CALLS)('e-RS answering %d %s to a read is explained as %s', async (status, code, refusal) => {
    await using world = await startErsWorld();
    const issue = [{ severity: 'error', code: 'forbidden', details: { coding: [{ code }] } }];
    const body = code === undefined ? {} : { body: { resourceType: 'OperationOutcome', issue } };
    await world.control('POST', 'faults', { endpoint: 'A004', kind: 'status', status, times: 5, ...body });
    const { exitCode, said } = await world.run('check-ers');
    expect(said).toMatch(new RegExp(`^REFUSED {2}reference data \\(A004\\): ${refusal} \\(HTTP ${status}\\)`, 'm'));
    expect(exitCode).toBe(1);
  });

  test('a worklist that is not the application’s own tells that its role is no provider’s', async () => {
    await using world = await startErsWorld();
    const issue = [{ severity: 'error', code: 'value', details: { coding: [{ code: 'INVALID_VALUE' }] } }];
    const body = { resourceType: 'OperationOutcome', issue };
    await world.control('POST', 'faults', { endpoint: 'A008', kind: 'status', status: 422, body });
    const { said } = await world.run('check-ers', ['--spend-poll']);
    expect(said).toMatch(/^REFUSED {2}service 70101: not-a-provider \(HTTP 422\).*Polls left: 1\./m);
  });

  test('an environment that does not suffice is told fault by fault, and nothing is called', async () => {
    await using world = await startErsWorld();
    const { exitCode, complained } = await world.run('check-ers', [], { ERS_API_KEY: '' });
    expect(exitCode).toBe(1);
    expect(complained).toContain('ERS_API_KEY is missing');
    expect((await world.control<{ calls: unknown[] }>('GET', 'calls')).calls).toEqual([]);
  });
});

describe('poll', () => {
  test('B1: it spends from the ledger of the running server, says what is left, and the ledger’s no ends with 1', async () => {
    await using world = await startErsWorld();
    const server = await startProcess(['serve'], world.environment);
    try {
      const until = async (count: number) => {
        while ((await pollsSeen(world)) < count) await new Promise((resolve) => setTimeout(resolve, 50));
      };
      await until(1);
      const second = await world.run('poll', [DIRECT, '--url', server.url]);
      expect(second.said).toMatch(
        /^REFERRALS_FOR_REVIEW: \d+ referrals, .*\nPolls left: 0; the next is free at \d{4}-/,
      );
      const third = await world.run('poll', [DIRECT, '--url', server.url]);
      expect(third.complained).toMatch(/e-RS was not asked.*Polls left: 0; the next is free at \d{4}-/);
      expect([second.exitCode, third.exitCode]).toEqual([0, 1]);
      const unknown = await world.run('poll', ['99999', '--url', server.url]);
      expect(unknown).toMatchObject({ exitCode: 1, complained: expect.stringContaining('no such e-RS service') });
      const other = await world.run('poll', [DIRECT, '--list', 'APPOINTMENT_SLOT_ISSUES', '--url', server.url]);
      expect(other).toMatchObject({ exitCode: 1, complained: expect.stringContaining('not read from that worklist') });
      // The store is the server's: the check cannot count, and so does not poll.
      const checked = await world.run('check-ers', ['--spend-poll']);
      expect(checked).toMatchObject({ exitCode: 1, said: expect.stringContaining('REFUSED  poll ledger') });
      expect(await pollsSeen(world)).toBe(2);
    } finally {
      await server.end('SIGTERM');
    }
    expect(await world.run('poll', [DIRECT, '--url', server.url])).toMatchObject({
      exitCode: 1,
      complained: expect.stringContaining('no server'),
    });
  }, 60_000);
});
