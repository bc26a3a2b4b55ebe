import { describe, expect, test } from '@jest/globals';
import type { CodeableConcept, Task } from '@medplum/fhirtypes';
import {
  availableDecisionsOf,
  CODE_SYSTEM,
  DECISION_CODES,
  decisionOf,
  makeOutput,
  reviewStatusOf,
  withReviewStatus,
} from '../../mappings/index.ts';
import {
  type AssessContext,
  type Assessment,
  assessFound,
  assessTask,
  type Episode,
  invalid,
  refusedByErs,
} from '../../server/decisions/index.ts';
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
  REVIEW_OUTCOME_SYSTEM,
  reason,
  rejection,
  withClient,
} from './ward.ts';

/** Both doors: the facade, which knows the Task before the update, and the store, where only the baseline is known. */
function bothWays(review: Episode, task: Task, given: AssessContext = context): [Assessment, Assessment] {
  const { baseline, offered } = review.record;
  return [
    assessTask({ baseline, before: review.task, task, offered, context: given }),
    assessFound({ baseline, task, offered, context: given }).assessment,
  ];
}

const codesOf = (assessment: Assessment) =>
  assessment.kind === 'refused' ? assessment.issues.map(({ code, expression }) => `${code} ${expression}`) : assessment;

/** The issues, which must be the same through both doors. */
function refusal(review: Episode, changes: Partial<Task>, given: AssessContext = context) {
  const [atFacade, inStore] = bothWays(review, withClient(review.task, changes), given);
  expect(codesOf(inStore)).toEqual(codesOf(atFacade));
  return codesOf(atFacade);
}

describe('the decision table (4.3, T-13, E-2)', () => {
  test.each(DECISION_CODES)(
    '%s means the same through the facade and straight in the store, and is queued with its normalised code',
    (code) => {
      const { kind, changes, command } = DECISIONS[code];
      const review = opened(kind);
      for (const assessment of bothWays(review, withClient(review.task, changes))) {
        expect(assessment).toMatchObject({ kind: 'decided', decision: code, command });
        const { task } = assessment as Extract<Assessment, { kind: 'decided' }>;
        expect(reviewStatusOf(task)).toBe('decision-queued');
        expect(decisionOf(task)).toBe(code);
        expect(availableDecisionsOf(task)).toEqual([]);
        expect(task.output?.slice(0, -1) ?? []).toEqual(changes.output ?? []);
      }
    },
  );

  test('accept, refer/book later needs no code: status and comment say it', () => {
    const review = opened('triage');
    const [assessment] = bothWays(review, withClient(review.task, { status: 'accepted', note: [note('Soon.')] }));
    expect(assessment).toMatchObject({ command: { decision: 'accept-book-later', comment: 'Soon.' } });
  });

  test('a slot issue that e-RS lets us record an outcome for is decided as triage is (T-10)', () => {
    const review = opened('slot-issue');
    const [assessment] = bothWays(review, withClient(review.task, DECISIONS['return-with-advice'].changes));
    expect(assessment).toMatchObject({ decision: 'return-with-advice' });
  });

  test('a rejection whose reason makes no comment mandatory goes without one', () => {
    const review = opened('booking-direct');
    const [assessment] = bothWays(
      review,
      withClient(review.task, { status: 'rejected', statusReason: rejection('DUPLICATE_REFERRAL') }),
    );
    expect(assessment).toMatchObject({ command: { decision: 'reject', reason: 'DUPLICATE_REFERRAL' } });
  });

  test.each([true, undefined])(
    'with an unknown bookable type the PAS flag (%s) is taken as given, and left to e-RS',
    (flag) => {
      const review = opened('booking-unknown');
      const changes = { ...DECISIONS.reject.changes };
      delete changes.output;
      const task = withClient(review.task, { ...changes, ...(flag === undefined ? {} : { output: [pasFlag(flag)] }) });
      const [assessment] = bothWays(review, task);
      expect(assessment.kind).toBe('decided');
      expect('command' in assessment && 'appointmentCancelledInPas' in assessment.command).toBe(flag !== undefined);
    },
  );

  test('returning with the priority that the referral has is allowed, and the priority is not sent (T-5)', () => {
    const review = opened('triage');
    const { changes, command } = DECISIONS['return-with-advice'];
    const [assessment] = bothWays(review, withClient(review.task, { ...changes, output: [priority('ROUTINE')] }));
    expect(assessment).toMatchObject({ command });
  });

  test('the decider is the author of the note, else the owner, if that is a person', () => {
    const review = opened('triage');
    const { changes } = DECISIONS['return-with-advice'];
    const byNote = { ...changes, note: [{ ...note('Advice.'), authorReference: { reference: PERSON } }] };
    const byOwner = { ...changes, owner: { reference: PERSON } };
    for (const sent of [byNote, byOwner])
      expect(bothWays(review, withClient(review.task, sent))[0]).toMatchObject({ decider: PERSON });
    expect(bothWays(review, withClient(review.task, changes))[0]).not.toHaveProperty('decider');
  });
});

describe('what is no decision is refused with the rule and the element, through both doors', () => {
  const reject = DECISIONS.reject.changes;
  const redirect = DECISIONS.redirect.changes;

  test('T-1, D4: rejected without its exact code does nothing', () => {
    const noReason = { ...reject };
    delete noReason.statusReason;
    expect(refusal(opened('booking-indirect'), noReason)).toEqual(['reason-required Task.statusReason']);
    expect(refusal(opened('triage'), { status: 'rejected', note: [note('Advice.')] })).toEqual([
      'reason-required Task.statusReason',
    ]);
  });

  test.each([
    ['a triage outcome on a booking', 'booking-direct', outcome('RETURN_TO_REFERRER_WITH_ADVICE')],
    ['a rejection reason on a triage', 'triage', rejection('SERVICE_INAPPROPRIATE')],
    ['an outcome of the other status', 'triage', outcome('ACCEPT_REFER_BOOK_LATER')],
    ['a code of a system that nobody asked for', 'triage', reason('http://example.org', 'X')],
    ['the name of a member that every object has', 'triage', outcome('constructor')],
    [
      'two codings',
      'triage',
      { coding: [...outcome('RETURN_TO_REFERRER_WITH_ADVICE').coding, ...outcome('X').coding] },
    ],
  ] as const)('T-1, D4: rejected with %s is refused', (_, kind, statusReason) => {
    expect(refusal(opened(kind), { status: 'rejected', note: [note('No.')], statusReason } as Partial<Task>)).toEqual([
      'reason-not-allowed Task.statusReason',
    ]);
  });

  test.each([
    ['is out of force', context],
    ['cannot be checked, because A004 has not been read', { ...context, rejectionReasons: undefined }],
  ])('T-1: a rejection reason that %s is refused', (_, given) => {
    const changes = { ...reject, statusReason: rejection('WITHDRAWN_REASON') };
    expect(refusal(opened('booking-indirect'), changes, given)).toEqual(['reason-not-in-force Task.statusReason']);
  });

  test.each([
    ['a reason', { statusReason: rejection('SERVICE_INAPPROPRIATE') }, 'Task.statusReason'],
    ['an outcome beside a claim', { status: 'received', statusReason: outcome('X') } as const, 'Task.statusReason'],
    ['a priority', { output: [priority('URGENT')] }, 'Task.output'],
    ['a PAS flag', { output: [pasFlag(true)] }, 'Task.output'],
    ['an attachment', { output: [attachment('DocumentReference/usable')] }, 'Task.output'],
    [
      'what looks like the leftover of a failure',
      { statusReason: reason(CODE_SYSTEM.decisionIssue, 'X') },
      'Task.statusReason',
    ],
  ])('4.3, D4: %s without a decision is refused', (_, changes, element) => {
    expect(refusal(opened('booking-indirect'), changes)).toEqual([`decision-incomplete ${element}`]);
  });

  test.each([
    ['without its text', ({ text: _, ...rest }: CodeableConcept) => rest],
    [
      'with a display',
      (one: CodeableConcept) => ({ ...one, coding: (one.coding ?? []).map((coding) => ({ ...coding, display: 'x' })) }),
    ],
  ])('T-7: a claim that sends the leftover of a failure as a library wrote it, %s, is a claim', (_, written) => {
    const { task, record } = attempted('accept');
    const refusal = { status: 422, ersCode: 'INVALID_REQUEST_STATE' };
    const given = refusedByErs({ task, record }, attempted('accept').decision, refusal);
    const { statusReason = {} } = given.task;
    const claimed: Task = { ...given.task, status: 'received', statusReason: written(statusReason) };
    const { baseline, offered } = given.record;
    expect(assessTask({ baseline, task: claimed, offered, context }).kind).toBe('annotated');
  });

  test('4.3, D4: what stood on the Task before the deciding update is no part of the decision', () => {
    const { task, record } = opened('booking-indirect');
    const { statusReason, output } = reject;
    const left = withClient(task, { ...(statusReason && { statusReason }), ...(output && { output }) });
    const review = { task: left, record: { ...record, baseline: left } };
    expect(refusal(review, reject)).toEqual([
      'decision-incomplete Task.statusReason',
      'decision-incomplete Task.output',
    ]);
    expect(refusal(review, { note: [note('For us only.')] })).toMatchObject({ kind: 'annotated' });
    const other = { ...reject, statusReason: rejection('DUPLICATE_REFERRAL'), output: [pasFlag(false)] };
    expect(refusal(review, other)).toMatchObject({
      kind: 'decided',
      command: { reason: 'DUPLICATE_REFERRAL', appointmentCancelledInPas: false },
    });
  });

  test('T-2: two new notes are refused, since nobody knows which one e-RS should get', () => {
    const changes = { ...reject, note: [note('To the referrer.'), note('For us only.')] };
    expect(refusal(opened('booking-indirect'), changes)).toEqual(['comment-ambiguous Task.note']);
  });

  test('T-2: altering or dropping an earlier note is refused', () => {
    const { task, record } = opened('booking-indirect');
    const noted = withClient(task, { note: [note('For us only.')] });
    const review = { task: noted, record: { ...record, baseline: noted } };
    expect(refusal(review, reject)).toEqual(['read-only-element Task.note']);
  });

  test('T-2: an earlier note is never sent: a rejection that needs a comment does not take it for one', () => {
    const { task, record } = opened('booking-indirect');
    const noted = withClient(task, { note: [note('For us only.')] });
    const review = { task: noted, record: { ...record, baseline: noted } };
    expect(refusal(review, { ...reject, note: [note('For us only.')] })).toEqual(['comment-required Task.note']);
  });

  test('T-2: a note that the engine has not seen yet cannot become the comment of a decision through the facade', () => {
    const { task, record } = opened('booking-direct');
    const before = withClient(task, { note: [note('For us only.')] });
    const sent = withClient(before, { status: 'rejected', statusReason: rejection('DUPLICATE_REFERRAL') });
    const { baseline, offered } = record;
    expect(codesOf(assessTask({ baseline, before, task: sent, offered, context }))).toEqual(['task-in-flight Task']);
  });

  test.each([
    ['missing', [], 'comment-required'],
    ['blank', [note(' \n')], 'comment-required'],
    ['too long', [note('x'.repeat(2001))], 'comment-too-long'],
  ])('T-2: a comment that is %s is refused where one is required', (_, notes, code) => {
    for (const one of ['reject', 'redirect', 'accept-book-later', 'return-with-advice'] as const) {
      const { kind, changes } = DECISIONS[one];
      expect(refusal(opened(kind), { ...changes, note: notes })).toEqual([`${code} Task.note`]);
    }
  });

  test('T-3: an explanation in statusReason.text, which would never be sent, is refused', () => {
    const changes = { ...reject, statusReason: rejection('SERVICE_INAPPROPRIATE', 'We cannot see this patient.') };
    expect(refusal(opened('booking-indirect'), changes)).toEqual(['comment-in-wrong-place Task.statusReason.text']);
    expect(refusal(opened(), { status: 'accepted', statusReason: { text: 'Gladly.' } })).toEqual([
      'comment-in-wrong-place Task.statusReason.text',
    ]);
  });

  test.each(['Inappropriate service', 'Community clinic, please.'])(
    'T-3: a statusReason.text that repeats the display or the note (%s) misleads nobody',
    (text) => {
      const review = opened('booking-indirect');
      const changes = { ...reject, statusReason: rejection('SERVICE_INAPPROPRIATE', text) };
      expect(bothWays(review, withClient(review.task, changes))[0].kind).toBe('decided');
    },
  );

  test.each([
    ['a note', { note: [note('Rebook.')] }, 'comment-not-allowed Task.note'],
    ['a rejection reason', { statusReason: rejection('DUPLICATE_REFERRAL') }, 'reason-not-allowed Task.statusReason'],
    [
      'an outcome without its code',
      { statusReason: { coding: [{ system: REVIEW_OUTCOME_SYSTEM }] } },
      'reason-not-allowed Task.statusReason',
    ],
    ['the outcome "none"', { statusReason: outcome('none') }, 'reason-not-allowed Task.statusReason'],
    [
      'a PAS flag',
      { output: [pasFlag(true)] },
      "pas-flag-not-allowed Task.output.where(type.coding.code = 'appointment-cancelled-in-pas')",
    ],
    [
      'a priority',
      { output: [priority('URGENT')] },
      "priority-not-allowed Task.output.where(type.coding.code = 'priority')",
    ],
    [
      'an attachment',
      { output: [attachment('DocumentReference/usable')] },
      "attachment-not-allowed Task.output.where(type.coding.code = 'attachment')",
    ],
  ])('T-4: an accept with %s is refused, for it may be a redirect that lost its code', (_, changes, issue) => {
    expect(refusal(opened(), { status: 'accepted', ...changes })).toEqual([issue]);
  });

  test('T-4: a redirect code that was put beside a leftover reason does not pass for a plain accept', () => {
    const failed = decided('accept');
    const refused = refusedByErs(failed, failed.decision, { status: 422, ersCode: 'INVALID_REQUEST_STATE' });
    const codings = [
      ...(refused.task.statusReason?.coding ?? []),
      ...outcome('CANCEL_APPOINTMENT_ACTION_LATER').coding,
    ];
    expect(refusal(refused, { status: 'accepted', statusReason: { coding: codings } })).toEqual([
      'reason-not-allowed Task.statusReason',
    ]);
  });

  test('the PAS flag is required of an indirectly bookable service and forbidden for a directly bookable one', () => {
    const without = { ...reject, output: [] };
    expect(refusal(opened('booking-indirect'), without)).toEqual(['pas-flag-required Task.output']);
    expect(refusal(opened('booking-direct'), reject)).toEqual([
      "pas-flag-not-allowed Task.output.where(type.coding.code = 'appointment-cancelled-in-pas')",
    ]);
    const twice = { ...reject, output: [pasFlag(true), pasFlag(false)] };
    expect(refusal(opened('booking-indirect'), twice)).toHaveLength(1);
    const empty = makeOutput('appointment-cancelled-in-pas', { valueString: 'yes' });
    expect(refusal(opened('booking-indirect'), { ...reject, output: [empty] })).toEqual([
      "pas-flag-required Task.output.where(type.coding.code = 'appointment-cancelled-in-pas')",
    ]);
  });

  test('T-5: a priority that e-RS does not have, or that a return would change, is refused', () => {
    const expression = "Task.output.where(type.coding.code = 'priority')";
    const unknown = { ...redirect, output: [priority('stat', 'http://hl7.org/fhir/request-priority')] };
    expect(refusal(opened(), unknown)).toEqual([`priority-unknown ${expression}`]);
    const twice = { ...redirect, output: [priority('URGENT'), priority('ROUTINE')] };
    expect(refusal(opened(), twice)).toEqual([`priority-unknown ${expression}`]);
    const changed = { ...DECISIONS['return-with-advice'].changes, output: [priority('URGENT')] };
    expect(refusal(opened('triage'), changed)).toEqual([`priority-not-allowed ${expression}`]);
  });

  test('T-5: Task.priority itself is the engine’s: an EPR’s own re-prioritising cannot reach e-RS', () => {
    const review = opened();
    const task = withClient(review.task, { status: 'accepted', priority: 'urgent' });
    const [atFacade, inStore] = bothWays(review, task);
    expect(codesOf(atFacade)).toEqual(['read-only-element Task.priority']);
    expect(codesOf(inStore)).toEqual(['read-only-element Task.priority']);
  });

  test('T-6: an attachment that was not made for this Task is refused', () => {
    const changes = { ...redirect, output: [attachment('DocumentReference/other')] };
    expect(refusal(opened(), changes)).toEqual([
      "attachment-unusable Task.output.where(type.coding.code = 'attachment')",
    ]);
  });

  test.each(['focus', 'for', 'code', 'identifier', 'businessStatus', 'input', 'intent'] as const)(
    'T-7: Task.%s is the engine’s: the facade refuses an update of it, and the store’s is restored',
    (element) => {
      const review = opened();
      const { [element]: _, ...rest } = review.task;
      const task = { ...rest, note: [note('Hello.')] } as Task;
      const [atFacade] = bothWays(review, task);
      expect(codesOf(atFacade)).toEqual([`read-only-element Task.${element}`]);
      const { baseline, offered } = review.record;
      const found = assessFound({ baseline, task, offered, context });
      expect(found).toMatchObject({ assessment: { kind: 'annotated' }, forged: [element] });
      expect(found.assessment).toHaveProperty(['task', element], review.task[element]);
    },
  );

  test('T-7: engine outputs cannot be made up: neither a recorded version nor a failure', () => {
    const review = opened();
    for (const made of [
      makeOutput('recorded-version', { valueUnsignedInt: 9 }),
      makeOutput('failed-decision', { valueCodeableConcept: {} }),
    ]) {
      const task = withClient(review.task, { output: [made], note: [note('Hello.')] });
      expect(codesOf(bothWays(review, task)[0])).toEqual(['read-only-element Task.output']);
      const { baseline, offered } = review.record;
      expect(assessFound({ baseline, task, offered, context }).forged).toEqual(['output']);
    }
    const contained = [{ resourceType: 'Patient', id: 'outcome' }] as NonNullable<Task['contained']>;
    const task = withClient(review.task, { contained, note: [note('Hello.')] });
    expect(codesOf(bothWays(review, task)[0])).toEqual(['read-only-element Task.contained']);
  });

  test.each([
    ['e-RS named a code', { status: 422, ersCode: 'UNABLE_TO_CANCEL_APPOINTMENT' }],
    ['e-RS named none', { status: 404 }],
  ])('T-7: what a refusal left behind is ignored in the next decision, and removed, when %s', (_, refused) => {
    const failed = decided('accept');
    const review = refusedByErs(failed, failed.decision, refused);
    for (const assessment of bothWays(review, withClient(review.task, { status: 'accepted' }))) {
      expect(assessment).toMatchObject({ command: { decision: 'accept' } });
      const { task } = assessment as Extract<Assessment, { kind: 'decided' }>;
      expect(task).not.toHaveProperty('statusReason');
      expect(task).not.toHaveProperty('contained');
      expect(task.output?.map(({ type }) => type.coding?.[0]?.code)).toEqual(['decision']);
    }
  });

  test('T-7: what an invalid update left behind does not stand in the way of a valid one', () => {
    const review = opened();
    const open = invalid(review, [{ code: 'reason-required', expression: 'Task.statusReason', text: 'Give one.' }]);
    expect(bothWays(open, withClient(open.task, { status: 'accepted' }))[1]).toMatchObject({ kind: 'decided' });
  });

  test.each([
    'cancelled',
    'completed',
    'failed',
    'on-hold',
    'in-progress',
    'ready',
    'draft',
    'entered-in-error',
  ] as const)('T-9: status %s is no decision, and cancelling gets a message of its own', (status) => {
    const code = status === 'cancelled' ? 'cancel-not-supported' : 'transition-not-allowed';
    expect(refusal(opened(), { status })).toEqual([`${code} Task.status`]);
  });

  test.each(['slot-closed', 'unknown'] as const)('T-10: a %s review offers no decision', (kind) => {
    for (const { changes } of Object.values(DECISIONS))
      expect(refusal(opened(kind), changes)).toEqual(['decision-not-available Task.status']);
  });

  test('T-10: a decision that is not on offer is refused though it is in the table', () => {
    const { task, record } = opened();
    const input = task.input?.filter(
      ({ valueCodeableConcept }) => valueCodeableConcept?.coding?.[0]?.code !== 'accept',
    );
    const narrowed = withClient(task, { input: input ?? [] });
    const review = { task: narrowed, record: { ...record, baseline: narrowed } };
    expect(refusal(review, { status: 'accepted' })).toEqual(['decision-not-available Task.status']);
  });

  test('every broken rule is named at once', () => {
    const changes = { ...redirect, note: [], output: [pasFlag(true), priority('X'), attachment('Binary/1')] };
    expect(refusal(opened(), changes)).toHaveLength(4);
  });
});

describe('transitions by clients (4.4)', () => {
  test('T-11, T-12: a claim and a release are stored as they mean, and nothing goes to e-RS', () => {
    const review = opened();
    const claim = withClient(review.task, { status: 'received', owner: { reference: PERSON } });
    for (const assessment of bothWays(review, claim)) {
      expect(assessment.kind).toBe('annotated');
      const { task } = assessment as Extract<Assessment, { kind: 'annotated' }>;
      expect([task.status, reviewStatusOf(task)]).toEqual(['received', 'under-review']);
      const claimed = { task, record: { ...review.record, baseline: task } };
      for (const released of bothWays(claimed, withClient(task, { status: 'requested' }))) {
        expect(released.kind).toBe('annotated');
        expect(reviewStatusOf((released as Extract<Assessment, { kind: 'annotated' }>).task)).toBe('awaiting-review');
      }
    }
  });

  test('an internal note or an owner on an open review is annotated and says nothing to e-RS', () => {
    const review = opened();
    for (const assessment of bothWays(review, withClient(review.task, { note: [note('Ask Dr X.')] })))
      expect(assessment).toMatchObject({ kind: 'annotated', task: { status: 'requested' } });
  });

  test.each(['decision-queued', 'awaiting-user-authorisation'] as const)(
    'T-14: a decision that is %s can be taken back: open again, its parameters gone, its notes kept, its offers back',
    (status) => {
      const { task, record } = decided('reject');
      const waiting = withReviewStatus(task, status);
      const review = { task: waiting, record: { ...record, baseline: waiting } };
      for (const assessment of bothWays(review, withClient(waiting, { status: 'received' }))) {
        expect(assessment.kind).toBe('taken-back');
        const open = (assessment as Extract<Assessment, { kind: 'taken-back' }>).task;
        expect(reviewStatusOf(open)).toBe('under-review');
        expect(availableDecisionsOf(open)).toEqual(['accept', 'reject', 'redirect']);
        expect(open.note).toEqual(DECISIONS.reject.changes.note);
        expect(open).not.toHaveProperty('statusReason');
        expect(open).not.toHaveProperty('output');
      }
    },
  );

  test('T-15: a closed Task stays closed, whatever is written to it', () => {
    const { task, record } = decided('accept');
    const closed = withReviewStatus(task, 'accepted');
    const review = { task: closed, record: { ...record, baseline: closed } };
    expect(refusal(review, { status: 'received' })).toEqual(['task-closed Task.status']);
    expect(refusal(review, { status: 'rejected' })).toEqual(['task-closed Task.status']);
    expect(refusal(review, { note: [note('Later.')] })).toEqual(['task-closed Task']);
  });

  test('T-16: while a decision is being sent nothing can be changed any more', () => {
    const review = attempted('accept');
    expect(refusal(review, { status: 'received' })).toEqual(['task-in-flight Task.status']);
    expect(refusal(review, { status: 'rejected' })).toEqual(['task-in-flight Task.status']);
    expect(refusal(review, { note: [note('Stop!')] })).toEqual(['task-in-flight Task']);
  });

  test('T-16: a queued decision can be taken back but neither swapped, released nor amended', () => {
    const review = decided('accept');
    expect(refusal(review, { status: 'rejected' })).toEqual(['transition-not-allowed Task.status']);
    expect(refusal(review, { status: 'requested' })).toEqual(['transition-not-allowed Task.status']);
    expect(refusal(review, { statusReason: outcome('CANCEL_APPOINTMENT_ACTION_LATER') })).toEqual([
      'transition-not-allowed Task',
    ]);
  });

  test('an update that changes nothing is unchanged, through both doors', () => {
    const review = opened();
    expect(bothWays(review, { ...review.task })).toEqual([{ kind: 'unchanged' }, { kind: 'unchanged' }]);
  });
});

test('FHIR has no empty lists: one that a client writes is as good as none, and changes nothing', () => {
  const review = opened();
  for (const assessment of bothWays(review, withClient(review.task, { output: [], note: [], contained: [] })))
    expect(assessment).toEqual({ kind: 'unchanged' });
});

describe('a Task found in the store (architecture 4)', () => {
  test('a dropped businessStatus is restored and does not spoil a decision', () => {
    const { task, record } = opened();
    const { businessStatus: _, ...bare } = withClient(task, { status: 'accepted' });
    const found = assessFound({ baseline: record.baseline, task: bare, offered: record.offered, context });
    expect(found).toMatchObject({ assessment: { kind: 'decided', decision: 'accept' }, forged: ['businessStatus'] });
  });

  test('what the facade stored with a decision is no forgery, although the engine writes it', () => {
    for (const code of DECISION_CODES) {
      const { kind, changes } = DECISIONS[code];
      const { task, record } = opened(kind);
      const { baseline, offered } = record;
      const stored = assessTask({ baseline, before: task, task: withClient(task, changes), offered, context });
      if (stored.kind !== 'decided') throw new Error(code);
      expect(assessFound({ baseline, task: stored.task, offered, context })).toEqual({
        assessment: stored,
        forged: [],
      });
    }
  });

  test('D3: a made-up final businessStatus is a forgery, and closes nothing', () => {
    const { task, record } = opened();
    const forged = withReviewStatus(task, 'accepted');
    expect(assessFound({ baseline: record.baseline, task: forged, offered: record.offered, context })).toEqual({
      assessment: { kind: 'unchanged' },
      forged: ['businessStatus'],
    });
  });
});
