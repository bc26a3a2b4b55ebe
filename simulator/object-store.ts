import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from './answers.ts';
import type { SimulatorClock } from './clock.ts';
import { chunksOf, lengthOf } from './sample-files.ts';
import type { StoredFile } from './world.ts';

const LINK_LIFE_MS = 60_000;

/** The other host to which A042 sends people. It knows no tokens: the link is the permission, for a minute. */
export interface ObjectStore {
  /** Makes a link to a file; answers its path. */
  link(file: StoredFile): string;
  answer(path: string, headers: IncomingHttpHeaders): Answer;
}

const xml = (status: number, code: string, message: string): Answer => ({
  status,
  headers: { 'Content-Type': 'application/xml' },
  body: Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  ),
});

/** Source: provider-api 3, A042 redirect rules [S][I]; 10, ObjectStore [B]. */
export function createObjectStore(clock: SimulatorClock): ObjectStore {
  const links = new Map<string, { file: StoredFile; expiresAt: number }>();
  return {
    link(file) {
      const token = randomUUID();
      links.set(token, { file, expiresAt: clock.now().getTime() + LINK_LIFE_MS });
      return `/ObjectStore/${token}`;
    },
    answer(path, headers) {
      if ('authorization' in headers)
        return xml(400, 'InvalidArgument', 'Only one auth mechanism allowed; the link is signed already');
      const entry = links.get(path.split('/')[2] ?? '');
      if (!entry) return xml(404, 'NoSuchKey', 'The specified key does not exist.');
      if (entry.expiresAt <= clock.now().getTime()) return xml(403, 'AccessDenied', 'Request has expired');
      const { file } = entry;
      return {
        status: 200,
        headers: {
          'Content-Type': file.contentType,
          'Content-Disposition': dispositionOf(file.title),
          'Content-Length': String(lengthOf(file)),
        },
        body: chunksOf(file),
      };
    },
  };
}

/** A file name as e-RS writes it: RFC 2047 in `filename`, RFC 5987 in `filename*`. Source: provider-api 10 [B]. */
export function dispositionOf(title: string): string {
  const bytes = (text: string, mark: string, keep: RegExp): string =>
    [...Buffer.from(text)]
      .map((byte) => {
        const character = String.fromCharCode(byte);
        return keep.test(character) ? character : `${mark}${byte.toString(16).toUpperCase().padStart(2, '0')}`;
      })
      .join('');
  const isPlain = /^[\x20-\x7e]*$/.test(title) && !/["\\]/.test(title);
  const quoted = bytes(title, '=', /[A-Za-z0-9.-]/).replaceAll('=20', '_');
  const plain = isPlain ? title : `=?UTF-8?Q?${quoted}?=`;
  return `attachment; filename="${plain}"; filename*=UTF-8''${bytes(title, '%', /[A-Za-z0-9!#$&+.^_`|~-]/)}`;
}
