import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { z } from 'zod';
import { isSafeUrl, parseScope } from '../core/index.ts';

const jwk = z.looseObject({
  kty: z.enum(['RSA', 'EC'], 'is RSA or EC: keys that are secrets on both sides prove nothing'),
  kid: z.string().min(1).optional(),
});

/** Keys travel encrypted, or on this machine: whoever could change them on the way could come in as the client. */
const jwksUri = z.url({ protocol: /^https?$/ }).refine(isSafeUrl, 'must begin with https');

const client = z.strictObject({
  clientId: z.string().regex(/^[\w.@:-]{1,128}$/, 'is a name of letters, digits and . _ @ : -'),
  /** Public keys, or where they are; needed where this server issues the tokens. */
  jwks: z.strictObject({ keys: z.array(jwk).min(1) }).optional(),
  jwksUri: jwksUri.optional(),
  /** What it may have; none: whatever its issuer gives it. */
  scopes: z
    .array(z.string().refine((scope) => parseScope(scope) !== undefined, 'is no scope of this server'))
    .default([]),
  services: z.union([z.literal('all'), z.array(z.string().regex(/^\d{1,12}$/, 'is the number of an e-RS service'))]),
});

/** A system that may ask for something here. */
export type Client = z.output<typeof client>;

export type ReadClients =
  | { readonly ok: true; readonly clients: ReadonlyMap<string, Client> }
  | { readonly ok: false; readonly faults: readonly string[] };

/**
 * Reads the clients of an installation: `[{"clientId", "jwks" or "jwksUri", "scopes", "services"}]`, services "all" or their numbers.
 * Every fault is answered, each with its place.
 */
export function readClients(text: string): ReadClients {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { ok: false, faults: ['it is not JSON'] };
  }
  const read = z.array(client).min(1).safeParse(parsed);
  if (!read.success)
    return { ok: false, faults: read.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`) };
  const secret = read.data.find(({ jwks }) => jwks?.keys.some((key) => 'd' in key || 'k' in key));
  if (secret !== undefined)
    return {
      ok: false,
      faults: [`${secret.clientId}: jwks holds a private key: keep that at the client, and register the public one`],
    };
  const useless = read.data.find(({ jwks }) => jwks?.keys.some((key) => !isUsable(key)));
  if (useless !== undefined)
    return {
      ok: false,
      faults: [`${useless.clientId}: jwks holds a key that is neither RSA of 2048 bits or more nor EC on P-384`],
    };
  const twofold = read.data.find(({ jwks, jwksUri: uri }) => jwks !== undefined && uri !== undefined);
  if (twofold !== undefined) return { ok: false, faults: [`${twofold.clientId}: give jwks or jwksUri, not both`] };
  const clients = new Map(read.data.map((one) => [one.clientId, one]));
  if (clients.size < read.data.length) return { ok: false, faults: ['a clientId stands there twice'] };
  return { ok: true, clients };
}

/** Whether assertions can be checked by it: with RS384 or ES384. */
function isUsable(key: z.output<typeof jwk>): boolean {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({ key: key as JsonWebKey, format: 'jwk' });
    return asymmetricKeyType === 'rsa'
      ? (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048
      : asymmetricKeyDetails?.namedCurve === 'secp384r1';
  } catch {
    return false;
  }
}
