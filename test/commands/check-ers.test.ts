import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createRunningClock } from '../../simulator/index.ts';
import { startProcess } from '../journeys/process.ts';
import { DIRECT, type ErsWorld, SLOTLESS, startErsWorld } from './ers-world.ts';

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
    expect(said).toMatch(/^ok {7}role: the application may read referrals, as the application of a provider may/m);
    expect(said).toMatch(/^skipped {2}session: no clinician's roles were checked.*ERS_USER_TOKEN/m);
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

describe('check-ers and roles', () => {
  const DECISIONS = [
    'accept (A013)',
    'reject (A014)',
    'redirect (A022)',
    'accept-book-later (A028)',
    'return-with-advice (A028)',
  ];
  const decided = (said: string) =>
    said.split('\n').flatMap((line) => /^(ok|REFUSED) +decision (.*?): (.*)$/.exec(line)?.slice(1) ?? []);
  const each = (became: 'ok' | 'REFUSED', how: unknown) => DECISIONS.flatMap((decision) => [became, decision, how]);
  const signIn = async (world: ErsWorld, wish: Record<string, unknown>) => {
    const user = { sdsUserId: '999012345678', organisations: ['ZZ1'], ...wish };
    return (await world.control<{ userToken: string }>('POST', 'users', user)).userToken;
  };
  const checkAs = async (world: ErsWorld, wish: Record<string, unknown>) =>
    world.run('check-ers', [], { ERS_USER_TOKEN: await signIn(world, wish) });

  test('an application that is no provider’s is told so by a read of no referral at all', async () => {
    await using world = await startErsWorld();
    const issue = [{ severity: 'error', code: 'forbidden', details: { coding: [{ code: 'FORBIDDEN' }] } }];
    const body = { resourceType: 'OperationOutcome', issue };
    await world.control('POST', 'faults', { endpoint: 'A005', kind: 'status', status: 403, body });
    const { exitCode, said } = await world.run('check-ers');
    expect(said).toMatch(/^REFUSED {2}role: role-not-allowed \(HTTP 403\)\..*PROVIDER_AUTHORISED_APPLICATION/m);
    expect(exitCode).toBe(1);
  });

  test('decisions that may go unattended are named as not checked, and none is sent to find out', async () => {
    await using world = await startErsWorld();
    const services = [{ id: DIRECT, lists: ['REFERRALS_FOR_REVIEW'], unattended: ['accept'] }];
    const { exitCode, said } = await world.run('check-ers', [], { ERS_SERVICES: JSON.stringify(services) });
    expect(said).toMatch(/^skipped {2}decision accept \(A013\), unattended at 70101: not checked/m);
    expect(exitCode).toBe(0);
    const { calls } = await world.control<{ calls: { endpoint: string }[] }>('GET', 'calls');
    expect(calls.map(({ endpoint }) => endpoint)).toEqual(['A004', 'A005']);
  });

  test('a clinician’s session is told by organisation and role, suffices for each decision, and reaches each service without a poll', async () => {
    await using world = await startErsWorld({}, [DIRECT, SLOTLESS]);
    const token = await signIn(world, { roles: ['SERVICE_PROVIDER_CLINICIAN', 'SERVICE_PROVIDER_ADMIN'] });
    const { exitCode, said } = await world.run('check-ers', [], { ERS_USER_TOKEN: ` ${token}\n` });
    expect(said).toMatch(/^ok {7}session: at ZZ1 as SERVICE_PROVIDER_CLINICIAN, SERVICE_PROVIDER_ADMIN$/m);
    expect(decided(said)).toEqual(each('ok', 'as SERVICE_PROVIDER_CLINICIAN at ZZ1'));
    for (const service of [DIRECT, SLOTLESS])
      expect(said).toMatch(
        new RegExp(`^ok {7}service ${service}, in the session: its worklist REFERRALS_FOR_REVIEW`, 'm'),
      );
    expect(exitCode).toBe(0);
    expect(said).not.toContain(token);
    expect((await world.control<{ polls: unknown }>('GET', 'audit')).polls).toEqual({});
  });

  test('an administrator’s session suffices where a clinician lets them act, and is told so where none does', async () => {
    await using world = await startErsWorld();
    const roles = ['SERVICE_PROVIDER_CLINICIAN_ADMIN'];
    const acting = await checkAs(world, { roles, onBehalfOf: ['999000000042'] });
    expect(decided(acting.said)).toEqual(each('ok', 'as SERVICE_PROVIDER_CLINICIAN_ADMIN at ZZ1 for 1 who allow it'));
    expect(acting.said).toMatch(/^ok {7}service 70101, in the session/m);
    const alone = await checkAs(world, { sdsUserId: '999012345679', roles });
    expect(decided(alone.said)).toEqual(each('REFUSED', expect.stringMatching(/^session-acts-for-nobody\./)));
    expect([acting.exitCode, alone.exitCode]).toEqual([0, 1]);
  });

  test('a role that decides nothing, a session that has ended and a clinician of other services are told from one another', async () => {
    await using world = await startErsWorld();
    const clerk = await checkAs(world, { roles: ['SERVICE_PROVIDER_ADMIN'] });
    expect(decided(clerk.said)).toEqual(each('REFUSED', expect.stringMatching(/^session-cannot-decide\./)));
    const ended = await world.run('check-ers', [], { ERS_USER_TOKEN: 'no token of anybody' });
    expect(ended.said).toMatch(/^REFUSED {2}session \(A030\): session-ended \(HTTP 401\)\./m);
    const elsewhere = await checkAs(world, { roles: ['SERVICE_PROVIDER_CLINICIAN'], services: [SLOTLESS] });
    expect(elsewhere.said).toMatch(
      /^REFUSED {2}service 70101, in the session: session-not-in-workgroup \(HTTP 422\)\..*NO_RELATIONSHIP/m,
    );
    expect([clerk, ended, elsewhere].map(({ exitCode }) => exitCode)).toEqual([1, 1, 1]);
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
