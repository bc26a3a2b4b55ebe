import { expect, test } from '@jest/globals';
import type { OperationOutcome, Task } from '@medplum/fhirtypes';
import {
  availableDecisionsOf,
  DECISION_CODES,
  decisionOf,
  ersVersionOf,
  outputsOf,
  type ReviewStatus,
  reviewStatusOf,
} from '../../mappings/index.ts';
import {
  exhausted,
  expired,
  invalid,
  REVIEW_MACHINE,
  type ReviewEvent,
  recorded,
  refusedByErs,
  reopenedByOperator,
  type StepResult,
} from '../../server/decisions/index.ts';
import { attempted, DECISIONS, decided, LATER, opened } from './ward.ts';

/** What the machine says of a status and an event, as the Task shows it. */
function expectByMachine(from: ReviewStatus, event: ReviewEvent, { task }: StepResult) {
  expect(REVIEW_MACHINE[from][event]).toMatchObject({ kind: 'to', status: task.status });
  expect(REVIEW_MACHINE[from][event]).toMatchObject({ businessStatus: reviewStatusOf(task) });
}
const outcomeIn = (task: Task) => task.contained?.find(({ id }) => id === 'outcome') as OperationOutcome;

test.each([
  ['accept', 'accepted'],
  ['reject', 'rejected'],
  ['redirect', 'redirected'],
  ['accept-book-later', 'accepted-book-later'],
  ['return-with-advice', 'returned-with-advice'],
] as const)(
  'E-4: a recorded %s ends as %s with the version of the answer, and the record keeps no decision',
  (code, status) => {
    const review = attempted(code);
    const step = recorded(review, review.decision, { version: 6, at: LATER, priority: 'urgent' });
    expect(step.task.status).toBe(DECISIONS[code].changes.status);
    expect(reviewStatusOf(step.task)).toBe(status);
    expect(step.task.priority).toBe('urgent');
    expect(ersVersionOf(step.task)).toBe(6);
    expect(outputsOf(step.task, 'recorded-version')).toMatchObject([{ valueUnsignedInt: 6 }]);
    expect(decisionOf(step.task)).toBe(code);
    expect(step.record).toMatchObject({ baseline: step.task, ended: { at: LATER, version: 6, recorded: true } });
    expect(step.record).not.toHaveProperty('decision');
  },
);

test.each([
  ['E-6: refused by e-RS', 'refused', 'decision-sending', refusedByErs, { status: 422, ersCode: 'INVALID_VALUE' }],
  ['E-9a: attempts exhausted', 'attempts-exhausted', 'decision-sending', exhausted, undefined],
  [
    'E-9a: given back by an operator',
    'attempts-exhausted',
    'awaiting-user-authorisation',
    reopenedByOperator,
    undefined,
  ],
  ['E-9b: no user came', 'authorisation-expired', 'awaiting-user-authorisation', expired, undefined],
] as const)(
  '%s: open and requested again as the machine says, with the failed decision and why',
  (_, event, from, step, refusal) => {
    for (const code of DECISION_CODES) {
      const review = attempted(code);
      const open =
        refusal === undefined
          ? (step as typeof exhausted)(review, review.decision)
          : refusedByErs(review, review.decision, refusal);
      expectByMachine(from, event, open);
      expect(decisionOf(open.task, 'failed-decision')).toBe(code);
      expect(decisionOf(open.task)).toBeUndefined();
      expect(availableDecisionsOf(open.task)).toEqual(review.record.offered);
      expect(open.task.note).toEqual(DECISIONS[code].changes.note);
      expect(outputsOf(open.task, 'priority')).toEqual([]);
      expect(outputsOf(open.task, 'outcome')).toMatchObject([{ valueReference: { reference: '#outcome' } }]);
      expect(outcomeIn(open.task).issue?.[0]?.diagnostics).toContain('3d5f0b1c-1111-4a2b-8c3d-000000000001');
      expect(open.task.statusReason?.coding?.[0]?.system).toMatch(/ers-decision-issue|eRS-APIErrorCode/);
      expect(open.record.baseline).toEqual(open.task);
      expect(open.record).not.toHaveProperty('decision');
    }
  },
);

test('E-6: a code that e-RS has not documented is shown as it came, with a sentence that is always true', () => {
  const review = attempted('accept');
  for (const ersCode of ['SOMETHING_NEW', 'constructor']) {
    const { task } = refusedByErs(review, review.decision, { status: 422, ersCode });
    expect(task.statusReason).toMatchObject({
      coding: [{ code: ersCode }],
      text: 'e-RS refused the decision. Nothing was recorded.',
    });
  }
});

test('E-9c: an invalid update opens the review with every rule that it breaks', () => {
  const issues = [
    { code: 'comment-required', expression: 'Task.note', text: 'Add one note.' },
    { code: 'pas-flag-required', expression: 'Task.output', text: 'Add the flag.' },
  ] as const;
  const step = invalid(opened('booking-indirect'), issues);
  expectByMachine('awaiting-review', 'client-errs', step);
  expect(outcomeIn(step.task).issue?.map(({ expression, details }) => [expression, details?.text])).toEqual([
    [['Task.note'], 'Add one note.'],
    [['Task.output'], 'Add the flag.'],
  ]);
  expect(step.task.statusReason).toMatchObject({ coding: [{ code: 'comment-required' }], text: 'Add one note.' });
  expect(outputsOf(step.task, 'failed-decision')).toEqual([]);
});

test('a second failure replaces what the first one left, so that a Task never tells two stories', () => {
  const first = attempted('accept');
  const once = exhausted(first, first.decision);
  const again = decided('reject');
  const twice = refusedByErs({ task: once.task, record: again.record }, again.decision, { status: 422 });
  expect(twice.task.contained).toHaveLength(1);
  expect(outputsOf(twice.task, 'failed-decision')).toHaveLength(1);
  expect(decisionOf(twice.task, 'failed-decision')).toBe('reject');
});
