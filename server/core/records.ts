import type { Task } from '@medplum/fhirtypes';
import type {
  Availability,
  DecisionCode,
  DecisionCommand,
  DecisionOperation,
  Ubrn,
  UploadedAttachment,
  WorklistItem,
  WorklistName,
} from '../../mappings/index.ts';
import type { ErsRefusal } from './fate.ts';

/** Kinds of engine records, kept as `Basic`, found by identifier, never shown by the facade (architecture 1). */
export type RecordKind =
  | 'ers-worklist'
  | 'ers-seen'
  | 'ers-dispatch'
  | 'ers-sync'
  | 'ers-quarantine'
  | 'ers-poll-ledger'
  | 'ers-lease'
  | 'ers-audit'
  /** What `copy` renamed; the engine does not read it. */
  | 'ers-copy';

/** `ers-worklist` | `{service}.{list}`: the last two snapshots, newest first. */
export interface WorklistRecord {
  readonly service: string;
  readonly list: WorklistName;
  readonly snapshots: readonly {
    readonly polledAt: string;
    readonly count: number;
    readonly sha1: string;
    readonly binaryId: string;
    /** Every entry has been landed, settled or quarantined, and what left the list has been reread. */
    readonly reconciled: boolean;
  }[];
  /** Since when it is waited for; only while it was never read. */
  readonly awaitedSince?: string;
}

/**
 * `ers-seen` | `{service}.{page}`: every referral that a worklist of the service ever named, noted with the snapshot that
 * first named it, before anything is done about it. Only ever added to (decision 0005).
 */
export interface SeenRecord {
  readonly service: string;
  /** From 1; only the last page grows. */
  readonly page: number;
  /** UBRNs, or `entry-{index}` for an entry that names none. */
  readonly polls: readonly {
    readonly list: WorklistName;
    readonly polledAt: string;
    readonly ubrns: readonly string[];
  }[];
}

/** `ers-sync` | `{request id}`: what has landed of a referral, and what is still to come. */
export interface SyncRecord {
  readonly requestId: string;
  readonly ubrn: string;
  readonly serviceRequestId: string;
  readonly patientId: string;
  readonly version: number;
  readonly mappingVersion: string;
  /** e-RS state code of the version landed, and whether nothing more is expected of it (1.8). */
  readonly state?: string;
  readonly terminal: boolean;
  readonly fingerprint: string;
  /** A007: the version that the stored summary was made for; `refused` when e-RS refuses it for that version. */
  readonly summary?: { readonly version: number; readonly binaryId?: string; readonly refused?: string };
  /** Since when A007 has been asked for in vain for the version landed. */
  readonly summaryAwaitedSince?: string;
  readonly attachments: Readonly<
    Record<
      string,
      {
        readonly ersBinaryId?: string;
        readonly availability: Availability;
        readonly binaryId?: string;
        readonly sha1?: string;
        readonly size?: number;
        readonly contentType?: string;
        /** When to look again, and how often it was looked at in vain. */
        readonly nextLookAt?: string;
        readonly looks: number;
        /** Since when the file has been looked for in vain. */
        readonly awaitedSince?: string;
      }
    >
  >;
  /** The worklist items that the open review rests on; empty when it is on no list of ours. */
  readonly items: readonly WorklistItem[];
  /** Fields of slot-issue items carry no version: when A005 was last read for them (I-10). */
  readonly lastReadAt: string;
  /** The current review episode n; 0 when there never was a Task (4.6). */
  readonly episode: number;
  /** When a referral that left the lists is re-read (architecture 6). */
  readonly recheckAt?: string;
}

/** A user whom the facade authenticated: as the token names them, and their SDS user id where that is known. */
export interface VerifiedUser {
  readonly name: string;
  readonly sdsUserId?: string;
}

/** `ers-dispatch` | `{task identifier}`: the engine's picture of one review Task. */
export interface DispatchRecord {
  readonly taskId: string;
  readonly requestId: string;
  readonly ubrn: Ubrn;
  readonly serviceRequestId: string;
  /** The Task as the engine last wrote or took note of it; a decision is the difference to it (architecture 4). */
  readonly baseline: Task;
  /** The e-RS version that goes into If-Match, and the fingerprint of the content that the reviewer saw (4.5). */
  readonly sendable: { readonly version: number; readonly fingerprint: string };
  /** Decisions that the Task offers while it is open; shown again when it is reopened. */
  readonly offered: readonly DecisionCode[];
  /** What was put up for review, to tell a new request for review from the old one (4.6), and the priority to keep. */
  readonly reviewed: {
    readonly state?: string;
    readonly appointment?: string;
    readonly service?: string;
    readonly referralType?: string;
    readonly requestContextStatus?: string;
    readonly priority?: string;
  };
  /**
   * How the decision came that the Task shows, written together with it by the facade: the engine takes it over with the
   * decision of this very command (decision 0020).
   */
  readonly deciding?: {
    /** What the decision will be known by. Absent in what an older version wrote. */
    readonly id?: string;
    readonly command: DecisionCommand;
    readonly user?: VerifiedUser;
    readonly isInSession: boolean;
  };
  /** Names under which files of this review were, or may have been, uploaded: none is used twice (A020). */
  readonly uploadNames?: readonly string[];
  /** The decision that is queued, waiting or being sent; absent while undecided and when final. */
  readonly decision?: {
    /** Tells it from every other decision on this Task: a session is given for this one. Older ones are told by `queuedAt`. */
    readonly id?: string;
    readonly code: DecisionCode;
    /** What e-RS will be told, taken from the deciding update; later edits of the Task do not change it. */
    readonly command: DecisionCommand;
    readonly queuedAt: string;
    /** Files that go with it, as the Task names them; `uploaded` as soon as e-RS is known to have one (A020, T-6). */
    readonly attachments?: readonly { readonly reference: string; readonly uploaded?: UploadedAttachment }[];
    /** Reference to the one who decided, as the Task's note or owner names them; unverified (architecture 10). */
    readonly decider?: string;
    /** The user whom the facade authenticated when the decision was made. */
    readonly user?: VerifiedUser;
    /** It came in a clinician's session: it goes in that one, or in one that is given for it, or waits (4.7). */
    readonly isInSession?: boolean;
    /** Attempts so far, all known not to have been applied but perhaps the last. */
    readonly attempts: number;
    /** When the first attempt was made: what waited for a clinician for hours is not too old by that (E-9a). */
    readonly firstAttemptAt?: string;
    readonly nextAttemptAt?: string;
    /** The one resend after a 409 with unchanged content, and the one probe after an unknown accept (4.5). */
    readonly resendUsed: boolean;
    readonly probeUsed: boolean;
    /** An attempt ended without our knowing how: a later refusal by state may be our own success (4.5). */
    readonly wasUnknown: boolean;
    /** When the latest of those was started: it may be at work in e-RS for minutes after it was given up here (4.5). */
    readonly doubtedAt?: string;
    /** The version that the first of those was sent with: while e-RS shows it, it has recorded none of them (4.5). */
    readonly doubtedVersion?: number;
    /** What e-RS refused after one of those: it is taken for its word only when reading shows that none was recorded (4.5). */
    readonly doubtedRefusal?: { readonly refusal: ErsRefusal; readonly isDefect: boolean };
    /** Reading e-RS cannot tell whether the last attempt was applied: `outcome-unknown` stands (4.5). */
    readonly isUnknowable: boolean;
    /** Since when e-RS refuses to show the referral whose last attempt is in doubt: `outcome-unknown` stands, and reads go on. */
    readonly hiddenSince?: string;
    readonly lastAttempt?: {
      readonly number: number;
      readonly correlationId: string;
      readonly operation: DecisionOperation;
      readonly version: number;
      readonly bodyHash: string;
      readonly mode: 'application' | 'user';
      /** SDS user id that A030 gave for the session, in user mode. */
      readonly sender?: string;
      /** SDS user id of the clinician whom the sender acted for, as A040 lets them. */
      readonly onBehalfOf?: string;
      readonly startedAt: string;
      /** It was given up while e-RS had not answered, so that this process could end: until then nothing else is sent (D1). */
      readonly mayRunUntil?: string;
      readonly outcome: 'unknown' | 'not-applied' | 'applied';
      /** Its AuditEvent is written. Not so where the process ended before its answer came: then settling writes it. */
      readonly isWitnessed?: boolean;
    };
  };
  /** Set when final: the e-RS version that recorded the decision, or at which the review ended. */
  readonly ended?: { readonly at: string; readonly version: number; readonly recorded: boolean };
  /** The last AuditEvent of this review; written by the audit room in the transaction that creates it (decision 0021). */
  readonly audited?: AuditHead;
}

/** Where a chain of AuditEvents ends: how many it has, and the hash of the last (decision 0021). */
export interface AuditHead {
  readonly sequence: number;
  /** Absent while there is none. */
  readonly hash?: string;
}

/** `ers-audit` | `{chain}`: the head of one process's chain. */
export interface AuditChainRecord extends AuditHead {
  readonly chain: string;
}

/** `ers-audit` | `chains`: every chain that a process ever began, so that none can vanish whole. */
export interface AuditChainsRecord {
  readonly chains: readonly string[];
}

/** `ers-quarantine` | `{service}.{ubrn}`: a referral that cannot be landed (K1). */
export interface QuarantineRecord {
  readonly service: string;
  readonly ubrn: string;
  readonly codes: readonly string[];
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly binaryId?: string;
  readonly version?: number;
}

/** `ers-poll-ledger` | `{service}`: the polls of the last 24 hours, spent before the call (B1). */
export interface PollLedgerRecord {
  readonly service: string;
  readonly polls: readonly { readonly at: string; readonly list: WorklistName }[];
}

/** `ers-lease` | `{application}`: which engine works for an e-RS application (architecture 3). */
export interface LeaseRecord {
  /** The record's key: a hash of the API key. */
  readonly application: string;
  /** Absent: nobody's. `instance`: random, of one start of an engine; `address`: where the installation reaches it. */
  readonly holder?: { readonly instance: string; readonly address: string };
  /** Held until so long after the record's `meta.lastUpdated`, by the store's clock. */
  readonly leaseMs: number;
  /** Counts writes, since a replacement by the same content would make no version (I-11). */
  readonly renewal: number;
}
