import type { Readable } from 'node:stream';
import type { DecisionOperation, Ubrn, WorklistName } from '../../mappings/index.ts';
import type { Fate } from './fate.ts';

/** Who a request to e-RS is for, most urgent first (architecture 6). */
export type RequestPriority = 'decision' | 'two-week-wait' | 'urgent' | 'routine' | 'recheck';

/** A clinician's e-RS session; lives in memory only. */
export interface UserSession {
  readonly token: string;
  readonly organisation: string;
  readonly businessFunction: string;
  /** SDS user id of the clinician acted for; required iff the function is SERVICE_PROVIDER_CLINICIAN_ADMIN. */
  readonly onBehalfOf?: string;
}

/** What travels with every call. Without `session` the call is application-restricted. */
export interface ErsContext {
  readonly correlationId: string;
  readonly priority: RequestPriority;
  readonly session?: UserSession;
  readonly signal?: AbortSignal;
  /** Called when the request goes onto the wire. */
  readonly onSend?: () => void;
}

/** A file as e-RS sends it: read the stream to its end or destroy it. A broken download errors the stream. */
export interface ErsFile {
  readonly stream: Readable;
  readonly contentType: string;
  readonly fileName?: string;
}

/** A referral as e-RS sent it, unread. `version` is the ETag's, else meta.versionId's. */
export interface ErsReferral {
  readonly source: unknown;
  readonly version: number;
}

/** One worklist of one service. */
export interface WorklistQuery {
  readonly service: string;
  readonly list: WorklistName;
  /** Spends a poll; asked once the request has its turn and its token, right before it goes. Not granted: it does not go. */
  readonly spend?: () => Promise<PollGrant>;
}

/** The whole of e-RS that the product uses. Resolves, never rejects. */
export interface ErsClient {
  /** A004. `type` such as APPOINTMENT-CANCELLATION-REASON. */
  fetchCodeSystem(type: string, context: ErsContext): Promise<Fate<unknown>>;
  /** A005 */
  fetchReferral(ubrn: Ubrn, context: ErsContext): Promise<Fate<ErsReferral>>;
  /** A007 */
  generateClinicalInformation(ubrn: Ubrn, context: ErsContext): Promise<Fate<ErsFile>>;
  /** A008; the raw answer, up to 10 MB, is streamed. */
  fetchWorklist(query: WorklistQuery, context: ErsContext): Promise<Fate<ErsFile>>;
  /** A013, A014, A022, A028. `version` goes as `If-Match: W/"{version}"`. */
  sendDecision(
    request: { operation: DecisionOperation; ubrn: Ubrn; version: number; body?: object },
    context: ErsContext,
  ): Promise<Fate<ErsReferral>>;
  /** A020; answers the `Binary/<id>` to link. */
  uploadFile(
    file: { ubrn: Ubrn; fileName: string; contentType: string; size: number; stream: Readable },
    context: ErsContext,
  ): Promise<Fate<{ url: string }>>;
  /** A029; codes such as RECORD_REVIEW_OUTCOME. */
  fetchAvailableActions(ubrn: Ubrn, version: number, context: ErsContext): Promise<Fate<readonly string[]>>;
  /** Exchanges a CIS2 id token for a user token of e-RS; not counted against the budget. */
  exchangeIdToken(idToken: string): Promise<Fate<{ token: string; lifeSeconds: number }>>;
  /** A030; who the session's token belongs to. */
  fetchOwnRoles(
    context: ErsContext,
  ): Promise<
    Fate<{ sdsUserId: string; roles: readonly { organisation: string; businessFunctions: readonly string[] }[] }>
  >;
  /** A040; SDS user ids that the session's user may act for. */
  fetchOnBehalfOf(context: ErsContext): Promise<Fate<readonly string[]>>;
  /** A042, its 307 followed without token. */
  downloadAttachment(binaryId: string, context: ErsContext): Promise<Fate<ErsFile>>;
}

/** The right to send one request. */
export interface Turn {
  /** The request is on the wire. What e-RS counts is when it comes, however long a connection was in coming. */
  sent(): void;
  /** The request has ended, whether or not it was sent; to be called in any case. */
  ended(): void;
}

/** The single owner of the e-RS budget (architecture 6). */
export interface Budget {
  /** Waits for the turn of one request; undefined when the signal aborted first (nothing is spent). */
  admit(priority: RequestPriority, signal?: AbortSignal): Promise<Turn | undefined>;
  /** A 429 was seen. */
  slowDown(afterMs?: number): void;
  /** What time it is by e-RS's clock: polls are counted by it, since it is e-RS that counts them. */
  hearErsTime(ersNow: Date): void;
  /**
   * Spends one worklist poll of a service by compare-and-set in the store, before the call. Not granted: `nextAt`, the
   * instant from which one is free again. `unavailable`: the ledger could not be written, so nothing may be polled.
   */
  spendPoll(service: string, list: WorklistName): Promise<PollGrant>;
  /** When a poll of this service may next be spent, now or later. */
  nextPollAt(service: string): Promise<Date | undefined>;
  /** What the ledger knows of a service; undefined: it cannot be read. */
  pollsOf(service: string): Promise<PollsOf | undefined>;
}

/** The polls of a service. All instants are by the clock that the ledger goes by: e-RS's, once that was heard. */
export interface PollsOf {
  readonly now: Date;
  /** The latest polls, oldest first. */
  readonly spent: readonly { readonly at: Date; readonly list: WorklistName }[];
  /** How many may be spent now; undefined: the limit is lifted. */
  readonly left: number | undefined;
  readonly nextAt: Date;
}

export type PollGrant =
  | { readonly granted: true }
  | { readonly granted: false; readonly reason: 'spent'; readonly nextAt: Date }
  | { readonly granted: false; readonly reason: 'unavailable' };
