import type { Store, StoreFailure } from '../core/index.ts';
import type { CopiedType } from './listing.ts';

/** Why a copy was not begun, or not gone on with. */
export type CopyFault =
  | { readonly kind: 'in-flight'; readonly taskIds: readonly string[] }
  /** An engine works on it, or has, before the copy or since it began. */
  | { readonly kind: 'target-in-use' };

export interface CopyProgress {
  /** `refer`: references to what was not there yet are put in; only where the target chooses ids. */
  readonly phase: 'copy' | 'refer' | 'verify';
  readonly type: CopiedType;
  readonly done: number;
  /** The others the target held already; they are more than this where what refers to each other went together. */
  readonly written: number;
}

export interface CopyOptions {
  /** Nobody else may write to it meanwhile. */
  readonly source: Store;
  /** Has been probed. */
  readonly target: Store;
  /** Ends the copy before the next transaction or file. */
  readonly signal: AbortSignal;
  progress(now: CopyProgress): void;
}

/** How a copy ended. */
export type CopyEnd =
  | CopyFault
  /** Each type's count is the same in both, and so is the hash of each resource and file. */
  | { readonly kind: 'equal'; readonly counts: ReadonlyMap<CopiedType, number>; readonly written: number }
  /**
   * `Type/id` of what the target lacks, has otherwise, or has alone. What it has alone another call does not mend: others keep
   * things there, or the source has deleted something since an earlier call. An empty target does.
   */
  | { readonly kind: 'different'; readonly places: readonly string[]; readonly onlyThere: readonly string[] }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'failed'; readonly at: CopiedType | undefined; readonly failure: StoreFailure };
