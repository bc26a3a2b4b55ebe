import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { decodeJwt, importJWK, SignJWT } from 'jose';
import { createAccess, makeClientKey, makeIssuerKey, readClients, tokenRequest } from '../../server/access/index.ts';
import type { Clock } from '../../server/core/index.ts';
import { openAccess } from '../../server/open-access.ts';
import { startKeys } from './issuers.ts';

const PUBLIC_URL = 'https://facade.example';
const TOKEN_URL = `${PUBLIC_URL}/auth/token`;

async function site({ scopes = ['system/*.rs', 'system/Task.u'], services = 'all' as 'all' | string[] } = {}) {
  let nowMs = Date.parse('2026-03-02T09:00:00Z');
  const clock: Clock = { now: () => new Date(nowMs), monotonicMs: () => nowMs, sleep: async () => undefined };
  const { own, jwks } = await makeClientKey('epr');
  const read = readClients(JSON.stringify([{ clientId: 'epr', jwks, scopes, services }]));
  if (!read.ok) throw new Error(read.faults.join());
  const config = { kind: 'built-in', key: await makeIssuerKey(), clients: read.clients, tokenSeconds: 300 } as const;
  const access = await createAccess(config, PUBLIC_URL, clock);
  const request = (wish: { scope?: string; tokenUrl?: string; aheadMs?: number } = {}) =>
    tokenRequest(own, { tokenUrl: TOKEN_URL, scope: undefined, ...wish, nowMs: nowMs + (wish.aheadMs ?? 0) });
  const grant = async (form: URLSearchParams) => {
    const answer = await access.issuer?.grant(form);
    if (answer === undefined) throw new Error('no issuer');
    return answer;
  };
  return {
    access,
    own,
    request,
    grant,
    pass(ms: number) {
      nowMs += ms;
    },
  };
}

describe('the built-in issuer', () => {
  test('gives a registered client a token that this server takes, with its scopes and its services', async () => {
    const { access, grant, request } = await site({ services: ['70101'] });
    const { status, body } = await grant(await request());
    expect([status, body]).toEqual([
      200,
      { access_token: expect.any(String), token_type: 'bearer', expires_in: 300, scope: 'system/*.rs system/Task.u' },
    ]);
    const who = await access.authenticate({ authorization: `Bearer ${body['access_token']}` });
    expect(who).toEqual({
      ok: true,
      caller: {
        clientId: 'epr',
        user: undefined,
        scopes: ['system/*.rs', 'system/Task.u'],
        services: new Set(['70101']),
      },
    });
  });

  test('grants of what is asked for what the client may have, and says so', async () => {
    const { grant, request } = await site();
    const scope = 'system/Task.rs system/Task.d ers/operator';
    expect((await grant(await request({ scope }))).body['scope']).toBe('system/Task.rs');
    expect(await grant(await request({ scope: 'ers/operator' }))).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    });
  });

  test('takes an assertion once, within its five minutes, for its own address only', async () => {
    const { grant, request, pass } = await site();
    const form = await request();
    expect((await grant(form)).status).toBe(200);
    expect(await grant(form)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect((await grant(await request({ tokenUrl: 'https://other.example/token' }))).status).toBe(401);
    expect((await grant(await request({ aheadMs: 400_000 }))).status).toBe(401);
    const old = await request();
    pass(200_000);
    expect((await grant(old)).status).toBe(401);
  });

  test('grants the narrower of what is asked for and what the client may have, level and letters kept', async () => {
    const scopes = ['system/Task.rs', 'system/Task.u', 'user/Patient.read', 'ers/operator'];
    const { grant, request } = await site({ scopes });
    const granted = async (scope: string) => (await grant(await request({ scope }))).body['scope'];
    expect(await granted('system/*.rs')).toBe('system/Task.rs');
    expect(await granted('system/*.cruds')).toBe('system/Task.rs system/Task.u');
    expect(await granted('system/Task.read')).toBe('system/Task.read');
    expect(await granted('user/*.s system/Patient.r ers/operator')).toBe('user/Patient.s ers/operator');
    expect(await granted('system/Patient.rs system/Task.d openid')).toBeUndefined();
  });

  test('refuses a parameter that stands there twice, whichever it is', async () => {
    const { grant, request } = await site();
    const form = await request({ scope: 'system/Task.rs' });
    form.append('scope', 'system/*.rs');
    expect(await grant(form)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  test('takes the keys of a client from its address, and says when that does not answer', async () => {
    const { own, jwks } = await makeClientKey('epr');
    await using keys = await startKeys(() => jwks);
    const read = readClients(
      JSON.stringify([{ clientId: 'epr', jwksUri: keys.url, scopes: ['system/*.rs'], services: 'all' }]),
    );
    if (!read.ok) throw new Error(read.faults.join());
    const clock: Clock = { now: () => new Date(), monotonicMs: () => 0, sleep: async () => undefined };
    const config = { kind: 'built-in', key: await makeIssuerKey(), clients: read.clients, tokenSeconds: 300 } as const;
    const grant = async () => {
      const { issuer } = await createAccess(config, PUBLIC_URL, clock);
      return issuer?.grant(await tokenRequest(own, { tokenUrl: TOKEN_URL, scope: undefined, nowMs: Date.now() }));
    };
    expect(await grant()).toMatchObject({ status: 200 });
    await keys[Symbol.asyncDispose]();
    expect(await grant()).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } });
  });

  test.each([
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['no assertion', { client_assertion: '' }, 401, 'invalid_client'],
    ['an assertion that is none', { client_assertion: 'a.b.c' }, 401, 'invalid_client'],
    ['another kind of assertion', { client_assertion_type: 'x' }, 401, 'invalid_client'],
  ] as const)('refuses %s by its OAuth name', async (_, changes, status, error) => {
    const { grant, request } = await site();
    const form = await request();
    for (const [name, value] of Object.entries(changes)) form.set(name, value);
    expect(await grant(form)).toMatchObject({ status, body: { error, error_description: expect.any(String) } });
  });

  test('refuses the key of a client that is not registered', async () => {
    const { grant } = await site();
    const { own } = await makeClientKey('epr');
    const form = await tokenRequest(own, {
      tokenUrl: TOKEN_URL,
      scope: undefined,
      nowMs: Date.parse('2026-03-02T09:00:00Z'),
    });
    expect((await grant(form)).status).toBe(401);
  });

  test('takes its access tokens for tokens, and nothing else that its key might sign (RFC 9068)', async () => {
    const key = await makeIssuerKey();
    const { jwks } = await makeClientKey('epr');
    const read = readClients(JSON.stringify([{ clientId: 'epr', jwks, scopes: ['system/*.rs'], services: 'all' }]));
    if (!read.ok) throw new Error(read.faults.join());
    const clock: Clock = { now: () => new Date(), monotonicMs: () => 0, sleep: async () => undefined };
    const access = await createAccess(
      { kind: 'built-in', key, clients: read.clients, tokenSeconds: 300 },
      PUBLIC_URL,
      clock,
    );
    const signed = async (typ: string) =>
      new SignJWT({ client_id: 'epr', scope: 'system/*.rs' })
        .setProtectedHeader({ alg: 'ES256', typ, kid: key.kid ?? '' })
        .setIssuer(PUBLIC_URL)
        .setSubject('epr')
        .setAudience(`${PUBLIC_URL}/fhir/R4`)
        .setExpirationTime('5m')
        .sign(await importJWK(key, 'ES256'));
    const taken = async (typ: string) =>
      (await access.authenticate({ authorization: `Bearer ${await signed(typ)}` })).ok;
    expect([await taken('at+jwt'), await taken('JWT')]).toEqual([true, false]);
  });

  test('its token ends when it says so', async () => {
    const { access, grant, request, pass } = await site();
    const { body } = await grant(await request());
    const bearer = { authorization: `Bearer ${body['access_token']}` };
    expect((await access.authenticate(bearer)).ok).toBe(true);
    pass(340_000);
    expect(await access.authenticate(bearer)).toMatchObject({ ok: false, code: 'token-invalid' });
  });

  test('keeps its key for its own eyes, so that tokens outlive a restart', async () => {
    const keyFile = join(mkdtempSync(join(tmpdir(), 'ers-fhir-issuer-')), 'deep', 'auth-key.json');
    const { jwks } = await makeClientKey('epr');
    const read = readClients(JSON.stringify([{ clientId: 'epr', jwks, scopes: ['system/*.rs'], services: 'all' }]));
    if (!read.ok) throw new Error(read.faults.join());
    const callers = { kind: 'built-in', keyFile, clients: read.clients, tokenSeconds: 300 } as const;
    const clock: Clock = { now: () => new Date(), monotonicMs: () => 0, sleep: async () => undefined };
    const [one, other] = [await openAccess(callers, PUBLIC_URL, clock), await openAccess(callers, PUBLIC_URL, clock)];
    if (typeof one === 'string' || typeof other === 'string') throw new Error('not opened');
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect(other.issuer?.jwks).toEqual(one.issuer?.jwks);
    expect(JSON.stringify(one.issuer?.jwks)).not.toContain('"d"');
    expect(JSON.parse(readFileSync(keyFile, 'utf8'))).toHaveProperty('d');
  });

  test('shared by replicas makes them one issuer: each takes the tokens of the others, also when they start at once', async () => {
    const keyFile = join(mkdtempSync(join(tmpdir(), 'ers-fhir-issuer-')), 'auth-key.json');
    const { own, jwks } = await makeClientKey('epr');
    const read = readClients(JSON.stringify([{ clientId: 'epr', jwks, scopes: ['system/*.rs'], services: 'all' }]));
    if (!read.ok) throw new Error(read.faults.join());
    const callers = { kind: 'built-in', keyFile, clients: read.clients, tokenSeconds: 300 } as const;
    const clock: Clock = { now: () => new Date(), monotonicMs: () => 0, sleep: async () => undefined };
    const replicas = await Promise.all([1, 2, 3].map(() => openAccess(callers, PUBLIC_URL, clock)));
    // A key that an operator puts there for all may be mounted read-only.
    chmodSync(keyFile, 0o400);
    replicas.push(await openAccess(callers, PUBLIC_URL, clock));
    for (const issuing of replicas) {
      if (typeof issuing === 'string') throw new Error(issuing);
      const form = await tokenRequest(own, { tokenUrl: TOKEN_URL, scope: undefined, nowMs: Date.now() });
      const granted = await issuing.issuer?.grant(form);
      const authorization = `Bearer ${granted?.body['access_token']}`;
      for (const taking of replicas)
        expect(typeof taking === 'string' ? taking : await taking.authenticate({ authorization })).toMatchObject({
          ok: true,
        });
    }
  });

  test.each([
    ['half a key', '{"kty":"EC","crv":"P-2'],
    ['a public key', JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' })],
    ['another kind of key', JSON.stringify({ kty: 'RSA', n: 'n', e: 'AQAB', d: 'd' })],
  ])('does not start with %s in its file, nor writes another over it', async (_, text) => {
    const keyFile = join(mkdtempSync(join(tmpdir(), 'ers-fhir-issuer-')), 'auth-key.json');
    writeFileSync(keyFile, text);
    const callers = { kind: 'built-in', keyFile, clients: new Map(), tokenSeconds: 300 } as const;
    const clock: Clock = { now: () => new Date(), monotonicMs: () => 0, sleep: async () => undefined };
    expect(await openAccess(callers, PUBLIC_URL, clock)).toMatch(/^AUTH_KEY_FILE: /);
    expect(readFileSync(keyFile, 'utf8')).toBe(text);
  });

  test('names the client in the token, and nothing of a patient or a person', async () => {
    const { grant, request } = await site();
    const { body } = await grant(await request());
    expect(Object.keys(decodeJwt(String(body['access_token']))).toSorted()).toEqual(
      ['aud', 'client_id', 'exp', 'iat', 'iss', 'jti', 'scope', 'sub'].toSorted(),
    );
  });
});

const publicKeyOn = (namedCurve: string) =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' });
const [P256, P384] = [publicKeyOn('P-256'), publicKeyOn('P-384')];

describe('the file of clients', () => {
  const entry = { clientId: 'epr', scopes: ['system/*.rs'], services: ['70101'] };
  test.each([
    ['what is no JSON', 'not json', /not JSON/],
    ['no client', '[]', /Too small|>=1/],
    ['a scope that is none', JSON.stringify([{ ...entry, scopes: ['launch/patient'] }]), /0\.scopes\.0 is no scope/],
    [
      'a scope with a query',
      JSON.stringify([{ ...entry, scopes: ['system/Task.rs?status=requested'] }]),
      /is no scope/,
    ],
    ['no services', JSON.stringify([{ clientId: 'epr', scopes: [] }]), /services/],
    ['a service that is no number', JSON.stringify([{ ...entry, services: ['cardiology'] }]), /services/],
    ['a client twice', JSON.stringify([entry, entry]), /twice/],
    [
      'a private key',
      JSON.stringify([{ ...entry, jwks: { keys: [{ kty: 'EC', crv: 'P-384', x: 'x', y: 'y', d: 'd' }] } }]),
      /private key/,
    ],
    [
      'a key on another curve',
      JSON.stringify([{ ...entry, jwks: { keys: [P256] } }]),
      /epr: jwks holds a key that is neither/,
    ],
    [
      'a key that is no point of its curve',
      JSON.stringify([{ ...entry, jwks: { keys: [{ kty: 'EC', crv: 'P-384', x: 'AAAA', y: 'AAAA' }] } }]),
      /epr: jwks holds a key that is neither/,
    ],
    ['keys had in the clear', JSON.stringify([{ ...entry, jwksUri: 'http://epr.example/jwks' }]), /begin with https/],
    [
      'keys given twofold',
      JSON.stringify([{ ...entry, jwksUri: 'https://epr.example/jwks', jwks: { keys: [P384] } }]),
      /not both/,
    ],
    [
      'a key that both sides share',
      JSON.stringify([{ ...entry, jwks: { keys: [{ kty: 'oct', k: 'k' }] } }]),
      /RSA or EC/,
    ],
  ])('with %s is refused, and says where', (_, text, fault) => {
    const read = readClients(text);
    expect(read.ok).toBe(false);
    expect(read.ok ? '' : read.faults.join('; ')).toMatch(fault);
  });
});
