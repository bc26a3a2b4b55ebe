import type { Parameters, ParametersParameter } from '@medplum/fhirtypes';
import { codeSystem } from '../../mappings/index.ts';
import { CODES, type EngineAnswer, type SignedDecision, type SigningWish, type UserSession } from '../core/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { refuse, refuseForStore, retryAfter } from './outcome.ts';
import { readRepeatable } from './parameters.ts';
import { type Limit, reachedOf } from './reach.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { readSession } from './user-session.ts';

const MOST_TASKS = 1_000;

/**
 * `$ers-sign-and-send`: sends, in the session that the headers carry, all waiting decisions of its user, or those of the
 * Tasks named; for a client of some e-RS services, those that it reaches. 202: some are under way, and their Tasks will tell.
 * Issues: user-session-required, parameter-invalid; what e-RS or the engine says of the session, nothing sent
 * Source: target-model 4.7
 */
export async function signAndSend(room: FacadeRoom, call: Call<RouteOf<'operation'>>): Promise<Answer> {
  const carried = readSession(call.headers);
  if (isRefusal(carried)) return carried;
  if (carried.session === undefined) return refuse('user-session-required');
  const named = readTasks(call);
  if (isRefusal(named)) return named;
  const wanted = await tasksToSign(room, call.limit, carried.session, named);
  if (isRefusal(wanted)) return wanted;
  const signed = await room.engine.signAndSend(carried.session, {
    ...wanted,
    waitMs: room.limits.signWaitMs,
  });
  if (!signed.ok) return refuseForEngine(signed);
  const results = [...signed.value, ...unreached(named, wanted.taskIds ?? named)];
  const isUnderWay = results.some(({ outcome }) => outcome === 'under-way');
  return { status: isUnderWay ? 202 : 200, body: parametersOf(results) };
}

/** Those that are named, else the user's own; of either, what the client reaches. */
async function tasksToSign(
  { engine, store }: FacadeRoom,
  limit: Limit | undefined,
  session: UserSession,
  named: readonly string[],
): Promise<Pick<SigningWish, 'taskIds' | 'shown'> | Refusal> {
  if (limit === undefined) return named.length === 0 ? {} : { taskIds: named };
  let ids = named;
  let shown: SigningWish['shown'];
  if (named.length === 0) {
    const waiting = await engine.waiting(session);
    if (!waiting.ok) return refuseForEngine(waiting);
    ids = waiting.value.flatMap(({ taskId, isOwn }) => (isOwn ? [taskId] : []));
    shown = Object.fromEntries(waiting.value.map(({ taskId, id }) => [taskId, id]));
  }
  const reached = await reachedOf(store, limit, 'Task', ids);
  if (!reached.ok) return refuseForStore(reached);
  return { taskIds: ids.filter((id) => reached.value.has(id)), ...(shown === undefined ? {} : { shown }) };
}

/** What is not there, and what the client does not reach, in the same words. */
const unreached = (named: readonly string[], reached: readonly string[]): readonly SignedDecision[] =>
  named
    .filter((taskId) => !reached.includes(taskId))
    .map((taskId) => ({ taskId, outcome: 'not-waiting', code: 'resource-not-found' }));

const refuseForEngine = ({ code, retryAfterMs }: Extract<EngineAnswer<unknown>, { ok: false }>): Refusal =>
  refuse(code, retryAfterMs === undefined ? {} : { headers: retryAfter(retryAfterMs) });

function readTasks(call: Call): readonly string[] | Refusal {
  const read = readRepeatable(call, '$ers-sign-and-send', ['task'], 'task');
  if (isRefusal(read)) return read;
  const ids = read.repeated.map(
    ({ valueReference }) => /^Task\/([A-Za-z0-9.-]{1,64})$/.exec(valueReference?.reference ?? '')?.[1],
  );
  const sound = ids.filter((id) => id !== undefined);
  if (sound.length < ids.length)
    return refuse('parameter-invalid', {
      text: 'The parameter task is a valueReference to a Task: {"reference": "Task/…"}.',
    });
  if (sound.length > MOST_TASKS)
    return refuse('parameter-invalid', { text: `At most ${MOST_TASKS} Tasks can be named at once.` });
  return [...new Set(sound)];
}

function parametersOf(signed: readonly SignedDecision[]): Parameters {
  const count = (wanted: SignedDecision['outcome']) => signed.filter(({ outcome }) => outcome === wanted).length;
  return {
    resourceType: 'Parameters',
    parameter: [
      { name: 'sent', valueUnsignedInt: count('sent') },
      { name: 'waiting', valueUnsignedInt: count('waiting') },
      ...signed.map(resultOf),
    ],
  };
}

const resultOf = ({ taskId, outcome, code }: SignedDecision): ParametersParameter => ({
  name: 'result',
  part: [
    { name: 'task', valueReference: { reference: `Task/${taskId}` } },
    { name: 'outcome', valueCode: outcome },
    ...(code === undefined
      ? []
      : [
          {
            name: 'reason',
            valueCoding: { system: codeSystem('ers-facade-issue'), code, display: CODES[code].happened },
          },
        ]),
  ],
});
