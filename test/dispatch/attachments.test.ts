import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AuditEvent, DocumentReference } from '@medplum/fhirtypes';
import { CODE_SYSTEM, makeOutput } from '../../mappings/index.ts';
import { refusal } from '../ers-refusal.ts';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { openWard, reach, successes, type Ward } from './ward.ts';

const attachments = (references: readonly string[]) => ({
  op: 'add',
  path: '/output',
  value: references.map((reference) => makeOutput('attachment', { valueReference: { reference } })),
});
const outcome = (code: string) => ({
  op: 'add',
  path: '/statusReason',
  value: { coding: [{ system: CODE_SYSTEM.reviewOutcome, code }] },
});
const status = (value: string) => ({ op: 'replace', path: '/status', value });
const note = { op: 'add', path: '/note', value: [{ text: 'See the form.' }] };
const redirect = (...references: string[]) => [
  status('accepted'),
  outcome('CANCEL_APPOINTMENT_ACTION_LATER'),
  note,
  attachments(references),
];
const bookLater = (...references: string[]) => [
  status('accepted'),
  outcome('ACCEPT_REFER_BOOK_LATER'),
  note,
  attachments(references),
];
const giveBack = (...references: string[]) => [
  status('rejected'),
  outcome('RETURN_TO_REFERRER_WITH_ADVICE'),
  note,
  attachments(references),
];

/** Titles of the files that e-RS shows on the referral. */
async function titlesOf(ward: Ward, ubrn: string): Promise<(string | undefined)[]> {
  const { attachments: shown } = await ward.control<{ attachments: { title?: string }[] }>('GET', `referrals/${ubrn}`);
  return shown.map(({ title }) => title);
}
const fault = (ward: Ward, endpoint: string, more: object) =>
  ward.control('POST', 'faults', { endpoint, times: 1, ...more });
const uploadsSince = async (ward: Ward, before: number) => (await ward.calls('A020')).slice(before);

describe('a decision with attachments', () => {
  let ward: Ward;
  let before: number;
  beforeAll(async () => {
    ward = await openWard({ policy: { maxAttempts: 3 } });
  }, 30_000);
  afterAll(async () => ward[Symbol.asyncDispose]());
  const refer = async (kind: 'booked-direct' | 'triage') => {
    before = (await ward.calls('A020')).length;
    return ward.refer(kind);
  };

  test('T-6: each file is uploaded once, before the decision, under a name of its own, and linked by it', async () => {
    const ubrn = await refer('booked-direct');
    const first = await ward.attach(ubrn, { description: 'Rapid access form' });
    const second = await ward.attach(ubrn);
    await ward.decide(ubrn, redirect(first, second));
    expect(await reach(ward, ubrn, 'redirected')).toBe('redirected');
    const uploads = await uploadsSince(ward, before);
    const [decided] = (await ward.calls('A022')).filter((call) => call.ubrn === ubrn);
    expect(uploads.map((call) => call.status)).toEqual([201, 201]);
    expect(Math.max(...uploads.map(({ seq }) => seq))).toBeLessThan(decided?.seq ?? 0);
    expect(await titlesOf(ward, ubrn)).toEqual(['form.pdf', 'form (2).pdf']);
    const document = await ward.store.read('DocumentReference', first.slice('DocumentReference/'.length));
    expect(document.ok && (document.value as DocumentReference).status).toBe('current');
  });

  test.each([
    ['accept, refer/book later', bookLater, 'accepted-book-later'],
    ['a return with advice', giveBack, 'returned-with-advice'],
  ])('T-6: %s takes its attachment along', async (_name, decide, wanted) => {
    const ubrn = await refer('triage');
    await ward.decide(ubrn, decide(await ward.attach(ubrn)));
    expect(await reach(ward, ubrn, wanted)).toBe(wanted);
    expect(await titlesOf(ward, ubrn)).toEqual(['form.pdf']);
  });

  test('T-6: an upload whose answer was lost is repeated under another name, since e-RS may hold the first', async () => {
    const ubrn = await refer('booked-direct');
    await fault(ward, 'A020', { kind: 'lose-answer' });
    await ward.decide(ubrn, redirect(await ward.attach(ubrn)));
    expect(await reach(ward, ubrn, 'redirected')).toBe('redirected');
    expect(await uploadsSince(ward, before)).toHaveLength(2);
    expect(await titlesOf(ward, ubrn)).toEqual(['form (2).pdf']);
    expect((await ward.recordOf(ubrn)).uploadNames).toEqual(['form.pdf', 'form (2).pdf']);
  });

  test('T-6: a file that is known to be in e-RS is not uploaded again, whatever stops the decision, or the process', async () => {
    const ubrn = await refer('booked-direct');
    await fault(ward, 'A022', { kind: 'status', status: 503 });
    await ward.decide(ubrn, redirect(await ward.attach(ubrn)));
    await ward.dispatch.settled();
    while ((await ward.recordOf(ubrn)).decision?.lastAttempt?.outcome !== 'not-applied') await ward.dispatch.settled();
    const url = (await ward.recordOf(ubrn)).decision?.attachments?.[0]?.uploaded?.url;
    expect(url).toMatch(/^Binary\//);
    await ward.restartDispatch();
    expect(await reach(ward, ubrn, 'redirected')).toBe('redirected');
    expect(await uploadsSince(ward, before)).toHaveLength(1);
    expect(await titlesOf(ward, ubrn)).toEqual(['form.pdf']);
  });

  test('D2 T-6: a decision whose answer was lost is settled by reading, and its file is linked once', async () => {
    const ubrn = await refer('booked-direct');
    await fault(ward, 'A022', { kind: 'lose-answer' });
    await ward.decide(ubrn, redirect(await ward.attach(ubrn)));
    expect(await reach(ward, ubrn, 'redirected')).toBe('redirected');
    expect(await successes(ward, 'A022', ubrn)).toBe(1);
    expect(await titlesOf(ward, ubrn)).toEqual(['form.pdf']);
  });

  test.each([
    ['FILE_SIZE_ERROR', 'The attachment is empty or too large for e-RS. Nothing was recorded.'],
    ['INAPPROPRIATE_VALUE', 'e-RS does not take attachments of this type. Nothing was recorded.'],
    ['CONFLICTING_VALUES', 'The name of the attachment does not fit its type. Nothing was recorded.'],
    [
      'INVALID_VALUE',
      'e-RS does not take the name of the attachment: it is too long or of the wrong form. Nothing was recorded.',
    ],
    ['MISSING_VALUE', 'e-RS misses the name of the attachment. Nothing was recorded.'],
  ])(
    'E-6 T-6: an upload refused with %s opens the Task with words for a clinician; the decision does not go without',
    async (code, text) => {
      const ubrn = await refer('booked-direct');
      await fault(ward, 'A020', { kind: 'status', status: 422, body: refusal(code) });
      await ward.decide(ubrn, redirect(await ward.attach(ubrn)));
      expect(await reach(ward, ubrn, 'decision-refused')).toBe('decision-refused');
      const task = await ward.taskOf(ubrn);
      expect([task.status, task.statusReason?.coding?.[0]?.code, task.statusReason?.text]).toEqual([
        'requested',
        code,
        text,
      ]);
      expect((await ward.calls('A022')).filter((call) => call.ubrn === ubrn)).toEqual([]);
    },
  );

  test('T-6: after a refused decision the same attachment may be named again: uploaded anew, linked once', async () => {
    const ubrn = await refer('booked-direct');
    await fault(ward, 'A022', { kind: 'status', status: 422, body: refusal('UNABLE_TO_CANCEL_APPOINTMENT') });
    const reference = await ward.attach(ubrn);
    await ward.decide(ubrn, redirect(reference));
    expect(await reach(ward, ubrn, 'decision-refused')).toBe('decision-refused');
    const again = redirect(reference).map((operation) =>
      operation.path === '/note' ? { op: 'add', path: '/note/-', value: { text: 'Once more.' } } : operation,
    );
    await ward.decide(ubrn, again);
    expect(await reach(ward, ubrn, 'redirected')).toBe('redirected');
    expect(await titlesOf(ward, ubrn)).toEqual(['form (2).pdf']);
  });

  test.each([
    ['403', { kind: 'status', status: 403 }],
    ['401', { kind: 'status', status: 401 }],
  ])('E-7: a %s to an upload waits for another session, which sends file and decision', async (_name, what) => {
    const ubrn = await refer('booked-direct');
    await fault(ward, 'A020', what);
    await ward.decide(ubrn, redirect(await ward.attach(ubrn)));
    expect(await reach(ward, ubrn, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
    expect((await ward.calls('A022')).filter((call) => call.ubrn === ubrn)).toEqual([]);
    await ward.dispatch.send((await ward.recordOf(ubrn)).taskId, await signIn(ward.simulator));
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('redirected');
    expect(await titlesOf(ward, ubrn)).toEqual(['form (2).pdf']);
  });

  test('E-9a: uploads that fail again and again give the decision back, and it was never sent', async () => {
    const ubrn = await refer('booked-direct');
    await fault(ward, 'A020', { kind: 'status', status: 503, times: 3 });
    await ward.decide(ubrn, redirect(await ward.attach(ubrn)));
    expect(await reach(ward, ubrn, 'delivery-failed')).toBe('delivery-failed');
    expect((await ward.taskOf(ubrn)).statusReason?.coding?.[0]?.code).toBe('retries-exhausted');
    expect((await ward.calls('A022')).filter((call) => call.ubrn === ubrn)).toEqual([]);
  }, 30_000);

  test('E-9c T-6: an attachment that was not made for the Task, written straight into the store, is given back', async () => {
    const [one, other] = [await refer('booked-direct'), await refer('booked-direct')];
    await ward.decide(one, redirect(await ward.attach(other)));
    expect(await reach(ward, one, 'decision-invalid')).toBe('decision-invalid');
    expect((await ward.taskOf(one)).statusReason?.coding?.[0]?.code).toBe('attachment-unusable');
    expect(await uploadsSince(ward, before)).toEqual([]);
  });

  test('E-3: an upload is witnessed by an AuditEvent of its own, that names the sender', async () => {
    const ubrn = await refer('booked-direct');
    await ward.decide(ubrn, redirect(await ward.attach(ubrn)));
    await reach(ward, ubrn, 'redirected');
    const { taskId } = await ward.recordOf(ubrn);
    const events = await ward.store.search('AuditEvent', '_count=500');
    const about = (events.ok ? (events.value.matches as AuditEvent[]) : []).filter((event) =>
      event.entity?.some(({ what }) => what?.reference === `Task/${taskId}`),
    );
    expect(about.map(({ subtype, outcome }) => [subtype?.[0]?.code, outcome]).sort()).toEqual([
      ['A020', '0'],
      ['A022', '0'],
    ]);
    expect(about.every(({ agent }) => agent?.[0]?.requestor === true)).toBe(true);
  });
});

describe('without a signed-in clinician', () => {
  test('T-6: a decision that the site may send unattended waits all the same when it has an attachment', async () => {
    await using ward = await openWard({ isSignedIn: false, unattended: ['accept-book-later'] });
    const plain = await ward.refer('triage');
    const withFile = await ward.refer('triage');
    await ward.decide(plain, bookLater().slice(0, 3));
    await ward.decide(withFile, bookLater(await ward.attach(withFile)));
    expect(await reach(ward, plain, 'accepted-book-later')).toBe('accepted-book-later');
    expect(await reach(ward, withFile, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
    expect(await ward.calls('A020')).toEqual([]);
    await ward.dispatch.send((await ward.recordOf(withFile)).taskId, await signIn(ward.simulator));
    expect(businessStatusOf(await ward.taskOf(withFile))).toBe('accepted-book-later');
    expect(await titlesOf(ward, withFile)).toEqual(['form.pdf']);
  }, 30_000);

  test('T-6: a file that has gone by the time of sending gives the decision back; it is not sent without', async () => {
    await using ward = await openWard({ isSignedIn: false });
    const ubrn = await ward.refer('booked-direct');
    const reference = await ward.attach(ubrn);
    await ward.decide(ubrn, redirect(reference));
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    const document = await ward.store.read('DocumentReference', reference.slice('DocumentReference/'.length));
    if (!document.ok) throw new Error(document.code);
    const { url } = (document.value as DocumentReference).content?.[0]?.attachment ?? {};
    await ward.store.remove('Binary', url?.slice('Binary/'.length) ?? '');
    await ward.dispatch.send((await ward.recordOf(ubrn)).taskId, await signIn(ward.simulator));
    const task = await ward.taskOf(ubrn);
    expect([task.status, task.statusReason?.coding?.[0]?.code]).toEqual(['requested', 'attachment-unusable']);
    expect(await ward.calls('A022')).toEqual([]);
  }, 30_000);

  test('T-14: taken back between upload and decision, the file stays loose and the decision is not sent', async () => {
    await using ward = await openWard();
    const ubrn = await ward.refer('booked-direct');
    await fault(ward, 'A020', { kind: 'delay', delayMs: 500 });
    await ward.decide(ubrn, redirect(await ward.attach(ubrn)));
    while ((await ward.recordOf(ubrn)).uploadNames === undefined)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await ward.decide(ubrn, [status('received')]);
    expect(await reach(ward, ubrn, 'under-review')).toBe('under-review');
    expect(await ward.calls('A022')).toEqual([]);
    expect(await titlesOf(ward, ubrn)).toEqual([]);
  }, 30_000);
});
