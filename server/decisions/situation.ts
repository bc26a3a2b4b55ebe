import type { Provenance, Task } from '@medplum/fhirtypes';
import type { BookableType, IdSpace, MappedReferral, WorklistItem } from '../../mappings/index.ts';
import type { AlertCode, DispatchRecord } from '../core/index.ts';

/** The latest review episode of a referral, as the store holds it. */
export interface Episode {
  readonly task: Task;
  readonly record: DispatchRecord;
}

/** What is known of a referral at one moment, for deciding what its review Task must be. */
export interface ReviewSituation {
  readonly referral: MappedReferral;
  /**
   * Its entries on complete, successful worklist answers; empty: it is on none of the lists that it could be on;
   * undefined: the lists were not asked (a refresh, a decision's answer, a related referral), so nothing opens or
   * closes because of them.
   */
  readonly listed: readonly WorklistItem[] | undefined;
  /** When the worklists of `listed` were polled. */
  readonly polledAt?: string;
  readonly latest: Episode | undefined;
  /** Site configuration of the service; inference fills in (1.5). */
  readonly bookableType?: BookableType;
  /** A029 lists RECORD_REVIEW_OUTCOME for this version; only asked for slot issues (T-10). Absent: it did not say. */
  readonly isReviewable?: boolean;
  readonly hasClinicalSummary: boolean;
  /** An instant. */
  readonly now: string;
  readonly ids: IdSpace;
  /** Rewrites references to the ids that the store knows; without it, deterministic ids stand. */
  readonly resolve?: (task: Task) => Task;
}

/** What the store must be told of the review. `none`: nothing. Task and record are written in one transaction. */
export type ReviewPlan =
  | { readonly kind: 'none'; readonly alerts: readonly AlertCode[] }
  | {
      readonly kind: 'open' | 'update' | 'close' | 'bookkeeping';
      /** Absent for `bookkeeping` (E-12): only the record moves. */
      readonly task?: Task;
      readonly record: DispatchRecord;
      /** Of a decision that e-RS turns out to have recorded (E-4). */
      readonly witness?: Provenance;
      readonly alerts: readonly AlertCode[];
    };
