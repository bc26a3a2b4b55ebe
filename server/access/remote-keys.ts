import { createRemoteJWKSet, customFetch, errors, type FetchImplementation, type JWTVerifyGetKey } from 'jose';
import { type Dispatcher, fetch } from 'undici';

/**
 * How keys at an address are had: not waited for beyond five seconds, and asked for anew when one is unknown, but not more
 * often than twice a minute (a stranger's token must not make us ask).
 */
const JWKS_PATIENCE = { timeoutDuration: 5_000, cooldownDuration: 30_000 } as const;

/** The keys at an address. @param dispatcher the way there, where a site has a proxy */
export function remoteKeys(url: string, dispatcher?: Dispatcher): JWTVerifyGetKey {
  const through: FetchImplementation = async (address, { headers, ...options }) => {
    const way = dispatcher === undefined ? {} : { dispatcher };
    return (await fetch(address, { ...options, ...way, headers: [...headers] })) as unknown as Response;
  };
  return createRemoteJWKSet(new URL(url), { ...JWKS_PATIENCE, [customFetch]: through });
}

/** Whether what jose threw says that the keys could not be had: nothing that whoever holds the token could mend. */
export const isOfAddress = (error: unknown): boolean =>
  error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError) || error.code === 'ERR_JOSE_GENERIC';
