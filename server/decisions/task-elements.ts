import { isDeepStrictEqual } from 'node:util';
import type { Annotation, CodeableConcept, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type DecisionCode,
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
const LEFTOVER_OUTPUTS: ReadonlySet<string | undefined> = new Set(['failed-decision', 'outcome']);
const LEFTOVER_REASONS: ReadonlySet<string | undefined> = new Set([
  CODE_SYSTEM.decisionIssue,
  CODE_SYSTEM.apiErrorCode,
]);

/** Names of engine elements that differ between two states of a Task, sorted; leftovers of a failure do not count (T-7). */
export function engineDifferences(earlier: Task, later: Task): readonly string[] {
  const before = withoutLeftovers(earlier);
  const after = withoutLeftovers(later);
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const differing = [...names].filter((name) => {
    if (INCIDENTAL_ELEMENTS.has(name) || CLIENT_ELEMENTS.has(name)) return false;
    return !isDeepStrictEqual(before[name as keyof Task], after[name as keyof Task]);
  });
  if (!isDeepStrictEqual(engineOutputs(before), engineOutputs(after))) differing.push('output');
  return differing.sort();
}

/** Whether a client wrote anything at all. */
export function clientDiffers(before: Task, after: Task): boolean {
  return [...CLIENT_ELEMENTS].some((name) => !isDeepStrictEqual(before[name as keyof Task], after[name as keyof Task]));
}

const engineOutputs = (task: Task) => (task.output ?? []).filter((output) => !CLIENT_OUTPUTS.has(outputCodeOf(output)));

export const clientOutputs = (task: Task) =>
  (task.output ?? []).filter((output) => CLIENT_OUTPUTS.has(outputCodeOf(output)));

/** Notes added after the earlier ones; undefined when an earlier note was altered, moved or dropped (T-2). */
export function notesAdded(before: Task, after: Task): readonly Annotation[] | undefined {
  const earlier = before.note ?? [];
  const all = after.note ?? [];
  return isDeepStrictEqual(all.slice(0, earlier.length), earlier) ? all.slice(earlier.length) : undefined;
}

/** The reason that a client gave: a leftover of an earlier failure is none (T-7). */
export function givenReason(task: Task): CodeableConcept | undefined {
  const reason = task.statusReason;
  return reason?.coding?.some((coding) => LEFTOVER_REASONS.has(coding.system)) ? undefined : reason;
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
  const keptContained = contained?.filter((resource) => resource.id !== 'outcome');
  const reason = givenReason(task) === undefined ? undefined : statusReason;
  const outputs = (task.output ?? []).filter((output) => !LEFTOVER_OUTPUTS.has(outputCodeOf(output)));
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

/** Sets the decisions that a Task offers; they are there only while one is possible (4.2). */
export function withOffered(task: Task, offered: readonly DecisionCode[]): Task {
  const others = (task.input ?? []).filter((input) => input.type.coding?.[0]?.code !== 'available-decision');
  const at = others.findIndex(
    (input) => !['referral-type', 'bookable-type'].includes(input.type.coding?.[0]?.code ?? ''),
  );
  const inputs = offered.map((code) =>
    makeInput('available-decision', { valueCodeableConcept: { coding: [{ system: CODE_SYSTEM.decision, code }] } }),
  );
  return { ...task, input: others.toSpliced(at < 0 ? others.length : at, 0, ...inputs) };
}

/** A Task with a decision queued: the client's own outputs, then the normalised decision (T-13, E-2). */
export function asDecided(task: Task, decision: DecisionCode): Task {
  const clean = withoutLeftovers(task);
  return withReviewStatus(
    withOutputs(withOffered(clean, []), [
      ...clientOutputs(clean),
      makeOutput('decision', { valueCodeableConcept: { coding: [{ system: CODE_SYSTEM.decision, code: decision }] } }),
    ]),
    'decision-queued',
  );
}

/** A Task whose decision was taken back or fell: open again, without the decision's parameters. Notes stay. */
export function withoutDecision(task: Task, offered: readonly DecisionCode[]): Task {
  const { statusReason: _, ...rest } = withoutLeftovers(task);
  return withOffered(withOutputs(rest, []), offered);
}
