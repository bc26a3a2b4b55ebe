import type { Readable } from 'node:stream';
import { asciiFileName } from '../../mappings/index.ts';
import type { ErsContext, Fate, Ubrn } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { dropBody } from './read-answer.ts';

/**
 * Uploads a file for a referral, to be linked by a decision soon after: e-RS purges loose files, so one whose answer was
 * lost may be uploaded again. Signed-in clinicians only.
 * @param file `stream` is used up or destroyed, whatever the fate; another try needs another stream
 * Fates: refused ERS_BUSINESS_RULE (type, name, size: FILE_SIZE_ERROR), ERS_FILE_TOO_LARGE; else as any read
 * Source: A020
 */
export async function uploadFile(
  ers: ErsHttp,
  file: { ubrn: Ubrn; fileName: string; contentType: string; size: number; stream: Readable },
  context: ErsContext,
): Promise<Fate<{ url: string }>> {
  // A source that breaks is undici's to report; unheard, its error would end the process.
  file.stream.on('error', () => undefined);
  const fate = await ers.ask<{ url: string }>(
    {
      operation: 'A020',
      method: 'POST',
      path: 'STU3/Binary',
      headers: {
        'content-type': file.contentType,
        'content-length': String(file.size),
        'nhsd-ers-file-name': asciiFileName(file.fileName),
        'nhsd-ers-referral-id': file.ubrn,
      },
      body: file.stream,
      isSuccess: (status) => status === 201,
    },
    context,
    async (answer) => {
      const url = /(?:^|\/)(Binary\/[A-Za-z0-9.-]{1,64})$/.exec(answer.header('location') ?? '')?.[1];
      dropBody(answer);
      return url === undefined ? undefined : { kind: 'ok', value: { url } };
    },
  );
  file.stream.destroy();
  return fate;
}
