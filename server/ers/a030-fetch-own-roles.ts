import { z } from 'zod';
import type { ErsClient, ErsContext } from '../core/index.ts';
import type { ErsHttp } from './http.ts';
import { readJson } from './read-answer.ts';

const identified = z.looseObject({ identifier: z.looseObject({ value: z.string().min(1) }) });
const schema = z.looseObject({
  resourceType: z.literal('Bundle'),
  entry: z
    .array(
      z.looseObject({
        resource: z.looseObject({
          practitioner: identified,
          organization: identified,
          code: z.array(z.looseObject({ coding: z.array(z.looseObject({ code: z.string() })) })).nullish(),
        }),
      }),
    )
    .min(1),
});

/**
 * Fetches who the session's token belongs to, and in which organisations they may do what. Functions beyond those that a
 * header takes may be among them (SERVICE_DEFINER).
 * Fates: as any read; an answer that names nobody, or two people, is ERS_ANSWER_UNREADABLE
 * Source: A030
 */
export function fetchOwnRoles(ers: ErsHttp, context: ErsContext): ReturnType<ErsClient['fetchOwnRoles']> {
  return ers.ask(
    { operation: 'A030', method: 'GET', path: 'R4/PractitionerRole', identity: 'none' },
    context,
    async (answer) => {
      const { data } = schema.safeParse(await readJson(answer, ers.limits.maxJsonBytes));
      const people = new Set(data?.entry.map(({ resource }) => resource.practitioner.identifier.value));
      const [sdsUserId] = people;
      if (!data || sdsUserId === undefined || people.size > 1) return undefined;
      const roles = data.entry.map(({ resource }) => ({
        organisation: resource.organization.identifier.value,
        businessFunctions: resource.code?.flatMap(({ coding }) => coding.map(({ code }) => code)) ?? [],
      }));
      return { kind: 'ok', value: { sdsUserId, roles } };
    },
  );
}
