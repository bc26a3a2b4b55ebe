import { errors } from 'jose';

/**
 * How keys at an address are had: not waited for beyond five seconds, and asked for anew when one is unknown, but not more
 * often than twice a minute (a stranger's token must not make us ask).
 */
export const JWKS_PATIENCE = { timeoutDuration: 5_000, cooldownDuration: 30_000 } as const;

/** Whether what jose threw says that the keys could not be had: nothing that whoever holds the token could mend. */
export const isOfAddress = (error: unknown): boolean =>
  error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError) || error.code === 'ERR_JOSE_GENERIC';
