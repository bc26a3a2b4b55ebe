import type { IdSpace } from '../../mappings/index.ts';
import type { Alerts, Clock, Code, ErsClient, Log, SiteService, Store, Turns, UserSession } from '../core/index.ts';
import type { DeliveryPolicy, QueuedDecision } from '../decisions/index.ts';
import type { Landing } from '../landing/index.ts';
import type { People } from './people.ts';

/** What the dispatch room is built from. */
export interface DispatchOptions {
  readonly store: Store;
  readonly ers: ErsClient;
  readonly landing: Landing;
  /** Shared with intake: one worker per referral, by UBRN (D1). */
  readonly turns: Turns;
  readonly clock: Clock;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly alerts: Alerts;
  readonly ids: IdSpace;
  readonly services: readonly SiteService[];
  readonly policy: DeliveryPolicy;
  /** In characters (T-2); absent: 2,000. */
  readonly maxCommentLength?: number;
  /** How often decided Tasks are looked for, and how often all open reviews are compared with their records. */
  readonly scanEveryMs: number;
  readonly sweepEveryMs: number;
  /** Reviews handled at the same time; each referral's calls stay in turn. */
  readonly parallel: number;
  /** How long an answer of e-RS may be in coming before others go on meanwhile. Default: a second. */
  readonly patienceMs?: number;
  /** How long the end of this room waits for answers of e-RS. Default: three seconds. */
  readonly graceMs?: number;
  /** Whether this engine holds the lease; asked before an attempt is written. e-RS's client asks again before it sends. */
  readonly fence?: () => boolean;
  /** A clinician who is always signed in; the demo's only. */
  readonly standingSession?: () => Promise<UserSession | undefined>;
}

/** The room, furnished: what its files hand to each other. */
export interface DispatchRoom extends DispatchOptions {
  readonly people: People;
  /** The room ends: calls of e-RS are given up, and what is in doubt is left to the next start. */
  readonly isParking: () => boolean;
  /** E-7: the session with which e-RS refused this Task's decision is not tried on it again. */
  readonly sessionRefused: (taskId: string, decision: QueuedDecision, why: Code) => void;
  /** Why the last session that was tried could not send this Task's decision. */
  readonly whyNotSent: (taskId: string, decision: QueuedDecision) => Code | undefined;
}
