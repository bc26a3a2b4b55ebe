import { z } from 'zod';
import { ASSERTION_TYPE, type Fate, type Log } from '../core/index.ts';
import { exchange, type Wire } from './exchange.ts';
import { fateOf, rowOfSilence, rowOfStatus } from './fate-table.ts';
import { readJson, retryAfterMs } from './read-answer.ts';
import { type Credentials, signAssertion, TOKEN_DEADLINE_MS } from './token.ts';

const MAX_BYTES = 65_536;
const schema = z.looseObject({
  access_token: z.string().regex(/^[\x21-\x7e]+$/),
  expires_in: z.union([z.string().regex(/^\d+$/), z.number().nonnegative()]).transform(Number),
});

/**
 * Exchanges a clinician's CIS2 id token for an e-RS user token (separate authentication). Nothing of either is logged.
 * Fates: refused ERS_USER_SESSION_ENDED: e-RS takes this sign-in for no session; retry ERS_UNAVAILABLE, ERS_BUSY
 * Source: provider-api 1.2; RFC 8693
 */
export async function exchangeIdToken(
  wire: Wire,
  credentials: Credentials,
  log: Log,
  idToken: string,
): Promise<Fate<{ token: string; lifeSeconds: number }>> {
  const assertion = await signAssertion(credentials, wire.clock.now()).catch(() => undefined);
  if (assertion === undefined) return { kind: 'refused', code: 'ERS_APPLICATION_REFUSED' };
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    subject_token: idToken,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
  });
  const result = await exchange(
    wire,
    {
      method: 'POST',
      url: credentials.tokenUrl,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: body.toString(),
    },
    { deadlineMs: TOKEN_DEADLINE_MS },
  );
  if (result.kind !== 'answered') return fateOf(rowOfSilence('read', 'before-send'));
  const { answer } = result;
  const { status } = answer;
  const parsed = schema.safeParse(await readJson(answer, MAX_BYTES));
  if (status === 200 && parsed.success)
    return { kind: 'ok', value: { token: parsed.data.access_token, lifeSeconds: parsed.data.expires_in } };
  log.warn('ers.session.refused', { status });
  if (status >= 400 && status < 500 && status !== 429 && status !== 408)
    return { kind: 'refused', code: 'ERS_USER_SESSION_ENDED', refusal: { status } };
  const afterMs = retryAfterMs(answer, wire.clock.now());
  return fateOf(rowOfStatus('read', status === 200 ? 503 : status, 'application'), { retryAfterMs: afterMs });
}
