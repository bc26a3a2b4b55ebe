import { randomUUID } from 'node:crypto';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  decodeJwt,
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
  SignJWT,
} from 'jose';
import type { Dispatcher } from 'undici';
import { ASSERTION_TYPE, type Clock, type Grant, type TokenIssuer } from '../core/index.ts';
import type { Client } from './clients.ts';
import { isOfAddress, remoteKeys } from './remote-keys.ts';
import { commonScopes } from './scopes.ts';

/** What SMART asks of every server; a client may use either. */
const CLIENT_ALGORITHMS = ['RS384', 'ES384'];
const OWN_ALGORITHM = 'ES256';
/** Source: RFC 9068 2.1 */
export const TOKEN_TYPE = 'at+jwt';
/** An assertion may be good for five minutes at most. Source: SMART App Launch 2.2, client-confidential-asymmetric */
const ASSERTION_SECONDS = 300;
const SKEW_SECONDS = 30;

/** Makes the private key of an issuer, as a JWK to be kept. */
export async function makeIssuerKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(OWN_ALGORITHM, { extractable: true });
  const key = await exportJWK(privateKey);
  return { ...key, kid: await calculateJwkThumbprint(key), alg: OWN_ALGORITHM };
}

export interface IssuerOptions {
  /** Its name in `iss`, below which its addresses are. */
  readonly issuer: string;
  /** What tokens are good for: the FHIR base. */
  readonly audience: string;
  readonly tokenUrl: string;
  readonly key: JWK;
  readonly clients: ReadonlyMap<string, Client>;
  readonly tokenSeconds: number;
  readonly clock: Clock;
  /** The way to the keys of clients. */
  readonly dispatcher?: Dispatcher;
}

/**
 * The built-in issuer, for sites without an authorisation server: client credentials proved by a signed assertion
 * (private_key_jwt), and nothing else.
 * Source: SMART App Launch 2.2, backend services; RFC 7523
 */
export async function createIssuer(options: IssuerOptions): Promise<TokenIssuer & { readonly jwks: JSONWebKeySet }> {
  const { issuer, audience, tokenUrl, key, clients, tokenSeconds, clock, dispatcher } = options;
  const signingKey = await importJWK(key, OWN_ALGORITHM);
  const { d: _, ...published } = key;
  const keysOf = new Map(
    [...clients].flatMap(([id, client]) => keysFor(client, dispatcher).map((keys) => [id, keys] as const)),
  );
  /** `jti` → when it may be forgotten: an assertion is good once. */
  const used = new Map<string, number>();

  async function assertedBy(assertion: string): Promise<Client | 'keys-unavailable' | undefined> {
    const clientId = claimedBy(assertion);
    const keys = keysOf.get(clientId ?? '');
    const client = clients.get(clientId ?? '');
    if (clientId === undefined || keys === undefined || client === undefined) return undefined;
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(assertion, keys, {
        issuer: clientId,
        subject: clientId,
        audience: tokenUrl,
        algorithms: CLIENT_ALGORITHMS,
        clockTolerance: SKEW_SECONDS,
        currentDate: clock.now(),
        requiredClaims: ['exp', 'jti'],
      }));
    } catch (error: unknown) {
      if (client.jwksUri !== undefined && isOfAddress(error)) return 'keys-unavailable';
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
      throw error;
    }
    const nowSeconds = clock.now().getTime() / 1000;
    const { exp = 0, jti = '' } = payload;
    if (exp - nowSeconds > ASSERTION_SECONDS + SKEW_SECONDS || jti.length > 256) return undefined;
    for (const [name, until] of used) if (until < nowSeconds) used.delete(name);
    const name = `${clientId} ${jti}`;
    if (used.has(name)) return undefined;
    used.set(name, exp + SKEW_SECONDS);
    return client;
  }

  async function grant(form: URLSearchParams): Promise<Grant> {
    const one = (name: string) => form.get(name) ?? '';
    if (new Set(form.keys()).size < form.size)
      return refused(400, 'invalid_request', 'A parameter stands there twice: send each once.');
    if (one('grant_type') !== 'client_credentials')
      return refused(400, 'unsupported_grant_type', 'grant_type is client_credentials.');
    if (one('client_assertion_type') !== ASSERTION_TYPE)
      return refused(401, 'invalid_client', `client_assertion_type is ${ASSERTION_TYPE}.`);
    const client = await assertedBy(one('client_assertion'));
    if (client === 'keys-unavailable')
      return refused(503, 'temporarily_unavailable', "The client's jwksUri does not answer with its keys: try later.");
    if (client === undefined)
      return refused(
        401,
        'invalid_client',
        `client_assertion is a JWT, signed ${CLIENT_ALGORITHMS.join(' or ')} by a key of the client: iss and sub its id, aud ${tokenUrl}, exp within five minutes, jti used once.`,
      );
    const asked = one('scope')
      .split(' ')
      .filter((scope) => scope !== '');
    const scopes = asked.length === 0 ? client.scopes : commonScopes(asked, client.scopes);
    if (scopes.length === 0)
      return refused(400, 'invalid_scope', `This client may ask for: ${client.scopes.join(' ')}`);
    const issuedAt = Math.floor(clock.now().getTime() / 1000);
    const token = await new SignJWT({ client_id: client.clientId, scope: scopes.join(' ') })
      .setProtectedHeader({ alg: OWN_ALGORITHM, typ: TOKEN_TYPE, ...(key.kid === undefined ? {} : { kid: key.kid }) })
      .setIssuer(issuer)
      .setSubject(client.clientId)
      .setAudience(audience)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + tokenSeconds)
      .setJti(randomUUID())
      .sign(signingKey);
    return {
      status: 200,
      body: { access_token: token, token_type: 'bearer', expires_in: tokenSeconds, scope: scopes.join(' ') },
    };
  }

  return { grant, jwks: { keys: [{ ...published, use: 'sig' }] } };
}

function keysFor({ jwks, jwksUri }: Client, dispatcher: Dispatcher | undefined): JWTVerifyGetKey[] {
  if (jwksUri !== undefined) return [remoteKeys(jwksUri, dispatcher)];
  return jwks === undefined ? [] : [createLocalJWKSet(jwks as JSONWebKeySet)];
}

const refused = (status: number, error: string, text: string): Grant => ({
  status,
  body: { error, error_description: text },
});

/** Whom an assertion says that it is of; it has still to be checked. */
function claimedBy(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).iss;
  } catch {
    return undefined;
  }
}
