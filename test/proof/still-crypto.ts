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
  const others = { sign: subtle.sign, verify: subtle.verify };
  // Test files that share the process with the proof sign in other ways, too: only what the proof signs is on the spot.
  const isOurs = ({ algorithm }: webcrypto.CryptoKey) =>
    'hash' in algorithm &&
    algorithm.name.startsWith('RSASSA') &&
    (algorithm as webcrypto.RsaHashedKeyAlgorithm).hash.name === 'SHA-512';
  subtle.sign = async function (this: webcrypto.SubtleCrypto, how, key, data) {
    if (!isOurs(key)) return others.sign.call(this, how, key, data);
    return new Uint8Array(sign('sha512', bytes(data), keyOf(key))).buffer as ArrayBuffer;
  };
  subtle.verify = async function (this: webcrypto.SubtleCrypto, how, key, signature, data) {
    if (!isOurs(key)) return others.verify.call(this, how, key, signature, data);
    return verify('sha512', bytes(data), keyOf(key), bytes(signature));
  };
}
