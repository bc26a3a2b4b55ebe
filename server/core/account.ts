import type { AlertCode } from './codes.ts';

/** Why a referral that a worklist named is not accounted for. */
export type Missing =
  /** Nothing came of it: no record, no referral, no quarantine, and no list still being worked through. */
  | 'nothing-kept'
  /** It is in the store, but the engine's record of what has landed is gone. */
  | 'landing-record-gone'
  /** It had landed, but its ServiceRequest is gone. */
  | 'referral-gone'
  /** It was put up for review, but the engine's record of the review is gone. */
  | 'review-record-gone'
  /** It was put up for review, but its Task is gone. */
  | 'task-gone'
  /** It is on a list that asks for a review, and e-RS shows it as under review, but it has no Task. */
  | 'review-never-opened'
  /** Its review has ended, but somebody gave the Task another status. */
  | 'task-contradicts';

/**
 * The account of one service: seen = open + decided + explained, if nothing is missing. `seen` is what its worklists ever
 * named, counted from what the polls left behind; the rest is counted from what the store holds today.
 */
export interface ServiceAccount {
  readonly service: string;
  readonly seen: number;
  /** Under review, or with a decision that e-RS has not recorded. */
  readonly open: number;
  /** Of those: decisions queued or on their way. What others wrote into the store is neither until the engine takes it over. */
  readonly inFlight: number;
  /** e-RS has recorded a decision, ours or another's. */
  readonly decided: number;
  readonly explained: number;
  readonly explanations: {
    /** e-RS no longer asks for the review. */
    readonly withdrawn: number;
    /** In the store, but e-RS did not ask for a review when it was read. */
    readonly unasked: number;
    readonly quarantined: number;
    /** Named by a worklist that is still being worked through. */
    readonly arriving: number;
  };
  readonly missing: number;
}

/** One thing that a person should look at. Never in a log, a metric or a URL where it has a `ubrn`. */
export interface AccountException {
  readonly code: AlertCode;
  readonly service?: string;
  /** For `referral-vanished`. */
  readonly missing?: Missing;
  readonly since?: string;
  readonly serviceRequestId?: string;
  readonly taskId?: string;
  /** Only where the store has no ServiceRequest of it. */
  readonly ubrn?: string;
}

/** The account of all services, as of an instant. */
export interface Account {
  readonly at: string;
  /** Nothing is missing in any service. */
  readonly balances: boolean;
  readonly services: readonly ServiceAccount[];
  /** In a lasting order, so that they can be paged. */
  readonly exceptions: readonly AccountException[];
}
