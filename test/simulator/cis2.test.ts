import { createHash, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, importPKCS8, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose';
import { type FarSide, startFarSide } from './far-side.ts';

const CLINICIAN = '555000000101';
const REDIRECT = 'http://127.0.0.1:8080/sign-in/callback';
const VERIFIER = 'a-verifier-of-this-test-that-is-long-enough-for-pkce';

describe('the pretend NHS CIS2', () => {
  let side: FarSide;
  beforeEach(async () => {
    side = await startFarSide();
  });
  afterEach(async () => side[Symbol.asyncDispose]());

  const cis2 = () => side.simulator.cis2;
  const asked = (more: Record<string, string> = {}) => ({
    client_id: cis2().clientId,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: 'openid',
    code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    nonce: 'a-nonce',
    state: 'a-state',
    ...more,
  });
  const authorise = (more: Record<string, string> = {}) =>
    fetch(`${cis2().issuer}/authorize?${new URLSearchParams(asked(more))}`);
  const choose = (user: string, more: Record<string, string> = {}) =>
    fetch(`${cis2().issuer}/sign-in`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ ...asked(), user, ...more }),
    });
  const backOf = async (answer: Response) => new URL(answer.headers.get('location') ?? '').searchParams;
  const codeOf = async (more: Record<string, string> = {}) =>
    (await backOf(await choose(CLINICIAN, more))).get('code') ?? '';

  async function assertion(audience = `${cis2().issuer}/token`): Promise<string> {
    const { privateKeyPem, keyId } = side.simulator.credentials;
    return new SignJWT()
      .setProtectedHeader({ alg: 'RS512', kid: keyId })
      .setIssuer(cis2().clientId)
      .setSubject(cis2().clientId)
      .setAudience(audience)
      .setJti(randomUUID())
      .setExpirationTime('4m')
      .sign(await importPKCS8(privateKeyPem, 'RS512'));
  }

  async function redeem(code: string, more: Record<string, string> = {}) {
    const answer = await fetch(`${cis2().issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT,
        code_verifier: VERIFIER,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await assertion(),
        ...more,
      }),
    });
    return { status: answer.status, json: (await answer.json()) as { error?: string; id_token?: string } };
  }

  test('says in its discovery document where it is asked, and what of: code, S256, private_key_jwt', async () => {
    const { issuer } = cis2();
    const told = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
    expect(told).toMatchObject({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
    });
  });

  test.each([
    ['another client', { client_id: 'somebody' }],
    ['a redirect that leaves this machine', { redirect_uri: 'https://evil.example/callback' }],
    ['another response type than code', { response_type: 'token' }],
    ['a scope without openid', { scope: 'profile' }],
    ['PKCE in the clear', { code_challenge_method: 'plain' }],
    ['no nonce', { nonce: '' }],
  ])('shows its error to the user and sends nobody back for %s', async (_, more) => {
    expect((await authorise()).status).toBe(200);
    const answer = await authorise(more as Record<string, string>);
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null]);
    expect((await choose(CLINICIAN, more as Record<string, string>)).status).toBe(400);
  });

  test('sends back a code with the state, or access_denied when the user cancels', async () => {
    const back = await backOf(await choose(CLINICIAN));
    expect([back.get('state'), back.get('error'), back.get('code')?.length]).toEqual(['a-state', null, 36]);
    const cancelled = await backOf(await choose(''));
    expect([cancelled.get('state'), cancelled.get('error'), cancelled.get('code')]).toEqual([
      'a-state',
      'access_denied',
      null,
    ]);
  });

  test('a code is good once, for a minute, with the verifier and the redirect that it was asked with', async () => {
    const code = await codeOf();
    expect((await redeem(code)).status).toBe(200);
    expect((await redeem(code)).json).toEqual({ error: 'invalid_grant' });
    expect((await redeem(await codeOf(), { code_verifier: 'another' })).json).toEqual({ error: 'invalid_grant' });
    expect((await redeem(await codeOf(), { redirect_uri: `${REDIRECT}2` })).json).toEqual({ error: 'invalid_grant' });
    const late = await codeOf();
    await side.control('POST', '/clock', { advanceSeconds: 61 });
    expect((await redeem(late)).json).toEqual({ error: 'invalid_grant' });
  });

  test('a client proves itself by a signed assertion for the token endpoint: else 401 invalid_client', async () => {
    for (const client_assertion of ['nonsense', await assertion('https://elsewhere.example/token')])
      expect(await redeem(await codeOf(), { client_assertion })).toEqual({
        status: 401,
        json: { error: 'invalid_client' },
      });
  });

  test('the id token names user, nonce, audience and the levels of assurance, and is signed RS256 by a published key', async () => {
    const { json } = await redeem(await codeOf({ aal: '2' }));
    const keys = createLocalJWKSet((await (await fetch(`${cis2().issuer}/jwks`)).json()) as JSONWebKeySet);
    const { payload, protectedHeader } = await jwtVerify(json.id_token ?? '', keys, {
      issuer: cis2().issuer,
      audience: cis2().clientId,
      currentDate: side.simulator.clock.now(),
    });
    expect(protectedHeader.alg).toBe('RS256');
    expect(payload).toMatchObject({
      sub: CLINICIAN,
      nonce: 'a-nonce',
      id_assurance_level: 3,
      authentication_assurance_level: 2,
      auth_time: expect.any(Number),
    });
  });
});
