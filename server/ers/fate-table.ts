import type { ErsFateCode, ErsRefusal, Fate } from '../core/index.ts';

/**
 * What is at stake in a call. `write` changes a referral; `upload` leaves a loose file, which e-RS purges; `poll` has
 * cost a poll already; `download` answers a file; `read` is all else. Only a write may not simply be sent again.
 */
export type CallKind = 'read' | 'poll' | 'download' | 'upload' | 'write';

/** Every endpoint that the client calls, and what is at stake in it: its column of the table. */
export const KIND_OF = {
  A004: 'read',
  A005: 'read',
  A006: 'download',
  A007: 'download',
  A008: 'poll',
  A013: 'write',
  A014: 'write',
  A020: 'upload',
  A022: 'write',
  A024: 'read',
  A025: 'read',
  A028: 'write',
  A029: 'read',
  A030: 'read',
  A036: 'write',
  A038: 'read',
  A040: 'read',
  A042: 'download',
} as const satisfies Readonly<Record<string, CallKind>>;
export type ErsOperation = keyof typeof KIND_OF;

/** A fate without its particulars. `afterMs` holds where e-RS says nothing better (Retry-After). */
export interface FateRow {
  readonly kind: Exclude<Fate<never>['kind'], 'ok'>;
  readonly code: ErsFateCode;
  readonly afterMs: number;
}

/** The failures that e-RS documents for any endpoint that the product calls, and 408 and 413 of the servers before it. */
export const DECIDED_STATUSES = [
  400, 401, 403, 404, 406, 408, 409, 412, 413, 415, 422, 423, 429, 500, 502, 503, 504,
] as const;
export type DecidedStatus = (typeof DECIDED_STATUSES)[number];

const retry = (code: ErsFateCode, afterMs = 1000): FateRow => ({ kind: 'retry', code, afterMs });
const reread = (code: ErsFateCode, afterMs = 1000): FateRow => ({ kind: 'reread', code, afterMs });
const refused = (code: ErsFateCode): FateRow => ({ kind: 'refused', code, afterMs: 0 });

type ByKind = Readonly<Record<CallKind, FateRow>>;
const always = (row: FateRow): ByKind => ({ read: row, poll: row, download: row, upload: row, write: row });
/** Writes one way, all else another. */
const split = (write: FateRow, other: FateRow): ByKind => ({ ...always(other), write });

const UNKNOWN = reread('ERS_OUTCOME_UNKNOWN');
const UNAVAILABLE = retry('ERS_UNAVAILABLE');
const WRONG = refused('ERS_REQUEST_WRONG');
/** A file that e-RS is still scanning is not to be asked for sooner. Source: provider-api 3 */
const SCAN_MS = 300_000;

const BY_STATUS: Readonly<Record<DecidedStatus, ByKind>> = {
  400: always(WRONG),
  401: always(refused('ERS_APPLICATION_REFUSED')),
  403: always(refused('ERS_FORBIDDEN')),
  404: always(refused('ERS_NOT_FOUND')),
  406: always(WRONG),
  408: split(UNKNOWN, UNAVAILABLE),
  409: split(reread('ERS_VERSION_CONFLICT', 0), WRONG),
  412: always(WRONG),
  413: { ...always(WRONG), upload: refused('ERS_FILE_TOO_LARGE') },
  // e-RS answers 415, or 422, to a kind of file that it does not take.
  415: { ...always(WRONG), upload: refused('ERS_BUSINESS_RULE') },
  422: always(refused('ERS_BUSINESS_RULE')),
  423: split(reread('ERS_LOCKED'), retry('ERS_LOCKED')),
  429: always(retry('ERS_BUSY')),
  500: split(UNKNOWN, UNAVAILABLE),
  502: split(UNKNOWN, UNAVAILABLE),
  503: always(UNAVAILABLE),
  504: split(UNKNOWN, UNAVAILABLE),
};

/** e-RS's own code decides where it says more than the status. */
const BY_CODE: Readonly<Partial<Record<DecidedStatus, Readonly<Record<string, Partial<ByKind>>>>>> = {
  400: {
    // A025 and A029 put into 400 what others put into 404 and 422.
    HISTORY_NOT_SUPPORTED: { read: reread('ERS_VERSION_CONFLICT', 0) },
    REFERENCE_NOT_FOUND: { read: refused('ERS_NOT_FOUND') },
    NO_RELATIONSHIP: { read: refused('ERS_NO_RELATIONSHIP') },
    PATIENT_ERROR: { read: refused('ERS_PATIENT_ERROR') },
    INVALID_REQUEST_TYPE: { read: refused('ERS_BUSINESS_RULE') },
  },
  403: { NO_RELATIONSHIP: always(refused('ERS_NO_RELATIONSHIP')) },
  404: { HISTORY_NOT_SUPPORTED: { read: reread('ERS_VERSION_CONFLICT', 0) } },
  422: {
    NO_RELATIONSHIP: always(refused('ERS_NO_RELATIONSHIP')),
    PATIENT_ERROR: always(refused('ERS_PATIENT_ERROR')),
    PENDING: { download: retry('ERS_FILE_PENDING', SCAN_MS) },
    THREATS_FOUND: { download: refused('ERS_FILE_THREATS_FOUND') },
    VALIDATION_FAILED: { download: refused('ERS_FILE_VALIDATION_FAILED') },
    FILE_SIZE_ERROR: { download: refused('ERS_FILE_TOO_LARGE') },
  },
};

/** How far a request got that was not answered. In doubt it was sent. */
export type Progress = 'before-send' | 'after-send';

const UNANSWERED: Readonly<Record<Progress, ByKind>> = {
  'before-send': always(UNAVAILABLE),
  'after-send': split(UNKNOWN, UNAVAILABLE),
};

/** A success whose body is not what it should be, or ended early; or a status that e-RS has no use for. */
const UNREADABLE: ByKind = split(UNKNOWN, retry('ERS_ANSWER_UNREADABLE'));

/** A client's own fault, found before anything was sent: a header that HTTP cannot carry. */
const UNSENDABLE: FateRow = WRONG;

const isDecided = (status: number): status is DecidedStatus => DECIDED_STATUSES.some((each) => each === status);

/**
 * The row of a failed call's status. A status that nobody decided goes by its class: 4xx our request was wrong; 5xx as
 * 500; all else no answer of e-RS's.
 * @param ersCode e-RS's code of the failure, if the body had one
 * Source: target-model 4.4 (E-5..E-8b); provider-api 2.2, 2.3
 */
export function rowOfStatus(call: CallKind, status: number, mode: 'application' | 'user', ersCode?: string): FateRow {
  if (status === 401 && mode === 'user') return refused('ERS_USER_SESSION_ENDED');
  if (isDecided(status)) {
    const codes = BY_CODE[status];
    const exact = codes && ersCode !== undefined && Object.hasOwn(codes, ersCode) ? codes[ersCode]?.[call] : undefined;
    return exact ?? BY_STATUS[status][call];
  }
  if (status >= 400 && status < 500) return WRONG;
  if (status >= 500) return BY_STATUS[500][call];
  return UNREADABLE[call];
}

export const rowOfSilence = (call: CallKind, progress: Progress): FateRow => UNANSWERED[progress][call];
export const rowOfUnreadable = (call: CallKind): FateRow => UNREADABLE[call];
export const rowOfUnsendable = (): FateRow => UNSENDABLE;
/** A file beyond the installation's own limit. */
export const rowOfTooLarge = (): FateRow => refused('ERS_FILE_TOO_LARGE');
/** A042's link did not work, nor did a second one. */
export const rowOfExpiredLink = (): FateRow => retry('ERS_LINK_EXPIRED');

/** The fate of a row, with what this answer said. */
export function fateOf(
  row: FateRow,
  about: { refusal?: ErsRefusal | undefined; retryAfterMs?: number | undefined } = {},
): Exclude<Fate<never>, { kind: 'ok' }> {
  const refusal = about.refusal && Object.keys(about.refusal).length > 0 ? { refusal: about.refusal } : {};
  if (row.kind === 'refused') return { kind: 'refused', code: row.code, ...refusal };
  return { kind: row.kind, code: row.code, afterMs: about.retryAfterMs ?? row.afterMs, ...refusal };
}
