import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CODE_SYSTEM, decisionOf, makeOutput } from '../../mappings/index.ts';
import { ersRefusalText } from '../../server/decisions/index.ts';
import { refusal } from '../ers-refusal.ts';
import { businessStatusOf } from '../sign-in.ts';
import { openWard, reach, type Ward } from './ward.ts';

const PAGE = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

const status = (value: string) => ({ op: 'replace', path: '/status', value });
const reason = (system: string, code: string) => ({
  op: 'add',
  path: '/statusReason',
  value: { coding: [{ system, code }] },
});
const note = { op: 'add', path: '/note', value: [{ text: 'See below.' }] };
const inPas = {
  op: 'add',
  path: '/output',
  value: [makeOutput('appointment-cancelled-in-pas', { valueBoolean: true })],
};

/** Of A028, whichever the outcome. */
const OF_TRIAGE = [
  'INVALID_REQUEST_STATE',
  'INVALID_REQUEST_TYPE',
  'PATIENT_ERROR',
  'NO_RELATIONSHIP',
  'MISSING_VALUE',
  'VALUE_IS_REQUIRED',
  'INVALID_VALUE',
  'INVALID_CODE',
  'INAPPROPRIATE_VALUE',
  'REFERENCE_NOT_FOUND',
  'INVALID_STATE',
  'DUPLICATE_FILENAME',
] as const;

/** How each call is brought about, and the codes that e-RS documents for it with 422. Source: provider-api 2.3 */
const CALLS = [
  {
    endpoint: 'A013',
    kind: 'booked-direct',
    decide: [status('accepted')],
    codes: ['INVALID_REQUEST_STATE', 'PATIENT_ERROR', 'NO_RELATIONSHIP'],
  },
  {
    endpoint: 'A014',
    kind: 'booked-indirect',
    decide: [
      status('rejected'),
      reason(CODE_SYSTEM.appointmentCancellationReason, 'SERVICE_INAPPROPRIATE'),
      note,
      inPas,
    ],
    codes: [
      'INVALID_REQUEST_STATE',
      'PATIENT_ERROR',
      'NO_RELATIONSHIP',
      'MISSING_VALUE',
      'VALUE_IS_REQUIRED',
      'FIELD_NOT_PERMITTED',
      'UNEXPECTED_FIELD',
      'INVALID_VALUE',
      'INVALID_CODE',
      'INAPPROPRIATE_VALUE',
      'UNABLE_TO_CANCEL_APPOINTMENT',
    ],
  },
  {
    endpoint: 'A022',
    kind: 'booked-direct',
    decide: [status('accepted'), reason(CODE_SYSTEM.reviewOutcome, 'CANCEL_APPOINTMENT_ACTION_LATER'), note],
    codes: [
      'INVALID_REQUEST_STATE',
      'PATIENT_ERROR',
      'NO_RELATIONSHIP',
      'MISSING_VALUE',
      'VALUE_IS_REQUIRED',
      'FIELD_NOT_PERMITTED',
      'INVALID_VALUE',
      'INVALID_CODE',
      'INAPPROPRIATE_VALUE',
      'REFERENCE_NOT_FOUND',
      'INVALID_STATE',
      'DUPLICATE_FILENAME',
    ],
  },
  {
    endpoint: 'A028',
    kind: 'triage',
    decide: [status('accepted'), reason(CODE_SYSTEM.reviewOutcome, 'ACCEPT_REFER_BOOK_LATER'), note],
    codes: OF_TRIAGE,
  },
  {
    endpoint: 'A028',
    kind: 'triage',
    decide: [status('rejected'), reason(CODE_SYSTEM.reviewOutcome, 'RETURN_TO_REFERRER_WITH_ADVICE'), note],
    codes: [...OF_TRIAGE, 'PRIORITY_NOT_CURRENT'],
  },
] as const;

const DOORS = ['through the facade', 'straight into the store'] as const;
type Door = (typeof DOORS)[number];

describe('a 422 of e-RS', () => {
  let ward: Ward;
  beforeAll(async () => {
    ward = await openWard({ sweepEveryMs: 60_000 });
  }, 30_000);
  afterAll(async () => ward[Symbol.asyncDispose]());

  describe.each(CALLS)('to $endpoint', ({ endpoint, kind, decide, codes }) => {
    const through = async (door: Door, ubrn: string) => {
      if (door === 'straight into the store') return ward.decide(ubrn, decide);
      expect((await ward.patch(ubrn, decide)).status).toBe(200);
    };

    test.each(codes.flatMap((code) => DOORS.map((door) => [code, door] as const)))(
      'E-6: %s, decided %s, opens the Task with words for a clinician and the code that an engineer finds in docs/errors.md',
      async (code, door) => {
        const ubrn = await ward.refer(kind);
        const offered = (await ward.recordOf(ubrn)).offered;
        await ward.control('POST', 'faults', { endpoint, kind: 'status', status: 422, body: refusal(code), times: 1 });
        await through(door, ubrn);
        expect(await reach(ward, ubrn, 'decision-refused', 'accepted', 'rejected')).toBe('decision-refused');
        const task = await ward.taskOf(ubrn);
        expect([task.status, task.statusReason?.coding]).toEqual([
          'requested',
          [{ system: CODE_SYSTEM.apiErrorCode, code }],
        ]);
        expect(task.statusReason?.text).toBe(ersRefusalText(code));
        expect(task.statusReason?.text).toMatch(/^[A-Za-z-].{20,}\. Nothing was recorded\.$/);
        expect(task.statusReason?.text).not.toContain(code);
        expect(PAGE).toContain(`| \`${code}\` | ${task.statusReason?.text} |`);
        expect(decisionOf(task, 'failed-decision')).toBeDefined();
        const { decision, offered: again } = await ward.recordOf(ubrn);
        expect([decision, again]).toEqual([undefined, offered]);
      },
    );

    test.each(codes)(
      'E-6 4.5: %s keeps its code after a 503, once e-RS shows that nothing was recorded',
      async (code) => {
        const ubrn = await ward.refer(kind);
        await ward.control('POST', 'faults', { endpoint, kind: 'status', status: 503, times: 1 });
        await ward.control('POST', 'faults', { endpoint, kind: 'status', status: 422, body: refusal(code), times: 1 });
        await through('straight into the store', ubrn);
        expect(await reach(ward, ubrn, 'decision-refused', 'delivery-failed', 'accepted', 'rejected')).toBe(
          'decision-refused',
        );
        const { statusReason } = await ward.taskOf(ubrn);
        expect([statusReason?.coding, statusReason?.text]).toEqual([
          [{ system: CODE_SYSTEM.apiErrorCode, code }],
          ersRefusalText(code),
        ]);
        const calls = (await ward.calls(endpoint)).filter((call) => call.ubrn === ubrn);
        expect(calls.map(({ status }) => status)).toEqual([503, 422]);
      },
    );
  });

  test('E-6: a code that nobody has documented is shown as it is', async () => {
    const ubrn = await ward.refer('booked-direct');
    const body = refusal('SOMETHING_NEW');
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 422, body, times: 1 });
    await ward.decide(ubrn, [status('accepted')]);
    expect(await reach(ward, ubrn, 'decision-refused')).toBe('decision-refused');
    const { statusReason } = await ward.taskOf(ubrn);
    expect([statusReason?.coding?.[0]?.code, statusReason?.text]).toEqual([
      'SOMETHING_NEW',
      'e-RS refused the decision. Nothing was recorded.',
    ]);
  });

  test('4.5 E-10: INVALID_REQUEST_STATE reads the referral at once, so that what somebody decided in e-RS is shown', async () => {
    const ubrn = await ward.refer('booked-direct');
    // The fault makes e-RS refuse by state, as it does where the version still fits.
    await ward.control('POST', `referrals/${ubrn}/events`, {
      type: 'rejected-in-ers',
      reason: 'SERVICE_INAPPROPRIATE',
    });
    const body = refusal('INVALID_REQUEST_STATE');
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'status', status: 422, body, times: 1 });
    await ward.decide(ubrn, [status('accepted')]);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
    const task = await ward.taskOf(ubrn);
    expect([task.status, businessStatusOf(task)]).toEqual(['rejected', 'rejected']);
    expect((await ward.calls('A013')).filter((call) => call.ubrn === ubrn)).toHaveLength(1);
  });
});
