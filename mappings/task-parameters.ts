import type { CodeableConcept, Coding, Task, TaskInput, TaskOutput } from '@medplum/fhirtypes';
import type { ReviewStatus, TaskCode } from './model.ts';
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
  | 'outcome';

type Value<T> = Omit<T, 'type'>;

const typeOf = (code: string): CodeableConcept => ({ coding: [{ system: CODE_SYSTEM.taskParameter, code }] });

/** The code of a concept in a system, if it has one there. */
export function codeOf(concept: CodeableConcept | undefined, system: string): string | undefined {
  return concept?.coding?.find((coding) => coding.system === system)?.code;
}

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
  return codeOf(task.businessStatus, CODE_SYSTEM.reviewStatus) as ReviewStatus | undefined;
}

export function withReviewStatus(task: Task, status: ReviewStatus): Task {
  return { ...task, businessStatus: { coding: [{ system: CODE_SYSTEM.reviewStatus, code: status }] } };
}

/** Which kind of review a Task is; undefined when it is no review Task. */
export function taskCodeOf(task: Task): TaskCode | undefined {
  return codeOf(task.code, CODE_SYSTEM.taskCode) as TaskCode | undefined;
}
