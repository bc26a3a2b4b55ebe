import { reviewStatusOf } from '../../mappings/index.ts';
import type { Clock, DispatchRecord, EngineAnswer, SignedDecision, Store } from '../core/index.ts';
import { loadReview } from '../reviews/index.ts';
import type { IdentifiedSession, Sessions } from './sessions.ts';
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
 * send any more waits on, with the reason; what e-RS has not answered in time is under way.
 * @param taskIds undefined: all that are the user's own
 * Source: target-model 4.7
 */
export async function signAndSend(
  signing: Signing,
  identified: IdentifiedSession,
  taskIds: readonly string[] | undefined,
  waitMs: number,
): Promise<EngineAnswer<readonly SignedDecision[]>> {
  const { store, clock, sessions, signal } = signing;
  const wanted = taskIds ?? (await ownOf(store, identified));
  if (wanted === undefined) return { ok: false, code: 'store-unavailable' };
  const late = new AbortController();
  const isLate = clock.sleep(waitMs, AbortSignal.any([late.signal, signal])).then(() => 'late' as const);
  // All are given the session first: the order in which they go is the order of urgency, not that of asking.
  for (const taskId of wanted) sessions.give(taskId, identified);
  const signed = await Promise.all(
    wanted.map(async (taskId): Promise<SignedDecision> => {
      const sent = sendOne(signing, taskId);
      sent.catch(() => undefined);
      const first = await Promise.race([sent, isLate]);
      return first === 'late' ? { taskId, outcome: 'under-way' } : first;
    }),
  );
  late.abort();
  return { ok: true, value: signed };
}

async function ownOf(store: Store, identified: IdentifiedSession): Promise<readonly string[] | undefined> {
  const waiting = await findWaiting(store, identified);
  return waiting.ok ? waiting.value.flatMap(({ taskId, isOwn }) => (isOwn ? [taskId] : [])) : undefined;
}

async function sendOne({ store, sessions, keyOf, look }: Signing, taskId: string): Promise<SignedDecision> {
  for (let looks = 1; ; looks += 1) {
    await look(taskId);
    const review = await loadReview(store, taskId, keyOf(taskId));
    if (!review.ok) return { taskId, outcome: 'under-way', code: 'store-unavailable' };
    if (review.value === undefined) return { taskId, outcome: 'not-waiting', code: 'resource-not-found' };
    const became = becameOf(taskId, review.value.record.data, sessions);
    if (became !== 'untried') return became;
    if (looks === LOOKS) return { taskId, outcome: 'under-way' };
  }
}

/** What has become of a decision, by its record. */
function becameOf(
  taskId: string,
  { ended, decision, baseline }: DispatchRecord,
  sessions: Sessions,
): SignedDecision | 'untried' {
  if (ended?.recorded) return { taskId, outcome: 'sent' };
  if (ended !== undefined) return { taskId, outcome: 'not-waiting', code: 'task-closed' };
  if (decision === undefined) {
    const isGivenBack = reviewStatusOf(baseline) !== 'under-review' && reviewStatusOf(baseline) !== 'awaiting-review';
    return isGivenBack
      ? { taskId, outcome: 'given-back' }
      : { taskId, outcome: 'not-waiting', code: 'decision-not-available' };
  }
  const whyNot = sessions.whyNot(taskId);
  if (whyNot !== undefined) return { taskId, outcome: 'waiting', code: whyNot };
  return reviewStatusOf(baseline) === 'awaiting-user-authorisation' ? 'untried' : { taskId, outcome: 'under-way' };
}
