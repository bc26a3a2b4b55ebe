import { createHash } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Authenticate, Caller, Clock, Identification } from '../core/index.ts';
import type { Client } from './clients.ts';
import { isOfAddress } from './remote-keys.ts';
import { commonScopes } from './scopes.ts';

/** Signatures by a private key only: with a shared secret whoever can check a token could make one (RFC 8725 3.1). */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384'];
const MAX_TOKEN_LENGTH = 8_192;
/** How far clocks of issuer and server may be apart. */
const SKEW_SECONDS = 30;
/** A token that was checked is not checked again for so long: so soon a key that the issuer withdrew is no longer taken. */
const REMEMBERED_MS = 60_000;
const REMEMBERED = 1_000;

export interface VerifyOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: JWTVerifyGetKey;
  /** What its access tokens call themselves, where that is known (RFC 9068); another kind of token of the issuer is none. */
  readonly typ?: string;
  /** Those that may come in, with the services they may see; undefined: any client of the issuer, all services. */
  readonly clients: ReadonlyMap<string, Client> | undefined;
  readonly clock: Clock;
}

const CHALLENGE = 'Bearer realm="ers-fhir"';
const refused = (code: 'token-missing' | 'token-invalid' | 'client-unknown', why?: string): Identification => ({
  ok: false,
  code,
  ...(why === undefined ? {} : { why }),
  challenge:
    code === 'token-missing'
      ? CHALLENGE
      : `${CHALLENGE}, error="${code === 'token-invalid' ? 'invalid_token' : 'insufficient_scope'}"`,
});

/**
 * Makes the check of bearer tokens: JWTs of one issuer, for this server, signed, timely.
 * Refusals: token-missing, token-invalid, client-unknown; issuer-unavailable when its keys cannot be had
 * Source: SMART App Launch 2.2, backend services; RFC 6750, RFC 7519, RFC 8725
 */
export function createVerifier({ issuer, audience, keys, typ, clients, clock }: VerifyOptions): Authenticate {
  const known = new Map<string, { readonly caller: Caller; readonly untilMs: number }>();

  return async ({ authorization }) => {
    const header = Array.isArray(authorization) ? authorization[0] : authorization;
    if (header === undefined || header === '') return refused('token-missing');
    const [, token] = /^Bearer +([\w.~+/=-]+) *$/i.exec(header) ?? [];
    if (token === undefined) return refused('token-invalid', 'The Authorization header is "Bearer" and a token.');
    if (token.length > MAX_TOKEN_LENGTH) return refused('token-invalid', 'The token is too long.');
    const nowMs = clock.now().getTime();
    const name = createHash('sha256').update(token).digest('base64');
    const remembered = known.get(name);
    if (remembered !== undefined && remembered.untilMs > nowMs) return { ok: true, caller: remembered.caller };
    known.delete(name);
    const read = await payloadOf(token);
    if (!read.ok) return read.refusal;
    const { payload } = read;
    const clientId = clientOf(payload);
    if (clientId === undefined) return refused('token-invalid', 'The token names no client (client_id, azp or sub).');
    const client = clients?.get(clientId);
    if (clients !== undefined && client === undefined) return refused('client-unknown');
    const caller = callerOf(payload, clientId, client);
    if (known.size >= REMEMBERED) known.delete(known.keys().next().value ?? '');
    known.set(name, { caller, untilMs: Math.min(nowMs + REMEMBERED_MS, (payload.exp ?? 0) * 1000) });
    return { ok: true, caller };
  };

  async function payloadOf(
    token: string,
  ): Promise<{ ok: true; payload: JWTPayload } | { ok: false; refusal: Identification }> {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        ...(typ === undefined ? {} : { typ }),
        clockTolerance: SKEW_SECONDS,
        currentDate: clock.now(),
        requiredClaims: ['exp'],
      });
      return { ok: true, payload };
    } catch (error: unknown) {
      return { ok: false, refusal: refusalOf(error) };
    }
  }
}

/** jose throws what it finds; each kind is something a client can mend, but for keys that cannot be had. */
function refusalOf(error: unknown): Identification {
  if (error instanceof errors.JWTExpired) return refused('token-invalid', 'The token has expired: get a new one.');
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused('token-invalid', `The token's ${error.claim} is not what it must be here.`);
  if (isOfAddress(error)) return { ok: false, code: 'issuer-unavailable', challenge: CHALLENGE };
  return refused('token-invalid', 'The token is not one that the issuer signed.');
}

function clientOf(payload: JWTPayload): string | undefined {
  const named = payload['client_id'] ?? payload['azp'] ?? payload.sub;
  return typeof named === 'string' && named !== '' ? named : undefined;
}

function callerOf(payload: JWTPayload, clientId: string, client: Client | undefined): Caller {
  const { fhirUser, scope, sub } = payload as { fhirUser?: unknown; scope?: unknown; sub?: unknown };
  const isUser = typeof sub === 'string' && sub !== clientId;
  const user = typeof fhirUser === 'string' ? fhirUser : isUser ? sub : undefined;
  const scopes = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope.map(String) : [];
  const services = client === undefined || client.services === 'all' ? 'all' : new Set(client.services);
  const granted = scopes.filter((one) => one !== '');
  // What the file allows is a lid on what the issuer gives; where it names no scopes, the issuer decides.
  const isLidded = client !== undefined && client.scopes.length > 0;
  return Object.freeze({ clientId, user, scopes: isLidded ? commonScopes(granted, client.scopes) : granted, services });
}
