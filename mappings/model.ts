import type {
  Appointment,
  Coding,
  Device,
  DocumentReference,
  HealthcareService,
  List,
  Organization,
  Patient,
  Practitioner,
  ServiceRequest,
} from '@medplum/fhirtypes';
import type { NhsNumber, Ubrn } from './ids.ts';
import type { MappingIssue } from './issues.ts';

/** The outcome of a mapping: a value with what was noticed on the way, or the issues that forbid one (G-1). */
export type Mapped<T> =
  | { readonly ok: true; readonly value: T; readonly issues: readonly MappingIssue[] }
  | { readonly ok: false; readonly issues: readonly MappingIssue[] };

/** Resources that many referrals share: found or created first, never overwritten (M-42, I-1, I-2). */
export type SharedResource = Patient | HealthcareService | Practitioner | Organization | Device;

/** e-RS's four availability codes; anything else is carried verbatim and treated as unknown (1.6.1). */
export type Availability = 'AVAILABLE' | 'PENDING' | 'THREATS_FOUND' | 'VALIDATION_FAILED' | 'UNKNOWN';

/** An attachment as A005 shows it: the DocumentReference without its `url`, and what is needed to fetch the file. */
export interface MappedDocument {
  readonly resource: DocumentReference;
  /** The key within the referral: attachment id, else contained id (M-110). */
  readonly attachmentId: string;
  /** e-RS Binary id for A042; undefined when e-RS names none. */
  readonly ersBinaryId?: string;
  readonly availability: Availability;
}

export type ReferralStateCode =
  | 'NOT_BOOKED'
  | 'BOOKED'
  | 'AWAITING_TRIAGE'
  | 'DEFERRED_TO_PROVIDER'
  | 'TRIAGED_PROVIDER_TO_ACTION'
  | 'TRIAGE_RESPONSE'
  | 'REJECTED'
  | 'APPT_CANCELLED_BY_PATIENT'
  | 'APPT_CANCELLED_BY_PROVIDER'
  | 'DID_NOT_ATTEND'
  | 'ASSESSMENT_RESULT'
  | 'CANCELLED_REFERRAL';

export type ErsPriority = 'ROUTINE' | 'URGENT' | 'TWO_WEEK_WAIT';
export type BookableType = 'DIRECTLY_BOOKABLE' | 'INDIRECTLY_BOOKABLE';
export type WorklistName = 'REFERRALS_FOR_REVIEW' | 'APPOINTMENT_SLOT_ISSUES';

/** A service as e-RS names it. */
export interface ServiceName {
  readonly id: string;
  readonly display?: string;
}

/**
 * What decisions and intake need to know of a referral, in one flat value taken from the source once. `fingerprint`
 * members are what a reviewer decides on (target-model 4.5), in source form, sorted.
 */
export interface ReferralFacts {
  readonly ubrn: Ubrn;
  /** `r.<uuid>`, or `{ubrn}#referral` when e-RS gave none (I-3). */
  readonly requestId: string;
  readonly version: number;
  readonly nhsNumber: NhsNumber;
  /** ReferralRequest.status as e-RS wrote it. */
  readonly status?: string;
  /** A known state, after the spellings of M-16 were made one; undefined when absent or unknown (M-151). */
  readonly state?: ReferralStateCode;
  /** The coding of the state as e-RS wrote it. */
  readonly stateCoding?: Coding;
  readonly reason?: Coding;
  readonly comments?: string;
  readonly priority?: Coding;
  readonly specialty?: Coding;
  /** The service that has the referral now: the appointment's participant (M-27). */
  readonly service?: ServiceName;
  readonly appointment?: {
    /** e-RS appointment id (M-25), else undefined. */
    readonly id?: string;
    readonly created?: string;
    readonly status?: string;
    readonly start?: string;
    readonly end?: string;
    readonly hasSlot: boolean;
  };
  /** Inferred from the slot of a booked appointment (1.5); undefined when nothing is booked. */
  readonly inferredBookableType?: BookableType;
  readonly clinicalInfoFirstSubmitted?: string;
  readonly clinicalInfoLastUpdated?: string;
  /** UBRNs of related referrals (M-13), sorted, without this one. */
  readonly related: readonly Ubrn[];
  /** UBRN of the advice request that this referral was converted from (M-14). */
  readonly adviceUbrn?: Ubrn;
  /** A stable text of everything that a reviewer decides on, but the worklist's requestContextStatus (4.5). */
  readonly fingerprintSource: string;
}

/** One referral in R4. References hold deterministic ids (`Type/uuidv5`); landing rewrites those that a store chose. */
export interface MappedReferral {
  readonly facts: ReferralFacts;
  readonly shared: readonly SharedResource[];
  readonly serviceRequest: ServiceRequest;
  readonly shortlist?: List;
  readonly appointment?: Appointment;
  readonly documents: readonly MappedDocument[];
}

/** One entry of a provider worklist (A008), both lists in one shape; what a list does not carry is absent. */
export interface WorklistItem {
  readonly list: WorklistName;
  readonly ubrn: Ubrn;
  /** `referralRequestVersion`; absent on slot issues (M-61). */
  readonly version?: number;
  readonly service?: ServiceName;
  readonly nhsNumber?: NhsNumber;
  readonly referralType?: Coding;
  readonly requestContextStatus?: Coding;
  readonly clinicalInfoPrinted?: boolean;
  readonly priority?: Coding;
  readonly specialty?: Coding;
  readonly namedClinician?: string;
  readonly allocatedClinician?: string;
  readonly pathwayStart?: string;
  readonly clinicalInfoFirstSubmitted?: string;
  readonly clinicalInfoLastUpdated?: string;
  readonly appointmentStart?: string;
  readonly reviewReason?: Coding;
  readonly patientContactExpected?: string;
  readonly ubrnReceived?: string;
  readonly clinicalInformationStatus?: Coding;
  readonly lastContact?: string;
  /** Fields that no rule names, to be kept (G-2). */
  readonly unmapped: readonly { readonly path: string; readonly json: string }[];
}

/** A worklist answer in order; entries that could not be read are named, never dropped (K1). */
export interface MappedWorklist {
  readonly list: WorklistName;
  readonly items: readonly WorklistItem[];
  readonly unreadable: readonly {
    readonly index: number;
    readonly ubrn?: Ubrn;
    readonly issues: readonly MappingIssue[];
  }[];
  /** The items by a hash of what their entries said, for the next answer of the list: `before` of mapWorklist. */
  readonly read: ReadonlyMap<string, WorklistItem>;
  /** What the list itself says that no rule names (G-2); what an item says is in its own. */
  readonly unmapped: readonly { readonly path: string; readonly json: string }[];
}

/** Codes of `ers-decision`: what a provider can decide (4.3). */
export type DecisionCode = 'accept' | 'reject' | 'redirect' | 'accept-book-later' | 'return-with-advice';

/** Codes of `ers-task-code` (4.2). */
export type TaskCode =
  | 'review-booking'
  | 'review-triage'
  | 'review-slot-issue'
  | 'resolve-slot-issue'
  | 'review-unknown';

/** Codes of `ers-review-status`, by group (4.4). */
export type OpenStatus =
  | 'awaiting-review'
  | 'under-review'
  | 'referral-changed'
  | 'decision-invalid'
  | 'decision-conflict'
  | 'decision-refused'
  | 'decision-expired'
  | 'delivery-failed';
export type InFlightStatus = 'decision-queued' | 'awaiting-user-authorisation' | 'decision-sending';
export type FinalStatus =
  | 'accepted'
  | 'redirected'
  | 'accepted-book-later'
  | 'rejected'
  | 'returned-with-advice'
  | 'withdrawn';
export type ReviewStatus = OpenStatus | InFlightStatus | FinalStatus;

/** What the review Task is built from: everything that e-RS and the site say of this review (4.2). */
export interface ReviewInput {
  readonly facts: ReferralFacts;
  readonly item: WorklistItem;
  /** The same referral's entry on the other list, when it is on both (`review-reason`). */
  readonly otherItem?: WorklistItem;
  /** Review episode n of `{request-id}.{n}` (4.6). */
  readonly episode: number;
  readonly code: TaskCode;
  readonly availableDecisions: readonly DecisionCode[];
  /** Configured, else inferred; undefined when unknown. */
  readonly bookableType?: BookableType;
  /** When the engine first saw the request for review; used for authoredOn only where e-RS states no time. */
  readonly firstSeen: string;
  readonly hasAppointment: boolean;
  readonly documents: readonly { readonly attachmentId: string }[];
  readonly hasClinicalSummary: boolean;
}

/** A file that was uploaded with A020 and is to be linked (A022, A028). */
export interface UploadedAttachment {
  /** `Binary/<id>` as A020's Location gave it. */
  readonly url: string;
  readonly description?: string;
  readonly indexed: string;
}

/** One decision, normalised: what e-RS is to be told (4.3). */
export type DecisionCommand =
  | { readonly decision: 'accept' }
  | {
      readonly decision: 'reject';
      readonly reason: string;
      readonly comment?: string;
      readonly appointmentCancelledInPas?: boolean;
    }
  | {
      readonly decision: 'redirect';
      readonly comment: string;
      readonly appointmentCancelledInPas?: boolean;
      readonly priority?: ErsPriority;
    }
  | { readonly decision: 'accept-book-later'; readonly comment: string; readonly priority?: ErsPriority }
  | { readonly decision: 'return-with-advice'; readonly comment: string };

/** The e-RS operation that carries a decision. */
export type DecisionOperation = 'A013' | 'A014' | 'A022' | 'A028';
