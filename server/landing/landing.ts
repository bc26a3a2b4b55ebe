import type { Provenance, Task } from '@medplum/fhirtypes';
import type { Availability, IdSpace, MappedReferral, ReferralFacts, WorklistItem } from '../../mappings/index.ts';
import type {
  AlertCode,
  Alerts,
  Clock,
  Code,
  DispatchRecord,
  Log,
  Store,
  StoreFailure,
  StoreResult,
  SyncRecord,
  TransactionEntry,
} from '../core/index.ts';
import type { SyncIndex } from './sync-index.ts';

/** What landing is built from. */
export interface LandingOptions {
  readonly store: Store;
  readonly ids: IdSpace;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts: Alerts;
  /** What the decisions room says of a referral, kept in its sync record. */
  readonly judge: {
    readonly isTerminal: (facts: ReferralFacts) => boolean;
    readonly fingerprintOf: (facts: ReferralFacts, requestContextStatus: string | undefined) => string;
  };
}

/** What became of an attachment that was asked for with A042. */
export type FetchedFile =
  | {
      readonly kind: 'stored';
      readonly binaryId: string;
      readonly sha1: string;
      readonly size: number;
      readonly contentType: string;
    }
  /** A042 knows better than A005 (1.6.1). */
  | { readonly kind: 'unavailable'; readonly availability: Availability }
  /** It could not be had; it is looked for again. */
  | { readonly kind: 'failed' };

/** What became of A007 for this version: a PDF in the store, or e-RS's refusal. */
export type FetchedSummary =
  | {
      readonly kind: 'stored';
      readonly binaryId: string;
      readonly sha1: string;
      readonly size: number;
      readonly contentType: string;
      readonly fileName?: string;
      /** When e-RS generated it: an instant. */
      readonly generatedAt: string;
    }
  | { readonly kind: 'refused'; readonly code: Code };

/** The latest review, read fresh on each try. */
export interface LatestReview {
  readonly task: Task;
  readonly record: DispatchRecord;
  /** Key of the dispatch record, and the versions that the transaction insists on; a deleted Task has none. */
  readonly key: string;
  readonly recordId: string;
  readonly recordVersion: string;
  readonly taskVersion?: string;
}

/** What the caller decides the review on; it may be called more than once for one landing. */
export interface LandingSituation {
  readonly referral: MappedReferral;
  readonly sync: SyncRecord | undefined;
  readonly latest: LatestReview | undefined;
  readonly hasClinicalSummary: boolean;
  /** An instant. */
  readonly now: string;
  /** Rewrites the ids that mappings made to those that the store knows. */
  readonly resolve: (task: Task) => Task;
}

/** What is written of the review together with the referral. */
export interface ReviewWrites {
  readonly task?: Task;
  readonly record?: DispatchRecord;
  /** AuditEvents of attempts. */
  readonly extra?: readonly TransactionEntry[];
  /** Who decided what e-RS recorded: whom it names is put in place first. */
  readonly witness?: Provenance;
  readonly alerts: readonly AlertCode[];
}

export interface LandInput {
  /** A ReferralRequest as e-RS sent it, unread. */
  readonly source: unknown;
  /** Its entries on the worklists; undefined: the lists were not asked, so what is known of them stays. */
  readonly items: readonly WorklistItem[] | undefined;
  /** When those were polled. */
  readonly polledAt?: string;
  readonly files?: ReadonlyMap<string, FetchedFile>;
  readonly summary?: FetchedSummary;
  /** A029 did not say what may be done about it: it is looked at again, whatever the lists say (T-10). */
  readonly isUnasked?: boolean;
  readonly review: (situation: LandingSituation) => ReviewWrites;
}

export type LandResult =
  | {
      readonly kind: 'landed';
      readonly referral: MappedReferral;
      readonly sync: SyncRecord;
      /** Whether any clinical resource, not only the engine's records, was written. */
      readonly changed: boolean;
      /** The Task that was written, with the id that the store knows. */
      readonly task?: Task;
    }
  /** A late reply: a higher version is in the store already (I-12). */
  | { readonly kind: 'stale'; readonly sync: SyncRecord }
  /** It cannot be landed as it is: the codes say why; the caller quarantines it (K1). */
  | { readonly kind: 'unlandable'; readonly codes: readonly Code[]; readonly version?: number }
  /** The store did not take it now; nothing was written, or what was is found again by the next try. */
  | { readonly kind: 'store-failed'; readonly failure: StoreFailure };

/** What became of the review of a referral that e-RS no longer shows; `unknown`: it never landed. */
export type UnreadableResult =
  | { readonly kind: 'closed'; readonly sync: SyncRecord; readonly task?: Task }
  | { readonly kind: 'unknown' }
  | Extract<LandResult, { kind: 'store-failed' }>;

/** A referral before its files are fetched: mapped, its Patient in the store. */
export type Prepared =
  | {
      readonly kind: 'prepared';
      readonly referral: MappedReferral;
      readonly sync: SyncRecord | undefined;
      /** For `Binary.securityContext`. */
      readonly patientReference: string;
    }
  | Extract<LandResult, { kind: 'stale' | 'unlandable' | 'store-failed' }>;

/** What could not be landed, with e-RS's answer as it came. */
export interface Unlandable {
  readonly service: string;
  readonly ubrn: string;
  readonly codes: readonly Code[];
  readonly raw?: unknown;
  readonly version?: number;
}

/** One referral into the store: map, compare, one transaction. Never throws for an expected failure. */
export interface Landing {
  /** Maps a referral and puts its Patient in place, so that its files can be stored before it. */
  prepare(source: unknown, items: readonly WorklistItem[] | undefined): Promise<Prepared>;
  land(input: LandInput): Promise<LandResult>;
  /**
   * Writes a review of a referral that e-RS no longer shows; the referral stays as it was last seen, its items are gone.
   * Source: M-153, M-154
   */
  landUnreadable(
    requestId: string,
    review: (latest: LatestReview | undefined, now: string) => ReviewWrites,
  ): Promise<UnreadableResult>;
  /** Keeps what cannot be landed, with an alert, until it lands. False: the store did not take it; try again. Source: K1, G-1 */
  quarantine(entry: Unlandable): Promise<boolean>;
  /** UBRNs of what is in quarantine, as the store says now; as it is known, where the store does not say. */
  quarantined(): Promise<ReadonlySet<string>>;
  /** Reads what has landed and what is in quarantine; before it, little is known of either. */
  load(): Promise<StoreResult<void>>;
  /** What has landed, in brief, in memory. */
  readonly index: SyncIndex;
}
