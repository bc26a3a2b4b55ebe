import type { Task } from '@medplum/fhirtypes';
import { reviewStatusOf } from '../../mappings/index.ts';
import type { Clock, DispatchRecord, EngineAnswer, SignedDecision, SigningWish, Store } from '../core/index.ts';
import { loadReview } from '../reviews/index.ts';
import { decisionIdOf, type IdentifiedSession, type Sessions } from './sessions.ts';
import { findWaiting } from './waiting.ts';

export interface Signing {
  readonly store: Store;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly keyOf: (taskId: string) => string | undefined;
  /** The room ends. */
  readonly signal: AbortSignal;
  /** Looks at a Task in the order of urgency; resolves when it was looked at. */
  readonly look: (taskId: string) => Promise<void>;
}

/** A Task whose look fell just before its session was given is looked at again. */
const LOOKS = 4;

/**
 * Sends, in one session, the waiting decisions that are its user's own, or those that are named. What the session cannot
 * send any more waits on, with the reason; what e-RS has not answered in time is under way. A decision that has taken the
 * place of one that was shown is not sent.
 * Source: target-model 4.7
 */
export async function signAndSend(
  signing: Signing,
  identified: IdentifiedSession,
  wish: SigningWish,
): Promise<EngineAnswer<readonly SignedDecision[]>> {
  const { store, clock, sessions, signal } = signing;
  const { taskIds, shown = {} } = wish.taskIds === undefined ? await ownOf(store, identified) : wish;
  if (taskIds === undefined) return { ok: false, code: 'store-unavailable' };
  const late = new AbortController();
  const isLate = clock.sleep(wish.waitMs, AbortSignal.any([late.signal, signal])).then(() => 'late' as const);
  const decisions = await Promise.all(taskIds.map(async (taskId) => shown[taskId] ?? (await idOf(signing, taskId))));
  // All are given the session first: the order in which they go is the order of urgency, not that of asking.
  for (const [index, taskId] of taskIds.entries()) {
    const id = decisions[index];
    if (id !== undefined) sessions.give(taskId, id, identified);
  }
  const signed = await Promise.all(
    taskIds.map(async (taskId, index): Promise<SignedDecision> => {
      const sent = sendOne(signing, identified, taskId, decisions[index]);
      sent.catch(() => undefined);
      const first = await Promise.race([sent, isLate]);
      return first === 'late' ? { taskId, outcome: 'under-way' } : first;
    }),
  );
  late.abort();
  return { ok: true, value: signed };
}

async function ownOf(store: Store, identified: IdentifiedSession): Promise<Pick<SigningWish, 'taskIds' | 'shown'>> {
  const waiting = await findWaiting(store, identified);
  if (!waiting.ok) return {};
  return {
    taskIds: waiting.value.flatMap(({ taskId, isOwn }) => (isOwn ? [taskId] : [])),
    shown: Object.fromEntries(waiting.value.map(({ taskId, id }) => [taskId, id])),
  };
}

async function idOf({ store, keyOf }: Signing, taskId: string): Promise<string | undefined> {
  const review = await loadReview(store, taskId, keyOf(taskId));
  const decision = review.ok ? review.value?.record.data.decision : undefined;
  return decision && decisionIdOf(decision);
}

/**
 * Which decision waits on a Task now; undefined: none, e-RS has recorded it. One that nobody has looked at yet is looked
 * at first.
 * Codes: resource-not-found, decision-not-available, store-unavailable
 */
export async function waitingOn(
  { store, keyOf }: Pick<Signing, 'store' | 'keyOf'>,
  taskId: string,
  look: () => Promise<void>,
): Promise<EngineAnswer<string | undefined>> {
  for (const isLooked of [false, true]) {
    if (isLooked) await look();
    const review = await loadReview(store, taskId, keyOf(taskId));
    if (!review.ok) return { ok: false, code: 'store-unavailable' };
    if (review.value === undefined) return { ok: false, code: 'resource-not-found' };
    const { decision, ended } = review.value.record.data;
    if (decision !== undefined) return { ok: true, value: decisionIdOf(decision) };
    if (ended?.recorded) return { ok: true, value: undefined };
  }
  return { ok: false, code: 'decision-not-available' };
}

async function sendOne(
  signing: Signing,
  identified: IdentifiedSession,
  taskId: string,
  known: string | undefined,
): Promise<SignedDecision> {
  const { store, sessions, keyOf, look } = signing;
  let id = known;
  if (id === undefined) {
    const waiting = await waitingOn(signing, taskId, () => look(taskId));
    if (waiting.ok && waiting.value !== undefined) sessions.give(taskId, waiting.value, identified);
    id = waiting.ok ? waiting.value : undefined;
  }
  for (let looks = 1; ; looks += 1) {
    await look(taskId);
    const review = await loadReview(store, taskId, keyOf(taskId));
    if (!review.ok) return { taskId, outcome: 'under-way', code: 'store-unavailable' };
    if (review.value === undefined) return { taskId, outcome: 'not-waiting', code: 'resource-not-found' };
    const became = becameOf(taskId, id, review.value.record.data, sessions);
    if (became !== 'untried') return became;
    if (looks === LOOKS) return { taskId, outcome: 'under-way' };
  }
}

/** Whether a Task without a decision says what became of one: nobody has taken it back. */
export const isGivenBack = (baseline: Task): boolean =>
  reviewStatusOf(baseline) !== 'under-review' && reviewStatusOf(baseline) !== 'awaiting-review';

/** What has become of a decision, by its record. */
function becameOf(
  taskId: string,
  id: string | undefined,
  { ended, decision, baseline }: DispatchRecord,
  sessions: Sessions,
): SignedDecision | 'untried' {
  if (ended?.recorded) return { taskId, outcome: 'sent' };
  if (ended !== undefined) return { taskId, outcome: 'not-waiting', code: 'task-closed' };
  if (decision === undefined) {
    return isGivenBack(baseline)
      ? { taskId, outcome: 'given-back' }
      : { taskId, outcome: 'not-waiting', code: 'decision-not-available' };
  }
  // It was taken back meanwhile; what waits there now is another decision.
  if (id === undefined || decisionIdOf(decision) !== id)
    return { taskId, outcome: 'not-waiting', code: 'decision-not-available' };
  const whyNot = sessions.whyNot(taskId, id);
  if (whyNot !== undefined) return { taskId, outcome: 'waiting', code: whyNot };
  return reviewStatusOf(baseline) === 'awaiting-user-authorisation' ? 'untried' : { taskId, outcome: 'under-way' };
}
