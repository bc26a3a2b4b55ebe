import type { ParametersParameter } from '@medplum/fhirtypes';
import { CODES, type PollAnswer, type PollsOf, type WorklistName } from '../core/index.ts';
import { type Answer, isRefusal } from './answer.ts';
import { refuse, retryAfter } from './outcome.ts';
import { readParameters } from './parameters.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { within } from './within.ts';

const LISTS: readonly WorklistName[] = ['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES'];

/**
 * `$ers-poll`: reads a worklist of a service now, by a poll of the ledger, and says what is left.
 * Issues: parameter-invalid, service-unknown, list-unknown, poll-refused-by-ledger; what e-RS says
 * Source: architecture 6
 */
export async function pollService(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const given = readParameters(call, '$ers-poll', ['service', 'list']);
  if (isRefusal(given)) return given;
  const [service, wanted] = ['service', 'list'].map((name) => {
    const parameter = given.get(name);
    return parameter?.valueString ?? parameter?.valueCode;
  });
  const list = LISTS.find((one) => one === wanted);
  if (service === undefined || !/^\d{1,12}$/.test(service)) return invalid('service', 'the number of an e-RS service');
  if (wanted !== undefined && list === undefined) return invalid('list', LISTS.join(' or '));
  const polled = await within(room.clock, room.limits.fetchWaitMs, room.engine.poll(service, list));
  if (polled.isLate) return refuse('ers-unavailable', { headers: retryAfter(30_000) });
  return polled.value.ok ? { status: 200, body: report(polled.value.value) } : refused(polled.value);
}

const invalid = (name: string, what: string) =>
  refuse('parameter-invalid', {
    text: `The parameter ${name} is ${what}.`,
    expression: `Parameters.parameter.where(name = '${name}')`,
  });

function report({ list, listed, isChanged, polls }: Extract<PollAnswer, { ok: true }>['value']) {
  const { left, nextAt } = polls;
  const limited: ParametersParameter[] =
    left === undefined
      ? []
      : [
          { name: 'pollsLeft', valueUnsignedInt: left },
          { name: 'nextPollAt', valueInstant: nextAt.toISOString() },
        ];
  const parameter: ParametersParameter[] = [
    { name: 'list', valueCode: list },
    { name: 'listed', valueUnsignedInt: listed },
    { name: 'changed', valueBoolean: isChanged },
    ...limited,
  ];
  return { resourceType: 'Parameters' as const, parameter };
}

/** Whatever went wrong, the operator learns what it cost. */
function refused({ code, polls }: Extract<PollAnswer, { ok: false }>): Answer {
  const { happened, remedy } = CODES[code];
  const isSpent = code === 'poll-refused-by-ledger';
  return refuse(code, {
    text: [
      isSpent ? 'e-RS was not asked: the permitted polls of this service are spent.' : `${happened} ${remedy}`,
      whatIsLeft(polls),
    ]
      .join(' ')
      .trim(),
    ...(isSpent && polls !== undefined ? { headers: retryAfter(polls.nextAt.getTime() - polls.now.getTime()) } : {}),
  });
}

function whatIsLeft(polls: PollsOf | undefined): string {
  if (polls?.left === undefined) return '';
  const next = polls.left > 0 ? 'one may be spent now' : `the next is free at ${polls.nextAt.toISOString()}`;
  return `Polls left: ${polls.left}; ${next}.`;
}
