import { randomBytes } from 'node:crypto';
import type { Clock, OpenedSession, UserSession } from '../core/index.ts';
import type { Flow } from './cis2.ts';

/** A browser in which a clinician has signed in. */
export interface Visit {
  readonly opened: OpenedSession;
  /** Goes with every form, so that no other site can press a button here. */
  readonly formToken: string;
  readonly endsAtMs: number;
  /** As what they act: organisation, role, and whom for. */
  acts: UserSession | undefined;
  /** The waiting decisions that the page has shown: what is signed is what was seen. */
  shown: { readonly own: readonly string[]; readonly nobodys: readonly string[] };
}

const MOST = 1_000;
const FLOW_MS = 600_000;
/** A session at which e-RS would refuse the next call is no longer shown. */
const MARGIN_MS = 5_000;

const secret = () => randomBytes(32).toString('base64url');

/** Sign-ins under way, and sessions, in memory only, by secrets that browsers keep in cookies. */
export class Visits {
  readonly #clock: Clock;
  readonly #flows = new Map<string, { readonly flow: Flow; readonly endsAtMs: number }>();
  readonly #visits = new Map<string, Visit>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(flow: Flow): string {
    const cookie = secret();
    bound(this.#flows);
    this.#flows.set(cookie, { flow, endsAtMs: this.#clock.monotonicMs() + FLOW_MS });
    return cookie;
  }

  /** The sign-in that this browser began, once; undefined where it began none, or another. */
  takeFlow(cookie: string | undefined, state: string | null): Flow | undefined {
    const begun = cookie === undefined ? undefined : this.#flows.get(cookie);
    if (cookie !== undefined) this.#flows.delete(cookie);
    if (begun === undefined || begun.endsAtMs <= this.#clock.monotonicMs()) return undefined;
    return begun.flow.state === state ? begun.flow : undefined;
  }

  /** A new secret each time: one that was planted in a browser before is nobody's session. */
  open(opened: OpenedSession): string {
    const cookie = secret();
    bound(this.#visits);
    const endsAtMs = this.#clock.monotonicMs() + opened.lifeSeconds * 1000 - MARGIN_MS;
    this.#visits.set(cookie, {
      opened,
      formToken: secret(),
      endsAtMs,
      acts: undefined,
      shown: { own: [], nobodys: [] },
    });
    return cookie;
  }

  of(cookie: string | undefined): Visit | undefined {
    const visit = cookie === undefined ? undefined : this.#visits.get(cookie);
    if (cookie === undefined || visit === undefined) return undefined;
    if (visit.endsAtMs > this.#clock.monotonicMs()) return visit;
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
