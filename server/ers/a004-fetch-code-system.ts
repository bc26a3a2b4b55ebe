import type { ErsContext, Fate } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readJson } from './read-answer.ts';

/**
 * Fetches reference data, whole and unread.
 * @param type such as APPOINTMENT-CANCELLATION-REASON
 * Fates: refused ERS_NOT_FOUND for a type that e-RS does not have; else as any read
 * Source: A004
 */
export function fetchCodeSystem(ers: ErsHttp, type: string, context: ErsContext): Promise<Fate<unknown>> {
  return ers.ask(
    { operation: 'A004', method: 'GET', path: `STU3/CodeSystem/${encodeURIComponent(type)}` },
    context,
    async (answer) => {
      const source = await readJson(answer, ers.limits.maxJsonBytes);
      const isCodeSystem = (source as { resourceType?: unknown } | undefined)?.resourceType === 'CodeSystem';
      return isCodeSystem ? { kind: 'ok', value: source } : undefined;
    },
  );
}
