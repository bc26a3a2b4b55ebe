import { createHash, generateKeyPair, randomUUID, type webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { exportJWK, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Answer } from './answers.ts';
import { loginPage } from './cis2-page.ts';
import type { SimulatorClock } from './clock.ts';
import type { User, World } from './world.ts';

const ID_TOKEN_SECONDS = 3_600;
const CODE_SECONDS = 60;
const KEY_ID = 'cis2-1';
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** NHS CIS2 as a relying party sees it, beside e-RS. */
export interface Cis2 {
  /** Answers a request below `/cis2`. */
  answer(method: string, url: URL, body: Buffer): Promise<Answer>;
  /** The user of an id token that is ours, timely and not revoked. */
  userOf(idToken: string): Promise<User | undefined>;
  readonly clientId: string;
}

interface Authorisation {
  readonly user: User;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string;
  readonly expiresAt: number;
}

/** Made once a process, and only when somebody signs in. */
let keyPair: Promise<{ publicKey: webcrypto.CryptoKey; privateKey: webcrypto.CryptoKey }> | undefined;
async function makeKeys() {
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  return {
    publicKey: pair.publicKey.toCryptoKey(algorithm, true, ['verify']),
    privateKey: pair.privateKey.toCryptoKey(algorithm, false, ['sign']),
  };
}

const json = (status: number, value: unknown): Answer => ({
  status,
  headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  body: Buffer.from(JSON.stringify(value)),
});
const page = (status: number, html: string): Answer => ({
  status,
  headers: {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  },
  body: Buffer.from(html),
});

/** Synthetic people who can sign in without being made first. */
const people = (organisation: string): User[] => {
  const person = (sdsUserId: string, role: string, onBehalfOf: string[] = []): User => ({
    sdsUserId,
    roles: [role],
    organisations: [organisation],
    onBehalfOf,
    assurance: { ial: 3, aal: 3 },
  });
  return [
    person('555000000101', 'SERVICE_PROVIDER_CLINICIAN'),
    person('555000000201', 'SERVICE_PROVIDER_CLINICIAN_ADMIN', ['555000000101']),
    person('555000000301', 'SERVICE_PROVIDER_ADMIN'),
  ];
};

/**
 * A pretend NHS CIS2: OpenID Connect with the authorisation code flow, PKCE and private_key_jwt. Who signs in is chosen on
 * its page. Redirects are taken to this machine only.
 * @param clientKey the public key that the relying party registered
 * Source: OpenID Connect Core 3.1; RFC 7636; provider-api 1.2
 */
export function createCis2(options: {
  world: World;
  clock: SimulatorClock;
  clientKey: webcrypto.CryptoKey;
  issuer: () => string;
}): Cis2 {
  const { world, clock, clientKey, issuer } = options;
  const clientId = 'simulator.apps.national';
  const authorisations = new Map<string, Authorisation>();
  const nowSeconds = () => Math.floor(clock.now().getTime() / 1000);
  const keys = () => {
    keyPair ??= makeKeys();
    return keyPair;
  };
  const known = (): Map<string, User> => {
    const all = new Map(people(world.application.odsCode).map((user) => [user.sdsUserId, user]));
    for (const [id, user] of world.users) all.set(id, user);
    return all;
  };

  /** What is wrong with a request to sign in; such an error is shown, never redirected. Source: OIDC Core 3.1.2.6 */
  function faultOf(asked: URLSearchParams): string | undefined {
    const redirect = asked.get('redirect_uri') ?? '';
    const host = URL.canParse(redirect) ? new URL(redirect).hostname : '';
    if (asked.get('client_id') !== clientId) return 'unknown client_id';
    if (!/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)) return 'redirect_uri is not registered';
    if (asked.get('response_type') !== 'code') return 'response_type must be code';
    if (!(asked.get('scope') ?? '').split(' ').includes('openid')) return 'scope must have openid';
    if (asked.get('code_challenge_method') !== 'S256' || !asked.get('code_challenge'))
      return 'PKCE with S256 is needed';
    return asked.get('nonce') ? undefined : 'nonce is needed';
  }

  function signIn(form: URLSearchParams): Answer {
    const fault = faultOf(form);
    if (fault !== undefined) return page(400, fault);
    const chosen = known().get(form.get('user') ?? '');
    const target = new URL(form.get('redirect_uri') ?? '');
    if (form.get('state')) target.searchParams.set('state', form.get('state') ?? '');
    if (chosen === undefined) target.searchParams.set('error', 'access_denied');
    else {
      const aal = Number(form.get('aal') ?? chosen.assurance.aal);
      const user = { ...chosen, assurance: { ...chosen.assurance, aal } };
      if (!world.users.has(user.sdsUserId)) world.users.set(user.sdsUserId, user);
      const code = randomUUID();
      authorisations.set(code, {
        user,
        redirectUri: form.get('redirect_uri') ?? '',
        challenge: form.get('code_challenge') ?? '',
        nonce: form.get('nonce') ?? '',
        expiresAt: nowSeconds() + CODE_SECONDS,
      });
      target.searchParams.set('code', code);
    }
    return { status: 303, headers: { Location: target.href, 'Cache-Control': 'no-store' } };
  }

  async function grant(form: URLSearchParams): Promise<Answer> {
    const refuse = (error: string) => json(error === 'invalid_client' ? 401 : 400, { error });
    if (form.get('grant_type') !== 'authorization_code') return refuse('unsupported_grant_type');
    if (form.get('client_assertion_type') !== ASSERTION_TYPE) return refuse('invalid_client');
    const about = {
      issuer: clientId,
      subject: clientId,
      audience: `${issuer()}/token`,
      requiredClaims: ['exp', 'jti'],
    };
    const isClient = await jwtVerify(form.get('client_assertion') ?? '', clientKey, about).catch(() => undefined);
    if (!isClient) return refuse('invalid_client');
    const code = form.get('code') ?? '';
    const given = authorisations.get(code);
    authorisations.delete(code); // good once
    const verifier = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (
      given === undefined ||
      given.expiresAt <= nowSeconds() ||
      given.redirectUri !== form.get('redirect_uri') ||
      given.challenge !== verifier
    )
      return refuse('invalid_grant');
    return json(200, {
      access_token: randomUUID(),
      token_type: 'Bearer',
      expires_in: 300,
      id_token: await idTokenOf(given),
    });
  }

  async function idTokenOf({ user, nonce }: Authorisation): Promise<string> {
    const { ial, aal } = user.assurance;
    const claims: JWTPayload = {
      nonce,
      azp: clientId,
      sid: randomUUID(),
      auth_time: nowSeconds(),
      acr: `AAL${aal}_ANY`,
      amr: ['N3_SMARTCARD'],
      id_assurance_level: ial,
      authentication_assurance_level: aal,
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: KEY_ID })
      .setIssuer(issuer())
      .setSubject(user.sdsUserId)
      .setAudience(clientId)
      .setIssuedAt(nowSeconds())
      .setExpirationTime(nowSeconds() + ID_TOKEN_SECONDS)
      .sign((await keys()).privateKey);
  }

  return {
    clientId,
    async answer(method, url, body) {
      const form = new URLSearchParams(body.toString('utf8'));
      switch (`${method} ${url.pathname.slice('/cis2'.length)}`) {
        case 'GET /.well-known/openid-configuration':
          return json(200, {
            issuer: issuer(),
            authorization_endpoint: `${issuer()}/authorize`,
            token_endpoint: `${issuer()}/token`,
            jwks_uri: `${issuer()}/jwks`,
            response_types_supported: ['code'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: ['RS256'],
            token_endpoint_auth_methods_supported: ['private_key_jwt'],
            code_challenge_methods_supported: ['S256'],
          });
        case 'GET /authorize': {
          const fault = faultOf(url.searchParams);
          if (fault !== undefined) return page(400, fault);
          return page(200, loginPage(url.searchParams, [...known().values()]));
        }
        case 'POST /sign-in':
          return signIn(form);
        case 'POST /token':
          return grant(form);
        case 'GET /jwks': {
          const jwk = await exportJWK((await keys()).publicKey);
          return json(200, { keys: [{ ...jwk, kid: KEY_ID, alg: 'RS256', use: 'sig' }] });
        }
        default:
          return { status: 404, headers: {} };
      }
    },
    async userOf(idToken) {
      if (!idToken.includes('.')) return undefined;
      const about = { issuer: issuer(), audience: clientId, currentDate: clock.now() };
      const read = await jwtVerify(idToken, (await keys()).publicKey, about).catch(() => undefined);
      const user = known().get(read?.payload.sub ?? '');
      if (read === undefined || user === undefined || (user.endedAt ?? 0) > (read.payload.iat ?? 0)) return undefined;
      const { id_assurance_level: ial, authentication_assurance_level: aal } = read.payload;
      return { ...user, assurance: { ial: Number(ial), aal: Number(aal) } };
    },
  };
}
