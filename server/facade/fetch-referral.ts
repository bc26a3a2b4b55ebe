import { parseUbrn } from '../core/index.ts';
import { type Answer, isRefusal } from './answer.ts';
import { readResource } from './body.ts';
import { refuse } from './outcome.ts';
import { answerReferral } from './refresh-referral.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { within } from './within.ts';

/** `$ers-fetch`: brings a referral in by its UBRN, whether or not it is on a worklist. Source: target-model 5 */
export async function fetchReferral(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const read = readResource(call, 'Parameters');
  if (isRefusal(read)) return read;
  const given = read.resource.parameter?.find(({ name }) => name === 'ubrn');
  const ubrn = parseUbrn(given?.valueString ?? given?.valueIdentifier?.value);
  if (ubrn === undefined) {
    return refuse('parameter-invalid', {
      text: 'The parameter ubrn is a valueString of 12 digits.',
      expression: "Parameters.parameter.where(name = 'ubrn')",
    });
  }
  const fetched = await within(room.clock, room.limits.fetchWaitMs, room.engine.fetch(ubrn));
  return answerReferral(room, fetched, ({ serviceRequestId }) => serviceRequestId);
}
