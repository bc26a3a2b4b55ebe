import type { RequestHandler } from 'express';
import type { Registry } from 'prom-client';
import type {
  Access,
  Alerts,
  Audit,
  Clock,
  Engine,
  Log,
  SiteService,
  Store,
  StoreCapabilities,
} from '../core/index.ts';

export interface FacadeLimits {
  readonly maxBodyBytes: number;
  /** Entries of a page when the client names no `_count`, and at most. */
  readonly defaultCount: number;
  readonly maxCount: number;
  /** How long a search may take, by the kind of store: one in this process holds up all others meanwhile. */
  readonly searchMs: Readonly<Record<StoreCapabilities['kind'], number>>;
  readonly maxPatchOperations: number;
  /**
   * Of a Task that clients write, far below what the engine's record of it can hold. Notes and owners stop a quarter
   * earlier, so that a decision always has room.
   */
  readonly maxTaskBytes: number;
  /** Requests of all that are answered at the same time, and of one client; and how many a second a client may send. */
  readonly requestsInHand: number;
  readonly clientRequestsInHand: number;
  readonly clientRequestsPerSecond: number;
  /** How long a claim waits for e-RS's present view (T-11). */
  readonly refreshWaitMs: number;
  /** How long a request that carries a session waits for the decision's fate. */
  readonly sendWaitMs: number;
  /** How long `$ers-sign-and-send` waits for the fates of all that it sends. */
  readonly signWaitMs: number;
  /** How long `$ers-fetch` and `$ers-refresh` wait. */
  readonly fetchWaitMs: number;
}

export const DEFAULT_LIMITS: FacadeLimits = {
  maxBodyBytes: 1_000_000,
  defaultCount: 50,
  maxCount: 500,
  searchMs: { embedded: 2_000, hapi: 20_000, medplum: 20_000 },
  maxPatchOperations: 100,
  maxTaskBytes: 200_000,
  requestsInHand: 1_000,
  clientRequestsInHand: 200,
  clientRequestsPerSecond: 200,
  refreshWaitMs: 10_000,
  sendWaitMs: 5_000,
  signWaitMs: 60_000,
  fetchWaitMs: 30_000,
};

export interface FacadeOptions {
  readonly store: Store;
  readonly engine: Engine;
  readonly alerts: Alerts;
  readonly clock: Clock;
  readonly log: Log;
  /** Where clients reach this server, without `/fhir/R4` and without a slash at the end. */
  readonly publicUrl: string;
  readonly registry: Registry;
  /** Absent: everybody is one caller who may do all; then the server listens on loopback only (architecture 10). */
  readonly access?: Access;
  /** Is told of every answer that may show patient data; absent: nobody is. */
  readonly audit?: Audit;
  /** Pages for people, below /sign-in. */
  readonly signIn?: RequestHandler;
  /** The installation's secret: paging links are encrypted under a key made from it, so every replica can read them. */
  readonly secret: string;
  /** Of the software, for the CapabilityStatement. */
  readonly version: string;
  readonly limits?: Partial<FacadeLimits>;
  /** Takes what another process of the installation hands over, sealed, and answers so; undefined: it is of none. */
  readonly receiveHandOver?: (text: string) => Promise<string | undefined>;
  /** What the store's server shows with a hint; absent: hints are not taken. */
  readonly hintSecret?: string;
  /** Patient identifiers are taken in bodies only (architecture 11). */
  readonly refuseIdentifiersInUrls?: boolean;
  /** What a monitor shows for /metrics and all of /health/ready; absent: those take a token of an operator. */
  readonly metricsSecret?: string;
  /**
   * A decision that needs a clinician and comes without a session is refused with 403 and stored nowhere, but for what goes
   * unattended at one of these services (4.7, `userRestricted: refuse`); absent: it waits for one.
   */
  readonly refuseUserRestricted?: { readonly services: readonly SiteService[] };
  /** In characters (T-2); absent: 2,000. */
  readonly maxCommentLength?: number;
}

/** For the HTTP server: a client that sends its headers or body too slowly gives its connection back. */
export const SLOW_CLIENTS = { headersTimeout: 15_000, requestTimeout: 120_000, connectionsCheckingInterval: 5_000 };
