import { z } from 'zod';
import type { ErsContext, ErsReferral, Fate } from '../core/index.ts';
import type { DecisionRequest } from './decision-call.ts';
import type { ErsHttp } from './http.ts';
import { readJson } from './read-answer.ts';
import { versioned } from './referral.ts';

/** The one write that answers Parameters, and no ETag. */
const schema = z.looseObject({
  resourceType: z.literal('Parameters'),
  parameter: z.array(z.looseObject({ name: z.string(), resource: z.unknown().optional() })),
});

/**
 * Cancels a referral for good. No Task offers it; nothing can take it back.
 * Fates: target-model 4.4, E-4 to E-8b
 * Source: A036
 */
export function cancelReferral(
  ers: ErsHttp,
  { ubrn, version, body }: DecisionRequest & { body: object },
  context: ErsContext,
): Promise<Fate<ErsReferral>> {
  return ers.ask(
    {
      operation: 'A036',
      method: 'POST',
      path: `STU3/ReferralRequest/${ubrn}/$ers.cancelReferral`,
      headers: { 'if-match': `W/"${version}"` },
      body,
    },
    context,
    async (answer) => {
      const { data } = schema.safeParse(await readJson(answer, ers.limits.maxJsonBytes));
      const updated = data?.parameter.find(({ name }) => name === 'updatedReferralRequest')?.resource;
      const value = versioned(updated, 'ReferralRequest', ubrn);
      return value && { kind: 'ok', value };
    },
  );
}
