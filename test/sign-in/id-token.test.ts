import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { Agent } from 'undici';
import { systemClock } from '../../server/core/index.ts';
import { createCis2 } from '../../server/sign-in/cis2.ts';

const CLIENT = 'relying-party';
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** An issuer that hands out whatever a test wants. */
let idToken = '';
const server = createServer(async (request, response) => {
  response.setHeader('Content-Type', 'application/json');
  const answers: Record<string, unknown> = {
    '/.well-known/openid-configuration': {
      issuer: issuer(),
      authorization_endpoint: `${issuer()}/authorize`,
      token_endpoint: `${issuer()}/token`,
      jwks_uri: `${issuer()}/jwks`,
    },
    '/jwks': { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }] },
    '/token': { id_token: idToken },
  };
  response.end(JSON.stringify(answers[request.url ?? ''] ?? {}));
});
const issuer = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

describe('the id token of a sign-in', () => {
  const dispatcher = new Agent();
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await dispatcher.close();
  });
  const cis2 = () =>
    createCis2({
      issuer: issuer(),
      clientId: CLIENT,
      keyId: 'one',
      privateKeyPem: pem,
      redirectUri: 'http://127.0.0.1/sign-in/callback',
      clock: systemClock,
      dispatcher,
    });
  const nowSeconds = () => Math.floor(Date.now() / 1000);
  const claims = (nonce: string, more: JWTPayload = {}): JWTPayload => ({
    iss: issuer(),
    sub: '555000000101',
    aud: CLIENT,
    iat: nowSeconds(),
    exp: nowSeconds() + 300,
    nonce,
    id_assurance_level: 3,
    authentication_assurance_level: '3',
    ...more,
  });
  const withoutSubject = ({ sub: _, ...rest }: JWTPayload): JWTPayload => rest;
  const sign = (payload: JWTPayload, key = pair.privateKey, alg = 'RS256') =>
    new SignJWT(payload).setProtectedHeader({ alg, kid: 'one' }).sign(key);

  async function finishWith(make: (nonce: string) => Promise<string> | string) {
    const party = cis2();
    const begun = await party.begin();
    if (begun === undefined) throw new Error('no discovery');
    idToken = await make(begun.flow.nonce);
    return party.finish('a-code', begun.flow);
  }

  test('that holds in all says who signed in', async () => {
    expect(await finishWith((nonce) => sign(claims(nonce)))).toMatchObject({ ok: true, sdsUserId: '555000000101' });
  });

  test.each<[string, string, (nonce: string) => Promise<string> | string]>([
    ['of another sign-in (nonce)', 'sign-in-refused', () => sign(claims('another'))],
    ['for another party', 'sign-in-refused', (nonce) => sign(claims(nonce, { aud: 'somebody-else' }))],
    ['authorised for another party', 'sign-in-refused', (nonce) => sign(claims(nonce, { azp: 'somebody-else' }))],
    ['of another issuer', 'sign-in-refused', (nonce) => sign(claims(nonce, { iss: 'https://cis2.example' }))],
    [
      'of somebody who signed in an hour ago',
      'sign-in-refused',
      (nonce) => sign(claims(nonce, { auth_time: nowSeconds() - 3_600 })),
    ],
    ['that has expired', 'sign-in-refused', (nonce) => sign(claims(nonce, { exp: nowSeconds() - 60 }))],
    ['without a subject', 'sign-in-refused', (nonce) => sign(withoutSubject(claims(nonce)))],
    ['signed by a stranger', 'sign-in-refused', (nonce) => sign(claims(nonce), stranger.privateKey)],
    ['that nobody signed', 'sign-in-refused', (nonce) => new UnsecuredJWT(claims(nonce)).encode()],
    ['that is none', 'sign-in-refused', () => 'no token'],
    ['with weak identity', 'assurance-too-low', (nonce) => sign(claims(nonce, { id_assurance_level: 2 }))],
    [
      'with weak authentication',
      'assurance-too-low',
      (nonce) => sign(claims(nonce, { authentication_assurance_level: 1 })),
    ],
    ['with a level that is none', 'assurance-too-low', (nonce) => sign(claims(nonce, { id_assurance_level: 'high' }))],
  ])('%s signs nobody in', async (_what, code, make) => {
    expect(await finishWith(make)).toEqual({ ok: false, code });
  });

  test('is asked for with PKCE, state and nonce, each fresh', async () => {
    const party = cis2();
    const [one, other] = [await party.begin(), await party.begin()];
    const asked = new URL(one?.url ?? '').searchParams;
    expect(asked.get('code_challenge_method')).toBe('S256');
    for (const name of ['state', 'nonce', 'code_challenge'])
      expect(asked.get(name)).not.toBe(new URL(other?.url ?? '').searchParams.get(name));
    expect(one?.url).not.toContain(one?.flow.verifier);
  });
});
