import type { ErsContext, ErsFile, Fate, Ubrn } from '../core/index.ts';
import { fileOf } from './file.ts';
import type { ErsHttp } from './http.ts';

/**
 * Has e-RS make the clinical information summary, a PDF without the attachments.
 * Fates: as A005's, and ERS_FILE_TOO_LARGE
 * Source: A007
 */
export function generateClinicalInformation(ers: ErsHttp, ubrn: Ubrn, context: ErsContext): Promise<Fate<ErsFile>> {
  return ers.ask(
    {
      operation: 'A007',
      method: 'POST',
      path: `STU3/ReferralRequest/${ubrn}/$ers.generateCRI`,
    },
    context,
    async (answer) => fileOf(answer, ers.limits.maxFileBytes, /^application\/pdf\b/i),
  );
}
