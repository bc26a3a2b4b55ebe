import { randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { JWK } from 'jose';
import type { Dispatcher } from 'undici';
import { createAccess, makeIssuerKey } from './access/index.ts';
import type { CallersConfig } from './config/index.ts';
import type { Access, Clock } from './core/index.ts';

/** Makes what callers are asked by; a sentence that says what to change, where the issuer's key cannot be had. */
export async function openAccess(
  callers: CallersConfig,
  publicUrl: string,
  clock: Clock,
  dispatcher?: Dispatcher,
): Promise<Access | string> {
  if (callers.kind === 'issuer') {
    const audience = callers.audience ?? `${publicUrl}/fhir/R4`;
    return createAccess({ ...callers, audience }, publicUrl, clock, dispatcher);
  }
  const key = await keyIn(callers.keyFile);
  if (key === undefined)
    return 'AUTH_KEY_FILE: the file holds no key of this server (EC, P-256, as a JWK), or cannot be made: name a place that this user may write to.';
  return createAccess({ ...callers, key }, publicUrl, clock, dispatcher);
}

/** The key is made at the first start, for this user's eyes only; whoever came first with it has made it. */
async function keyIn(path: string): Promise<JWK | undefined> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (!existsSync(path)) {
      const written = `${path}.${randomUUID()}`;
      writeFileSync(written, JSON.stringify(await makeIssuerKey()), { flag: 'wx', mode: 0o600 });
      // A link is there as a whole or not at all: half a key would keep the server from starting ever after.
      try {
        linkSync(written, path);
      } finally {
        rmSync(written);
      }
    }
  } catch (error: unknown) {
    if (!Error.isError(error) || !('code' in error) || error.code !== 'EEXIST') return undefined;
  }
  try {
    const key = JSON.parse(readFileSync(path, 'utf8')) as JWK;
    return key.kty === 'EC' && key.crv === 'P-256' && typeof key.d === 'string' ? key : undefined;
  } catch {
    return undefined;
  }
}
