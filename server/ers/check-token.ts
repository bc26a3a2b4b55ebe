import { ACCESS_REFUSALS, type AccessRefusal, explainTokenRefusal } from './access-refusals.ts';
import { exchange, type Wire } from './exchange.ts';
import { readJson } from './read-answer.ts';
import { type Credentials, signAssertion, TOKEN_DEADLINE_MS, tokenRequest } from './token.ts';

export type TokenCheck = {
  /** Our clock less the gateway's; undefined when it did not say. */
  readonly skewSeconds?: number;
} & (
  | { readonly isGranted: true; readonly lifeSeconds: number }
  | { readonly isGranted: false; readonly status?: number; readonly refusal: AccessRefusal }
);

/** Asks for a token as the client does, and explains what comes. Resolves, never rejects. Source: provider-api 1.2 */
export async function checkToken(wire: Wire, credentials: Credentials): Promise<TokenCheck> {
  const assertion = await signAssertion(credentials, wire.clock.now()).catch(() => undefined);
  if (assertion === undefined) return { isGranted: false, refusal: ACCESS_REFUSALS.keyUnusable };
  const result = await exchange(wire, tokenRequest(credentials.tokenUrl, assertion), {
    deadlineMs: TOKEN_DEADLINE_MS,
  });
  if (result.kind !== 'answered') return { isGranted: false, refusal: ACCESS_REFUSALS.unreachable };
  const { answer } = result;
  const sentMs = Date.parse(answer.header('date') ?? '');
  const skew = Number.isNaN(sentMs) ? {} : { skewSeconds: skewOf(wire.clock.now().getTime(), sentMs) };
  const said = (await readJson(answer, 65_536)) as
    | { access_token?: unknown; expires_in?: unknown; error_description?: unknown }
    | undefined;
  const { status } = answer;
  if (status === 200 && typeof said?.access_token === 'string')
    return { isGranted: true, lifeSeconds: Number(said.expires_in), ...skew };
  const words = typeof said?.error_description === 'string' ? said.error_description : '';
  return { isGranted: false, status, refusal: explainTokenRefusal(status, words), ...skew };
}

/** HTTP tells the time in whole seconds, cut off: half of one is added. */
const skewOf = (ourMs: number, theirMs: number): number => Math.round((ourMs - theirMs - 500) / 1000);
