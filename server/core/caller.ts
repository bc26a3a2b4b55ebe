/**
 * Who sent a request, as far as they proved it. Without authentication (loopback only) everybody is one caller, who may
 * do all and sees all services.
 * Source: SMART App Launch 2.2, backend services; architecture 10
 */
export interface Caller {
  /** `client_id` of the token; `anonymous` without authentication. */
  readonly clientId: string;
  /** The user that the token names (`fhirUser`, else a `sub` that is not the client's); only a proven one is noted as decider. */
  readonly user: string | undefined;
  /** As granted, in SMART's v2 form: `system/Task.u`, `user/ServiceRequest.rs`, `ers/operator`. */
  readonly scopes: readonly string[];
  /** Numbers of the e-RS services whose referrals the client may see. */
  readonly services: 'all' | ReadonlySet<string>;
}

/** The caller of a server that asks nobody who they are. */
export const ANYBODY: Caller = Object.freeze({
  clientId: 'anonymous',
  user: undefined,
  scopes: ['system/*.cruds', 'ers/operator'],
  services: 'all',
});

/** What came of asking who sent a request; a refusal says what goes into `WWW-Authenticate` (RFC 6750 3). */
export type Identification =
  | { readonly ok: true; readonly caller: Caller }
  | { readonly ok: false; readonly reason: string; readonly challenge: string };

/** Asks who sent a request, from its headers. */
export type Authenticate = (
  headers: Readonly<Record<string, string | string[] | undefined>>,
) => Promise<Identification>;
