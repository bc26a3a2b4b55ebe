import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type Access, OPERATOR_SCOPE } from '../core/index.ts';
import type { Refusal } from './answer.ts';
import { refuse, refuseCaller } from './outcome.ts';
import { permitOperator } from './permit.ts';

/**
 * Makes the check of who may see how the server fares: counts of every service. A monitor shows a secret of its own, since few can
 * sign assertions; an operator, a token. Where nobody has to prove who they are, everybody may.
 * Issues: token-missing, token-invalid, client-unknown, issuer-unavailable; scope-missing, beyond-services
 */
export function watchers({ access, metricsSecret }: { access?: Access; metricsSecret?: string }) {
  const expected = metricsSecret === undefined ? undefined : digest(`Bearer ${metricsSecret}`);
  return async (headers: IncomingHttpHeaders): Promise<Refusal | undefined> => {
    if (access === undefined) return undefined;
    if (expected !== undefined && timingSafeEqual(digest(headers.authorization ?? ''), expected)) return undefined;
    const who = await access.authenticate(headers);
    if (!who.ok) return refuseCaller(who);
    return (
      permitOperator(who.caller) ??
      (who.caller.services === 'all' ? undefined : refuse('beyond-services', { text: ALL_SERVICES }))
    );
  };
}

const ALL_SERVICES = `This counts referrals of every e-RS service: it needs a client of all of them, with ${OPERATOR_SCOPE}.`;

/** Of one length, whatever was sent. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
