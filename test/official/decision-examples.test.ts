import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { OperationOutcome, Task } from '@medplum/fhirtypes';
import { availableDecisionsOf, buildDecisionRequest, ersVersionOf, withReviewStatus } from '../../mappings/index.ts';
import type { DispatchRecord } from '../../server/core/index.ts';
import {
  assessFound,
  assessTask,
  exhausted,
  planConflict,
  recorded,
  refusedByErs,
} from '../../server/decisions/index.ts';
import { attempted, context, decided, referral, situation } from '../decisions/ward.ts';

const EXAMPLES = join(resolve(process.env['ERS_SHARED'] ?? '../shared'), 'design/examples');
const example = <T = Task>(name: string): T => JSON.parse(readFileSync(join(EXAMPLES, `${name}.json`), 'utf8')) as T;

interface Operation {
  readonly op: 'add' | 'replace';
  readonly path: string;
  readonly value: unknown;
}
/** The examples' patches only set whole elements. */
const patched = (task: Task, name: string): Task =>
  Object.assign({ ...task }, ...example<Operation[]>(name).map(({ path, value }) => ({ [path.slice(1)]: value })));

/** What is the writer's, not the decision's: the time of the write. */
const content = ({ lastModified: _, ...task }: Task) => task;

/** Decides as the patch says, after the claim that the examples take for granted. */
function decide(start: Task, patch: string, owner: Task['owner']) {
  const before = content({ ...start, ...(owner === undefined ? {} : { owner }) });
  const assessment = assessTask({
    baseline: before,
    before,
    task: patched(before, patch),
    offered: availableDecisionsOf(before),
    context: { ...context, usableAttachments: new Set(['DocumentReference/0d1c4c3a-5a5e-4f0e-9d7b-2f6a3f0b7c11']) },
  });
  if (assessment.kind !== 'decided') throw new Error(JSON.stringify(assessment));
  const record: DispatchRecord = {
    ...decided('accept').record,
    baseline: before,
    offered: availableDecisionsOf(before),
  };
  return { before, assessment, record };
}

describe('decisions as the design shows them', () => {
  test.each([
    ['10-task-awaiting-review', '12a-accept-patch', '12b-accept-recorded', undefined],
    ['10-task-awaiting-review', '14a-redirect-patch', '14b-redirect-recorded', 'urgent'],
    ['10b-task-awaiting-triage', '15a-triage-accept-patch', '15b-triage-accept-recorded', 'urgent'],
    ['10b-task-awaiting-triage', '16a-triage-return-patch', '16b-triage-return-recorded', undefined],
  ] as const)('%s, patched with %s and recorded, is %s member for member', (start, patch, end, priority) => {
    const expected = example(end);
    const { assessment, record } = decide(example(start), patch, expected.owner);
    const { decision } = {
      ...decided('accept'),
      decision: { ...decided('accept').decision, code: assessment.decision },
    };
    const step = recorded({ task: assessment.task, record }, decision, {
      version: ersVersionOf(expected) ?? 0,
      at: expected.lastModified ?? '',
      ...(priority === undefined ? {} : { priority }),
    });
    expect(step.task).toEqual(content(expected));
  });

  test('13a on 10, indirectly bookable, waits as 13b and is recorded as 13c; the note stays as the client wrote it, its author is not looked up', () => {
    const waiting = example('13b-reject-awaiting-user-authorisation');
    const expected = example('13c-reject-recorded');
    const base = example('10-task-awaiting-review');
    const input = base.input?.map((one) =>
      one.valueCodeableConcept?.coding?.[0]?.code === 'DIRECTLY_BOOKABLE'
        ? (waiting.input?.find(({ type }) => type.coding?.[0]?.code === 'bookable-type') ?? one)
        : one,
    );
    const { assessment, record } = decide({ ...base, input: input ?? [] }, '13a-reject-patch', expected.owner);
    const note = patched(base, '13a-reject-patch').note ?? [];
    expect(withReviewStatus(assessment.task, 'awaiting-user-authorisation')).toEqual({ ...content(waiting), note });
    const step = recorded({ task: assessment.task, record }, decided('reject').decision, {
      version: 6,
      at: expected.lastModified ?? '',
    });
    expect(step.task).toEqual({ ...content(expected), note });
  });

  test.each([
    ['10-task-awaiting-review', '14a-redirect-patch', '14c-redirect-ers-request-a022.stu3'],
    ['10b-task-awaiting-triage', '15a-triage-accept-patch', '15c-triage-accept-ers-request-a028.stu3'],
    ['10b-task-awaiting-triage', '16a-triage-return-patch', '16c-triage-return-ers-request-a028.stu3'],
  ] as const)('%s, patched with %s, is the e-RS request %s', (start, patch, body) => {
    const { assessment } = decide(example(start), patch, undefined);
    const uploaded = {
      url: 'Binary/b2b22a7e-b3e9-4625-8d2c-00507bfdffb5',
      description: 'Rapid access form',
      indexed: '2021-06-11T14:29:41.988Z',
    };
    const request = buildDecisionRequest(assessment.command, {
      rejectionReasonSystem: '',
      attachments: assessment.attachments.map(() => uploaded),
    });
    expect(request.body).toEqual(example<object>(body));
  });

  test('what the facade stores for each example is found as the same decision, with nothing forged', () => {
    const cases = [
      ['10-task-awaiting-review', '12a-accept-patch'],
      ['10-task-awaiting-review', '14a-redirect-patch'],
      ['10b-task-awaiting-triage', '15a-triage-accept-patch'],
      ['10b-task-awaiting-triage', '16a-triage-return-patch'],
    ] as const;
    for (const [start, patch] of cases) {
      const { before, assessment, record } = decide(example(start), patch, undefined);
      const usableAttachments = new Set(assessment.attachments);
      const found = assessFound({
        baseline: before,
        task: assessment.task,
        offered: record.offered,
        context: { ...context, usableAttachments },
      });
      expect(found).toEqual({ assessment, forged: [] });
    }
  });
});

describe('what was not recorded', () => {
  const outcomeOf = (task: Task) => task.contained?.[0] as OperationOutcome;
  /** The Task without what differs for a reason that the test's title gives. */
  const rest = ({ contained: _, statusReason: _r, ...task }: Task) => content(task);
  const sent = (patch: string, start = example('10-task-awaiting-review')) => {
    const { before, assessment, record } = decide(start, patch, undefined);
    const attempt = attempted('accept', {}, { correlationId: '11C46F5F-CDEF-4865-94B2-0EE0EDCC26DA' });
    const decision = { ...attempt.decision, code: assessment.decision, command: assessment.command };
    const task = withReviewStatus(assessment.task, 'decision-sending');
    return { before, decision, step: { task, record: { ...record, baseline: task, decision } } };
  };

  test('17: a conflict is shown as designed, but its text names no cause (a hash tells that, not what, changed), and its diagnostics no 409, since a waiting decision conflicts without one', () => {
    const expected = example('17-after-409-conflict');
    const { step } = sent('12a-accept-patch');
    const plan = planConflict(
      situation({ latest: step, listed: undefined, referral: referral({ version: 7, content: 'new attachment' }) }),
      step,
    );
    if (plan.kind === 'none' || plan.task === undefined) throw new Error(plan.kind);
    expect(rest(plan.task)).toEqual(rest(expected));
    expect(plan.task.statusReason?.coding).toEqual(expected.statusReason?.coding);
    expect(plan.task.statusReason?.text).toBe(expected.statusReason?.text?.replace(': new attachment', ''));
    const [issue] = outcomeOf(plan.task).issue ?? [];
    const [designed] = outcomeOf(expected).issue ?? [];
    expect({ ...issue, diagnostics: undefined }).toEqual({ ...designed, diagnostics: undefined });
    expect(issue?.diagnostics).toMatch(/^Sent If-Match W\/"5"; correlation .+; current version is 7$/);
  });

  test('18: a refusal is shown member for member', () => {
    const expected = example('18-after-422-refused');
    const start = example('10-task-awaiting-review');
    const { step, decision } = sent('12a-accept-patch', start);
    const withNote: Task = { ...step.task, ...(expected.note === undefined ? {} : { note: expected.note }) };
    const refused = refusedByErs(
      { ...step, task: withNote },
      { ...decision, code: 'reject' },
      {
        status: 422,
        ersCode: 'UNABLE_TO_CANCEL_APPOINTMENT',
      },
    );
    expect(refused.task).toEqual(content(expected));
  });

  test('19: a failed delivery is shown as designed, but its words are the catalogue’s, and say that nothing was recorded, for that is known (E-9a)', () => {
    const expected = example('19-delivery-failed');
    const { step, decision } = sent('12a-accept-patch');
    const { task } = exhausted(step, { ...decision, attempts: 12 });
    expect(rest(task)).toEqual(rest(expected));
    expect(task.statusReason?.coding).toEqual(expected.statusReason?.coding);
    expect(task.statusReason?.text).toContain('Nothing was recorded.');
    const [issue] = outcomeOf(task).issue ?? [];
    const [designed] = outcomeOf(expected).issue ?? [];
    expect([issue?.severity, issue?.code, issue?.details?.coding]).toEqual([
      designed?.severity,
      designed?.code,
      designed?.details?.coding,
    ]);
    expect(issue?.diagnostics).toContain('Attempts: 12');
  });

  test('20: a reject without its reason is refused with the designed code, text and expression, and nothing is stored', () => {
    const [designed] = example<OperationOutcome>('20-facade-422-reason-required').issue ?? [];
    const before = content(example('10-task-awaiting-review'));
    const task: Task = { ...before, status: 'rejected', note: [{ text: 'No.' }] };
    expect(assessTask({ baseline: before, before, task, offered: availableDecisionsOf(before), context })).toEqual({
      kind: 'refused',
      issues: [
        {
          code: designed?.details?.coding?.[0]?.code,
          expression: designed?.expression?.[0],
          text: designed?.details?.text,
        },
      ],
    });
  });
});
