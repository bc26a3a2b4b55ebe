import type { ErsContext, ErsFile, Fate } from '../core/index.ts';
import { BINARY_ID } from './a042-download-attachment.ts';
import { fileOf } from './file.ts';
import type { ErsHttp } from './http.ts';

/**
 * Downloads an attachment of at most 5 MB from e-RS itself. Deprecated by e-RS: for where A042's other host cannot be reached.
 * Fates: as A042's, without ERS_LINK_EXPIRED; ERS_FILE_TOO_LARGE beyond 5 MB
 * Source: A006; provider-api 6.7
 */
export async function downloadSmallAttachment(
  ers: ErsHttp,
  binaryId: string,
  context: ErsContext,
): Promise<Fate<ErsFile>> {
  if (!BINARY_ID.test(binaryId)) return { kind: 'refused', code: 'ERS_NOT_FOUND' };
  return ers.ask(
    { operation: 'A006', method: 'GET', path: `STU3/Binary/${binaryId}`, isSuccess: (status) => status === 200 },
    context,
    async (answer) => fileOf(answer, ers.limits.maxFileBytes),
  );
}
