import type { Annotation, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  codingOf,
  type DecisionCode,
  inputOf,
  makeOutput,
  outputsOf,
  REVIEW_OUTCOME,
  reviewStatusOf,
  taskCodeOf,
  withExtension,
  withReviewStatus,
} from '../../mappings/index.ts';
import type { Intent } from './judge.ts';
import type { Manner, MINOR, MORE_SPOILS, SPOILS } from './script.ts';

const BY_CODE: Readonly<Record<string, readonly [DecisionCode, ...DecisionCode[]]>> = {
  'review-booking': ['accept', 'reject', 'redirect', 'accept'],
  'review-triage': ['accept-book-later', 'return-with-advice'],
  'review-slot-issue': ['accept-book-later', 'return-with-advice'],
};
/** In force, and free to go without a comment. */
const REJECTIONS = ['SERVICE_INAPPROPRIATE', 'FURTHER_INFORMATION_REQUIRED'] as const;

/** What a client wants a Task to be, and what it means by it; no intent: the rules forbid it, whoever asks. */
export interface Wish {
  readonly task: Task;
  readonly intent?: Intent;
}

/** Whether the decision that a client makes of a Task by this choice may take files along. Source: T-6 */
export const takesFile = (task: Task, choice: number): boolean => TAKES_FILE.has(decisionBy(task, choice));

const TAKES_FILE: ReadonlySet<DecisionCode> = new Set(['redirect', 'accept-book-later', 'return-with-advice']);

function decisionBy(task: Task, choice: number): DecisionCode {
  const decisions = BY_CODE[taskCodeOf(task) ?? 'review-unknown'] ?? ['accept'];
  return decisions[choice % decisions.length] ?? 'accept';
}

/** The same decision with a file more. */
export function withFile({ task, intent }: Wish, reference: string): Wish {
  const output = [...(task.output ?? []), makeOutput('attachment', { valueReference: { reference } })];
  const { files = [] } = intent ?? {};
  return { task: { ...task, output }, ...(intent && { intent: { ...intent, files: [...files, reference] } }) };
}

const note = (text: string): Annotation => ({ text });
const concept = (system: string, code: string) => ({ coding: [{ system, code }] });

/** A decision as a client writes it, soundly or not. `token` is in its comment and in nobody else's. */
export function decided(task: Task, choice: number, manner: Manner, token: string): Wish {
  const decision = decisionBy(task, choice);
  if (manner === 'cancels') return { task: { ...task, status: 'cancelled' } };
  const isDestructive = decision === 'reject' || decision === 'return-with-advice';
  if (manner === 'rejects-without-code')
    return {
      task: { ...without(task, decision), status: 'rejected', note: [...(task.note ?? []), note(`bare ${token}`)] },
    };

  const comment = decision === 'accept' || (decision === 'reject' && choice % 3 === 0) ? undefined : `comment ${token}`;
  const hasComment = comment !== undefined && manner !== 'without-comment';
  const rejection = REJECTIONS[choice % REJECTIONS.length] ?? 'SERVICE_INAPPROPRIATE';
  const reason =
    decision === 'reject'
      ? concept(CODE_SYSTEM.appointmentCancellationReason, manner === 'unknown-code' ? 'NO_SUCH_REASON' : rejection)
      : decision === 'accept'
        ? undefined
        : concept(CODE_SYSTEM.reviewOutcome, manner === 'unknown-code' ? 'NO_SUCH_OUTCOME' : REVIEW_OUTCOME[decision]);
  const isReasonLost = manner === 'redirects-without-code' && decision !== 'reject';
  const given = isReasonLost ? undefined : reason;
  const withText = manner === 'misplaces-the-comment' ? { ...given, text: `misplaced ${token}` } : given;
  const earlier =
    manner === 'alters-a-note' ? (task.note ?? []).map((one) => note(`altered ${one.text}`)) : (task.note ?? []);
  const added = [
    ...(hasComment ? [note(comment)] : []),
    ...(manner === 'two-notes' ? [note(`first ${token}`), note(`second ${token}`)] : []),
  ];
  const isIndirect = codingOf(inputOf(task, 'bookable-type'))?.code === 'INDIRECTLY_BOOKABLE';
  const needsFlag = isIndirect && (decision === 'reject' || decision === 'redirect');
  const notes = [...earlier, ...added];
  const base = without(task, decision);
  const outputs = [
    ...(base.output ?? []),
    ...(needsFlag ? [makeOutput('appointment-cancelled-in-pas', { valueBoolean: choice % 2 === 0 })] : []),
  ];
  const wish: Task = {
    ...base,
    status: isDestructive ? 'rejected' : 'accepted',
    ...(withText === undefined ? {} : { statusReason: withText }),
    ...(notes.length === 0 ? {} : { note: notes }),
    ...(outputs.length === 0 ? {} : { output: outputs }),
  };
  const meant = meaningOf(task, decision, manner, isReasonLost);
  if (meant === undefined) return { task: wish };
  const files = outputsOf(wish, 'attachment').flatMap(({ valueReference }) => valueReference?.reference ?? []);
  return {
    task: wish,
    intent: {
      taskId: task.id ?? '',
      decision: meant,
      ...(meant === 'reject' ? { reason: rejection } : {}),
      ...(hasComment ? { comment } : {}),
      ...(files.length === 0 ? {} : { files }),
    },
  };
}

/** What the rules make of it: a decision, or nothing. Source: target-model 4.3, T-1..T-4 */
function meaningOf(
  task: Task,
  decision: DecisionCode,
  manner: Manner,
  isReasonLost: boolean,
): DecisionCode | undefined {
  switch (manner) {
    case 'two-notes':
    case 'misplaces-the-comment':
      return undefined;
    case 'unknown-code':
      return decision === 'accept' ? 'accept' : undefined;
    case 'alters-a-note':
      return (task.note ?? []).length === 0 ? decision : undefined;
    case 'without-comment':
      return decision === 'accept' || decision === 'reject' ? decision : undefined;
    case 'redirects-without-code':
      // Triage takes an acceptance without its code; a redirect whose code got lost is nothing.
      if (decision === 'redirect' || decision === 'return-with-advice') return undefined;
      return isReasonLost || decision === 'reject' || decision === 'accept' ? decision : undefined;
    default:
      return decision;
  }
}

/** The Task without what an earlier decision left; files that were attached for it go with another that may have them. */
function without(task: Task, decision: DecisionCode): Task {
  const { statusReason: _, contained: __, output, ...rest } = task;
  const failed = new Set(outputsOf(task, 'failed-decision').concat(outputsOf(task, 'outcome')));
  const left = TAKES_FILE.has(decision) ? [] : outputsOf(task, 'attachment');
  const client = new Set(outputsOf(task, 'appointment-cancelled-in-pas').concat(left));
  const kept = (output ?? []).filter((one) => !failed.has(one) && !client.has(one));
  return { ...rest, ...(kept.length === 0 ? {} : { output: kept }) };
}

/** A claim, a release, a note, an owner, a decision taken back. */
export function touched(task: Task, how: (typeof MINOR)[number], token: string): Task {
  switch (how) {
    case 'claim':
    case 'take-back':
      return { ...task, status: 'received' };
    case 'release':
      return { ...task, status: 'requested' };
    case 'note':
      return { ...task, note: [...(task.note ?? []), note(`internal ${token}`)] };
    case 'owner':
      return { ...task, owner: { display: `Team ${token}` } };
  }
}

/** What only the engine may write, written by somebody else; `undefined`: the Task is deleted. */
export function spoiled(task: Task, how: (typeof SPOILS)[number] | (typeof MORE_SPOILS)[number]): Task | undefined {
  switch (how) {
    case 'complete':
      return { ...task, status: 'completed' };
    case 'alter-note':
      return { ...task, note: (task.note ?? []).map((one) => ({ ...one, text: 'something else' })) };
    case 'forge-accepted':
      return withReviewStatus(task, 'accepted');
    case 'forge-queued':
      return withReviewStatus(task, 'decision-queued');
    case 'drop-status': {
      const { businessStatus: _, ...rest } = task;
      return rest;
    }
    case 'move-focus':
      return { ...task, focus: { display: 'somebody else' } };
    case 'delete':
      return undefined;
    case 'drop-identifier': {
      const { identifier: _, ...rest } = task;
      return rest;
    }
    case 'forge-version':
      return withExtension(task, 'ers-version', { valueUnsignedInt: 999 });
    case 'reopen-closed':
      return withReviewStatus({ ...task, status: 'requested' }, 'awaiting-review');
    case 'rewrite-decision':
      // Of an open Task this would be no forgery, but a decision like any other.
      if (task.status !== 'accepted' && task.status !== 'rejected') return { ...task, status: 'failed' };
      return { ...task, status: task.status === 'accepted' ? 'rejected' : 'accepted' };
  }
}

/** Whether a decision that was written through the facade can still be taken back, by what the Task says. */
export const isWaiting = (task: Task): boolean => {
  const status = reviewStatusOf(task);
  return status === 'decision-queued' || status === 'awaiting-user-authorisation';
};
