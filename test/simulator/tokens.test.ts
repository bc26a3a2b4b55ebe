import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { AssertionWish } from './far-side.ts';
import { askToken, CLINICIAN, signAssertion, startFarSide } from './far-side.ts';

describe('the token endpoint', () => {
  test('a good assertion buys a token whose life is told as a string, as the platform tells it', async () => {
    await using side = await startFarSide();
    const { status, json } = await askToken(side.simulator, await signAssertion(side.simulator));
    expect(status).toBe(200);
    expect(json).toMatchObject({ expires_in: '599', token_type: 'Bearer' });
    expect((await side.send('GET', '/STU3/CodeSystem/PRIORITY', { token: json.access_token })).status).toBe(200);
  });

  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const spoiled: [string, AssertionWish, number][] = [
    ['signed with another algorithm', { alg: 'RS256' }, 400],
    ['without a key id', { kid: '' }, 400],
    ['with an unknown key id', { kid: 'nobody' }, 401],
    ['signed by a stranger', { privateKeyPem: String(stranger) }, 401],
    ['for another audience', { aud: 'https://api.service.nhs.uk/oauth2/token' }, 401],
    ['of another issuer', { iss: 'nobody', sub: 'nobody' }, 401],
    ['whose issuer and subject differ', { sub: 'nobody' }, 400],
    ['that has expired by both clocks', { expiresInSeconds: -400_000_000 }, 400],
    ['that lives more than five minutes', { expiresInSeconds: 301 }, 400],
    ['without an id of its own', { jti: '' }, 400],
  ];
  test.each(spoiled)(
    'an assertion %s is refused, so that a client learns of it before e-RS does',
    async (_what, wish, status) => {
      await using side = await startFarSide();
      const reply = await askToken(side.simulator, await signAssertion(side.simulator, wish));
      expect(reply.status).toBe(status);
      expect(reply.json).toMatchObject({ error: expect.any(String), error_description: expect.any(String) });
    },
  );

  test('an assertion is good once only: its jti must be fresh', async () => {
    await using side = await startFarSide();
    const jti = randomUUID();
    expect((await askToken(side.simulator, await signAssertion(side.simulator, { jti }))).status).toBe(200);
    const replay = await askToken(side.simulator, await signAssertion(side.simulator, { jti }));
    expect([replay.status, replay.json.error_description]).toEqual([400, 'Non-unique jti claim in JWT']);
  });

  test('a client whose clock is ten minutes fast or slow is refused: clock skew is the usual fault of a new client', async () => {
    await using side = await startFarSide();
    for (const expiresInSeconds of [900, -300]) {
      const reply = await askToken(side.simulator, await signAssertion(side.simulator, { expiresInSeconds }));
      expect([reply.status, reply.json.error_description]).toEqual([400, expect.stringContaining('exp')]);
    }
  });

  test('what is no assertion, or no known grant, is refused by name', async () => {
    await using side = await startFarSide();
    const good = await signAssertion(side.simulator);
    expect((await askToken(side.simulator, 'nonsense')).json.error).toBe('invalid_request');
    expect((await askToken(side.simulator, good, { grant_type: 'password' })).json.error).toBe(
      'unsupported_grant_type',
    );
    expect((await askToken(side.simulator, good, { client_assertion_type: 'x' })).json.error).toBe('invalid_request');
  });

  test("a clinician's id token is exchanged for a user token, once the client has proved who it is", async () => {
    await using side = await startFarSide();
    const { json: session } = await side.control('POST', '/users', CLINICIAN);
    const exchange = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: session.idToken };
    const { status, json } = await askToken(side.simulator, await signAssertion(side.simulator), exchange);
    expect(status).toBe(200);
    const roles = await side.send('GET', '/R4/PractitionerRole', { token: json.access_token });
    expect(roles.json.entry[0].resource.practitioner.identifier.value).toBe(CLINICIAN.sdsUserId);
    const unknown = await askToken(side.simulator, await signAssertion(side.simulator), {
      ...exchange,
      subject_token: 'x',
    });
    expect(unknown.status).toBe(400);
  });

  test("a token dies by the simulator's clock, and the answer to it is 401 with an empty body on STU3 paths", async () => {
    await using side = await startFarSide();
    expect((await side.send('GET', '/STU3/CodeSystem/PRIORITY')).status).toBe(200);
    await side.control('POST', '/clock', { advanceSeconds: 600 });
    const expired = await side.send('GET', '/STU3/CodeSystem/PRIORITY');
    expect([expired.status, expired.text]).toEqual([401, '']);
    expect(expired.headers.get('www-authenticate')).toContain('invalid_token');
  });
});
