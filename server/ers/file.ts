import { pipeline, Transform } from 'node:stream';
import { fileNameOf } from '../../mappings/index.ts';
import type { ErsFile, Fate } from '../core/index.ts';
import type { Answer } from './exchange.ts';
import { fateOf, rowOfTooLarge } from './fate-table.ts';

/**
 * The file in an answer, streaming; undefined when its end could not be told from a break, or it is not of that type.
 * The stream errors when it is cut short or grows beyond `maxBytes`.
 * @param contentType what the file must be, if that is known
 */
export function fileOf(answer: Answer, maxBytes: number, contentType?: RegExp): Fate<ErsFile> | undefined {
  const type = answer.header('content-type') ?? 'application/octet-stream';
  if (contentType && !contentType.test(type)) return undefined;
  // Nothing asked for an encoding: whatever this is, it is not the file.
  if ((answer.header('content-encoding') ?? 'identity') !== 'identity') return undefined;
  const length = answer.header('content-length');
  const isDelimited = length !== undefined || /chunked/i.test(answer.header('transfer-encoding') ?? '');
  if (!isDelimited || length === '0') return undefined;
  if (length !== undefined && Number(length) > maxBytes) {
    answer.body.destroy();
    return fateOf(rowOfTooLarge());
  }
  const fileName = fileNameOf(answer.header('content-disposition'));
  const stream = new ByteCount(maxBytes, length === undefined ? undefined : Number(length));
  // The error belongs to the one who reads; until somebody does, it must not end the process.
  stream.on('error', () => undefined);
  pipeline(answer.body, stream, () => undefined);
  return { kind: 'ok', value: { stream, contentType: type, ...(fileName !== undefined && { fileName }) } };
}

/** Passes bytes on and errors when they are not as many as promised, or too many. */
class ByteCount extends Transform {
  readonly #maxBytes: number;
  readonly #promised: number | undefined;
  #seen = 0;

  constructor(maxBytes: number, promised: number | undefined) {
    super();
    this.#maxBytes = maxBytes;
    this.#promised = promised;
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null, chunk?: Buffer) => void,
  ): void {
    this.#seen += chunk.length;
    if (this.#seen > this.#maxBytes) done(new Error('The file is larger than allowed.'));
    else done(null, chunk);
  }

  override _flush(done: (error?: Error | null) => void): void {
    const isWhole = this.#seen > 0 && (this.#promised === undefined || this.#promised === this.#seen);
    done(isWhole ? null : new Error('The file was cut short.'));
  }
}
