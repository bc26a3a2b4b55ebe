import type { Annotation, CodeableConcept, Coding, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  codingOf,
  type DecisionCode,
  type DecisionCommand,
  type ErsPriority,
  inputOf,
  inputsOf,
  normaliseSystem,
  outputsOf,
  REVIEW_OUTCOME,
  type TaskCode,
  taskCodeOf,
  toErsPriority,
} from '../../mappings/index.ts';
import type { DecisionIssueCode } from '../core/index.ts';
import type { AssessContext, DecisionIssue } from './assessment.ts';
import { givenReason } from './task-elements.ts';

/** One way to decide: a status, and the outcome code that goes with it; without `outcome`, none is given (4.3). */
interface Way {
  readonly status: 'accepted' | 'rejected';
  readonly outcome?: string;
  readonly decision: DecisionCode;
}

const TRIAGE: readonly Way[] = [
  { status: 'accepted', decision: 'accept-book-later' },
  { status: 'accepted', outcome: REVIEW_OUTCOME['accept-book-later'], decision: 'accept-book-later' },
  { status: 'rejected', outcome: REVIEW_OUTCOME['return-with-advice'], decision: 'return-with-advice' },
];

/** The ways to decide each kind of review, but for the rejections of a booking; anything else is no decision (T-1). */
const WAYS: Readonly<Record<TaskCode, readonly Way[]>> = {
  'review-booking': [
    { status: 'accepted', decision: 'accept' },
    { status: 'accepted', outcome: REVIEW_OUTCOME.redirect, decision: 'redirect' },
  ],
  'review-triage': TRIAGE,
  'review-slot-issue': TRIAGE,
  'resolve-slot-issue': [],
  'review-unknown': [],
};

const DEFAULT_MAX_COMMENT_LENGTH = 2000;

/** What a decision may or must carry; everything else is refused (4.3, T-4). */
const PARAMETERS: Readonly<
  Record<DecisionCode, { comment: Presence; pasFlag: boolean; priority: Priority; attachments: boolean }>
> = {
  accept: { comment: 'forbidden', pasFlag: false, priority: 'forbidden', attachments: false },
  reject: { comment: 'by-reason', pasFlag: true, priority: 'forbidden', attachments: false },
  redirect: { comment: 'required', pasFlag: true, priority: 'free', attachments: true },
  'accept-book-later': { comment: 'required', pasFlag: false, priority: 'free', attachments: true },
  'return-with-advice': { comment: 'required', pasFlag: false, priority: 'current-only', attachments: true },
};

/** Whether a decision may carry files (T-6). */
export const takesAttachments = (decision: DecisionCode): boolean => PARAMETERS[decision].attachments;

type Presence = 'required' | 'forbidden' | 'by-reason';
type Priority = 'free' | 'forbidden' | 'current-only';

/** The decision that a Task expresses, or every rule that it breaks. */
export type ReadDecision =
  | {
      readonly ok: true;
      readonly decision: DecisionCode;
      readonly command: DecisionCommand;
      readonly attachments: readonly string[];
    }
  | { readonly ok: false; readonly issues: readonly DecisionIssue[] };

/**
 * Reads the decision out of a Task whose status a client set to accepted or rejected.
 * @param before the Task before the deciding update: it says what is offered
 * @param notes the notes that the deciding update added; undefined when it altered an earlier one, which is refused anyway
 * Source: target-model 4.3, T-1..T-6
 */
export function readDecision(
  before: Task,
  task: Task,
  notes: readonly Annotation[] | undefined,
  context: AssessContext,
): ReadDecision {
  const status = task.status === 'accepted' ? 'accepted' : 'rejected';
  const code = taskCodeOf(before) ?? 'review-unknown';
  const issues: DecisionIssue[] = [];
  const issue = (issueCode: DecisionIssueCode, expression: string, text: string) => {
    issues.push({ code: issueCode, expression, text });
  };

  const offered = inputsOf(before, 'available-decision').map((input) => codingOf(input)?.code);
  if (offered.length === 0) {
    issue(
      'decision-not-available',
      'Task.status',
      `A ${code} Task offers no decision at the moment; see its businessStatus and e-RS.`,
    );
    return { ok: false, issues };
  }
  const reason = readReason(code, status, givenReason(task), context, issue);
  if (reason === undefined) return { ok: false, issues };
  const { decision } = reason;
  if (!offered.includes(decision)) {
    issue('decision-not-available', 'Task.status', `This Task offers ${offered.join(', ')}, not ${decision}.`);
    return { ok: false, issues };
  }
  const allowed = PARAMETERS[decision];
  const comment = readComment(task, notes, allowed.comment, reason, context, issue);
  const appointmentCancelledInPas = readPasFlag(before, task, allowed.pasFlag, decision, issue);
  const priority = readPriority(task, allowed.priority, context.currentPriority, issue);
  const attachments = readAttachments(task, allowed.attachments, context.usableAttachments, issue);
  if (issues.length > 0) return { ok: false, issues };
  return {
    ok: true,
    decision,
    attachments,
    command: commandOf(decision, {
      ...(reason.rejection === undefined ? {} : { reason: reason.rejection }),
      ...(comment === undefined ? {} : { comment }),
      ...(appointmentCancelledInPas === undefined ? {} : { appointmentCancelledInPas }),
      ...(priority === undefined ? {} : { priority }),
    }),
  };
}

type Report = (code: DecisionIssueCode, expression: string, text: string) => void;
interface ReadReason {
  readonly decision: DecisionCode;
  /** The A004 code of a rejection. */
  readonly rejection?: string;
  readonly isCommentMandatory: boolean;
  /** What the code is called, by the client and by e-RS. */
  readonly displays: readonly string[];
}

function readReason(
  code: TaskCode,
  status: 'accepted' | 'rejected',
  reason: CodeableConcept | undefined,
  context: AssessContext,
  issue: Report,
): ReadReason | undefined {
  const expression = 'Task.statusReason';
  const codings = reason?.coding ?? [];
  const outcomes = codings.filter((coding) => coding.system === CODE_SYSTEM.reviewOutcome);
  const rejections = codings.filter((coding) => isRejectionSystem(coding));
  if (codings.length > outcomes.length + rejections.length || outcomes.length + rejections.length > 1) {
    issue(
      'reason-not-allowed',
      expression,
      'Give one coding: an e-RS rejection reason or an eRS-ReviewOutcome-1 code.',
    );
    return undefined;
  }
  const [outcome] = outcomes;
  const [rejection] = rejections;
  const takesRejection = code === 'review-booking' && status === 'rejected';
  if (takesRejection && rejection !== undefined) return readRejection(rejection, context, issue);
  const ways = WAYS[code].filter((way) => way.status === status);
  // Only the absence of any coding stands for none: a redirect whose code got lost is no accept (T-4).
  const way =
    codings.length === 0
      ? ways.find((one) => one.outcome === undefined)
      : ways.find((one) => one.outcome !== undefined && one.outcome === outcome?.code);
  if (way !== undefined) {
    const displays = outcome?.display === undefined ? [] : [outcome.display];
    return { decision: way.decision, isCommentMandatory: false, displays };
  }
  const wanted = takesRejection
    ? 'an e-RS rejection reason in force today'
    : ways.flatMap((one) => (one.outcome === undefined ? [] : [`${CODE_SYSTEM.reviewOutcome}#${one.outcome}`])).join();
  const what = `status "${status}" on a ${code} Task`;
  if (codings.length === 0) issue('reason-required', expression, `${what} needs a statusReason coding: ${wanted}`);
  else issue('reason-not-allowed', expression, `${what} takes no other statusReason coding than ${wanted}`);
  return undefined;
}

function readRejection(coding: Coding, context: AssessContext, issue: Report): ReadReason | undefined {
  const reason = context.rejectionReasons?.find((candidate) => candidate.code === coding.code);
  if (reason === undefined) {
    const known =
      context.rejectionReasons === undefined
        ? 'e-RS has not told its rejection reasons yet; try again soon.'
        : 'Take one from ValueSet/ers-rejection-reason/$expand.';
    issue('reason-not-in-force', 'Task.statusReason', `This code is no e-RS rejection reason in force today. ${known}`);
    return undefined;
  }
  return {
    decision: 'reject',
    rejection: reason.code,
    isCommentMandatory: reason.commentIsMandatory,
    displays: [reason.display, ...(coding.display === undefined ? [] : [coding.display])],
  };
}

const isRejectionSystem = (coding: Coding): boolean =>
  coding.system !== undefined && normaliseSystem(coding.system).system === CODE_SYSTEM.appointmentCancellationReason;

function readComment(
  task: Task,
  notes: readonly Annotation[] | undefined,
  presence: Presence,
  reason: ReadReason,
  context: AssessContext,
  issue: Report,
): string | undefined {
  if (notes === undefined) return undefined;
  if (notes.length > 1) {
    issue('comment-ambiguous', 'Task.note', 'More than one note is new: add exactly one in the deciding update.');
    return undefined;
  }
  const comment = notes[0]?.text;
  const text = givenReason(task)?.text;
  if (text !== undefined && text !== comment && !reason.displays.includes(text)) {
    issue(
      'comment-in-wrong-place',
      'Task.statusReason.text',
      'This text would not reach e-RS: put it into a note, or leave it out.',
    );
  }
  const max = context.maxCommentLength ?? DEFAULT_MAX_COMMENT_LENGTH;
  if (presence === 'forbidden' && notes.length > 0) {
    issue(
      'comment-not-allowed',
      'Task.note',
      'An accept takes no note: to cancel and rebook, give the statusReason CANCEL_APPOINTMENT_ACTION_LATER.',
    );
  }
  if (presence !== 'forbidden' && notes.length === 1 && (comment === undefined || comment.trim() === '')) {
    issue('comment-required', 'Task.note', 'The new note is empty.');
  } else if (
    (presence === 'required' || (presence === 'by-reason' && reason.isCommentMandatory)) &&
    notes.length === 0
  ) {
    issue('comment-required', 'Task.note', 'Add one note: it is the comment that e-RS gets.');
  }
  if (comment !== undefined && comment.length > max) {
    issue('comment-too-long', 'Task.note', `The note has ${comment.length} characters; e-RS takes ${max}.`);
  }
  return comment;
}

function readPasFlag(
  before: Task,
  task: Task,
  isAllowed: boolean,
  decision: DecisionCode,
  issue: Report,
): boolean | undefined {
  const expression = "Task.output.where(type.coding.code = 'appointment-cancelled-in-pas')";
  const flags = outputsOf(task, 'appointment-cancelled-in-pas');
  const [flag] = flags;
  const bookable = codingOf(inputOf(before, 'bookable-type'))?.code;
  if (flag === undefined) {
    if (isAllowed && bookable === 'INDIRECTLY_BOOKABLE') {
      issue(
        'pas-flag-required',
        'Task.output',
        'The service is indirectly bookable: add the output appointment-cancelled-in-pas with valueBoolean true or false.',
      );
    }
    return undefined;
  }
  if (!isAllowed) issue('pas-flag-not-allowed', expression, `${decision} takes no appointment-cancelled-in-pas.`);
  else if (bookable === 'DIRECTLY_BOOKABLE')
    issue('pas-flag-not-allowed', expression, 'The service is directly bookable: e-RS cancels the appointment itself.');
  else if (flags.length > 1) issue('pas-flag-not-allowed', expression, 'Give appointment-cancelled-in-pas once.');
  else if (flag.valueBoolean === undefined)
    issue('pas-flag-required', expression, 'appointment-cancelled-in-pas needs valueBoolean.');
  return flag.valueBoolean;
}

function readPriority(
  task: Task,
  allowed: Priority,
  current: ErsPriority | undefined,
  issue: Report,
): ErsPriority | undefined {
  const expression = "Task.output.where(type.coding.code = 'priority')";
  const outputs = outputsOf(task, 'priority');
  const [output] = outputs;
  if (output === undefined) return undefined;
  if (allowed === 'forbidden') {
    issue('priority-not-allowed', expression, 'This decision cannot change the priority.');
    return undefined;
  }
  const coding = codingOf(output);
  const priority = coding === undefined ? undefined : toErsPriority(coding);
  if (priority === undefined || outputs.length > 1) {
    issue(
      'priority-unknown',
      expression,
      'Give one priority: eRS-Priority-1 ROUTINE, URGENT, TWO_WEEK_WAIT or request-priority routine, urgent, asap.',
    );
  } else if (allowed === 'current-only' && priority !== current) {
    issue('priority-not-allowed', expression, 'A referral goes back to the referrer with the priority that it has.');
  }
  return priority;
}

function readAttachments(
  task: Task,
  isAllowed: boolean,
  usable: ReadonlySet<string>,
  issue: Report,
): readonly string[] {
  const expression = "Task.output.where(type.coding.code = 'attachment')";
  const references = outputsOf(task, 'attachment').map((output) => output.valueReference?.reference ?? '');
  if (references.length > 0 && !isAllowed)
    issue('attachment-not-allowed', expression, 'This decision takes no attachment.');
  else if (references.some((reference) => !usable.has(reference))) {
    issue('attachment-unusable', expression, 'An attachment must be made with $ers-attach on this Task.');
  } else if (new Set(references).size < references.length) {
    issue('attachment-unusable', expression, 'Name each attachment once: e-RS links a file to a referral once only.');
  }
  return references;
}

interface Parameters {
  readonly reason?: string;
  readonly comment?: string;
  readonly appointmentCancelledInPas?: boolean;
  readonly priority?: ErsPriority;
}

/** readDecision has checked that what a decision requires is there. */
function commandOf(decision: DecisionCode, parameters: Parameters): DecisionCommand {
  const { reason = '', comment = '', appointmentCancelledInPas, priority } = parameters;
  const pas = appointmentCancelledInPas === undefined ? {} : { appointmentCancelledInPas };
  const newPriority = priority === undefined ? {} : { priority };
  switch (decision) {
    case 'accept':
      return { decision };
    case 'reject':
      return { decision, reason, ...(parameters.comment === undefined ? {} : { comment }), ...pas };
    case 'redirect':
      return { decision, comment, ...pas, ...newPriority };
    case 'accept-book-later':
      return { decision, comment, ...newPriority };
    case 'return-with-advice':
      return { decision, comment };
  }
}
