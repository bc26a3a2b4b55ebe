import type { IncomingHttpHeaders } from 'node:http';
import type { Answer, FhirVersion } from './answers.ts';
import type { Referral, User, World } from './world.ts';

/** Who calls, once the token and the identity headers are known. */
export type Caller =
  | { mode: 'application'; organisation: string; role: 'PROVIDER_AUTHORISED_APPLICATION'; userId: string }
  | {
      mode: 'user';
      user: User;
      organisation: string;
      role: string;
      userId: string;
      /** For whom an administrator acts; empty for a principal who never signed in, who then works for all services. */
      principal?: Pick<User, 'services'>;
    };

export type Role =
  | 'REFERRING_CLINICIAN'
  | 'REFERRING_CLINICIAN_ADMIN'
  | 'REFERRING_ADMIN'
  | 'SERVICE_PROVIDER_CLINICIAN'
  | 'SERVICE_PROVIDER_CLINICIAN_ADMIN'
  | 'SERVICE_PROVIDER_ADMIN';

/** Role sets of the endpoint matrix. Source: provider-api 1.3. */
export const PROVIDER_CLINICAL: Role[] = ['SERVICE_PROVIDER_CLINICIAN', 'SERVICE_PROVIDER_CLINICIAN_ADMIN'];
export const CLINICAL: Role[] = ['REFERRING_CLINICIAN', 'REFERRING_CLINICIAN_ADMIN', ...PROVIDER_CLINICAL];

/** One request, filled in step by step as the pipeline learns more. */
export interface Call {
  method: string;
  url: URL;
  /** What the path template caught: `ubrn`, `id`, `version`, `type`. */
  path: Record<string, string>;
  headers: IncomingHttpHeaders;
  body: Buffer;
  at: Date;
  caller?: Caller;
  json?: unknown;
  referral?: Referral;
  /** Waits while the lock is held: how long a write takes, and the fault `delay`. */
  pause(): Promise<void>;
}

/** A call that passed the pipeline's first ten steps. */
export interface CheckedCall extends Call {
  caller: Caller;
}
export interface ReferralCall extends CheckedCall {
  referral: Referral;
}

interface EndpointRules {
  /** The e-RS number: `A013`. */
  id: string;
  method: 'GET' | 'POST' | 'PUT';
  /** Path below the FHIR base, with named groups. */
  path: RegExp;
  fhir: FhirVersion;
  isOpenToApplications: boolean;
  /** Roles that may call it in user-restricted mode; empty: any signed-in user, who need not name one. */
  roles: Role[];
  /** `none`: a body is a mistake; `json`: FHIR JSON; `raw`: a file. */
  body: 'none' | 'json' | 'raw';
  answers: 'application/fhir+json' | 'application/pdf' | '*/*';
  /** Needs `If-Match` and takes the lock of the referral. */
  isWrite: boolean;
}
/** An endpoint about one referral, whose existence and relationship the pipeline has checked. */
export interface ReferralEndpoint extends EndpointRules {
  subject: 'referral';
  /** For writes: refuses a referral whose state the action does not fit. */
  refuseState?(referral: Referral, world: World): Answer | undefined;
  answer(call: ReferralCall, world: World): Answer | Promise<Answer>;
}
export interface PlainEndpoint extends EndpointRules {
  subject: 'none';
  answer(call: CheckedCall, world: World): Answer | Promise<Answer>;
}
export type Endpoint = ReferralEndpoint | PlainEndpoint;
