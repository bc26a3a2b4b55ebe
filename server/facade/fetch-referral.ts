import { parseUbrn } from '../core/index.ts';
import { type Answer, isRefusal } from './answer.ts';
import { refuse } from './outcome.ts';
import { readParameters } from './parameters.ts';
import { answerReferral } from './refresh-referral.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { within } from './within.ts';

/** `$ers-fetch`: brings a referral in by its UBRN, whether or not it is on a worklist. Source: target-model 5 */
export async function fetchReferral(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const given = readParameters(call, '$ers-fetch', ['ubrn']);
  if (isRefusal(given)) return given;
  const { valueString, valueIdentifier } = given.get('ubrn') ?? {};
  const ubrn = parseUbrn(valueString ?? valueIdentifier?.value);
  if (ubrn === undefined) {
    return refuse('parameter-invalid', {
      text: 'The parameter ubrn is a valueString of 12 digits.',
      expression: "Parameters.parameter.where(name = 'ubrn')",
    });
  }
  const fetched = await within(room.clock, room.limits.fetchWaitMs, room.engine.fetch(ubrn));
  return answerReferral(room, fetched, ({ serviceRequestId }) => serviceRequestId);
}
