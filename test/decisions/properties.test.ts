import { expect, test } from '@jest/globals';
import type { Coding, Task, TaskOutput } from '@medplum/fhirtypes';
import fc from 'fast-check';
import { outputCodeOf, withReviewStatus } from '../../mappings/index.ts';
import { type Assessment, assessFound, assessTask, type Episode, refusedByErs } from '../../server/decisions/index.ts';
import {
  attachment,
  attempted,
  context,
  DECISIONS,
  decided,
  note,
  opened,
  outcome,
  PERSON,
  pasFlag,
  priority,
  rejection,
} from './ward.ts';

const asBaseline = ({ record }: Episode, task: Task): Episode => ({ task, record: { ...record, baseline: task } });
const noted = (review: Episode): Episode => asBaseline(review, { ...review.task, note: [note('For us only.')] });
const failed = () => {
  const review = decided('reject');
  return refusedByErs(review, review.decision, { status: 422, ersCode: 'INVALID_VALUE' });
};

/** Reviews in every situation in which a client may write. */
const reviews: readonly Episode[] = [
  ...(
    ['booking-direct', 'booking-indirect', 'booking-unknown', 'triage', 'slot-issue', 'slot-closed', 'unknown'] as const
  )
    .map(opened)
    .flatMap((review) => [review, noted(review)]),
  asBaseline(opened(), withReviewStatus({ ...opened().task, status: 'received' }, 'under-review')),
  failed(),
  decided('reject'),
  decided('return-with-advice'),
  attempted('accept'),
  asBaseline(decided('accept'), withReviewStatus(decided('accept').task, 'accepted')),
];

const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const codes = oneOf(
  'SERVICE_INAPPROPRIATE',
  'DUPLICATE_REFERRAL',
  'CANCEL_APPOINTMENT_ACTION_LATER',
  'ACCEPT_REFER_BOOK_LATER',
  'RETURN_TO_REFERRER_WITH_ADVICE',
  'none',
  '__proto__',
  'constructor',
);
const coding: fc.Arbitrary<Coding> = fc.record(
  {
    system: oneOf(...[rejection('X'), outcome('X')].map(({ coding: [one] }) => one?.system ?? ''), 'urn:x'),
    code: codes,
    display: fc.string(),
  },
  { requiredKeys: [] },
);
const notes = fc.array(oneOf(note('For us only.'), note('To the referrer.'), note(' '), note('x'.repeat(2001))), {
  maxLength: 3,
});
const outputs = fc.array(
  oneOf<TaskOutput>(
    pasFlag(true),
    pasFlag(false),
    priority('URGENT'),
    priority('ROUTINE'),
    priority('NONE'),
    attachment('DocumentReference/usable'),
    attachment('DocumentReference/other'),
    { type: { text: 'something else' }, valueString: 'x' },
  ),
  { maxLength: 3 },
);
/** What a client may do to each element; absent: the element as it was. */
const clientUpdate = fc.record(
  {
    status: oneOf<Task['status']>('requested', 'received', 'accepted', 'rejected', 'cancelled', 'completed', 'draft'),
    statusReason: fc.record({ coding: fc.array(coding, { maxLength: 2 }), text: fc.string() }, { requiredKeys: [] }),
    note: notes,
    output: outputs,
    owner: oneOf({ reference: PERSON }, { reference: 'Organization/1' }),
  },
  { requiredKeys: [] },
);
/** Half of the time a good decision is what the rest is laid over, or hardly any update would decide anything. */
const update = fc.record({
  review: oneOf(...reviews),
  good: oneOf<Partial<Task>>(...Object.values(DECISIONS).map(({ changes }) => changes), {}, { status: 'received' }),
  client: fc.oneof(fc.constant({}), clientUpdate),
  appendsNotes: fc.boolean(),
  forged: fc.oneof(
    { weight: 3, arbitrary: fc.constant({}) },
    {
      weight: 1,
      arbitrary: oneOf<Partial<Task>>({ priority: 'stat' }, { intent: 'plan' }, { input: [] }, { description: 'x' }),
    },
  ),
});
type Update = typeof update extends fc.Arbitrary<infer T> ? T : never;

function taskOf({ review, good, client, appendsNotes, forged }: Update): Task {
  const task = { ...review.task, ...good, ...client, ...forged } as Task;
  const whole = appendsNotes ? { ...task, note: [...(review.task.note ?? []), ...(task.note ?? [])] } : task;
  // FHIR has no empty lists.
  return Object.fromEntries(
    Object.entries(whole).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  ) as Task;
}
const atFacade = (given: Update): Assessment => {
  const { baseline, offered } = given.review.record;
  return assessTask({ baseline, before: given.review.task, task: taskOf(given), offered, context });
};
const check = (holds: (given: Update) => void) => fc.assert(fc.property(update, holds), { numRuns: 4000 });

const REASON_OF: Readonly<Record<string, string>> = {
  redirect: 'CANCEL_APPOINTMENT_ACTION_LATER',
  'return-with-advice': 'RETURN_TO_REFERRER_WITH_ADVICE',
};

test('the generator reaches every decision and every kind of judgement, or the properties below would prove nothing', () => {
  const seen = new Set<string>();
  for (const given of fc.sample(update, { numRuns: 4000, seed: 7 })) {
    const assessment = atFacade(given);
    seen.add(assessment.kind === 'decided' ? assessment.decision : assessment.kind);
  }
  expect([...seen].toSorted()).toEqual(
    [...Object.keys(DECISIONS), 'annotated', 'refused', 'taken-back', 'unchanged'].toSorted(),
  );
});

test('whatever a client writes is judged: nothing throws, and a refusal names a rule', () => {
  check((given) => {
    const { baseline, offered } = given.review.record;
    const found = assessFound({ baseline, task: taskOf(given), offered, context });
    for (const assessment of [atFacade(given), found.assessment])
      expect(assessment.kind !== 'refused' || assessment.issues.length > 0).toBe(true);
  });
});

test('D4: nothing destructive is decided without the exact code that stands on the Task', () => {
  check((given) => {
    const assessment = atFacade(given);
    if (assessment.kind !== 'decided' || assessment.command.decision.startsWith('accept')) return;
    const { command } = assessment;
    const wanted = command.decision === 'reject' ? command.reason : REASON_OF[command.decision];
    expect(taskOf(given).statusReason?.coding?.map(({ code }) => code)).toEqual([wanted]);
    expect(taskOf(given).status).toBe(command.decision === 'redirect' ? 'accepted' : 'rejected');
  });
});

test('T-2: a comment that is sent is the one note that the deciding update added, never an older one', () => {
  check((given) => {
    const assessment = atFacade(given);
    if (assessment.kind !== 'decided') return;
    const comment = 'comment' in assessment.command ? assessment.command.comment : undefined;
    const earlier = given.review.task.note?.length ?? 0;
    expect(
      taskOf(given)
        .note?.slice(earlier)
        .map(({ text }) => text) ?? [],
    ).toEqual(comment === undefined ? [] : [comment]);
  });
});

test('T-7: a decided Task has the engine’s elements as they were, but for what a decision changes', () => {
  check((given) => {
    const assessment = atFacade(given);
    if (assessment.kind !== 'decided') return;
    const engine = ({
      status: _s,
      statusReason: _r,
      note: _n,
      owner: _o,
      output: _u,
      businessStatus: _b,
      contained: _c,
      input,
      ...rest
    }: Task) => ({
      ...rest,
      input: (input ?? []).filter(({ type }) => type.coding?.[0]?.code !== 'available-decision'),
    });
    expect(engine(assessment.task)).toEqual(engine(given.review.task));
    expect(assessment.task.output?.filter((output) => outputCodeOf(output) === 'decision')).toHaveLength(1);
  });
});

test('facade and store agree: what the facade stores means the same when it is found, and nothing in it is forged', () => {
  check((given) => {
    const assessment = atFacade(given);
    if (!('task' in assessment)) return;
    const { baseline, offered } = given.review.record;
    const found = assessFound({ baseline, task: assessment.task, offered, context });
    expect(found.forged).toEqual([]);
    if (assessment.kind === 'decided') expect(found.assessment).toEqual(assessment);
    else expect(['unchanged', assessment.kind]).toContain(found.assessment.kind);
  });
});

test('judging is idempotent: a Task that was taken over says nothing new', () => {
  check((given) => {
    const assessment = atFacade(given);
    if (!('task' in assessment)) return;
    const { task } = assessment;
    const { offered } = given.review.record;
    expect(assessFound({ baseline: task, task, offered, context })).toEqual({
      assessment: { kind: 'unchanged' },
      forged: [],
    });
  });
});

test('two updates through the facade before the engine looks: what it then finds is what the second one was told', () => {
  fc.assert(
    fc.property(
      update,
      clientUpdate,
      oneOf(...Object.values(DECISIONS).map(({ changes }) => changes), {}),
      (first, client, good) => {
        const one = atFacade(first);
        if (!('task' in one)) return;
        const { baseline, offered } = first.review.record;
        const task = { ...one.task, ...good, ...client } as Task;
        const two = assessTask({ baseline, before: one.task, task, offered, context });
        if (!('task' in two)) return;
        const { assessment, forged } = assessFound({ baseline, task: two.task, offered, context });
        expect(assessment.kind).not.toBe('refused');
        const command = (given: Assessment) => (given.kind === 'decided' ? given.command : undefined);
        expect(command(assessment)).toEqual(command(two));
        expect(forged.filter((element) => element !== 'businessStatus')).toEqual([]);
      },
    ),
    { numRuns: 4000 },
  );
});
