import type { Annotation, CodeableConcept, Task, TaskOutput } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  codeOf,
  type DecisionCode,
  decisionValue,
  isSameJson,
  makeInput,
  makeOutput,
  outputCodeOf,
  withReviewStatus,
} from '../../mappings/index.ts';

/** Elements that a client may write (4.2); every other one is the engine's and must stay as it is (T-7). */
const CLIENT_ELEMENTS: ReadonlySet<string> = new Set(['status', 'statusReason', 'note', 'output', 'owner']);
/** Elements that stores or transports write by themselves. */
const INCIDENTAL_ELEMENTS: ReadonlySet<string> = new Set(['resourceType', 'id', 'meta', 'lastModified', 'text']);
const CLIENT_OUTPUTS: ReadonlySet<string | undefined> = new Set([
  'priority',
  'appointment-cancelled-in-pas',
  'attachment',
]);
/** What an unsuccessful decision leaves behind (T-7). */
const LEFTOVER_OUTPUTS: ReadonlySet<string | undefined> = new Set(['failed-decision', 'outcome-unknown', 'outcome']);
/** The id of the contained OperationOutcome that says why a decision was not recorded. */
export const OUTCOME_ID = 'outcome';
const LEFTOVER_REASONS: ReadonlySet<string | undefined> = new Set([
  CODE_SYSTEM.decisionIssue,
  CODE_SYSTEM.apiErrorCode,
]);

/**
 * Names of engine elements that differ between two states of a Task, sorted. What a failure left behind may be dropped,
 * but not made up (T-7).
 */
export function engineDifferences(earlier: Task, later: Task): readonly string[] {
  const before = withoutLeftovers(earlier);
  const after = withoutLeftovers(later);
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const differing = [...names].filter((name) => {
    if (INCIDENTAL_ELEMENTS.has(name) || CLIENT_ELEMENTS.has(name)) return false;
    return !isSameJson(elementOf(before, name), elementOf(after, name));
  });
  if (isAdded(leftoverContained(earlier), leftoverContained(later))) differing.push('contained');
  if (
    !isSameJson(engineOutputs(before), engineOutputs(after)) ||
    isAdded(leftoverOutputs(earlier), leftoverOutputs(later))
  )
    differing.push('output');
  return [...new Set(differing)].sort();
}

/** FHIR has no empty lists: what a store leaves out and a client may still write is the same. */
function elementOf(task: Task, name: string): unknown {
  const value = task[name as keyof Task];
  return Array.isArray(value) && value.length === 0 ? undefined : value;
}

const isAdded = (earlier: readonly unknown[], later: readonly unknown[]): boolean =>
  later.some((one) => !earlier.some((known) => isSameJson(known, one)));

/** Whether a client wrote anything at all. */
export function clientDiffers(before: Task, after: Task): boolean {
  return [...CLIENT_ELEMENTS].some((name) => !isSameJson(elementOf(before, name), elementOf(after, name)));
}

const engineOutputs = (task: Task) => (task.output ?? []).filter((output) => !CLIENT_OUTPUTS.has(outputCodeOf(output)));

const clientOutputs = (task: Task) => (task.output ?? []).filter((output) => CLIENT_OUTPUTS.has(outputCodeOf(output)));

const isLeftoverOutput = (output: TaskOutput) => LEFTOVER_OUTPUTS.has(outputCodeOf(output));
const leftoverOutputs = (task: Task) => (task.output ?? []).filter(isLeftoverOutput);
const leftoverContained = (task: Task) => (task.contained ?? []).filter(({ id }) => id === OUTCOME_ID);

/** Notes added after the earlier ones; undefined when an earlier note was altered, moved or dropped (T-2). */
export function notesAdded(before: Task, after: Task): readonly Annotation[] | undefined {
  const earlier = before.note ?? [];
  const all = after.note ?? [];
  return isSameJson(all.slice(0, earlier.length), earlier) ? all.slice(earlier.length) : undefined;
}

/**
 * The reason that a client gave: what an earlier failure left is none (T-7). A coding that was put beside the leftover
 * is the client's, so that the whole is read, and refused: else a redirect would pass for a plain accept (T-4).
 */
export function givenReason(task: Task): CodeableConcept | undefined {
  const codings = task.statusReason?.coding ?? [];
  const isLeftover = codings.length > 0 && codings.every((coding) => LEFTOVER_REASONS.has(coding.system));
  return isLeftover ? undefined : task.statusReason;
}

const codesOf = (reason: CodeableConcept | undefined) => reason?.coding?.map(({ system, code }) => [system, code]);

const REASON = 'Task.statusReason';
const OUTPUT = 'Task.output';

/** The parts of a decision, besides its status and note, that an update adds to those which the Task had; a leftover is none to be added. */
export function partsAdded(before: Task, after: Task): readonly string[] {
  // Of a leftover a client's library may drop the text: its codes are what was there.
  const isReasonAdded =
    givenReason(after) === undefined
      ? !isSameJson(codesOf(after.statusReason), codesOf(before.statusReason)) && after.statusReason !== undefined
      : !isSameJson(after.statusReason, before.statusReason);
  return [
    ...(isReasonAdded ? [REASON] : []),
    ...(isAdded(clientOutputs(before), clientOutputs(after)) ? [OUTPUT] : []),
  ];
}

/** The parts of a decision that stood on the Task before an update, and stand there after it: the update did not bring them. */
export function partsKept(before: Task, after: Task): readonly string[] {
  const reason = givenReason(after);
  const earlier = clientOutputs(before);
  const isOutputKept = clientOutputs(after).some((one) => earlier.some((known) => isSameJson(known, one)));
  return [
    ...(reason !== undefined && isSameJson(reason, givenReason(before)) ? [REASON] : []),
    ...(isOutputKept ? [OUTPUT] : []),
  ];
}

/** Whether a Task says anything of a decision besides status and note. */
export const hasParts = (task: Task): boolean => givenReason(task) !== undefined || clientOutputs(task).length > 0;

/** Whether two states give e-RS the same parts of a decision. */
export const hasSameOutputs = (one: Task, other: Task): boolean => isSameJson(clientOutputs(one), clientOutputs(other));

/**
 * An open Task without parts of a decision, which an older version let clients write before they decided; the very Task
 * where it has none.
 */
export function withoutParts(task: Task): Task {
  if (!hasParts(task)) return task;
  const { statusReason, ...rest } = task;
  const leftover = givenReason(task) === undefined && statusReason !== undefined ? { statusReason } : {};
  return withOutputs({ ...rest, ...leftover }, engineOutputs(task));
}

/** The engine's elements of one state with the client's elements of another: what a forged Task is restored to. */
export function withEngineElementsOf(engine: Task, client: Task): Task {
  const kept = Object.fromEntries(
    Object.entries(client).filter(([name]) => CLIENT_ELEMENTS.has(name) && name !== 'output'),
  );
  const base = Object.fromEntries(Object.entries(engine).filter(([name]) => !CLIENT_ELEMENTS.has(name)));
  return withOutputs({ ...base, ...kept } as Task, [...clientOutputs(client), ...engineOutputs(engine)]);
}

/** The Task without what an earlier failure left: reason, contained outcome, outputs (T-7). */
export function withoutLeftovers(task: Task): Task {
  const { contained, statusReason, ...rest } = task;
  const keptContained = contained?.filter(({ id }) => id !== OUTCOME_ID);
  const reason = givenReason(task) === undefined ? undefined : statusReason;
  const outputs = (task.output ?? []).filter((output) => !isLeftoverOutput(output));
  return withOutputs(
    {
      ...rest,
      ...(keptContained?.length ? { contained: keptContained } : {}),
      ...(reason === undefined ? {} : { statusReason: reason }),
    },
    outputs,
  );
}

export function withOutputs(task: Task, output: NonNullable<Task['output']>): Task {
  const { output: _, ...rest } = task;
  return output.length === 0 ? rest : { ...rest, output };
}

/** What is said of a review before the decisions that it offers; the rest follows them (4.8). */
const INPUTS_BEFORE_OFFERED: ReadonlySet<string | undefined> = new Set(['referral-type', 'bookable-type']);

/** Sets the decisions that a Task offers; they are there only while one is possible (4.2). */
export function withOffered(task: Task, offered: readonly DecisionCode[]): Task {
  const { input, ...rest } = task;
  const codeOfInput = ({ type }: { type: CodeableConcept }) => codeOf(type, CODE_SYSTEM.taskParameter);
  const others = (input ?? []).filter((one) => codeOfInput(one) !== 'available-decision');
  const following = others.findIndex((one) => !INPUTS_BEFORE_OFFERED.has(codeOfInput(one)));
  const available = offered.map((decision) => makeInput('available-decision', decisionValue(decision)));
  const inputs = others.toSpliced(following < 0 ? others.length : following, 0, ...available);
  return inputs.length === 0 ? rest : { ...rest, input: inputs };
}

/** A Task with a decision queued: the client's own outputs, then the normalised decision (T-13, E-2). */
export function asDecided(task: Task, decision: DecisionCode): Task {
  const clean = withoutLeftovers(task);
  return withReviewStatus(
    withOutputs(withOffered(clean, []), [...clientOutputs(clean), makeOutput('decision', decisionValue(decision))]),
    'decision-queued',
  );
}

/** A Task whose decision was taken back or fell: open again, without the decision's parameters. Notes stay. */
export function withoutDecision(task: Task, offered: readonly DecisionCode[]): Task {
  const { statusReason: _, ...rest } = withoutLeftovers(task);
  return withOffered(withOutputs(rest, []), offered);
}

/** The Task to be given back: the engine's elements as they were; notes that were added, and the owner, are the client's. */
export function withClientNotes(baseline: Task, found: Task): Task {
  const notes = [...(baseline.note ?? []), ...(notesAdded(baseline, found) ?? [])];
  return {
    ...baseline,
    ...(notes.length === 0 ? {} : { note: notes }),
    ...(found.owner === undefined ? {} : { owner: found.owner }),
  };
}
