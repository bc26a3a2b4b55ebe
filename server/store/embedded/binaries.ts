import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';

/** Bytes that are on the disk but belong to no resource yet. */
export interface Upload {
  readonly file: string;
  readonly size: number;
  /** Base64. */
  readonly sha1: string;
}

/** The bytes of Binary resources, a file each. A file is known by name to the database, or it is swept away. */
export interface BinaryFiles {
  /** Streams into a new file and makes it durable. An error of the source leaves nothing and is passed on as `invalid`. */
  receive(source: Readable, maxBytes: number | undefined): Promise<StoreResult<Upload>>;
  /** After the commit that names the upload. A crash before this is mended at the next open. */
  keep(upload: Upload): void;
  discard(file: string): void;
  stream(file: string): Readable;
}

/**
 * Uploads are written to `incoming/`, synchronised, named in the database, then moved next door: at open, what is still in
 * `incoming/` is moved if the database names it and deleted if not. No other file can be an orphan.
 */
export function openBinaryFiles(directory: string, isNamed: (file: string) => boolean): BinaryFiles {
  const incoming = join(directory, 'incoming');
  mkdirSync(incoming, { recursive: true });
  for (const file of readdirSync(incoming)) {
    if (isNamed(file)) renameSync(join(incoming, file), join(directory, file));
    else rmSync(join(incoming, file));
  }

  return {
    async receive(source, maxBytes = Number.POSITIVE_INFINITY) {
      const file = randomUUID();
      const path = join(incoming, file);
      const hash = createHash('sha1');
      const handle = await open(path, 'wx');
      let size = 0;
      let isWhole = false;
      try {
        for await (const chunk of source) {
          const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array);
          size += bytes.byteLength;
          if (size > maxBytes) return failure('invalid', `The file is larger than ${maxBytes} bytes`);
          hash.update(bytes);
          await handle.writeFile(bytes);
        }
        await handle.sync();
        isWhole = true;
      } catch (error) {
        if (isDiskFault(error)) return failure('unavailable', 'The disk refused the file: make room, then try again');
        return failure('invalid', 'The source of the file broke off, so nothing was kept');
      } finally {
        await handle.close();
        if (!isWhole) await rm(path, { force: true });
      }
      await syncDirectory(incoming);
      return { ok: true, value: { file, size, sha1: hash.digest('base64') } };
    },

    keep: ({ file }) => renameSync(join(incoming, file), join(directory, file)),

    discard(file) {
      rmSync(join(incoming, file), { force: true });
      rmSync(join(directory, file), { force: true });
    },

    stream: (file) => createReadStream(join(directory, file)),
  };
}

/** The bytes in memory, for a store that has no directory. */
export function holdBinaries(): BinaryFiles {
  const held = new Map<string, Buffer>();
  return {
    async receive(source, maxBytes = Number.POSITIVE_INFINITY) {
      const chunks: Uint8Array[] = [];
      let size = 0;
      try {
        for await (const chunk of source) {
          const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array);
          size += bytes.byteLength;
          if (size > maxBytes) return failure('invalid', `The file is larger than ${maxBytes} bytes`);
          chunks.push(bytes);
        }
      } catch {
        return failure('invalid', 'The source of the file broke off, so nothing was kept');
      }
      const file = randomUUID();
      const bytes = Buffer.concat(chunks);
      held.set(file, bytes);
      return { ok: true, value: { file, size, sha1: createHash('sha1').update(bytes).digest('base64') } };
    },
    keep: () => undefined,
    discard: (file) => void held.delete(file),
    stream: (file) => Readable.from(held.has(file) ? [held.get(file)] : []),
  };
}

const isDiskFault = (error: unknown): boolean =>
  Error.isError(error) && 'code' in error && ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'].includes(String(error.code));

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync();
  await handle.close();
}
