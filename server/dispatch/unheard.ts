import type { TransactionEntry } from '../core/index.ts';
import type { Attempt, QueuedDecision } from '../decisions/index.ts';
import { afterFailure, type InHand, later, type Next, reload } from './next.ts';
import type { DispatchRoom } from './room.ts';
import { attemptAudit } from './witness.ts';
import { writeStep } from './write.ts';

/** What is written from here on goes with the attempt's AuditEvent. */
export const witnessed = (decision: QueuedDecision): QueuedDecision =>
  decision.lastAttempt === undefined
    ? decision
    : { ...decision, lastAttempt: { ...decision.lastAttempt, isWitnessed: true } };

/** The attempt whose AuditEvent nobody wrote: the process that made it ended, or could not write, before its answer. */
export const unwitnessed = ({ lastAttempt }: QueuedDecision): Attempt | undefined =>
  lastAttempt?.outcome === 'unknown' && lastAttempt.isWitnessed !== true ? lastAttempt : undefined;

/** Step 5a: each attempt has its AuditEvent, before what became of it is read (E-3). */
export async function witnessUnheard(
  options: DispatchRoom,
  hand: InHand,
  decision: QueuedDecision,
  attempt: Attempt,
): Promise<Next> {
  if (!(await options.people.place(attempt.sender))) return later();
  const record = { ...hand.step.record, decision: witnessed(decision) };
  const about = { recorded: options.clock.now().toISOString(), isRecorded: false };
  const task = { ...hand.step.task, id: record.taskId };
  const witness: TransactionEntry = {
    kind: 'create',
    resource: attemptAudit(task, attempt, about, options.ids),
  };
  const written = await writeStep(options, hand.review, { ...hand.step, record }, [witness]);
  return written.ok ? reload : afterFailure(written);
}
