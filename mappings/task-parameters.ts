import type { Coding, Task, TaskInput, TaskOutput } from '@medplum/fhirtypes';
import { codeOf, concept } from './elements.ts';
import type { DecisionCode, FinalStatus, InFlightStatus, OpenStatus, ReviewStatus, TaskCode } from './model.ts';
import { CODE_SYSTEM } from './systems.ts';

/** Codes of `ers-task-parameter` in Task.input: what the reviewer is given (4.2). */
export type InputCode =
  | 'referral-type'
  | 'bookable-type'
  | 'available-decision'
  | 'clinical-info-printed'
  | 'clinical-information-status'
  | 'review-reason'
  | 'last-contact'
  | 'appointment'
  | 'document'
  | 'clinical-summary';

/** In Task.output, written by the client: parameters of the decision (4.2). */
export type ClientOutputCode = 'priority' | 'appointment-cancelled-in-pas' | 'attachment';

/** In Task.output, written by the engine (4.2, 4.5). */
export type EngineOutputCode =
  | 'decision'
  | 'recorded-version'
  | 'decided-in-ers'
  | 'outcome-inferred'
  | 'failed-decision'
  | 'outcome-unknown'
  | 'outcome';

export const OPEN_STATUSES: readonly OpenStatus[] = [
  'awaiting-review',
  'under-review',
  'referral-changed',
  'decision-invalid',
  'decision-conflict',
  'decision-refused',
  'decision-expired',
  'delivery-failed',
];
export const IN_FLIGHT_STATUSES: readonly InFlightStatus[] = [
  'decision-queued',
  'awaiting-user-authorisation',
  'decision-sending',
];
export const FINAL_STATUSES: readonly FinalStatus[] = [
  'accepted',
  'redirected',
  'accepted-book-later',
  'rejected',
  'returned-with-advice',
  'withdrawn',
];
export const TASK_CODES: readonly TaskCode[] = [
  'review-booking',
  'review-triage',
  'review-slot-issue',
  'resolve-slot-issue',
  'review-unknown',
];
export const DECISION_CODES: readonly DecisionCode[] = [
  'accept',
  'reject',
  'redirect',
  'accept-book-later',
  'return-with-advice',
];

const REVIEW_STATUSES: readonly ReviewStatus[] = [...OPEN_STATUSES, ...IN_FLIGHT_STATUSES, ...FINAL_STATUSES];

const member = <T extends string>(codes: readonly T[], code: string | undefined): T | undefined =>
  codes.find((known) => known === code);

export const isOpen = (status: ReviewStatus | undefined): status is OpenStatus =>
  member(OPEN_STATUSES, status) !== undefined;
export const isInFlight = (status: ReviewStatus | undefined): status is InFlightStatus =>
  member(IN_FLIGHT_STATUSES, status) !== undefined;
export const isFinal = (status: ReviewStatus | undefined): status is FinalStatus =>
  member(FINAL_STATUSES, status) !== undefined;

type Value<T> = Omit<T, 'type'>;

const typeOf = (code: string) => concept({ system: CODE_SYSTEM.taskParameter, code });

export function makeInput(code: InputCode, value: Value<TaskInput>): TaskInput {
  return { type: typeOf(code), ...value };
}

export function makeOutput(code: ClientOutputCode | EngineOutputCode, value: Value<TaskOutput>): TaskOutput {
  return { type: typeOf(code), ...value };
}

export function inputsOf(task: Task, code: InputCode): TaskInput[] {
  return (task.input ?? []).filter((input) => codeOf(input.type, CODE_SYSTEM.taskParameter) === code);
}

export function inputOf(task: Task, code: InputCode): TaskInput | undefined {
  return inputsOf(task, code)[0];
}

export function outputsOf(task: Task, code: ClientOutputCode | EngineOutputCode): TaskOutput[] {
  return (task.output ?? []).filter((output) => codeOf(output.type, CODE_SYSTEM.taskParameter) === code);
}

/** The code of an output's type in our system; undefined for one that somebody else defined. */
export function outputCodeOf(output: TaskOutput): string | undefined {
  return codeOf(output.type, CODE_SYSTEM.taskParameter);
}

/** The first coding of a parameter's CodeableConcept value. */
export function codingOf(parameter: TaskInput | TaskOutput | undefined): Coding | undefined {
  return parameter?.valueCodeableConcept?.coding?.[0];
}

/** The Task's businessStatus; undefined when it was dropped or is none of ours (architecture 4). */
export function reviewStatusOf(task: Task): ReviewStatus | undefined {
  return member(REVIEW_STATUSES, codeOf(task.businessStatus, CODE_SYSTEM.reviewStatus));
}

export function withReviewStatus(task: Task, status: ReviewStatus): Task {
  return { ...task, businessStatus: concept({ system: CODE_SYSTEM.reviewStatus, code: status }) };
}

/** Which kind of review a Task is; undefined when it is no review Task. */
export function taskCodeOf(task: Task): TaskCode | undefined {
  return member(TASK_CODES, codeOf(task.code, CODE_SYSTEM.taskCode));
}

/** The normalised decision that an output holds: `failed-decision` is one that e-RS did not record, `outcome-unknown` one of which nobody can say. */
export function decisionOf(
  task: Task,
  code: 'decision' | 'failed-decision' | 'outcome-unknown' = 'decision',
): DecisionCode | undefined {
  return member(DECISION_CODES, codeOf(outputsOf(task, code)[0]?.valueCodeableConcept, CODE_SYSTEM.decision));
}

/** The decisions that a Task offers now. */
export function availableDecisionsOf(task: Task): DecisionCode[] {
  return inputsOf(task, 'available-decision').flatMap(
    (input) => member(DECISION_CODES, codeOf(input.valueCodeableConcept, CODE_SYSTEM.decision)) ?? [],
  );
}

/** The value of a `decision` or `failed-decision` output, or of an `available-decision` input. */
export const decisionValue = (decision: DecisionCode) => ({
  valueCodeableConcept: concept({ system: CODE_SYSTEM.decision, code: decision }),
});
