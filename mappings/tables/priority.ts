import type { Coding, ServiceRequest } from '@medplum/fhirtypes';
import type { ErsPriority } from '../model.ts';
import { CODE_SYSTEM } from '../systems.ts';
import { normaliseSystem } from './code-systems.ts';

export type RequestPriority = NonNullable<ServiceRequest['priority']>;

/**
 * e-RS priority to R4 request priority. TWO_WEEK_WAIT has no equal in R4: `asap` is how GP Connect reads it, and the real
 * code stays beside it (`ers-priority`).
 * Source: eRS-Priority-1; M-8
 */
export const PRIORITY: Readonly<Record<ErsPriority, RequestPriority>> = {
  ROUTINE: 'routine',
  URGENT: 'urgent',
  TWO_WEEK_WAIT: 'asap',
};

const ERS_PRIORITIES = Object.keys(PRIORITY) as ErsPriority[];

/** The R4 priority of an e-RS code; undefined for a code that e-RS has not published (M-8: omit, keep the coding). */
export function mapPriority(code: string | undefined): RequestPriority | undefined {
  const known = ERS_PRIORITIES.find((one) => one === code);
  return known && PRIORITY[known];
}

/** The e-RS priority that a client's coding asks for: eRS-Priority-1, or request-priority routine, urgent, asap (T-5). */
export function toErsPriority(coding: Coding | undefined): ErsPriority | undefined {
  if (coding?.system === CODE_SYSTEM.requestPriority)
    return ERS_PRIORITIES.find((one) => PRIORITY[one] === coding.code);
  if (normaliseSystem(coding?.system ?? '').system !== CODE_SYSTEM.priority) return undefined;
  return ERS_PRIORITIES.find((one) => one === coding?.code);
}
