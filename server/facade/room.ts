import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { capabilityStatement } from '../../conformance/index.ts';
import type { Caller } from '../core/index.ts';
import { DEFAULT_LIMITS, type FacadeLimits, type FacadeOptions } from './options.ts';
import { type PagingTokens, pagingTokens } from './paging-token.ts';
import { type Published, publish } from './published.ts';
import { type Limit, ServiceDirectory } from './reach.ts';
import type { Route } from './route.ts';
import { Throttle } from './throttle.ts';

/** What every interaction works with. */
export interface FacadeRoom extends Omit<FacadeOptions, 'limits' | 'secret' | 'registry'> {
  readonly limits: FacadeLimits;
  /** The FHIR base without a slash at the end. */
  readonly baseUrl: string;
  readonly published: Published;
  readonly tokens: PagingTokens;
  readonly directory: ServiceDirectory;
  readonly throttle: Throttle;
}

/** One request, as far as an interaction needs to know it. */
export interface Call<R extends Route = Route> {
  readonly route: R;
  readonly caller: Caller;
  /** Of a caller who is limited to some services; every interaction keeps to it. */
  readonly limit?: Limit;
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  /** The body's text; undefined when there is none. */
  readonly body: string | undefined;
  /** The body as it comes in, for an operation that takes a file. */
  readonly file?: Readable;
}

export type RouteOf<Kind extends Route['kind']> = Extract<Route, { kind: Kind }>;

export function furnish({ limits, secret, registry: _, ...options }: FacadeOptions): FacadeRoom {
  const statement = capabilityStatement({
    publicUrl: options.publicUrl,
    capabilities: options.store.capabilities,
    version: options.version,
    ...(options.access === undefined ? {} : { access: { tokenUrl: options.access.tokenUrl } }),
  });
  const effective = { ...DEFAULT_LIMITS, ...limits };
  return {
    ...options,
    limits: effective,
    throttle: new Throttle(options.clock, effective),
    baseUrl: `${options.publicUrl}/fhir/R4`,
    published: publish(statement),
    tokens: pagingTokens(secret),
    directory: new ServiceDirectory(options),
  };
}
