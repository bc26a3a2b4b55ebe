import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { ASSERTION_TYPE } from '../core/index.ts';

const ALGORITHM = 'ES384';
const ASSERTION_SECONDS = 120;

/** What a client keeps to itself. */
export interface ClientKey {
  readonly clientId: string;
  readonly privateKey: JWK;
}

/** Makes a key for a client: what it keeps, and what is registered of it. */
export async function makeClientKey(clientId: string): Promise<{ own: ClientKey; jwks: { keys: JWK[] } }> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const key = await exportJWK(privateKey);
  const named = { ...key, kid: await calculateJwkThumbprint(key), alg: ALGORITHM };
  const { d: _, ...published } = named;
  return { own: { clientId, privateKey: named }, jwks: { keys: [published] } };
}

/** The form that a token endpoint wants of a client that proves itself by its key. Source: SMART App Launch 2.2, RFC 7523 */
export async function tokenRequest(
  { clientId, privateKey }: ClientKey,
  { tokenUrl, scope, nowMs }: { tokenUrl: string; scope: string | undefined; nowMs: number },
): Promise<URLSearchParams> {
  const now = Math.floor(nowMs / 1000);
  const assertion = await new SignJWT({})
    .setProtectedHeader({
      alg: ALGORITHM,
      typ: 'JWT',
      ...(privateKey.kid === undefined ? {} : { kid: privateKey.kid }),
    })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(tokenUrl)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_SECONDS)
    .setJti(randomUUID())
    .sign(await importJWK(privateKey, ALGORITHM));
  return new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
    ...(scope === undefined ? {} : { scope }),
  });
}
