import { randomBytes } from 'node:crypto';
import { EncryptJWT, jwtDecrypt } from 'jose';
import type { Clock, OpenedSession, UserSession, WaitingDecision } from '../core/index.ts';
import type { Flow } from './cis2.ts';

/** A browser in which a clinician has signed in. */
export interface Visit {
  readonly opened: OpenedSession;
  /** Goes with every form, so that no other site can press a button here. */
  readonly formToken: string;
  readonly endsAtMs: number;
  /** When a page was last asked for. */
  usedAtMs: number;
  /** As what they act: organisation, role, and whom for. */
  acts: UserSession | undefined;
  /** The waiting decisions that the page has shown: what is signed is what was seen. */
  shown: { readonly own: readonly WaitingDecision[]; readonly nobodys: readonly WaitingDecision[] };
}

const MOST = 1_000;
const FLOW_SECONDS = 600;
/** Whoever leaves the page alone for so long signs in again. Source: ASVS 7.3.1 */
const IDLE_MS = 900_000;
/** A session at which e-RS would refuse the next call is no longer shown. */
const MARGIN_MS = 5_000;

const secret = () => randomBytes(32).toString('base64url');

/**
 * Sessions, in memory only, by secrets that browsers keep in cookies. A sign-in under way is kept by its browser alone, sealed: who begins
 * thousands takes nobody's place.
 */
export class Visits {
  readonly #clock: Clock;
  readonly #flowKey = new Uint8Array(randomBytes(32));
  readonly #visits = new Map<string, Visit>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the browser keeps of the sign-in that it begins. */
  begin(flow: Flow): Promise<string> {
    const nowSeconds = Math.floor(this.#clock.now().getTime() / 1000);
    return new EncryptJWT({ flow })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setExpirationTime(nowSeconds + FLOW_SECONDS)
      .encrypt(this.#flowKey);
  }

  /** The sign-in that this browser began; undefined where it began none, or another. That a code is good once is CIS2's to see. */
  async flowOf(cookie: string | undefined, state: string | null): Promise<Flow | undefined> {
    if (cookie === undefined) return undefined;
    try {
      const { payload } = await jwtDecrypt<{ flow: Flow }>(cookie, this.#flowKey, {
        currentDate: this.#clock.now(),
        requiredClaims: ['exp'],
      });
      return payload.flow.state === state ? payload.flow : undefined;
    } catch {
      return undefined;
    }
  }

  /** A new secret each time: one that was planted in a browser before is nobody's session. */
  open(opened: OpenedSession): string {
    const cookie = secret();
    bound(this.#visits);
    const usedAtMs = this.#clock.monotonicMs();
    const endsAtMs = usedAtMs + opened.lifeSeconds * 1000 - MARGIN_MS;
    this.#visits.set(cookie, {
      opened,
      formToken: secret(),
      endsAtMs,
      usedAtMs,
      acts: undefined,
      shown: { own: [], nobodys: [] },
    });
    return cookie;
  }

  of(cookie: string | undefined): Visit | undefined {
    const visit = cookie === undefined ? undefined : this.#visits.get(cookie);
    if (cookie === undefined || visit === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (visit.endsAtMs > nowMs && visit.usedAtMs + IDLE_MS > nowMs) {
      visit.usedAtMs = nowMs;
      return visit;
    }
    this.#visits.delete(cookie);
    return undefined;
  }

  close(cookie: string | undefined): void {
    if (cookie !== undefined) this.#visits.delete(cookie);
  }
}

/** The oldest goes when there are too many: nobody fills the memory by beginning to sign in. */
function bound(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size >= MOST && oldest !== undefined) map.delete(oldest);
}
