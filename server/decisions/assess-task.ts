import type { Annotation, Task } from '@medplum/fhirtypes';
import { type DecisionCode, reviewStatusOf, withReviewStatus } from '../../mappings/index.ts';
import type { AssessContext, Assessment, DecisionIssue } from './assessment.ts';
import { REVIEW_MACHINE, type ReviewEvent } from './machine.ts';
import { readDecision } from './read-decision.ts';
import { asDecided, clientDiffers, engineDifferences, notesAdded, withoutDecision } from './task-elements.ts';

export interface TaskUpdate {
  /** The Task as the engine last wrote or took note of it: earlier notes are counted from it (T-2). */
  readonly baseline: Task;
  /** The Task as the store held it before the update; the baseline where the update was found in the store. */
  readonly before?: Task;
  /** The Task as somebody wants it, or wrote it. */
  readonly task: Task;
  /** What the Task offered before it was decided; shown again when a decision is taken back. */
  readonly offered: readonly DecisionCode[];
  readonly context: AssessContext;
}

/**
 * Judges an update of a review Task, the same way whether it came through the facade or was found in the store.
 * Source: target-model 4.3, 4.4; T-1..T-16
 */
export function assessTask(update: TaskUpdate): Assessment {
  const { baseline, task, context, offered } = update;
  const before = update.before ?? baseline;
  const issues: DecisionIssue[] = engineDifferences(before, task).map((element) => ({
    code: 'read-only-element',
    expression: `Task.${element}`,
    text: `Only the engine writes Task.${element}: send it as it was read.`,
  }));
  if (!clientDiffers(before, task)) return issues.length > 0 ? { kind: 'refused', issues } : { kind: 'unchanged' };

  const event = eventOf(before, task);
  const state = reviewStatusOf(before) ?? 'awaiting-review';
  if (event === undefined) {
    issues.push(statusIssue(before, task));
    return { kind: 'refused', issues };
  }
  if (event !== 'annotates') {
    const move = REVIEW_MACHINE[state][event];
    if (move.kind === 'refuse') {
      issues.push({
        code: move.code,
        expression: 'Task.status',
        text: refusalText(move.code, before.status, task.status),
      });
      return { kind: 'refused', issues };
    }
  } else {
    const claims = REVIEW_MACHINE[state]['client-claims'];
    if (claims.kind === 'refuse') {
      issues.push({
        code: claims.code,
        expression: 'Task',
        text: refusalText(claims.code, before.status, task.status),
      });
      return { kind: 'refused', issues };
    }
  }
  const added = notesAdded(before, task);
  if (added === undefined) {
    issues.push({
      code: 'read-only-element',
      expression: 'Task.note',
      text: 'Earlier notes must stay as they are: add a note with the path /note/-.',
    });
  }
  if (event === 'client-decides') {
    const decision = readDecision(before, task, notesAdded(baseline, task), context);
    if (!decision.ok)
      issues.push(...decision.issues.filter((issue) => added !== undefined || issue.expression !== 'Task.note'));
    if (!decision.ok || issues.length > 0) return { kind: 'refused', issues };
    const decider = deciderOf(notesAdded(baseline, task)?.[0], task);
    return {
      kind: 'decided',
      task: asDecided(task, decision.decision),
      decision: decision.decision,
      command: decision.command,
      attachments: decision.attachments,
      ...(decider === undefined ? {} : { decider }),
    };
  }
  if (issues.length > 0) return { kind: 'refused', issues };
  if (event === 'client-takes-back') {
    return { kind: 'taken-back', task: withReviewStatus(withoutDecision(task, offered), 'under-review') };
  }
  return { kind: 'annotated', task: annotated(task, event) };
}

type ClientEvent =
  | Extract<ReviewEvent, 'client-claims' | 'client-releases' | 'client-decides' | 'client-takes-back'>
  | 'annotates';

/** What a change of status means; undefined for one that no rule draws (T-9, T-16). */
function eventOf(before: Task, task: Task): ClientEvent | undefined {
  if (before.status === task.status) return 'annotates';
  const isOpen = before.status === 'requested' || before.status === 'received';
  if (task.status === 'accepted' || task.status === 'rejected') return 'client-decides';
  if (task.status === 'received') return isOpen ? 'client-claims' : 'client-takes-back';
  return task.status === 'requested' ? 'client-releases' : undefined;
}

function annotated(task: Task, event: ClientEvent): Task {
  if (event === 'client-claims') return withReviewStatus(task, 'under-review');
  if (event === 'client-releases') return withReviewStatus(task, 'awaiting-review');
  return task;
}

function statusIssue(before: Task, task: Task): DecisionIssue {
  const expression = 'Task.status';
  return task.status === 'cancelled'
    ? {
        code: 'cancel-not-supported',
        expression,
        text: 'Cancelling a referral cannot be undone and is not offered through a Task: cancel it in e-RS itself.',
      }
    : {
        code: 'transition-not-allowed',
        expression,
        text: refusalText('transition-not-allowed', before.status, task.status),
      };
}

function refusalText(code: string, from: Task['status'], to: Task['status']): string {
  if (code === 'task-in-flight') return 'The decision is on its way to e-RS and can no longer be changed.';
  if (code === 'task-closed')
    return 'The review is closed; follow later work in a Task of your own (basedOn this one).';
  return from === to
    ? 'While a decision is queued a Task can only be taken back: set its status to received.'
    : `A Task cannot go from ${from} to ${to}: decide with accepted or rejected, claim with received, release with requested.`;
}

/** The person who decided, as the Task names one; unverified until an authenticated user is known (architecture 10). */
function deciderOf(note: Annotation | undefined, task: Task): string | undefined {
  const reference = note?.authorReference?.reference ?? task.owner?.reference;
  return reference?.startsWith('Practitioner/') || reference?.startsWith('PractitionerRole/') ? reference : undefined;
}
