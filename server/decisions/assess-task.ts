import type { Annotation, Task } from '@medplum/fhirtypes';
import { type DecisionCode, isSameJson, reviewStatusOf, withReviewStatus } from '../../mappings/index.ts';
import type { AssessContext, Assessment, DecisionIssue } from './assessment.ts';
import { REVIEW_MACHINE, type ReviewEvent } from './machine.ts';
import { readDecision } from './read-decision.ts';
import {
  asDecided,
  clientDiffers,
  engineDifferences,
  notesAdded,
  partsAdded,
  partsKept,
  withEngineElementsOf,
  withoutDecision,
} from './task-elements.ts';

export interface TaskUpdate {
  /** The Task as the engine last wrote or took note of it. */
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
  const { baseline, before } = update;
  if (before === undefined) return judge(update, baseline);
  const assessment = judge(update, before);
  if (!('task' in assessment)) return assessment;
  // The engine knows the baseline only: what the facade allows must mean the same from there, or an earlier change that
  // the engine has not seen yet would become part of this one (T-2: an internal note would go to e-RS).
  const own = withEngineElementsOf(baseline, assessment.task);
  const asFound = judge({ ...update, task: own }, baseline);
  if (asFound.kind === 'refused' || !isSameJson(commandOf(assessment), commandOf(asFound))) return UNSEEN_CHANGE;
  if (asFound.kind === 'decided') return asFound;
  // What somebody made of the engine's elements in the store must not become the baseline through the facade (T-7).
  return { ...assessment, task: 'task' in asFound ? asFound.task : own };
}

const commandOf = (assessment: Assessment) => (assessment.kind === 'decided' ? assessment.command : undefined);

const UNSEEN_CHANGE: Assessment = {
  kind: 'refused',
  issues: [
    {
      code: 'task-in-flight',
      expression: 'Task',
      text: 'An earlier change of this Task is still being taken over: read it again, then send this one.',
    },
  ],
};

function judge({ task, context, offered }: TaskUpdate, before: Task): Assessment {
  const issues: DecisionIssue[] = engineDifferences(before, task).map(readOnly);
  if (!clientDiffers(before, task)) return issues.length > 0 ? { kind: 'refused', issues } : { kind: 'unchanged' };

  const event = eventOf(before, task);
  const barred = event === undefined ? statusIssue(before, task) : barredBy(before, task, event, context);
  if (barred !== undefined) return { kind: 'refused', issues: [...issues, barred] };

  const notes = notesAdded(before, task);
  if (notes === undefined) {
    issues.push({
      code: 'read-only-element',
      expression: 'Task.note',
      text: 'Earlier notes must stay as they are: add a note with the path /note/-.',
    });
  }
  if (event === 'client-decides') {
    issues.push(...partsKept(before, task).map(partOfAnotherUpdate));
    const read = readDecision(before, task, notes, context);
    if (!read.ok) issues.push(...read.issues);
    if (!read.ok || issues.length > 0) return { kind: 'refused', issues };
    const { decision, command, attachments } = read;
    const decider = deciderOf(notes?.[0], task);
    return {
      kind: 'decided',
      task: asDecided(task, decision),
      decision,
      command,
      attachments,
      ...(decider === undefined ? {} : { decider }),
    };
  }
  if (event !== 'client-takes-back') issues.push(...partsAdded(before, task).map(partWithoutDecision));
  if (issues.length > 0) return { kind: 'refused', issues };
  if (event === 'client-takes-back')
    return { kind: 'taken-back', task: withReviewStatus(withoutDecision(task, offered), 'under-review') };
  if (event === 'client-claims') return { kind: 'annotated', task: withReviewStatus(task, 'under-review') };
  if (event === 'client-releases') return { kind: 'annotated', task: withReviewStatus(task, 'awaiting-review') };
  return { kind: 'annotated', task };
}

/** A rule that forbids to write an element which only the engine writes (T-7). */
export const readOnly = (element: string): DecisionIssue => ({
  code: 'read-only-element',
  expression: `Task.${element}`,
  text: `Only the engine writes Task.${element}: send it as it was read.`,
});

/** 4.3: what a decision takes comes with it, or a bare status would mean what somebody wrote for another one. */
const partWithoutDecision = (expression: string): DecisionIssue => ({
  code: 'decision-incomplete',
  expression,
  text: `${expression} is part of a decision: send it in the same update as the status accepted or rejected.`,
});

/** The same, found when the decision came. */
export const partOfAnotherUpdate = (expression: string): DecisionIssue => ({
  code: 'decision-incomplete',
  expression,
  text: `${expression} was there before the deciding update: take it away, then send it in the same update as the status.`,
});

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

/** What the state machine says against an event. A note or an owner may be written while a claim may. */
function barredBy(
  before: Task,
  task: Task,
  event: ClientEvent,
  { isInDoubt = false }: AssessContext,
): DecisionIssue | undefined {
  const shown = reviewStatusOf(before) ?? 'awaiting-review';
  const state = isInDoubt && WAITING.has(shown) ? 'decision-sending' : shown;
  const move = REVIEW_MACHINE[state][event === 'annotates' ? 'client-claims' : event];
  if (move.kind !== 'refuse') return undefined;
  const expression = event === 'annotates' ? 'Task' : 'Task.status';
  return { code: move.code, expression, text: refusalText(move.code, before.status, task.status) };
}

const WAITING: ReadonlySet<string> = new Set(['decision-queued', 'awaiting-user-authorisation']);

function statusIssue(before: Task, task: Task): DecisionIssue {
  const expression = 'Task.status';
  if (task.status === 'cancelled') {
    return {
      code: 'cancel-not-supported',
      expression,
      text: 'Cancelling a referral cannot be undone and is not offered through a Task: cancel it in e-RS itself.',
    };
  }
  const code = 'transition-not-allowed';
  return { code, expression, text: refusalText(code, before.status, task.status) };
}

function refusalText(code: DecisionIssue['code'], from: Task['status'], to: Task['status']): string {
  if (code === 'task-in-flight')
    return 'The decision is on its way to e-RS and can no longer be changed; $ers-reopen gives it back once e-RS is known not to have it.';
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
