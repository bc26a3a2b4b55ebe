import { createPrivateKey, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { z } from 'zod';
import { ASSERTION_TYPE, describeError, type Fate, type Log } from '../core/index.ts';
import { exchange, type Outgoing, type Wire } from './exchange.ts';
import { fateOf, rowOfSilence, rowOfStatus } from './fate-table.ts';
import { readJson, retryAfterMs } from './read-answer.ts';

export interface Credentials {
  readonly tokenUrl: string;
  /** `aud` of the signed assertion: the environment's token endpoint as e-RS knows it. */
  readonly tokenAudience: string;
  readonly apiKey: string;
  readonly keyId: string;
  readonly privateKeyPem: string;
}

/** The application's access token. */
export interface TokenSource {
  /** A token that is good for a while yet. Fates: refused ERS_APPLICATION_REFUSED; retry ERS_UNAVAILABLE, ERS_BUSY. */
  current(): Promise<Fate<string>>;
  /** e-RS did not take this token: the next `current` makes another. */
  discard(token: string): void;
}

const ASSERTION_LIFE_SECONDS = 240;
const AHEAD_MS = 60_000;
/** So long before its end a token is no longer sent: it has still to arrive. */
const SPARE_MS = 5_000;
export const TOKEN_DEADLINE_MS = 30_000;
const LARGEST_ANSWER_BYTES = 65_536;

/** `expires_in` comes as a string. */
const tokenSchema = z.looseObject({
  access_token: z.string().regex(/^[\x21-\x7e]+$/),
  expires_in: z.union([z.string().regex(/^\d+$/), z.number().nonnegative()]).transform(Number),
});

/**
 * Mints the application's token with a signed assertion, a minute before the last one ends, once for all who ask.
 * Source: provider-api 1.2
 */
export function createTokenSource(wire: Wire, credentials: Credentials, log: Log): TokenSource {
  let held: { token: string; renewAtMs: number; endsAtMs: number } | undefined;
  let minting: Promise<Fate<string>> | undefined;

  async function mint(): Promise<Fate<string>> {
    let assertion: string;
    try {
      assertion = await signAssertion(credentials, wire.clock.now());
    } catch (error) {
      log.error('ers.token.refused', { code: 'ERS_APPLICATION_REFUSED', ...describeError(error) });
      return { kind: 'refused', code: 'ERS_APPLICATION_REFUSED' };
    }
    const startedAtMs = wire.clock.monotonicMs();
    const result = await exchange(wire, tokenRequest(credentials.tokenUrl, assertion), {
      deadlineMs: TOKEN_DEADLINE_MS,
    });
    if (result.kind !== 'answered') return failed(fateOf(rowOfSilence('read', 'before-send')));
    const { answer } = result;
    const parsed = tokenSchema.safeParse(await readJson(answer, LARGEST_ANSWER_BYTES));
    if (answer.status === 200 && parsed.success) {
      const lifeMs = parsed.data.expires_in * 1000;
      const endsAtMs = startedAtMs + lifeMs;
      held = { token: parsed.data.access_token, endsAtMs, renewAtMs: endsAtMs - Math.min(AHEAD_MS, lifeMs / 2) };
      return { kind: 'ok', value: held.token };
    }
    const refusal = { status: answer.status };
    const isRefusal = answer.status >= 400 && answer.status < 500 && answer.status !== 429 && answer.status !== 408;
    if (isRefusal) return failed({ kind: 'refused', code: 'ERS_APPLICATION_REFUSED', refusal });
    const status = answer.status === 200 ? 503 : answer.status;
    return failed(
      fateOf(rowOfStatus('read', status, 'application'), {
        refusal,
        retryAfterMs: retryAfterMs(answer, wire.clock.now()),
      }),
    );
  }

  function failed(fate: Exclude<Fate<string>, { kind: 'ok' }>): Fate<string> {
    const fields = { code: fate.code, ...(fate.refusal?.status !== undefined && { status: fate.refusal.status }) };
    if (fate.kind === 'refused') log.error('ers.token.refused', fields);
    else log.warn('ers.token.unavailable', fields);
    return fate;
  }

  return {
    async current() {
      if (held && held.renewAtMs > wire.clock.monotonicMs()) return { kind: 'ok', value: held.token };
      minting ??= mint().finally(() => {
        minting = undefined;
      });
      // Nobody waits for a new one while the old one is good.
      return held && held.endsAtMs - SPARE_MS > wire.clock.monotonicMs() ? { kind: 'ok', value: held.token } : minting;
    },
    discard(token) {
      if (held?.token === token) held = undefined;
    },
  };
}

export const tokenRequest = (url: string, assertion: string): Outgoing => ({
  method: 'POST',
  url,
  headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
  body: new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
  }).toString(),
});

export function signAssertion(
  { apiKey, keyId, privateKeyPem, tokenAudience }: Credentials,
  now: Date,
): Promise<string> {
  const issuedAt = Math.floor(now.getTime() / 1000);
  return new SignJWT()
    .setProtectedHeader({ alg: 'RS512', typ: 'JWT', kid: keyId })
    .setIssuer(apiKey)
    .setSubject(apiKey)
    .setAudience(tokenAudience)
    .setJti(randomUUID())
    .setExpirationTime(issuedAt + ASSERTION_LIFE_SECONDS)
    .sign(createPrivateKey(privateKeyPem));
}
