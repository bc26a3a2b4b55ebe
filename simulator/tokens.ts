import type { webcrypto } from 'node:crypto';
import { randomUUID } from 'node:crypto';
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose';
import type { Answer } from './answers.ts';
import type { SimulatorClock } from './clock.ts';
import type { User } from './world.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ID_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token';
const LONGEST_ASSERTION_MS = 300_000;
const TOKEN_LIFE_SECONDS = 599;

/** Who a bearer token speaks for. */
export type Bearer = { mode: 'application' } | { mode: 'user'; user: User };

/** The application as the gateway knows it. */
export interface RegisteredClient {
  apiKey: string;
  /** Public keys by key id, as registered with the application. */
  keys: Map<string, webcrypto.CryptoKey>;
}

export interface Tokens {
  /** Answers a call of the token endpoint. Source: provider-api 1.2 (signed JWT client credentials). */
  exchange(form: URLSearchParams, audience: string): Promise<Answer>;
  /** The bearer of a token that is known and not expired. */
  bearerOf(token: string): Bearer | undefined;
  /** Ends all that a user has: their tokens are worth nothing from now on. */
  signOut(sdsUserId: string): void;
  /** Signs a clinician in: an access token for e-RS, and an id token that the token endpoint exchanges for one. */
  signIn(user: User, lifeSeconds: number): { userToken: string; idToken: string };
}

const answer = (status: number, value: unknown): Answer => ({
  status,
  headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  body: Buffer.from(JSON.stringify(value)),
});
const refuse = (status: number, error: string, error_description: string): Answer =>
  answer(status, { error, error_description, message_id: `rrt-${randomUUID()}` });

/** Mints and checks tokens on the simulator's clock. */
export function createTokens(
  clock: SimulatorClock,
  client: RegisteredClient,
  userOfIdToken: (idToken: string) => Promise<User | undefined> = async () => undefined,
): Tokens {
  const live = new Map<string, { bearer: Bearer; expiresAt: number }>();
  const signedIn = new Map<string, { user: User; expiresAt: number }>();
  const usedIds = new Set<string>();

  const mint = (bearer: Bearer, lifeSeconds: number): string => {
    const token = randomUUID().replaceAll('-', '');
    live.set(token, { bearer, expiresAt: clock.now().getTime() + lifeSeconds * 1000 });
    return token;
  };
  const granted = (bearer: Bearer, lifeSeconds = TOKEN_LIFE_SECONDS): Answer =>
    answer(200, {
      access_token: mint(bearer, lifeSeconds),
      expires_in: String(lifeSeconds),
      token_type: 'Bearer',
      issued_at: String(clock.now().getTime()),
    });

  /** A refusal, or undefined when the assertion holds. */
  async function checkAssertion(assertion: string, audience: string): Promise<Answer | undefined> {
    let header: ReturnType<typeof decodeProtectedHeader>;
    let claims: ReturnType<typeof decodeJwt>;
    try {
      header = decodeProtectedHeader(assertion);
      claims = decodeJwt(assertion);
    } catch {
      return refuse(400, 'invalid_request', 'Malformed JWT in client_assertion');
    }
    if (header.alg !== 'RS512')
      return refuse(
        400,
        'invalid_request',
        "Invalid 'alg' header in JWT - unsupported JWT algorithm - must be 'RS512'",
      );
    if (!header.kid) return refuse(400, 'invalid_request', "Missing 'kid' header in JWT");
    const key = client.keys.get(header.kid);
    if (!key) return refuse(401, 'invalid_request', "Invalid 'kid' header in JWT - no matching public key");
    try {
      await compactVerify(assertion, key, { algorithms: ['RS512'] });
    } catch {
      return refuse(401, 'public_key error', 'JWT signature verification failed');
    }
    if (claims.iss === undefined || claims.iss !== claims.sub)
      return refuse(400, 'invalid_request', 'Missing or non-matching iss/sub claims in JWT');
    if (claims.iss !== client.apiKey) return refuse(401, 'invalid_request', 'Invalid iss/sub claims in JWT');
    if (claims.aud !== audience) return refuse(401, 'invalid_request', 'Missing or invalid aud claim in JWT');
    if (typeof claims.exp !== 'number') return refuse(400, 'invalid_request', 'Missing exp claim in JWT');
    // Clients need not follow a moved clock: the assertion must be timely by the simulator's clock or by the machine's.
    const expiry = claims.exp * 1000;
    const clocks = [clock.now().getTime(), Date.now()];
    if (clocks.every((now) => expiry <= now))
      return refuse(400, 'invalid_request', 'Invalid exp claim in JWT - JWT has expired');
    if (!clocks.some((now) => expiry > now && expiry <= now + LONGEST_ASSERTION_MS))
      return refuse(400, 'invalid_request', 'Invalid exp claim in JWT - more than 5 minutes in future');
    if (typeof claims.jti !== 'string' || claims.jti === '')
      return refuse(400, 'invalid_request', 'Missing jti claim in JWT');
    if (usedIds.has(claims.jti)) return refuse(400, 'invalid_request', 'Non-unique jti claim in JWT');
    usedIds.add(claims.jti);
    return undefined;
  }

  return {
    async exchange(form, audience) {
      const grant = form.get('grant_type');
      if (grant !== 'client_credentials' && grant !== TOKEN_EXCHANGE)
        return refuse(400, 'unsupported_grant_type', 'grant_type is invalid');
      if (form.get('client_assertion_type') !== ASSERTION_TYPE)
        return refuse(400, 'invalid_request', `Missing or invalid client_assertion_type - must be '${ASSERTION_TYPE}'`);
      const assertion = form.get('client_assertion');
      if (!assertion) return refuse(400, 'invalid_request', 'Missing client_assertion');
      const refusal = await checkAssertion(assertion, audience);
      if (refusal) return refusal;
      if (grant === 'client_credentials') return granted({ mode: 'application' });
      const type = form.get('subject_token_type');
      if (type !== null && type !== ID_TOKEN_TYPE)
        return refuse(400, 'invalid_request', `missing or invalid subject_token_type - must be '${ID_TOKEN_TYPE}'`);
      const subject = form.get('subject_token') ?? '';
      const session = signedIn.get(subject);
      const isTimely = session && session.expiresAt > clock.now().getTime();
      const user = session ? isTimely && session.user : await userOfIdToken(subject);
      if (!user) return refuse(400, 'invalid_request', 'Invalid subject_token');
      return granted({ mode: 'user', user }, user.tokenSeconds);
    },
    bearerOf(token) {
      const entry = live.get(token);
      return entry && entry.expiresAt > clock.now().getTime() ? entry.bearer : undefined;
    },
    signOut(sdsUserId) {
      for (const [token, { bearer }] of live)
        if (bearer.mode === 'user' && bearer.user.sdsUserId === sdsUserId) live.delete(token);
      for (const [idToken, { user }] of signedIn) if (user.sdsUserId === sdsUserId) signedIn.delete(idToken);
    },
    signIn(user, lifeSeconds) {
      const idToken = randomUUID();
      signedIn.set(idToken, { user, expiresAt: clock.now().getTime() + lifeSeconds * 1000 });
      return { userToken: mint({ mode: 'user', user }, lifeSeconds), idToken };
    },
  };
}
