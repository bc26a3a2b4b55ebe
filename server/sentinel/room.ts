import type { Alerts, Clock, Log, Store, WorklistName } from '../core/index.ts';

/** How long things may take before a person should know. */
export interface Patience {
  /** From the poll that named a referral until it has landed. */
  readonly referralMs: number;
  readonly fileMs: number;
  /** From the decision until e-RS has recorded it; a hold-back time comes on top. */
  readonly decisionMs: number;
}

export const DEFAULT_PATIENCE: Patience = {
  referralMs: 24 * 3_600_000,
  fileMs: 24 * 3_600_000,
  decisionMs: 3_600_000,
};

/** What the sentinel is built from. */
export interface SentinelOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts: Alerts;
  /** The services that are read, and how long each list may go without a successful poll; lists that are never polled by themselves lack. */
  readonly services: readonly {
    readonly id: string;
    readonly lists: readonly { readonly list: WorklistName; readonly longestGapMs: number }[];
  }[];
  readonly patience?: Partial<Patience>;
  /** How long a decision is held back on purpose. */
  readonly decisionDelayMs?: number;
  /** How often the account is made. */
  readonly everyMs: number;
}
