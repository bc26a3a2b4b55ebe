import { expect, test } from '@jest/globals';
import { isTerminal, settledInErs } from '../../server/decisions/index.ts';
import { type Changes, referral } from './ward.ts';

const settled = (changes: Changes) => settledInErs(referral(changes).facts);
const outcomeOf = (changes: Changes) => {
  const found = settled(changes);
  return found.kind === 'closed' ? `${found.status} ${found.businessStatus} ${found.code ?? ''}`.trim() : found.kind;
};

test.each<[string, string, Changes]>([
  ['M-140', 'cancelled withdrawn', { status: 'cancelled', state: 'BOOKED' }],
  ['M-140', 'cancelled withdrawn', { state: 'CANCELLED_REFERRAL', reason: 'RETURN_TO_REFERRER_WITH_ADVICE' }],
  ['M-141', 'rejected returned-with-advice', { state: 'TRIAGE_RESPONSE' }],
  [
    'M-141',
    'rejected returned-with-advice',
    { state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'RETURN_TO_REFERRER_WITH_ADVICE' },
  ],
  ['M-142', 'rejected rejected', { state: 'REJECTED' }],
  ['M-143', 'accepted redirected', { state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'CANCEL_APPOINTMENT_ACTION_LATER' }],
  ['M-144', 'accepted accepted-book-later', { state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'ACCEPT_REFER_BOOK_LATER' }],
  [
    'M-145',
    'cancelled withdrawn',
    { state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'PROVIDER_CONVERTED_ADVICE_AND_GUIDANCE_ADMIN_TO_REFER' },
  ],
  ['M-146', 'in-review', { state: 'BOOKED' }],
  ['M-146', 'in-review', { state: 'AWAITING_TRIAGE' }],
  ['M-147', 'in-review', { state: 'DEFERRED_TO_PROVIDER' }],
  ['M-150', 'cancelled withdrawn', { state: 'NOT_BOOKED' }],
  ['M-150', 'cancelled withdrawn', { state: 'APPT_CANCELLED_BY_PATIENT' }],
  ['M-150', 'cancelled withdrawn', { state: 'APPT_CANCELLED_BY_PROVIDER' }],
  ['M-150', 'cancelled withdrawn', { state: 'DID_NOT_ATTEND' }],
  ['M-150', 'cancelled withdrawn', { state: 'ASSESSMENT_RESULT' }],
  ['M-151', 'unknown', { state: undefined }],
  ['M-155', 'cancelled withdrawn left-worklist', { state: 'TRIAGED_PROVIDER_TO_ACTION' }],
  ['M-155', 'cancelled withdrawn left-worklist', { state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'constructor' }],
])('%s: an undecided review becomes %s when e-RS shows %j', (_, becomes, changes) => {
  expect(outcomeOf(changes)).toBe(becomes);
});

test('only a decision that somebody took in e-RS is told as one (M-141..M-144)', () => {
  const decisions = [
    settled({ state: 'REJECTED' }),
    settled({ state: 'TRIAGE_RESPONSE' }),
    settled({ state: 'TRIAGED_PROVIDER_TO_ACTION', reason: 'ACCEPT_REFER_BOOK_LATER' }),
  ];
  for (const decision of decisions) expect(decision).toMatchObject({ isDecision: true });
  for (const other of [settled({ state: 'NOT_BOOKED' }), settled({ status: 'cancelled' })])
    expect(other).toMatchObject({ isDecision: false });
});

test('a referral is re-read until nothing more can come of it (architecture 6)', () => {
  expect(isTerminal(referral({ status: 'completed' }).facts)).toBe(true);
  expect(isTerminal(referral({ state: 'CANCELLED_REFERRAL' }).facts)).toBe(true);
  expect(isTerminal(referral({ state: 'REJECTED' }).facts)).toBe(false);
});
