const EXTENDED = /(?:^|;)\s*filename\*\s*=\s*([\w-]+)'[\w-]*'([^;\s]+)/i;
const PLAIN = /(?:^|;)\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i;
const ENCODED_WORD = /=\?([\w-]+)\?([BQ])\?([^?]*)\?=/gi;

/**
 * The file name in a Content-Disposition, without any path: RFC 5987 (`filename*`) before `filename`, whose RFC 2047
 * words are decoded.
 * Source: provider-api 3 (A042), RFC 6266
 */
export function fileNameOf(disposition: string | undefined): string | undefined {
  if (disposition === undefined) return undefined;
  const extended = EXTENDED.exec(disposition);
  const name = extended && decode(percentBytes(extended[2] ?? ''), extended[1] ?? '');
  if (name) return clean(name);
  const plain = PLAIN.exec(disposition);
  const quoted = plain?.[1]?.replace(/\\(.)/g, '$1') ?? plain?.[2];
  return quoted === undefined ? undefined : clean(decodeWords(quoted));
}

/** The name as an HTTP header can carry it to e-RS (A020): ASCII, the extension kept. */
export function asciiFileName(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^\x20-\x7e]/g, '_');
}

function decodeWords(text: string): string {
  // White space between two encoded words is no part of the name (RFC 2047, 6.2).
  const joined = text.replace(/\?=\s+=\?/g, '?==?');
  return joined.replace(ENCODED_WORD, (whole, charset: string, encoding: string, value: string) => {
    const bytes =
      encoding.toUpperCase() === 'B'
        ? Buffer.from(value, 'base64')
        : percentBytes(
            value
              .replaceAll('_', ' ')
              .replaceAll('%', '%25')
              .replace(/=([0-9A-F]{2})/gi, '%$1'),
          );
    return decode(bytes, charset) ?? whole;
  });
}

function percentBytes(text: string): Buffer {
  const parts = text.split(/(%[0-9A-F]{2})/i).filter((part) => part !== '');
  return Buffer.concat(
    parts.map((part) => (/^%[0-9A-F]{2}$/i.test(part) ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))),
  );
}

function decode(bytes: Buffer, charset: string): string | undefined {
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return undefined;
  }
}

function clean(name: string): string | undefined {
  const last = name.split(/[/\\]/).at(-1) ?? '';
  const printable = last.replace(/\p{Cc}/gu, '').trim();
  return printable === '' || printable === '.' || printable === '..' ? undefined : printable.slice(0, 255);
}

/**
 * A header's text: RFC 8187's `UTF-8''Caf%C3%A9` decoded, and UTF-8 that a client sent as it is, which HTTP libraries
 * hand over as Latin-1.
 */
export function headerText(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const extended = /^\s*([\w-]+)'[\w-]*'(\S*)\s*$/.exec(value);
  const decoded = extended && decode(percentBytes(extended[2] ?? ''), extended[1] ?? '');
  if (decoded) return decoded;
  if (/^[\x20-\x7e\t]*$/.test(value)) return value;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}
