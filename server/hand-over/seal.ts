import { hkdfSync, randomUUID } from 'node:crypto';
import { EncryptJWT, errors, jwtDecrypt } from 'jose';

const ENCRYPTION = 'A256GCM';
/** How long a message may take, clocks that are apart included. */
export const GOOD_FOR_SECONDS = 60;

/** What is said between two processes of one installation. */
export interface Message {
  readonly id: string;
  readonly says: unknown;
}

/** The key that all processes of an installation can make, and nobody else. */
export const handOverKey = (secret: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, '', 'ers-fhir hand-over', 32));

/** Encrypts what one process says to another: nobody else can read it, change it, or have made it. Source: RFC 7516, RFC 7519 */
export async function seal(
  key: Uint8Array,
  says: unknown,
  { to, nowMs }: { readonly to: string; readonly nowMs: number },
): Promise<{ readonly id: string; readonly text: string }> {
  const id = randomUUID();
  const nowSeconds = Math.floor(nowMs / 1000);
  const text = await new EncryptJWT({ says })
    .setProtectedHeader({ alg: 'dir', enc: ENCRYPTION })
    .setAudience(to)
    .setJti(id)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + GOOD_FOR_SECONDS)
    .encrypt(key);
  return { id, text };
}

/** Opens what was sealed for `to`; undefined where it was not, or is too old. */
export async function unseal(
  key: Uint8Array,
  text: string,
  { to, nowMs }: { readonly to: string; readonly nowMs: number },
): Promise<Message | undefined> {
  try {
    const { payload } = await jwtDecrypt(text, key, {
      audience: to,
      currentDate: new Date(nowMs),
      clockTolerance: GOOD_FOR_SECONDS,
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: [ENCRYPTION],
      requiredClaims: ['exp', 'jti'],
    });
    return { id: payload.jti ?? '', says: payload['says'] };
  } catch (error: unknown) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}
