import { describe, expect, test } from '@jest/globals';
import { withReviewStatus } from '../../mappings/index.ts';
import type { Code, ErsRefusal, Fate } from '../../server/core/index.ts';
import {
  afterAnswer,
  afterReread,
  DEFAULT_DELIVERY_POLICY,
  type DeliveryPolicy,
  nextDelivery,
} from '../../server/decisions/index.ts';
import { attempted, decided, NOW, referral } from './ward.ts';

const policy = DEFAULT_DELIVERY_POLICY;
const at = { now: NOW, random: 0 };
const instantIn = (ms: number) => new Date(Date.parse(NOW) + ms).toISOString();
const HOUR = 3_600_000;

type Channel = 'user' | 'application' | 'none';
function next(
  review: ReturnType<typeof decided>,
  { now = NOW, channel = 'user' as Channel, rules = policy as DeliveryPolicy } = {},
) {
  return nextDelivery(review.record, review.decision, { now, channel }, rules);
}

const failed = (
  kind: 'retry' | 'reread' | 'refused',
  code: Code,
  refusal: ErsRefusal = {},
  afterMs = 0,
): Fate<never> => (kind === 'refused' ? { kind, code, refusal } : { kind, code, afterMs, refusal });

describe('a decision at rest', () => {
  test('E-3: it is sent with the sendable version', () => {
    expect(next(decided('accept'))).toEqual({ kind: 'send', version: 5 });
  });

  test('T-14: it is held back for the configured time, so that it can be taken back', () => {
    const rules = { ...policy, delayMs: 30_000 };
    expect(next(decided('reject'), { rules })).toEqual({ kind: 'wait', until: instantIn(30_000) });
    expect(next(decided('reject'), { rules, now: instantIn(30_000) })).toEqual({ kind: 'send', version: 5 });
  });

  test('D2: an attempt whose end nobody saw is settled by reading e-RS before anything is sent, also after a restart', () => {
    expect(next(attempted('reject'))).toEqual({ kind: 'reread', why: 'unknown', afterMs: 0 });
    expect(next(attempted('accept'), { channel: 'none', now: instantIn(48 * HOUR) })).toMatchObject({ kind: 'reread' });
    expect(next(attempted('accept', { isUnknowable: true }, { outcome: 'not-applied' }))).toMatchObject({
      kind: 'reread',
    });
  });

  test('E-7, E-9b: without a user it waits for one, and is given back when the time for that is over', () => {
    expect(next(decided('reject'), { channel: 'none' })).toEqual({ kind: 'await-user' });
    expect(next(decided('reject'), { channel: 'none', now: instantIn(24 * HOUR) })).toEqual({ kind: 'expired' });
  });

  test('E-7: what e-RS refused the application is not sent by it again; a user may send it', () => {
    const { decision, ...review } = attempted('accept', {}, { outcome: 'not-applied', mode: 'application' });
    const baseline = withReviewStatus(review.task, 'awaiting-user-authorisation');
    const waiting = { ...review, decision, record: { ...review.record, baseline } };
    expect(next(waiting, { channel: 'application' })).toEqual({ kind: 'await-user' });
    expect(next(waiting, { channel: 'user' })).toEqual({ kind: 'send', version: 5 });
  });

  test('T-6, E-7: with an attachment it waits for a user, whatever the site may send unattended', () => {
    const { decision, ...review } = decided('accept-book-later');
    const withFile = { ...review, decision: { ...decision, attachments: [{ reference: 'DocumentReference/1' }] } };
    expect(next(withFile, { channel: 'application' })).toEqual({ kind: 'await-user' });
    expect(next(withFile, { channel: 'user' })).toMatchObject({ kind: 'send' });
    expect(next({ ...review, decision }, { channel: 'application' })).toMatchObject({ kind: 'send' });
  });

  test('E-8: it is not sent before its next attempt is due', () => {
    const review = attempted('accept', { nextAttemptAt: instantIn(4_000) }, { outcome: 'not-applied' });
    expect(next(review)).toEqual({ kind: 'wait', until: instantIn(4_000) });
    expect(next(review, { now: instantIn(4_000) })).toEqual({ kind: 'send', version: 5 });
  });

  test('E-9a: it is given back after the last attempt, or when it is too old, if that is known not to be applied', () => {
    expect(next(attempted('accept', { attempts: 12 }, { outcome: 'not-applied' }))).toEqual({ kind: 'give-back' });
    const old = attempted('accept', {}, { outcome: 'not-applied' });
    expect(next(old, { now: instantIn(4 * HOUR) })).toEqual({ kind: 'give-back' });
    expect(next(decided('accept'), { now: instantIn(4 * HOUR) })).toEqual({ kind: 'send', version: 5 });
  });

  test('E-9a: the hours that it waited for a clinician do not count: they begin with the first attempt', () => {
    const firstAttemptAt = instantIn(20 * HOUR);
    const review = attempted('reject', { firstAttemptAt }, { outcome: 'not-applied' });
    expect(next(review, { now: instantIn(21 * HOUR) })).toMatchObject({ kind: 'send' });
    expect(next(review, { now: instantIn(24 * HOUR) })).toEqual({ kind: 'give-back' });
  });

  test('D3: an accept in doubt, whose probe is outstanding, is never given back nor handed to T-14', () => {
    const probing = (changes = {}) =>
      attempted('accept', { wasUnknown: true, probeUsed: true, ...changes }, { outcome: 'not-applied' });
    expect(next(probing())).toEqual({ kind: 'send', version: 5 });
    expect(next(probing(), { channel: 'none' })).toEqual({ kind: 'unknowable' });
    expect(next(probing({ attempts: 12 }))).toEqual({ kind: 'unknowable' });
  });
});

describe('e-RS’s answer', () => {
  const answer = (fate: Fate<unknown>, review = attempted('accept')) => afterAnswer(review.decision, fate, at, policy);

  test('E-4: 200 means recorded', () => {
    expect(answer({ kind: 'ok', value: {} })).toEqual({ kind: 'recorded' });
  });

  test.each([
    ['409', 'ERS_VERSION_CONFLICT', 'conflict', 0],
    ['423', 'ERS_LOCKED', 'locked', 700],
    ['a lost answer', 'ERS_OUTCOME_UNKNOWN', 'unknown', 700],
  ] as const)('E-5, E-8a, E-8b: after %s e-RS is read again before anything else', (_, code, why, afterMs) => {
    expect(answer(failed('reread', code, {}, 700))).toEqual({ kind: 'reread', why, afterMs });
  });

  test('E-8: what is known not to be applied goes again after a back-off that doubles and honours Retry-After', () => {
    const busy = failed('retry', 'ERS_UNAVAILABLE', { status: 503 });
    expect(answer(busy)).toEqual({ kind: 'again', at: instantIn(500) });
    expect(answer(busy, attempted('accept', { attempts: 4 }))).toEqual({ kind: 'again', at: instantIn(4_000) });
    expect(answer(failed('retry', 'ERS_BUSY', { status: 429 }, 90_000))).toEqual({
      kind: 'again',
      at: instantIn(90_000),
    });
  });

  test('E-9a: the last attempt known not to be applied gives the decision back', () => {
    expect(answer(failed('retry', 'ERS_UNAVAILABLE'), attempted('reject', { attempts: 12 }))).toEqual({
      kind: 'give-back',
    });
  });

  test.each(['ERS_FORBIDDEN', 'ERS_USER_SESSION_ENDED'] as const)('E-7: %s waits for a user', (code) => {
    expect(answer(failed('refused', code))).toEqual({ kind: 'await-user', why: code });
  });

  test('E-7: a refused application token is refreshed and tried again, since it says nothing of the decision', () => {
    expect(answer(failed('refused', 'ERS_APPLICATION_REFUSED'))).toMatchObject({ kind: 'again' });
  });

  test.each([
    ['ERS_BUSINESS_RULE', 422, false],
    ['ERS_NO_RELATIONSHIP', 422, false],
    ['ERS_PATIENT_ERROR', 422, false],
    ['ERS_REQUEST_WRONG', 412, true],
    ['ERS_NOT_FOUND', 404, true],
  ] as const)(
    'E-6: %s (%i) is refused; an operator is called if the request itself was wrong: %s',
    (code, status, isDefect) => {
      expect(answer(failed('refused', code, { status }))).toEqual({ kind: 'refused', refusal: { status }, isDefect });
    },
  );

  test('4.5: INVALID_REQUEST_STATE without an uncertain attempt before is a refusal like any other (E-6)', () => {
    const refusal = { status: 422, ersCode: 'INVALID_REQUEST_STATE' };
    expect(answer(failed('refused', 'ERS_BUSINESS_RULE', refusal))).toMatchObject({ kind: 'refused', refusal });
  });

  test.each(['INVALID_REQUEST_STATE', 'NO_RELATIONSHIP', 'UNABLE_TO_CANCEL_APPOINTMENT', undefined])(
    'D3: %s after an uncertain attempt may be our own doing: e-RS is read before it is taken for its word',
    (ersCode) => {
      const refusal = { status: 422, ...(ersCode === undefined ? {} : { ersCode }) };
      const fate = failed('refused', 'ERS_BUSINESS_RULE', refusal);
      for (const code of ['accept', 'reject', 'redirect', 'return-with-advice'] as const)
        expect(answer(fate, attempted(code, { wasUnknown: true }))).toEqual({
          kind: 'reread',
          why: 'unknown',
          afterMs: 0,
          refused: { refusal, isDefect: false },
        });
    },
  );

  test('D3: any refusal after an attempt in doubt is shown only when e-RS has been read', () => {
    const fate = failed('refused', 'ERS_BUSINESS_RULE', { status: 422, ersCode: 'INVALID_VALUE' });
    expect(answer(fate, attempted('reject', { wasUnknown: true }))).toMatchObject({
      kind: 'reread',
      refused: { refusal: { ersCode: 'INVALID_VALUE' } },
    });
  });

  test.each([
    ['a 503', failed('retry', 'ERS_UNAVAILABLE', { status: 503 })],
    ['a 401 of the application', failed('refused', 'ERS_APPLICATION_REFUSED', { status: 401 })],
  ])(
    'D3 E-9a: when attempts end with %s, a decision that is in doubt is given back only after e-RS was read',
    (_, fate) => {
      const last = { attempts: policy.maxAttempts };
      expect(answer(fate, attempted('accept', last))).toEqual({ kind: 'give-back' });
      expect(answer(fate, attempted('accept', { ...last, wasUnknown: true }))).toMatchObject({ kind: 'reread' });
    },
  );

  test('D3: whatever a probe ends with but success, the accept is not opened by it', () => {
    const probe = attempted('accept', { wasUnknown: true, probeUsed: true });
    expect(answer(failed('refused', 'ERS_FORBIDDEN'), probe)).toEqual({ kind: 'unknowable' });
    expect(answer(failed('refused', 'ERS_REQUEST_WRONG'), probe)).toEqual({ kind: 'unknowable' });
    expect(answer(failed('retry', 'ERS_UNAVAILABLE'), probe)).toEqual({ kind: 'reread', why: 'unknown', afterMs: 500 });
    const last = attempted('accept', { wasUnknown: true, probeUsed: true, attempts: 12 });
    expect(answer(failed('retry', 'ERS_UNAVAILABLE'), last)).toEqual({ kind: 'unknowable' });
  });
});

describe('the referral, read again (4.5)', () => {
  type Why = 'conflict' | 'locked' | 'unknown';
  const reread = (
    review: ReturnType<typeof attempted>,
    why: Why,
    changes: Parameters<typeof referral>[0],
    rules = policy,
  ) => afterReread(review.record, review.decision, why, referral(changes).facts, at, rules);

  test('after a 409 with the content unchanged it is sent once more, with the new version', () => {
    expect(reread(attempted('accept'), 'conflict', { version: 6 })).toEqual({ kind: 'send', version: 6 });
    expect(reread(attempted('accept', { resendUsed: true }), 'conflict', { version: 7 })).toEqual({ kind: 'conflict' });
  });

  test('a site may forbid the resend: every 409 is then a conflict', () => {
    const never = { ...policy, conflictResend: 'never' as const };
    expect(reread(attempted('accept'), 'conflict', { version: 6 }, never)).toEqual({ kind: 'conflict' });
  });

  test('E-5: after a 409 with the content changed it is a conflict', () => {
    expect(reread(attempted('accept'), 'conflict', { version: 6, content: 'new letter' })).toEqual({
      kind: 'conflict',
    });
  });

  test('4.5: where a site sends no second time, a conflict after a 503 opens the review, and one resend is all there is', () => {
    const never = { ...policy, conflictResend: 'never' as const };
    const doubted = (changes = {}) =>
      attempted('reject', { attempts: 2, wasUnknown: true, doubtedVersion: 5, ...changes }, { outcome: 'not-applied' });
    const moved = referral({ version: 6 }).facts;
    const stepAfter = (review: ReturnType<typeof doubted>, rules: DeliveryPolicy) =>
      afterReread(review.record, review.decision, 'conflict', moved, at, rules);
    expect(stepAfter(doubted(), policy)).toEqual({ kind: 'send', version: 6 });
    expect(stepAfter(doubted(), never)).toEqual({ kind: 'conflict' });
    expect(stepAfter(doubted({ resendUsed: true }), policy)).toEqual({ kind: 'conflict' });
  });

  test('D3 4.5: an accept is unrecorded at the version of its first attempt in doubt only, whatever its last was sent with', () => {
    const { record, decision } = attempted(
      'accept',
      { attempts: 2, wasUnknown: true, doubtedVersion: 5 },
      { outcome: 'not-applied', version: 6 },
    );
    const stepAfter = (version: number) =>
      afterReread(
        record,
        decision,
        'unknown',
        referral({ version }).facts,
        { ...at, now: instantIn(48 * HOUR) },
        policy,
      );
    expect(stepAfter(5)).toEqual({ kind: 'expired' });
    expect(stepAfter(6)).toEqual({ kind: 'send', version: 6 });
  });

  test('E-8a: a locked referral that stayed as it was is tried again later; one that changed is a conflict', () => {
    expect(reread(attempted('accept'), 'locked', {})).toMatchObject({ kind: 'again' });
    expect(reread(attempted('accept'), 'locked', { version: 6 })).toEqual({ kind: 'send', version: 6 });
    expect(reread(attempted('accept'), 'locked', { version: 6, priority: 'URGENT' })).toEqual({ kind: 'conflict' });
  });

  test.each([
    ['reject', { state: 'REJECTED', reason: 'SERVICE_INAPPROPRIATE', comments: 'Community clinic, please.' }],
    [
      'redirect',
      {
        state: 'TRIAGED_PROVIDER_TO_ACTION',
        reason: 'CANCEL_APPOINTMENT_ACTION_LATER',
        comments: 'Rebook into rapid access. ',
      },
    ],
    [
      'accept-book-later',
      { state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'ACCEPT_REFER_BOOK_LATER', comments: 'First free slot.' },
    ],
    [
      'return-with-advice',
      { state: 'TRIAGE_RESPONSE', reason: 'RETURN_TO_REFERRER_WITH_ADVICE', comments: 'No further action needed.' },
    ],
  ] as const)(
    'D2: a lost %s that e-RS shows with our reason and comment is recorded; with another’s it is not ours',
    (code, shown) => {
      const review = attempted(code);
      expect(reread(review, 'unknown', { version: 6, ...shown })).toEqual({ kind: 'recorded' });
      expect(reread(review, 'unknown', { version: 6, ...shown, comments: 'Somebody else.' })).toEqual({
        kind: 'unknowable',
      });
      expect(reread(attempted(code, { isUnknowable: true }), 'unknown', { version: 6, ...shown })).toEqual({
        kind: 'recorded',
      });
      const broken = { ...shown, comments: `${shown.comments.replace(' ', '\r\n')}\n` };
      expect(reread(review, 'unknown', { version: 6, ...broken })).toEqual({ kind: 'recorded' });
    },
  );

  test.each(['accept', 'reject', 'redirect'] as const)(
    'D2: a lost %s with the version that was sent was not applied, and goes again',
    (code) => {
      expect(reread(attempted(code), 'unknown', {})).toEqual({ kind: 'again', at: instantIn(500) });
    },
  );

  test('E-9a: a lost last attempt that a fresh reading shows not to be applied gives the decision back', () => {
    const last = attempted('reject', { attempts: 12 });
    // A request that nobody heard the end of may be at work in e-RS still: reading tells for good only when it cannot.
    expect(reread(last, 'unknown', {})).toEqual({ kind: 'again', at: instantIn(policy.attemptMaxMs) });
    expect(reread(last, 'unknown', {}, { ...policy, attemptMaxMs: 0 })).toEqual({ kind: 'give-back' });
  });

  test('D3 E-9b: one that waited for a clinician too long, with an attempt in doubt, expires only after e-RS was read anew', () => {
    const doubted = attempted('reject', { wasUnknown: true, doubtedAt: instantIn(0) }, { outcome: 'not-applied' });
    const late = instantIn(24 * HOUR);
    expect(next(doubted, { channel: 'none', now: late })).toEqual({ kind: 'reread', why: 'unknown', afterMs: 0 });
    const patient = { ...policy, authorisationTimeoutMs: 0 };
    expect(reread(doubted, 'unknown', {}, patient)).toEqual({ kind: 'again', at: instantIn(policy.attemptMaxMs) });
    expect(reread(doubted, 'unknown', {}, { ...patient, attemptMaxMs: 0 })).toEqual({ kind: 'expired' });
  });

  test('D2: a lost accept is probed once when the version moved and the content did not; then only a worklist can tell', () => {
    expect(reread(attempted('accept'), 'unknown', { version: 6 })).toEqual({ kind: 'send', version: 6 });
    const probed = attempted('accept', { wasUnknown: true, probeUsed: true }, { version: 6 });
    expect(reread(probed, 'unknown', { version: 7 })).toEqual({ kind: 'unknowable' });
    expect(reread(probed, 'conflict', { version: 7 })).toEqual({ kind: 'unknowable' });
  });

  test('D2 E-8: the probe itself may go again, in a while, while its version stands, for then it was not applied', () => {
    const probed = attempted('accept', { wasUnknown: true, probeUsed: true }, { version: 6 });
    expect(reread(probed, 'unknown', { version: 6 })).toEqual({ kind: 'send', version: 6, at: expect.any(String) });
    const last = attempted('accept', { wasUnknown: true, probeUsed: true, attempts: 12 }, { version: 6 });
    expect(reread(last, 'unknown', { version: 6 })).toEqual({ kind: 'unknowable' });
  });

  test('a lost accept with the content changed is unknowable: it leaves no trace', () => {
    expect(reread(attempted('accept'), 'unknown', { version: 6, content: 'new letter' })).toEqual({
      kind: 'unknowable',
    });
  });

  test('a lost reject of a referral that is still untouched under review was not applied: a change is a conflict', () => {
    expect(reread(attempted('reject'), 'unknown', { version: 6, content: 'new letter' })).toEqual({ kind: 'conflict' });
    expect(reread(attempted('reject'), 'unknown', { version: 6 })).toEqual({ kind: 'send', version: 6 });
  });

  test('a lost reject of a referral that was rebooked since is unknowable: ours may have come before', () => {
    expect(reread(attempted('reject'), 'unknown', { version: 9, appointment: 'appointment-2' })).toEqual({
      kind: 'unknowable',
    });
  });

  test('a 409 after an uncertain attempt is read as uncertain: the version may be our own doing', () => {
    expect(reread(attempted('accept', { wasUnknown: true }), 'conflict', { version: 6, content: 'x' })).toEqual({
      kind: 'unknowable',
    });
  });

  test('E-6 D3: a refusal after an uncertain attempt counts once reading shows that none was recorded, and none can be any more', () => {
    const doubtedRefusal = { refusal: { status: 422, ersCode: 'PATIENT_ERROR' }, isDefect: false };
    const doubt = { wasUnknown: true, doubtedVersion: 5, doubtedRefusal };
    const refused = (code: Parameters<typeof attempted>[0], changes = {}) =>
      attempted(code, { ...doubt, ...changes }, { outcome: 'not-applied' });
    for (const code of ['accept', 'reject'] as const) {
      expect(reread(refused(code), 'unknown', {})).toEqual({ kind: 'refused', ...doubtedRefusal });
      expect(reread(refused(code, { attempts: 12 }), 'unknown', {})).toMatchObject({ kind: 'refused' });
      expect(reread(refused(code, { doubtedAt: NOW }), 'unknown', {})).toEqual({
        kind: 'again',
        at: instantIn(policy.attemptMaxMs),
      });
      expect(next(refused(code))).toMatchObject({ kind: 'reread', why: 'unknown' });
      expect(next(refused(code, { nextAttemptAt: instantIn(9_000) }))).toEqual({
        kind: 'wait',
        until: instantIn(9_000),
      });
    }
    // An accept moves the version and nothing else.
    expect(reread(refused('accept'), 'unknown', { version: 6 })).toEqual({ kind: 'unknowable' });
    expect(reread(refused('accept', { doubtedVersion: 4 }), 'unknown', {})).toEqual({ kind: 'unknowable' });
    expect(reread(refused('reject'), 'unknown', { version: 6 })).toMatchObject({ kind: 'refused' });
    expect(reread(refused('reject'), 'unknown', { version: 6, content: 'new letter' })).toEqual({ kind: 'conflict' });
  });

  test('E-9a, E-9b: what moved the version keeps no decision alive whose attempts or whose time are at an end', () => {
    const over = { ...policy, attemptMaxMs: 0 };
    const last = attempted('reject', { wasUnknown: true, attempts: 12 }, { outcome: 'not-applied' });
    expect(reread(last, 'unknown', { version: 6 }, over)).toEqual({ kind: 'give-back' });
    expect(reread({ ...last, decision: { ...last.decision, doubtedAt: NOW } }, 'unknown', { version: 6 })).toEqual({
      kind: 'again',
      at: instantIn(policy.attemptMaxMs),
    });
    const waited = attempted('reject', { wasUnknown: true }, { outcome: 'not-applied' });
    expect(reread(waited, 'unknown', { version: 6 }, { ...over, authorisationTimeoutMs: 0 })).toEqual({
      kind: 'expired',
    });
    const late = { channel: 'none', now: instantIn(24 * HOUR) } as const;
    const resting = attempted(
      'reject',
      { wasUnknown: true, nextAttemptAt: instantIn(25 * HOUR) },
      { outcome: 'not-applied' },
    );
    expect(next(resting, late)).toEqual({ kind: 'wait', until: instantIn(25 * HOUR) });
  });

  test('what cannot be known stays so, however often it is read', () => {
    const review = attempted('accept', { isUnknowable: true });
    for (const version of [5, 6, 9]) expect(reread(review, 'unknown', { version })).toEqual({ kind: 'unknowable' });
  });
});
