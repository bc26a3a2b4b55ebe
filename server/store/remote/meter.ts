import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { StoreFailure } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';

/** Counts and hashes what goes through, and breaks off where it is too long. */
export class Meter {
  size = 0;
  /** Why the bytes did not all go through. */
  fault: StoreFailure | undefined;
  readonly #hash = createHash('sha1');
  readonly #maxBytes: number;

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.#maxBytes = maxBytes;
  }

  /** An error in here ends the connection, so that the server never sees the end of the request, and keeps nothing. */
  async *through(source: Readable): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of source) {
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array);
        this.size += bytes.byteLength;
        if (this.size > this.#maxBytes) {
          this.fault = failure('invalid', `The file is larger than ${this.#maxBytes} bytes`);
          throw new Error('too long');
        }
        this.#hash.update(bytes);
        yield bytes;
      }
    } catch (error) {
      this.fault ??= failure('invalid', 'The source of the file broke off, so nothing was kept');
      throw error;
    }
  }

  sha1(): string {
    return this.#hash.digest('base64');
  }
}
