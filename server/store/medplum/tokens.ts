import { type Dispatcher, request } from 'undici';
import type { Clock, StoreFailure, StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import { startDeadline } from '../remote/deadline.ts';
import type { Entry, Headers } from '../remote/entry.ts';
import { type Heard, recorded } from '../remote/recorder.ts';

export interface TokenOptions {
  readonly url: string;
  readonly credentials: { readonly id: string; readonly secret: string };
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  /** One token request in all. */
  readonly withinMs: number;
  /** What the answer says about the calls to come (429, 503). */
  heed(heard: Heard): number | undefined;
}

/** A token is renewed after this part of its life, so that none runs out on its way. */
const GOOD_FOR = 0.9;

/**
 * Tokens of one client (client credentials), asked for once and by all calls together. MedplumClient's own have no
 * deadline, and one bad answer is remembered for ever; here each failure ends with the request that it belongs to.
 */
export class Tokens implements Entry {
  readonly #options: TokenOptions;
  #held: { readonly headers: Headers; readonly renewAtMs: number } | undefined;
  #asked: Promise<StoreResult<Headers>> | undefined;

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  async headers(): Promise<StoreResult<Headers>> {
    if (this.#held !== undefined && this.#options.clock.monotonicMs() < this.#held.renewAtMs)
      return { ok: true, value: this.#held.headers };
    this.#asked ??= this.#ask().finally(() => {
      this.#asked = undefined;
    });
    return this.#asked;
  }

  renewable(refused: Headers): boolean {
    if (this.#held?.headers === refused) this.#held = undefined;
    return true;
  }

  async #ask(): Promise<StoreResult<Headers>> {
    const { clock, withinMs } = this.#options;
    const deadline = startDeadline(clock, withinMs);
    const { dispatcher, heard } = recorded(this.#options.dispatcher);
    const askedAtMs = clock.monotonicMs();
    try {
      const answer = await this.#send(dispatcher, deadline.signal);
      const afterMs = this.#options.heed(heard);
      if (answer.status !== 200) return refusalOf(answer.status, afterMs);
      const token = tokenIn(answer.body);
      if (token === undefined) return noToken;
      const headers = { authorization: `Bearer ${token.text}` };
      this.#held = { headers, renewAtMs: askedAtMs + token.lifeMs * GOOD_FOR };
      return { ok: true, value: headers };
    } catch (error) {
      if (!Error.isError(error)) throw error;
      return heard.isSent ? silent : deserted;
    } finally {
      deadline.end();
    }
  }

  async #send(dispatcher: Dispatcher, signal: AbortSignal): Promise<{ status: number; body: string }> {
    const { url, credentials } = this.#options;
    const answer = await request(url, {
      method: 'POST',
      dispatcher,
      signal,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: credentials.id,
        client_secret: credentials.secret,
      }).toString(),
    });
    return { status: answer.statusCode, body: await answer.body.text() };
  }
}

/** The token in an answer; undefined: it is none, such as the page of a proxy. Source: RFC 6749 5.1 */
function tokenIn(body: string): { text: string; lifeMs: number } | undefined {
  const said = parsed(body) as { access_token?: unknown; expires_in?: unknown } | null | undefined;
  if (typeof said?.access_token !== 'string' || !/^[\x21-\x7e]+$/.test(said.access_token)) return undefined;
  const seconds = Number(said.expires_in ?? Number.NaN);
  // Where nothing is said the server itself says so, by 401.
  return { text: said.access_token, lifeMs: seconds > 0 ? seconds * 1000 : Number.POSITIVE_INFINITY };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusalOf(status: number, afterMs: number | undefined): StoreFailure {
  if (status === 429 || status >= 500) return afterMs === undefined ? silent : { ...silent, retryAfterMs: afterMs };
  return status === 400 || status === 401 || status === 403 ? refused : noToken;
}

const deserted = failure('unavailable', 'STORE_URL: no server answers there. Start it, or correct the address');
const silent = failure('unavailable', 'STORE_URL: the server gives no token now (/oauth2/token): look into its log');
const refused = failure(
  'unavailable',
  'STORE_URL: the server refuses us: correct STORE_CLIENT_ID and STORE_CLIENT_SECRET',
);
const noToken = failure(
  'unavailable',
  'STORE_URL: what answers there to /oauth2/token is no Medplum: name its address, such as https://api.medplum.example',
);
