import type { Code } from './codes.ts';

/** What e-RS said when it did not do what was asked; for a person to read and an engineer to look up. No patient data. */
export interface ErsRefusal {
  readonly status?: number;
  /** e-RS's own code (eRS-APIErrorCode-1 and its R4 kin), e.g. `INVALID_REQUEST_STATE`. */
  readonly ersCode?: string;
  /** `X-Request-ID` of the answer, which NHS support asks for. */
  readonly ersRequestId?: string;
}

/** How an attempt ended. The caller's next move follows from the fate alone. */
export type Fate<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** Nothing happened there: send the same again, not before `afterMs`. */
  | { readonly kind: 'retry'; readonly code: Code; readonly afterMs: number; readonly refusal?: ErsRefusal }
  /** Our picture is stale or the answer was lost: fetch, decide again. */
  | { readonly kind: 'reread'; readonly code: Code; readonly afterMs: number; readonly refusal?: ErsRefusal }
  /** Final: no resend will change it. */
  | { readonly kind: 'refused'; readonly code: Code; readonly refusal?: ErsRefusal };
