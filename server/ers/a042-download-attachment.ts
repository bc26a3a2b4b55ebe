import type { ErsContext, ErsFile, Fate } from '../core/index.ts';
import { exchange } from './exchange.ts';
import { fateOf, rowOfExpiredLink, rowOfSilence, rowOfStatus, rowOfUnreadable } from './fate-table.ts';
import { fileOf } from './file.ts';
import type { ErsHttp } from './http.ts';
import { dropBody } from './read-answer.ts';

/** Ids are opaque and case-preserving; whatever could leave the path is none. */
export const BINARY_ID = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/;
/** An object store's ways to say that a link is no longer good. */
const EXPIRED = new Set([400, 401, 403, 404, 410]);

/**
 * Downloads an attachment: asks e-RS for a short-lived link and follows it at once, as a stranger and outside the budget
 * (another host). A link that has expired is renewed once.
 * Fates: retry ERS_FILE_PENDING, ERS_LINK_EXPIRED; refused ERS_FILE_THREATS_FOUND, ERS_FILE_VALIDATION_FAILED,
 * ERS_FILE_TOO_LARGE, ERS_NO_RELATIONSHIP; else as any read
 * Source: A042; provider-api 3
 */
export async function downloadAttachment(ers: ErsHttp, binaryId: string, context: ErsContext): Promise<Fate<ErsFile>> {
  if (!BINARY_ID.test(binaryId)) return { kind: 'refused', code: 'ERS_NOT_FOUND' };
  for (let isRenewed = false; ; isRenewed = true) {
    const link = await fetchLink(ers, binaryId, context);
    if (link.kind !== 'ok') return link;
    const fate = await follow(ers, link.value, context);
    if (isRenewed || fate.kind === 'ok' || fate.code !== 'ERS_LINK_EXPIRED') return fate;
  }
}

function fetchLink(ers: ErsHttp, binaryId: string, context: ErsContext): Promise<Fate<string>> {
  return ers.ask<string>(
    {
      operation: 'A042',
      method: 'GET',
      path: `R4/Binary/${binaryId}`,
      isSuccess: (status) => status === 307,
    },
    context,
    async (answer) => {
      dropBody(answer);
      const location = answer.header('location') ?? '';
      return isTrusted(location, ers.baseUrl) ? { kind: 'ok', value: location } : undefined;
    },
  );
}

/** Files travel encrypted, but where e-RS itself is a simulator on this machine. */
function isTrusted(location: string, baseUrl: string): boolean {
  const link = URL.parse(location);
  const base = URL.parse(baseUrl);
  if (!link || !base) return false;
  const isLoopback = (url: URL) => /^(127(\.\d+){3}|localhost|\[::1\])$/.test(url.hostname);
  const isSimulated = base.protocol === 'http:' && isLoopback(base);
  return link.protocol === 'https:' || (isSimulated && link.protocol === 'http:' && isLoopback(link));
}

async function follow(ers: ErsHttp, url: string, context: ErsContext): Promise<Fate<ErsFile>> {
  const result = await exchange(
    ers.wire,
    { method: 'GET', url, headers: {} },
    { deadlineMs: ers.timeouts.fileMs, signal: context.signal },
  );
  if (result.kind !== 'answered') return fateOf(rowOfSilence('download', 'after-send'));
  const { answer } = result;
  const file = answer.status === 200 ? fileOf(answer, ers.limits.maxFileBytes) : undefined;
  if (file) return file;
  answer.body.destroy();
  const refusal = { status: answer.status };
  if (EXPIRED.has(answer.status)) return fateOf(rowOfExpiredLink(), { refusal });
  // The object store is not e-RS: what it says of itself is never final.
  const row =
    answer.status >= 500 ? rowOfStatus('download', answer.status, 'application') : rowOfUnreadable('download');
  return fateOf(row, { refusal });
}
