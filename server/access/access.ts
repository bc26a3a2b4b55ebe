import { createLocalJWKSet, type JWK } from 'jose';
import type { Dispatcher } from 'undici';
import type { Access, Clock } from '../core/index.ts';
import type { Client } from './clients.ts';
import { createIssuer, TOKEN_TYPE } from './issuer.ts';
import { remoteKeys } from './remote-keys.ts';
import { createVerifier } from './verify.ts';

/** Who says who a caller is. */
export type AccessConfig =
  /** An authorisation server of the site. */
  | {
      readonly kind: 'issuer';
      readonly issuer: string;
      readonly jwksUrl: string;
      readonly audience: string;
      readonly tokenUrl: string | undefined;
      readonly clients: ReadonlyMap<string, Client> | undefined;
    }
  /** This server. */
  | {
      readonly kind: 'built-in';
      readonly key: JWK;
      readonly clients: ReadonlyMap<string, Client>;
      readonly tokenSeconds: number;
    };

/** Makes what the facade asks callers by, and what it says of that. @param dispatcher the way to keys at an address */
export async function createAccess(
  config: AccessConfig,
  publicUrl: string,
  clock: Clock,
  dispatcher?: Dispatcher,
): Promise<Access> {
  const common = {
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384'],
    scopes_supported: SCOPES,
    capabilities: ['client-confidential-asymmetric', 'permission-v1', 'permission-v2'],
  };
  if (config.kind === 'issuer') {
    const { issuer, jwksUrl, audience, tokenUrl, clients } = config;
    const keys = remoteKeys(jwksUrl, dispatcher);
    return {
      authenticate: createVerifier({ issuer, audience, keys, clients, clock }),
      smartConfiguration: {
        issuer,
        jwks_uri: jwksUrl,
        ...(tokenUrl === undefined ? {} : { token_endpoint: tokenUrl }),
        ...common,
      },
      tokenUrl,
    };
  }
  const issuer = publicUrl;
  const audience = `${publicUrl}/fhir/R4`;
  const tokenUrl = `${publicUrl}/auth/token`;
  const { key, clients, tokenSeconds } = config;
  const built = await createIssuer({
    issuer,
    audience,
    tokenUrl,
    key,
    clients,
    tokenSeconds,
    clock,
    ...(dispatcher === undefined ? {} : { dispatcher }),
  });
  return {
    authenticate: createVerifier({
      issuer,
      audience,
      keys: createLocalJWKSet(built.jwks),
      typ: TOKEN_TYPE,
      clients,
      clock,
    }),
    smartConfiguration: { issuer, jwks_uri: `${publicUrl}/auth/jwks`, token_endpoint: tokenUrl, ...common },
    tokenUrl,
    issuer: built,
  };
}

/** What there is to ask for. */
const SCOPES = ['system/*.rs', 'system/Task.u', 'user/*.rs', 'user/Task.u', 'ers/operator'];
