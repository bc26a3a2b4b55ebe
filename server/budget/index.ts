import type { Budget, Clock, Log, Store } from '../core/index.ts';
import { createPace } from './pace.ts';
import { createPollLedger } from './poll-ledger.ts';

/**
 * The single owner of the e-RS budget of one application: the pace of requests and the ledger of polls.
 * @param options `requestsPerSecond`, `pollsPerDay`: undefined lifts the limit, as the demo may
 * Source: architecture 6 (B1)
 */
export function createBudget(options: {
  /** Where the ledger is; undefined: no poll can be spent. */
  store: Store | undefined;
  clock: Clock;
  /** A number in [0, 1), for the jitter after a 429. */
  random: () => number;
  log: Log;
  requestsPerSecond: number | undefined;
  pollsPerDay: number | undefined;
}): Budget {
  return { ...createPace(options), ...createPollLedger(options) };
}
