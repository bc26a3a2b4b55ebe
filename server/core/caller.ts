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
  /** As granted: `system/Task.u`, `user/ServiceRequest.rs`, `ers/operator`. */
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

/** What came of asking who sent a request. */
export type Identification =
  | { readonly ok: true; readonly caller: Caller }
  | {
      readonly ok: false;
      readonly code: 'token-missing' | 'token-invalid' | 'client-unknown' | 'issuer-unavailable';
      /** What is wrong with the token; nothing that stands in it. */
      readonly why?: string;
      /** Goes into `WWW-Authenticate` (RFC 6750 3). */
      readonly challenge: string;
    };

/** Asks who sent a request, from its headers. */
export type Authenticate = (
  headers: Readonly<Record<string, string | string[] | undefined>>,
) => Promise<Identification>;

/** The answer of a token endpoint (RFC 6749 5). */
export interface Grant {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The built-in issuer of tokens. */
export interface TokenIssuer {
  /** Its public keys (RFC 7517). */
  readonly jwks: object;
  /** Answers a request for a token. */
  grant(form: URLSearchParams): Promise<Grant>;
}

/** How callers prove who they are. */
export interface Access {
  readonly authenticate: Authenticate;
  /** `.well-known/smart-configuration` (SMART App Launch 2.2). */
  readonly smartConfiguration: object;
  /** Where tokens are had, as far as known. */
  readonly tokenUrl: string | undefined;
  readonly issuer?: TokenIssuer;
}
