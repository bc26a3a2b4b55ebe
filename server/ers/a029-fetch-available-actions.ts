import { z } from 'zod';
import type { ErsContext, Fate, Ubrn } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readJson } from './read-answer.ts';

/** The bundle has no `total`; `entry` may be absent. */
const schema = z.looseObject({
  resourceType: z.literal('Bundle'),
  entry: z
    .array(
      z.looseObject({
        resource: z.looseObject({ code: z.looseObject({ coding: z.array(z.looseObject({ code: z.string() })) }) }),
      }),
    )
    .nullish(),
});

/**
 * Fetches what e-RS lets the caller do with this version of a referral now. Advisory, never cached: accept, reject and
 * redirect are not reported.
 * Fates: reread ERS_VERSION_CONFLICT when the version is no longer current; refused ERS_NOT_FOUND; else as any read
 * Source: A029
 */
export function fetchAvailableActions(
  ers: ErsHttp,
  ubrn: Ubrn,
  version: number,
  context: ErsContext,
): Promise<Fate<readonly string[]>> {
  return ers.ask<readonly string[]>(
    {
      operation: 'A029',
      method: 'GET',
      path: `STU3/Task?focus=ReferralRequest/${ubrn}/_history/${version}&intent=proposal&status=ready`,
    },
    context,
    async (answer) => {
      const { data } = schema.safeParse(await readJson(answer, ers.limits.maxJsonBytes));
      if (!data) return undefined;
      const codes = data.entry?.flatMap(({ resource }) => resource.code.coding.map(({ code }) => code)) ?? [];
      return { kind: 'ok', value: codes };
    },
  );
}
