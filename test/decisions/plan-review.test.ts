import { describe, expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import {
  availableDecisionsOf,
  codeOf,
  decisionOf,
  ersVersionOf,
  outputsOf,
  reviewStatusOf,
  SYSTEM,
  taskCodeOf,
  withReviewStatus,
} from '../../mappings/index.ts';
import {
  type Episode,
  planConflict,
  planReview,
  planUnreadable,
  type ReviewPlan,
  type ReviewSituation,
  recorded,
} from '../../server/decisions/index.ts';
import {
  asked,
  attempted,
  type Changes,
  type DECISIONS,
  decided,
  episodeOf,
  item,
  LATER,
  NOW,
  note,
  opened,
  PERSON,
  referral,
  situation,
} from './ward.ts';

const seen = (latest: Episode | undefined, changes: Changes = {}, rest: Partial<ReviewSituation> = {}): ReviewPlan =>
  planReview(
    situation({
      latest,
      referral: referral(changes),
      bookableType: 'DIRECTLY_BOOKABLE',
      polledAt: LATER,
      now: LATER,
      ...rest,
    }),
  );
const gone = { listed: [] };
const shown = (plan: ReviewPlan) =>
  plan.kind === 'none'
    ? `none ${plan.alerts.join()}`.trim()
    : `${plan.kind} ${plan.task?.status} ${plan.task && reviewStatusOf(plan.task)}`;
const sentTo = (plan: ReviewPlan) => (plan.kind === 'none' ? undefined : plan.record.sendable.version);

describe('a review is opened when e-RS asks for one (E-1)', () => {
  test.each([
    ['M-146', 'booking-direct', 'review-booking', ['accept', 'reject', 'redirect']],
    ['M-146', 'triage', 'review-triage', ['accept-book-later', 'return-with-advice']],
    ['M-147', 'slot-issue', 'review-slot-issue', ['accept-book-later', 'return-with-advice']],
    ['M-147', 'slot-closed', 'resolve-slot-issue', []],
    ['M-62', 'unknown', 'review-unknown', []],
  ] as const)('%s, T-10: a %s that is listed is opened as %s and offers %j', (_, kind, code, offers) => {
    const { task, record } = opened(kind);
    expect([task.status, reviewStatusOf(task), taskCodeOf(task)]).toEqual(['requested', 'awaiting-review', code]);
    expect(availableDecisionsOf(task)).toEqual(offers);
    expect(record).toMatchObject({ baseline: task, offered: offers, sendable: { version: 5 } });
    expect(task.identifier?.[0]).toEqual({ system: SYSTEM.reviewTask, value: `${record.requestId}.1` });
  });

  test('M-62: a first look at a triage without a referral type goes by the state', () => {
    const { referralType: _, ...bare } = item();
    const triage = referral({ state: 'AWAITING_TRIAGE', appointment: undefined });
    const plan = planReview(situation({ referral: triage, listed: [bare] }));
    expect(plan.kind === 'open' && plan.task && taskCodeOf(plan.task)).toBe('review-triage');
  });

  test.each(['REJECTED', 'TRIAGE_RESPONSE', 'CANCELLED_REFERRAL', 'NOT_BOOKED'] as const)(
    'M-156: a referral first seen as %s gets no Task, though it be listed',
    (state) => {
      expect(seen(undefined, { state })).toEqual({ kind: 'none', alerts: [] });
    },
  );

  test('M-156: a referral that was brought in and is on no list gets no Task', () => {
    expect(seen(undefined, {}, gone)).toEqual({ kind: 'none', alerts: [] });
    expect(planReview({ ...situation(), listed: undefined })).toEqual({ kind: 'none', alerts: [] });
  });

  test('M-151: a listed referral in an unknown state is opened, with an alert', () => {
    expect(seen(undefined, { state: undefined })).toMatchObject({ kind: 'open', alerts: ['state-unknown'] });
  });

  test('K2: the same situation again writes nothing', () => {
    for (const kind of ['booking-direct', 'triage', 'slot-issue', 'slot-closed', 'unknown'] as const)
      expect(planReview(asked(kind, { latest: opened(kind), now: LATER }))).toEqual({ kind: 'none', alerts: [] });
  });
});

describe('an undecided review follows e-RS', () => {
  test.each<[string, Changes, string]>([
    ['M-140', { status: 'cancelled' }, 'close cancelled withdrawn'],
    ['M-142', { state: 'REJECTED' }, 'close rejected rejected'],
    [
      'M-143',
      { state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'CANCEL_APPOINTMENT_ACTION_LATER' },
      'close accepted redirected',
    ],
    ['M-150', { state: 'APPT_CANCELLED_BY_PATIENT' }, 'close cancelled withdrawn'],
  ])('%s, E-10: what somebody did in e-RS ends it: %j gives %s', (_, changes, becomes) => {
    for (const rest of [{}, gone, { listed: undefined }]) {
      const plan = seen(opened(), { version: 6, ...changes }, rest);
      expect(shown(plan)).toBe(becomes);
      expect(plan).toMatchObject({ record: { ended: { at: LATER, version: 6, recorded: false } } });
    }
  });

  test('M-141: a decision that was taken in e-RS shows its reason, its comment and where it came from', () => {
    const changes = {
      state: 'TRIAGE_RESPONSE',
      reason: 'RETURN_TO_REFERRER_WITH_ADVICE',
      comments: 'Advice.',
    } as const;
    const { task } = episodeOf(seen(opened('triage'), { version: 6, ...changes }));
    expect(task.statusReason?.coding?.[0]?.code).toBe('RETURN_TO_REFERRER_WITH_ADVICE');
    expect(task.note).toEqual([{ authorString: 'NHS e-Referral Service', text: 'Advice.' }]);
    expect(outputsOf(task, 'decided-in-ers')).toMatchObject([{ valueBoolean: true }]);
    expect(availableDecisionsOf(task)).toEqual([]);
    expect(ersVersionOf(task)).toBe(6);
  });

  test.each<[string, 'booking-direct' | 'triage' | 'slot-issue']>([
    ['M-149', 'booking-direct'],
    ['M-152', 'triage'],
    ['M-152', 'slot-issue'],
  ])('%s: a %s that left its list undecided is withdrawn, and nobody claims that it was accepted', (_, kind) => {
    const plan = planReview(asked(kind, { latest: opened(kind), listed: [], polledAt: LATER, now: LATER }));
    expect(shown(plan)).toBe('close cancelled withdrawn');
    const { task } = episodeOf(plan);
    expect(task.statusReason?.coding?.[0]?.code).toBe('left-worklist');
    expect(outputsOf(task, 'decided-in-ers')).toEqual([]);
  });

  test('1.8: nothing is closed because of lists that were not asked', () => {
    expect(seen(opened(), {}, { listed: undefined })).toEqual({ kind: 'none', alerts: [] });
  });

  test('M-151: an unknown state leaves the review as it is, off the list or on it, with an alert', () => {
    const latest = episodeOf(seen(undefined, { state: undefined }));
    for (const rest of [{}, gone])
      expect(seen(latest, { state: undefined }, rest)).toEqual({ kind: 'none', alerts: ['state-unknown'] });
  });

  test('M-148, M-155: what this engine recorded stays recorded, whatever the lists say', () => {
    const review = attempted('accept');
    const done = recorded(review, review.decision, { version: 6, at: NOW });
    expect(seen(done, { version: 6 }, gone)).toEqual({ kind: 'none', alerts: [] });
    const redirect = attempted('redirect');
    const redirected = recorded(redirect, redirect.decision, { version: 6, at: NOW });
    expect(seen(redirected, { version: 6, state: 'TRIAGED_PROVIDER_TO_ACTION' }, gone)).toEqual({
      kind: 'none',
      alerts: [],
    });
  });

  test('E-11: changed content shows as referral-changed, with the new version, and keeps claim and notes', () => {
    const { task, record } = opened();
    const claimed = withReviewStatus({ ...task, status: 'received', owner: { reference: PERSON } }, 'under-review');
    const before = { ...claimed, note: [note('Mine.')] };
    const plan = seen(
      { task: before, record: { ...record, baseline: before } },
      { version: 6, priority: 'URGENT' },
      {
        listed: [item({ context: 'CLINICAL_INFO_UPDATED' })],
      },
    );
    expect(shown(plan)).toBe('update received referral-changed');
    const after = episodeOf(plan);
    expect(after.task).toMatchObject({ owner: { reference: PERSON }, note: [note('Mine.')], priority: 'urgent' });
    expect(after.task.reasonCode?.coding?.[0]?.code).toBe('CLINICAL_INFO_UPDATED');
    expect(ersVersionOf(after.task)).toBe(6);
    expect(after.record).toMatchObject({ baseline: after.task, reviewed: { priority: 'URGENT' } });
  });

  test('E-11: a refresh without lists moves the priority that a later decision would keep', () => {
    const plan = seen(
      opened('triage'),
      { version: 6, state: 'AWAITING_TRIAGE', appointment: undefined, priority: 'URGENT' },
      {
        listed: undefined,
      },
    );
    expect(plan).toMatchObject({
      kind: 'update',
      record: { reviewed: { priority: 'URGENT', referralType: 'TRIAGE_DEFERRAL' } },
    });
  });

  test('E-11: a letter that only the worklist tells of is a change, too (4.5)', () => {
    const plan = seen(opened(), {}, { listed: [item({ context: 'CLINICAL_INFO_UPDATED' })] });
    expect(shown(plan)).toBe('update requested referral-changed');
  });

  test('E-12: a version that moved alone touches no Task; the sendable version moves', () => {
    const plan = seen(opened(), { version: 8 }, { listed: [item({ version: 8 })] });
    expect(plan.kind).toBe('bookkeeping');
    expect(plan).not.toHaveProperty('task');
    expect(sentTo(plan)).toBe(8);
  });

  test('what the list says in passing is shown quietly: no new status, no new version', () => {
    const plan = seen(opened(), {}, { listed: [item({ clinicalInfoPrinted: true })] });
    expect(shown(plan)).toBe('update requested awaiting-review');
    expect(ersVersionOf(episodeOf(plan).task)).toBe(5);
  });

  test('T-7: what somebody forged in the store does not become the engine’s own by an update', () => {
    const latest = opened();
    const forged = withReviewStatus({ ...latest.task, intent: 'plan', requester: { display: 'Me' } }, 'accepted');
    const { task, record } = episodeOf(seen({ ...latest, task: forged }, { version: 6, content: 'new' }));
    expect(task).toMatchObject({ intent: 'order', requester: latest.task.requester as object });
    expect(record.baseline).toEqual(task);
    const quiet = seen({ ...latest, task: forged }, {}, { listed: [item({ clinicalInfoPrinted: true })] });
    expect(episodeOf(quiet).task).toMatchObject({ intent: 'order' });
    expect(shown(quiet)).toBe('update requested awaiting-review');
  });

  test.each(['completed', 'failed', 'cancelled', 'on-hold'] as const)(
    'T-9 E-9c: status %s in the store is not built upon when e-RS changes: the Task is open, with the reason',
    (status) => {
      const latest = opened();
      const written = { ...latest, task: { ...latest.task, status, note: [note('Done with it.')] } };
      const plan = seen(written, { version: 6, content: 'new' });
      expect(shown(plan)).toBe('update requested decision-invalid');
      const { task, record } = episodeOf(plan);
      expect(ersVersionOf(task)).toBe(6);
      expect(task.note).toEqual([note('Done with it.')]);
      expect(task.contained).toMatchObject([{ resourceType: 'OperationOutcome' }]);
      expect([record.baseline, record.sendable.version]).toEqual([task, 6]);
      // Where nothing changes, dispatch gives it back.
      expect(seen(written)).toEqual({ kind: 'none', alerts: [] });
    },
  );

  test('T-2: an earlier note that somebody altered in the store is not built upon, under a decision or without one', () => {
    const { task, record } = opened();
    const noted = { ...task, note: [note('Seen by the MDT.')] };
    const latest = { task: { ...noted, note: [note('Altered.')] }, record: { ...record, baseline: noted } };
    const changed = { version: 6, content: 'new' };
    expect(episodeOf(seen(latest, changed)).task.note).toEqual(noted.note);
    const accepted = { ...latest, task: { ...latest.task, status: 'accepted' as const } };
    expect(episodeOf(seen(accepted, changed)).task.note).toEqual(noted.note);
  });

  test('T-11: a claim that was written straight into the store is under-review when e-RS changes nothing else', () => {
    const latest = opened();
    const claimed = { ...latest, task: { ...latest.task, status: 'received' as const } };
    const quiet = seen(claimed, {}, { listed: [item({ clinicalInfoPrinted: true })] });
    expect(shown(quiet)).toBe('update received under-review');
  });

  test('T-10: where A029 was not asked, or did not answer, a slot issue offers what it offered', () => {
    const kind = asked('slot-issue');
    const { isReviewable: _, ...unasked } = { ...kind, latest: opened('slot-issue') };
    const plan = planReview({
      ...unasked,
      referral: referral({ state: 'DEFERRED_TO_PROVIDER', appointment: undefined, content: 'new', version: 6 }),
    });
    const { task } = episodeOf(plan);
    expect([taskCodeOf(task), availableDecisionsOf(task)]).toEqual([
      'review-slot-issue',
      ['accept-book-later', 'return-with-advice'],
    ]);
  });

  test('T-7: nor does it under a decision that the change undoes', () => {
    const latest = decided('accept');
    const forged: Task = { ...latest.task, intent: 'plan', requester: { display: 'Me' } };
    const { task, record } = episodeOf(seen({ ...latest, task: forged }, { version: 6, content: 'new' }));
    expect(task).toMatchObject({ status: 'requested', intent: 'order', requester: latest.task.requester as object });
    expect(record.baseline).toEqual(task);
  });

  test('a decision that was written to the store and not yet taken over stays to be found', () => {
    const latest = opened();
    const written = { ...latest, task: { ...latest.task, status: 'accepted' as const } };
    expect(seen(written, { version: 8 }, { listed: [item({ version: 8, clinicalInfoPrinted: true })] })).toMatchObject({
      kind: 'bookkeeping',
      record: { baseline: latest.task },
    });
    expect(shown(seen(written, { version: 8, content: 'new' }))).toBe('update requested decision-conflict');
    expect(planUnreadable(written, 'patient-error', LATER)).toEqual({ kind: 'none', alerts: ['patient-error'] });
  });
});

describe('a decision under way', () => {
  test.each(['decision-queued', 'awaiting-user-authorisation'] as const)(
    'E-9b: a referral that changed under a %s decision opens it as a conflict that names both versions',
    (status) => {
      const { task, record } = decided('accept');
      const waiting = withReviewStatus(task, status);
      const plan = seen({ task: waiting, record: { ...record, baseline: waiting } }, { version: 7, content: 'new' });
      expect(shown(plan)).toBe('update requested decision-conflict');
      const open = episodeOf(plan);
      expect(open.task.statusReason?.text).toContain('version 5 to 7');
      expect(decisionOf(open.task, 'failed-decision')).toBe('accept');
      expect(availableDecisionsOf(open.task)).toEqual(['accept', 'reject', 'redirect']);
      expect(open.record).toMatchObject({ sendable: { version: 7 } });
      expect(open.record).not.toHaveProperty('decision');
    },
  );

  test('E-12: a queued decision follows a version that moved alone', () => {
    const plan = seen(
      decided('reject', {}),
      { version: 8 },
      { listed: [item({ version: 8 })], bookableType: 'INDIRECTLY_BOOKABLE' },
    );
    expect(plan).toMatchObject({
      kind: 'bookkeeping',
      record: { decision: { code: 'reject' }, sendable: { version: 8 } },
    });
  });

  test('E-10: a queued decision that e-RS has settled otherwise ends, and says that it was not recorded', () => {
    const { task } = episodeOf(seen(decided('accept'), { version: 6, status: 'cancelled' }));
    expect([task.status, reviewStatusOf(task), decisionOf(task, 'failed-decision')]).toEqual([
      'cancelled',
      'withdrawn',
      'accept',
    ]);
  });

  test('E-10: while a decision is being sent nothing that intake sees moves it', () => {
    for (const changes of [{ version: 9, content: 'new' }, { status: 'cancelled' }, { version: 9 }])
      for (const rest of [{}, gone])
        expect(seen(attempted('reject'), changes, rest)).toEqual({ kind: 'none', alerts: [] });
  });

  test('E-5: after a 409 with changed content the review is open with the conflict, unless e-RS has settled it', () => {
    const latest = attempted('accept', {}, { outcome: 'not-applied' });
    const changed = planConflict(
      situation({ latest, referral: referral({ version: 7, content: 'new' }), now: LATER }),
      latest,
    );
    expect(shown(changed)).toBe('update requested decision-conflict');
    const [outcome] = episodeOf(changed).task.contained ?? [];
    expect(outcome).toMatchObject({
      issue: [
        {
          code: 'conflict',
          diagnostics: 'Sent If-Match W/"5"; correlation 3d5f0b1c-1111-4a2b-8c3d-000000000001; current version is 7',
        },
      ],
    });
    const rejected = situation({ latest, referral: referral({ version: 7, state: 'REJECTED' }), now: LATER });
    expect(shown(planConflict(rejected, latest))).toBe('close rejected rejected');
  });

  test('D3: a lost reject that was applied late is found as recorded, not as somebody else’s', () => {
    const late = { state: 'REJECTED', reason: 'SERVICE_INAPPROPRIATE', comments: 'Community clinic, please.' } as const;
    for (const latest of [
      decided('reject', { attempts: 1, wasUnknown: true }),
      attempted('reject', { wasUnknown: true, isUnknowable: true }),
    ]) {
      const plan = seen(latest, { version: 6, ...late }, gone);
      expect(shown(plan)).toBe('close rejected rejected');
      const { task, record } = episodeOf(plan);
      expect(decisionOf(task, 'failed-decision')).toBeUndefined();
      expect(outputsOf(task, 'recorded-version')).toMatchObject([{ valueUnsignedInt: 6 }]);
      expect(record.ended).toEqual({ at: LATER, version: 6, recorded: true });
    }
  });
});

describe('an outcome that reading cannot tell (4.5, D2)', () => {
  const unknowable = (code: 'accept' | 'reject' = 'accept') =>
    attempted(code, { wasUnknown: true, isUnknowable: true });
  const during = new Date(Date.parse(NOW) + 60_000).toISOString();

  test('stays decision-sending with an alert until a complete list that was polled later tells', () => {
    const before = new Date(Date.parse(NOW) - 1).toISOString();
    for (const rest of [{ listed: undefined }, { polledAt: before }, { ...gone, polledAt: before }])
      expect(seen(unknowable(), { version: 6 }, rest)).toEqual({ kind: 'none', alerts: ['outcome-unknown'] });
  });

  test('E-3: is ended by nothing that e-RS shows before the attempt has its AuditEvent, which dispatch writes', () => {
    const heard = unknowable('reject');
    const decision = heard.record.decision;
    if (decision?.lastAttempt === undefined) throw new Error('nothing was attempted');
    const { isWitnessed: _, ...unheard } = decision.lastAttempt;
    const latest = { ...heard, record: { ...heard.record, decision: { ...decision, lastAttempt: unheard } } };
    const elsewhere = { state: 'REJECTED', reason: 'SERVICE_INAPPROPRIATE' } as const;
    expect(seen(latest, { version: 6, ...elsewhere }, gone)).toEqual({ kind: 'none', alerts: [] });
    expect(seen(heard, { version: 6, ...elsewhere }, gone).kind).toBe('close');
    expect(planUnreadable(latest, 'moved-away', LATER)).toEqual({ kind: 'none', alerts: ['outcome-unknown'] });
  });

  test('gone from Referrals for Review and still booked: the accept was recorded, and is marked as inferred (D3)', () => {
    const plan = seen(unknowable(), { version: 6 }, gone);
    expect(shown(plan)).toBe('close accepted accepted');
    const { task, record } = episodeOf(plan);
    expect(outputsOf(task, 'outcome-inferred')).toMatchObject([{ valueBoolean: true }]);
    expect(decisionOf(task)).toBe('accept');
    expect(record.ended).toEqual({ at: LATER, version: 6, recorded: true });
  });

  test('4.5 D3: gone at the version that was sent: no accept was recorded, and the review left its list undecided', () => {
    const unrecorded = (changes = {}) =>
      attempted('accept', { wasUnknown: true, doubtedVersion: 5, ...changes }, { outcome: 'not-applied' });
    const queued = decided('accept', unrecorded().decision);
    for (const latest of [queued, unrecorded({ isUnknowable: true })]) {
      const plan = seen(latest, { version: 5 }, gone);
      expect(shown(plan)).toBe('close cancelled withdrawn');
      expect(decisionOf(episodeOf(plan).task, 'failed-decision')).toBe('accept');
      expect(episodeOf(plan).record.ended).toEqual({ at: LATER, version: 5, recorded: false });
    }
    const unheard = unrecorded({ isUnknowable: true, doubtedAt: NOW });
    expect(seen(unheard, { version: 5 }, { ...gone, polledAt: during })).toEqual({
      kind: 'none',
      alerts: ['outcome-unknown'],
    });
    expect(shown(seen(unheard, { version: 5 }, gone))).toBe('close cancelled withdrawn');
    // An earlier attempt had another version: this one may be its doing.
    const probed = unrecorded({ isUnknowable: true, doubtedVersion: 4 });
    expect(shown(seen(probed, { version: 5 }, gone))).toBe('close accepted accepted');
  });

  test.each<[string, Changes]>([
    ['another service', { service: '11003' }],
    ['another appointment', { appointment: 'appointment-2' }],
    ['other content', { content: 'new' }],
  ])(
    '4.5 D3: gone from the list, and e-RS shows %s: nobody can say whether the accept was recorded, and it is not inferred',
    (_, changes) => {
      const plan = seen(unknowable(), { version: 6, ...changes }, gone);
      expect(shown(plan)).toBe('close cancelled withdrawn');
      const { task, record } = episodeOf(plan);
      expect([decisionOf(task, 'outcome-unknown'), decisionOf(task, 'failed-decision')]).toEqual(['accept', undefined]);
      expect(record.ended).toMatchObject({ recorded: false });
    },
  );

  test('4.5 D3: listed again with another appointment: open, and the conflict does not say that nothing was recorded', () => {
    const plan = seen(unknowable(), { version: 6, appointment: 'appointment-2' });
    expect(shown(plan)).toBe('update requested decision-conflict');
    const { task } = episodeOf(plan);
    expect([decisionOf(task, 'outcome-unknown'), decisionOf(task, 'failed-decision')]).toEqual(['accept', undefined]);
    expect(task.statusReason?.text).toContain('Nobody can say whether your decision was recorded before.');
  });

  test.each<['accept' | 'reject', Changes, 'outcome-unknown' | 'failed-decision']>([
    ['accept', { state: 'NOT_BOOKED', appointment: undefined }, 'outcome-unknown'],
    ['accept', { status: 'cancelled' }, 'outcome-unknown'],
    ['reject', { status: 'cancelled' }, 'outcome-unknown'],
    ['reject', { state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'CANCEL_APPOINTMENT_ACTION_LATER' }, 'failed-decision'],
    ['reject', {}, 'failed-decision'],
  ])('D3 E-10: when e-RS ends the review, %s in doubt (%j) is shown as %s', (code, changes, output) => {
    const { task } = episodeOf(seen(unknowable(code), { version: 9, ...changes }, gone));
    const other = output === 'failed-decision' ? 'outcome-unknown' : 'failed-decision';
    expect([decisionOf(task, output), decisionOf(task, other)]).toEqual([code, undefined]);
  });

  test('4.5: a second look that is listed as it was: the accept was not applied, and the conflict says so', () => {
    const again = [item({ version: 6, context: 'CLINICAL_INFO_UPDATED' })];
    const { record: asked } = episodeOf(seen(undefined, {}, { listed: again }));
    const { task, record } = unknowable();
    const latest = { task, record: { ...record, reviewed: asked.reviewed, sendable: asked.sendable } };
    const { task: open } = episodeOf(seen(latest, { version: 6 }, { listed: again }));
    expect([decisionOf(open, 'failed-decision'), decisionOf(open, 'outcome-unknown')]).toEqual(['accept', undefined]);
  });

  test('4.5: an accept is inferred also where e-RS names no service, but its list did', () => {
    const bare = (version: number) => {
      const mapped = referral({ version });
      const { service: _, ...facts } = mapped.facts;
      return { ...mapped, facts };
    };
    const { record: asked } = episodeOf(planReview(situation({ referral: bare(5) })));
    const { task, record } = unknowable();
    const latest = { task, record: { ...record, reviewed: asked.reviewed, sendable: asked.sendable } };
    expect(asked.reviewed.service).toBe('11002');
    expect(shown(seen(latest, {}, { ...gone, referral: bare(6) }))).toBe('close accepted accepted');
  });

  test('still listed: the accept was not applied, and the review is open with the conflict', () => {
    const plan = seen(unknowable(), { version: 6 });
    expect(shown(plan)).toBe('update requested decision-conflict');
    expect(decisionOf(episodeOf(plan).task, 'failed-decision')).toBe('accept');
  });

  test('listed while the attempt may still have been at work proves nothing', () => {
    expect(seen(unknowable(), { version: 6 }, { polledAt: during })).toEqual({
      kind: 'none',
      alerts: ['outcome-unknown'],
    });
  });

  test('what e-RS shows of the referral settles it at once, either way', () => {
    expect(shown(seen(unknowable(), { version: 6, state: 'REJECTED' }, { listed: undefined }))).toBe(
      'close rejected rejected',
    );
    expect(shown(seen(unknowable('reject'), { version: 9, appointment: 'other' }))).toBe(
      'update requested decision-conflict',
    );
    expect(shown(seen(unknowable('reject'), { version: 9, appointment: 'other' }, gone))).toBe(
      'close cancelled withdrawn',
    );
  });
});

describe('review episodes (4.6)', () => {
  const withoutDecision = () => episodeOf(seen(opened(), {}, { ...gone, now: NOW }));
  const withDecision = (code: keyof typeof DECISIONS = 'accept') => {
    const review = attempted(code);
    return recorded(review, review.decision, { version: 6, at: NOW });
  };
  const nth = (plan: ReviewPlan) => plan.kind !== 'none' && plan.task?.identifier?.[0]?.value?.split('.').at(-1);

  test('ended without a recorded decision and listed again: a new Task, whatever the version', () => {
    const plan = seen(withoutDecision());
    expect(shown(plan)).toBe('open requested awaiting-review');
    expect(nth(plan)).toBe('2');
    expect(
      nth(
        seen({
          ...episodeOf(plan),
          record: { ...episodeOf(plan).record, ended: { at: NOW, version: 5, recorded: false } },
        }),
      ),
    ).toBe('3');
  });

  test('a snapshot that was polled before the end proves nothing', () => {
    expect(seen(withoutDecision(), {}, { polledAt: NOW })).toEqual({ kind: 'none', alerts: [] });
    expect(seen(withDecision(), { version: 6 }, { polledAt: NOW })).toEqual({ kind: 'none', alerts: [] });
  });

  test('decided but listed at the recorded version: an alert and no new Task', () => {
    expect(seen(withDecision(), { version: 6 }, { listed: [item({ version: 6 })] })).toEqual({
      kind: 'none',
      alerts: ['decided-but-listed'],
    });
  });

  test('decided and listed at a newer version with nothing new to review: an alert and no new Task', () => {
    expect(seen(withDecision(), { version: 7 }, { listed: [item({ version: 7 })] })).toEqual({
      kind: 'none',
      alerts: ['decided-but-listed'],
    });
  });

  test.each<[string, Changes, Parameters<typeof item>[0]]>([
    ['the letter changed', {}, { context: 'CLINICAL_INFO_UPDATED' }],
    ['it was rebooked', { appointment: 'appointment-2' }, {}],
    ['it moved to another service', { service: '11003' }, { service: { id: '11003' } }],
    ['it is asked for as a triage', { state: 'AWAITING_TRIAGE' }, { type: 'TRIAGE_DEFERRAL' }],
  ])('decided and listed at a newer version because %s: the next episode', (_, changes, entry) => {
    const plan = seen(withDecision(), { version: 7, ...changes }, { listed: [item({ version: 7, ...entry })] });
    expect(shown(plan)).toBe('open requested awaiting-review');
    expect(nth(plan)).toBe('2');
  });

  test('a slot issue carries no version: the referral’s own counts', () => {
    const latest = withDecision('return-with-advice');
    const listed = [item({ list: 'APPOINTMENT_SLOT_ISSUES' })];
    const slot = { state: 'DEFERRED_TO_PROVIDER', appointment: undefined } as const;
    expect(nth(seen(latest, { version: 7, ...slot }, { listed, isReviewable: true }))).toBe('2');
    expect(seen(latest, { version: 6, ...slot }, { listed, isReviewable: true })).toMatchObject({
      alerts: ['decided-but-listed'],
    });
  });

  test('a stale list beside a referral that e-RS shows as closed opens nothing', () => {
    expect(seen(withDecision(), { version: 7, state: 'REJECTED' })).toEqual({ kind: 'none', alerts: [] });
  });
});

describe('a referral that e-RS no longer shows', () => {
  test('M-153: moved to another provider, the review is withdrawn and says so', () => {
    const plan = planUnreadable(decided('accept'), 'moved-away', LATER);
    expect(shown(plan)).toBe('close cancelled withdrawn');
    const { task } = episodeOf(plan);
    expect(codeOf(task.statusReason, 'https://ers-fhir.example/CodeSystem/ers-decision-issue')).toBe('moved-away');
    expect(decisionOf(task, 'failed-decision')).toBe('accept');
  });

  test('M-154: hidden patient: the review stays, offers nothing, and the alert stands; again writes nothing', () => {
    const plan = planUnreadable(opened(), 'patient-error', LATER);
    expect(shown(plan)).toBe('update requested awaiting-review');
    const hidden = episodeOf(plan);
    expect(availableDecisionsOf(hidden.task)).toEqual([]);
    expect(hidden.record.offered).toEqual([]);
    expect(planUnreadable(hidden, 'patient-error', LATER)).toEqual({ kind: 'none', alerts: ['patient-error'] });
    expect(availableDecisionsOf(episodeOf(seen(hidden, {}, { bookableType: 'DIRECTLY_BOOKABLE' })).task)).toHaveLength(
      3,
    );
  });

  test('D2: a decision that is being sent is not closed by it', () => {
    expect(planUnreadable(attempted('reject'), 'moved-away', LATER)).toEqual({
      kind: 'none',
      alerts: ['outcome-unknown'],
    });
  });

  test('an ended review stays as it is', () => {
    const review = attempted('accept');
    const done = recorded(review, review.decision, { version: 6, at: NOW });
    expect(planUnreadable(done, 'moved-away', LATER)).toEqual({ kind: 'none', alerts: [] });
  });
});
