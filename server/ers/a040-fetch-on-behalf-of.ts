import { z } from 'zod';
import type { ErsContext, Fate } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readJson } from './read-answer.ts';

const identifier = z.looseObject({ value: z.string().min(1) });
const schema = z.looseObject({
  resourceType: z.literal('Bundle'),
  /** Absent when there is nobody. `identifier` is an object, where R4 has a list. */
  entry: z
    .array(
      z.looseObject({ resource: z.looseObject({ identifier: z.union([identifier, z.array(identifier).min(1)]) }) }),
    )
    .nullish(),
});

/**
 * Fetches the SDS user ids of the clinicians that the session's user, a clinician's administrator, may act for.
 * Source: A040
 */
export function fetchOnBehalfOf(ers: ErsHttp, context: ErsContext): Promise<Fate<readonly string[]>> {
  return ers.ask<readonly string[]>(
    {
      operation: 'A040',
      method: 'GET',
      path: 'R4/Practitioner?_query=onBehalfOf',
      identity: 'not-on-behalf-of',
    },
    context,
    async (answer) => {
      const { data } = schema.safeParse(await readJson(answer, ers.limits.maxJsonBytes));
      if (!data) return undefined;
      const ids = data.entry?.flatMap(({ resource }) => [resource.identifier].flat().map(({ value }) => value)) ?? [];
      return { kind: 'ok', value: ids };
    },
  );
}
