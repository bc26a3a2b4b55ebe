import type { DecisionCode, Ubrn, WorklistName } from '../../mappings/index.ts';
import type { Account, ServiceAccount } from './account.ts';
import type { Code } from './codes.ts';
import type { PollsOf, UserSession } from './ers.ts';

/** How an operation that the facade asked of the engine ended. */
export type EngineAnswer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: Code; readonly retryAfterMs?: number; readonly ersCode?: string };

/** How a poll that an operator asked for ended; whatever became of it, what the ledger then holds. */
export type PollAnswer =
  | {
      readonly ok: true;
      readonly value: {
        readonly list: WorklistName;
        readonly listed: number;
        readonly isChanged: boolean;
        readonly polls: PollsOf;
      };
    }
  | { readonly ok: false; readonly code: Code; readonly list?: WorklistName; readonly polls?: PollsOf };

/** A decision that waits for a clinician; `isOwn`: it is that of the session's user, or of the clinician acted for. */
export interface WaitingDecision {
  readonly taskId: string;
  /** Which decision of the Task it is: another may wait there later. */
  readonly id: string;
  readonly decision: DecisionCode;
  readonly isOwn: boolean;
}

/**
 * What became of a waiting decision. `sent`: e-RS has recorded it; `waiting`: it waits on, `code` says why; `given-back`:
 * e-RS refused it, and the Task says why; `under-way`: e-RS has not answered for good yet, and the Task will tell;
 * `not-waiting`: there was nothing to send.
 */
export interface SignedDecision {
  readonly taskId: string;
  readonly outcome: 'sent' | 'waiting' | 'given-back' | 'under-way' | 'not-waiting';
  readonly code?: Code;
}

/** What a clinician wants to be sent in their session. */
export interface SigningWish {
  /** Undefined: all that is their own. */
  readonly taskIds?: readonly string[];
  /** By Task id, the decision that they were shown; of a Task that is not here, the one that waits as this is asked. */
  readonly shown?: Readonly<Record<string, string>>;
  readonly waitMs: number;
}

/** A clinician's session with e-RS, and what e-RS lets them be in it. In memory only. */
export interface OpenedSession {
  readonly token: string;
  readonly lifeSeconds: number;
  readonly sdsUserId: string;
  readonly roles: readonly { readonly organisation: string; readonly businessFunctions: readonly string[] }[];
}

/** Where an active engine takes what the other processes of the installation hand over. */
export const HAND_OVER_PATH = '/engine';

/** What the facade may ask of the active engine; wired by main. */
export interface Engine {
  /** Lands a referral by UBRN, whether or not it is on a list (`$ers-fetch`). */
  fetch(ubrn: Ubrn): Promise<EngineAnswer<{ serviceRequestId: string }>>;
  /** Reads the referral from e-RS now and lands it (`$ers-refresh`, and before a claim is answered: T-11). */
  refresh(serviceRequestId: string): Promise<EngineAnswer<{ changed: boolean }>>;
  /**
   * Sends the Task's queued or waiting decision with this session, and no other (4.7); resolves when its fate is on the Task.
   * @param decisionId the decision that the session came with; without it, the one that waits as this is asked
   */
  send(taskId: string, session: UserSession, decisionId?: string): Promise<EngineAnswer<void>>;
  /**
   * Sends in one session all waiting decisions that are its user's own, or those of the Tasks named
   * (`$ers-sign-and-send`). Nothing is sent when e-RS does not confirm the session; resolves after `waitMs` at the latest.
   */
  signAndSend(session: UserSession, wish: SigningWish): Promise<EngineAnswer<readonly SignedDecision[]>>;
  /** The decisions that this session could send: its user's own and those of nobody known. */
  waiting(session: UserSession): Promise<EngineAnswer<readonly WaitingDecision[]>>;
  /** Opens an e-RS session for a clinician who has signed in at NHS CIS2: exchanges the id token, and asks A030. */
  openSession(idToken: string): Promise<EngineAnswer<OpenedSession>>;
  /** Gives a decision back that is stuck on its way, where e-RS is known not to have recorded it (`$ers-reopen`, E-9a). */
  reopen(taskId: string): Promise<EngineAnswer<void>>;
  /** Reads a worklist now, by a poll of the ledger (`$ers-poll`); undefined: the list whose turn it is. */
  poll(service: string, list?: WorklistName): Promise<PollAnswer>;
  /** The account of what the worklists named, made now (`$ers-reconciliation`). */
  reconcile(): Promise<EngineAnswer<Account>>;
  /** Whether there is an engine to take a clinician's session now, in this process or another. */
  isAtHand(): Promise<boolean>;
  /** A Task changed: look soon. A hint; losing it costs seconds. */
  wake(taskId?: string): void;
  readiness(): Readiness;
}

/** What `/health/ready` shows: counts and codes, no patient data. */
export interface Readiness {
  readonly ready: boolean;
  /** Whether this process works for e-RS, or stands by while another does (architecture 3). */
  readonly engine: 'active' | 'standby';
  readonly rooms: Readonly<Record<string, 'ok' | 'starting' | 'degraded' | 'stopped'>>;
  readonly firstLoad?: { readonly done: number; readonly left: number; readonly estimatedEnd?: string };
  readonly services: readonly {
    readonly service: string;
    readonly lastPolledAt?: string;
    readonly listed: number;
    readonly nextPollAt?: string;
  }[];
  /** The latest account, without what could name a patient; absent until the first is made. */
  readonly account?: {
    readonly at: string;
    readonly balances: boolean;
    readonly services: readonly ServiceAccount[];
    readonly exceptions: readonly { readonly code: Code; readonly count: number }[];
  };
}
