import type { Caller } from './caller.ts';
import type { UserSession } from './ers.ts';

/** A resource that an access showed or changed. */
export interface Subject {
  /** `Type/id`, as stored. */
  readonly reference: string;
  /** UBRNs of the referrals that it stands for, or was shown with. */
  readonly ubrns: readonly string[];
}

/** One request to the facade that may have shown patient data, as it was answered. */
export interface NotedAccess {
  /** A code of http://hl7.org/fhir/restful-interaction. */
  readonly interaction: string;
  /** Of an operation: its code without the dollar sign. */
  readonly operation?: string;
  readonly type?: string;
  readonly id?: string;
  /** The parameters of a search as they came, body included. They go into the store only. */
  readonly query?: string;
  readonly status: number;
  readonly requestId: string;
  readonly correlationId?: string;
  readonly caller: Caller;
  /** The clinician's session that came with it: organisation and role as claimed. */
  readonly session?: Omit<UserSession, 'token'>;
  readonly subjects: readonly Subject[];
}

/** One request to e-RS, as it ended. */
export interface ErsCallEnd {
  /** `A005` and so on. */
  readonly operation: string;
  readonly ubrn?: string;
  readonly correlationId: string;
  /** e-RS's own X-Request-ID. */
  readonly ersRequestId?: string;
  /** Absent: no answer was heard. */
  readonly status?: number;
  readonly isOk: boolean;
  readonly session?: Omit<UserSession, 'token'>;
}

/** Requests of callers who could not say who they are, by the code of their refusal, since the trail last told of them. */
export interface NotedStrangers {
  readonly code: string;
  readonly count: number;
  readonly since: string;
}

/** The audit trail, as the rooms see it that tell it what happened. Neither waits nor throws. */
export interface Audit {
  /** Whether what is about to be read can be witnessed; if not, it must not be shown. */
  mayServe(): boolean;
  noteAccess(access: NotedAccess): void;
  noteErsCall(call: ErsCallEnd): void;
  /** A request of somebody who could not say who they are. They are told of by the minute, or strangers could fill the store. */
  noteStranger(code: string): void;
}
