import type { StoreFailure } from '../core/index.ts';
import type { StepResult } from '../decisions/index.ts';
import type { Review } from '../reviews/index.ts';

/** A review in hand: as it was loaded, and as it shall be. Nothing is written before a step needs it. */
export interface InHand {
  readonly review: Review;
  readonly step: StepResult;
  /** `step` has not been written yet. */
  readonly isDirty: boolean;
}

/** What to do after a delivery: `reload` at once, `later` not before, `rest` until something changes. */
export type Next =
  | { readonly kind: 'rest' }
  | { readonly kind: 'reload' }
  | { readonly kind: 'later'; readonly afterMs: number };

/** How long a failing store, or a reread that e-RS refuses, is left alone. */
export const RETRY_MS = 2_000;

export const rest: Next = { kind: 'rest' };
export const reload: Next = { kind: 'reload' };
export const later = (afterMs = RETRY_MS): Next => ({ kind: 'later', afterMs: Math.max(afterMs, 10) });

/** After a write that the store did not take: somebody was faster, or it is tried again. */
export const afterFailure = ({ code, retryAfterMs }: StoreFailure): Next =>
  code === 'conflict' ? reload : later(retryAfterMs);
