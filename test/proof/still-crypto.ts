import { KeyObject, sign, verify, type webcrypto } from 'node:crypto';

let isStill = false;

/**
 * Signs and verifies tokens on the spot, for the whole process: the thread pool is the one clock that a seed does not
 * set, and when its answer comes decides what comes first.
 */
export function stillCrypto(): void {
  if (isStill) return;
  isStill = true;
  const subtle = Object.getPrototypeOf(globalThis.crypto.subtle) as webcrypto.SubtleCrypto;
  const keyOf = (key: webcrypto.CryptoKey) => KeyObject.from(key);
  const bytes = (data: webcrypto.BufferSource) =>
    ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
  subtle.sign = async (_, key, data) => new Uint8Array(sign('sha512', bytes(data), keyOf(key))).buffer as ArrayBuffer;
  subtle.verify = async (_, key, signature, data) => verify('sha512', bytes(data), keyOf(key), bytes(signature));
}
