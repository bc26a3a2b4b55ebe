import { createHash, createPrivateKey, randomBytes, randomUUID } from 'node:crypto';
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { type Dispatcher, request } from 'undici';
import { z } from 'zod';
import { ASSERTION_TYPE, type Clock } from '../core/index.ts';

export interface Cis2Options {
  /** The issuer, as it stands in `iss`; its discovery document is below it. */
  readonly issuer: string;
  readonly clientId: string;
  /** The key whose public half is registered at CIS2 (private_key_jwt), with its id. */
  readonly keyId: string;
  readonly privateKeyPem: string;
  /** Where CIS2 sends the browser back to; registered there. */
  readonly redirectUri: string;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
}

/** One sign-in that has been begun; kept in memory until the browser comes back. */
export interface Flow {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Why nobody is signed in. */
export type SignInRefusal = 'sign-in-refused' | 'assurance-too-low' | 'cis2-unavailable';

export type SignedIn =
  | { readonly ok: true; readonly idToken: string; readonly sdsUserId: string }
  | { readonly ok: false; readonly code: SignInRefusal };

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384'];
const SKEW_SECONDS = 30;
/** How long ago somebody may have proved at CIS2 who they are. */
const MAX_AGE_SECONDS = 300;
const DEADLINE_MS = 15_000;
const LARGEST_ANSWER = 262_144;
const ASSERTION_SECONDS = 240;
/** e-RS wants identity assurance 3, and authentication assurance 2 or 3. Source: provider-api 1.2 */
const LEAST = { ial: 3, aal: 2 };

const discoverySchema = z.looseObject({
  issuer: z.string(),
  authorization_endpoint: z.url(),
  token_endpoint: z.url(),
  jwks_uri: z.url(),
});
const tokenSchema = z.looseObject({ id_token: z.string().min(1) });
type Discovery = z.infer<typeof discoverySchema> & { readonly keys: JWTVerifyGetKey };

const secret = () => randomBytes(32).toString('base64url');

/** The relying party's side of NHS CIS2: authorisation code with PKCE, state and nonce. */
export interface Cis2 {
  /** Where to send the browser, and what to keep until it comes back; undefined: CIS2 is not there. */
  begin(): Promise<{ readonly url: string; readonly flow: Flow } | undefined>;
  /** Takes the code of a browser that came back, and says who signed in. Resolves, never rejects. */
  finish(code: string, flow: Flow): Promise<SignedIn>;
}

/** Source: OpenID Connect Core 3.1; RFC 7636; RFC 7523 */
export function createCis2(options: Cis2Options): Cis2 {
  const { issuer, clientId, redirectUri, clock, dispatcher } = options;
  let known: Discovery | undefined;

  async function fetchJson(url: string, form?: URLSearchParams): Promise<unknown> {
    try {
      const { statusCode, body } = await request(url, {
        method: form === undefined ? 'GET' : 'POST',
        headers: {
          accept: 'application/json',
          ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        body: form?.toString() ?? null,
        dispatcher,
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of body) {
        bytes += (chunk as Buffer).length;
        if (bytes > LARGEST_ANSWER) return undefined;
        chunks.push(chunk as Buffer);
      }
      if (statusCode >= 500) return undefined;
      return { status: statusCode, json: JSON.parse(Buffer.concat(chunks).toString('utf8')) };
    } catch {
      return undefined;
    }
  }

  async function discover(): Promise<Discovery | undefined> {
    if (known) return known;
    const answer = (await fetchJson(`${issuer}/.well-known/openid-configuration`)) as { json: unknown } | undefined;
    const parsed = discoverySchema.safeParse(answer?.json);
    // A document that speaks for another issuer would have us trust that one's keys (OIDC Discovery 4.3).
    if (!parsed.success || parsed.data.issuer !== issuer) return undefined;
    const keys = createRemoteJWKSet(new URL(parsed.data.jwks_uri), {
      [customFetch]: async (url: string) => {
        const jwks = (await fetchJson(url)) as { status: number; json: unknown } | undefined;
        return Response.json(jwks?.json ?? {}, { status: jwks?.status ?? 503 });
      },
    });
    known = { ...parsed.data, keys };
    return known;
  }

  const assertion = (audience: string): Promise<string> =>
    new SignJWT()
      .setProtectedHeader({ alg: 'RS512', typ: 'JWT', kid: options.keyId })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(audience)
      .setJti(randomUUID())
      .setExpirationTime(Math.floor(clock.now().getTime() / 1000) + ASSERTION_SECONDS)
      .sign(createPrivateKey(options.privateKeyPem));

  async function verify(idToken: string, flow: Flow, keys: JWTVerifyGetKey): Promise<SignedIn> {
    try {
      const { payload } = await jwtVerify(idToken, keys, {
        issuer,
        audience: clientId,
        algorithms: ALGORITHMS,
        currentDate: clock.now(),
        clockTolerance: SKEW_SECONDS,
        requiredClaims: ['sub', 'exp', 'iat', 'nonce'],
      });
      // A session of CIS2's that somebody left behind is no sign-in (OIDC Core 3.1.3.7, max_age).
      const sinceSeconds = clock.now().getTime() / 1000 - Number(payload['auth_time'] ?? payload.iat);
      if (!(sinceSeconds <= MAX_AGE_SECONDS + SKEW_SECONDS)) return { ok: false, code: 'sign-in-refused' };
      const isOther = payload['azp'] !== undefined && payload['azp'] !== clientId;
      if (payload['nonce'] !== flow.nonce || isOther || payload.sub === undefined)
        return { ok: false, code: 'sign-in-refused' };
      if (
        isBelow(payload['id_assurance_level'], LEAST.ial) ||
        isBelow(payload['authentication_assurance_level'], LEAST.aal)
      )
        return { ok: false, code: 'assurance-too-low' };
      return { ok: true, idToken, sdsUserId: payload.sub };
    } catch (error: unknown) {
      const isUnreachable = error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError);
      return { ok: false, code: isUnreachable ? 'cis2-unavailable' : 'sign-in-refused' };
    }
  }

  return {
    async begin() {
      const found = await discover();
      if (found === undefined) return undefined;
      const flow: Flow = { state: secret(), nonce: secret(), verifier: secret() };
      const url = new URL(found.authorization_endpoint);
      const asked = {
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri,
        scope: 'openid',
        acr_values: 'AAL2_OR_AAL3_ANY',
        // Somebody else may have left a session of theirs behind on this machine.
        prompt: 'login',
        max_age: String(MAX_AGE_SECONDS),
        state: flow.state,
        nonce: flow.nonce,
        code_challenge_method: 'S256',
        code_challenge: createHash('sha256').update(flow.verifier).digest('base64url'),
      };
      for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
      return { url: url.href, flow };
    },
    async finish(code, flow) {
      const found = await discover();
      if (found === undefined) return { ok: false, code: 'cis2-unavailable' };
      const form = new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        client_id: clientId,
        code_verifier: flow.verifier,
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: await assertion(found.token_endpoint),
      });
      const answer = (await fetchJson(found.token_endpoint, form)) as { status: number; json: unknown } | undefined;
      if (answer === undefined) return { ok: false, code: 'cis2-unavailable' };
      const parsed = tokenSchema.safeParse(answer.json);
      if (answer.status !== 200 || !parsed.success) return { ok: false, code: 'sign-in-refused' };
      return verify(parsed.data.id_token, flow, found.keys);
    },
  };
}

/** A level that the token does not name is judged by e-RS's gateway. */
const isBelow = (level: unknown, least: number): boolean => level !== undefined && !(Number(level) >= least);
