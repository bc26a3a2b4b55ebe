import type { IdSpace } from '../../mappings/index.ts';
import type { Alerts, Budget, Clock, ErsClient, Log, SiteService, Store, Turns } from '../core/index.ts';
import type { Landing } from '../landing/index.ts';
import type { Lists } from './lists.ts';
import type { Seen } from './seen.ts';
import type { Waits } from './waits.ts';

/** What the intake room is built from. */
export interface IntakeOptions {
  readonly store: Store;
  readonly ers: ErsClient;
  readonly budget: Budget;
  readonly landing: Landing;
  /** Shared with dispatch: one worker per referral, by UBRN. */
  readonly turns: Turns;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts: Alerts;
  readonly ids: IdSpace;
  readonly services: readonly SiteService[];
  /** Permitted polls of a service in 24 hours; undefined: lifted. */
  readonly pollsPerDay: number | undefined;
  /** Whether this engine holds the lease; asked before a poll is spent and before a referral is landed. */
  readonly fence?: () => boolean;
  /** How often a service is polled where the limit is lifted. */
  readonly pollIntervalMs?: number;
  /** How often it is looked for what is due and what is unfinished; default 5 s. */
  readonly lookEveryMs?: number;
}

/** The room, furnished. */
export interface IntakeRoom extends IntakeOptions {
  /** What the latest complete worklists say. */
  readonly lists: Lists;
  /** What the worklists ever named. */
  readonly seen: Seen;
  /** `{service}.{list}` of the polls that this engine has spent. */
  readonly spent: Set<string>;
  /** Listed referrals that e-RS refused to show for want of authorisation, and when they are asked for again. */
  readonly refused: Waits;
  /** Slot issues of which A029 did not say what may be done, and when it is asked again (T-10). */
  readonly unasked: Waits;
  /** Aborts when the room is closing: what has not begun is left for the next start. */
  readonly signal: AbortSignal;
}
