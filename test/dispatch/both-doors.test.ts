import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { OperationOutcome, Task } from '@medplum/fhirtypes';
import { availableDecisionsOf, CODE_SYSTEM, decisionOf, makeOutput } from '../../mappings/index.ts';
import { refusal } from '../ers-refusal.ts';
import { businessStatusOf, signIn } from '../sign-in.ts';
import { openWard, reach, successes, type Ward } from './ward.ts';

/** The two ways in which an update reaches a Task: what they make of it must be the same (Shows 3 of issue 5). */
const DOORS = ['through the facade', 'straight into the store'] as const;
type Door = (typeof DOORS)[number];

const status = (value: string) => ({ op: 'replace', path: '/status', value });
const reasonOf = (system: string, code: string, text?: string) => ({
  op: 'add',
  path: '/statusReason',
  value: { coding: [{ system, code }], ...(text === undefined ? {} : { text }) },
});
const rejection = (code: string, text?: string) => reasonOf(CODE_SYSTEM.appointmentCancellationReason, code, text);
const outcome = (code: string) => reasonOf(CODE_SYSTEM.reviewOutcome, code);
const notes = (...texts: string[]) => ({ op: 'add', path: '/note', value: texts.map((text) => ({ text })) });
const outputs = (...value: object[]) => ({ op: 'add', path: '/output', value });
const priority = (code: string) =>
  makeOutput('priority', { valueCodeableConcept: { coding: [{ system: CODE_SYSTEM.priority, code }] } });

const accept = [status('accepted')];
const reject = [status('rejected'), rejection('SERVICE_INAPPROPRIATE')];

async function write(ward: Ward, door: Door, ubrn: string, operations: readonly unknown[]): Promise<void> {
  if (door === 'straight into the store') return ward.decide(ubrn, operations);
  const answer = await ward.patch(ubrn, operations);
  expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
}
const fault = (ward: Ward, endpoint: string, more: object) =>
  ward.control('POST', 'faults', { endpoint, times: 1, ...more });
const event = (ward: Ward, ubrn: string, type: string) => ward.control('POST', `referrals/${ubrn}/events`, { type });
/** What e-RS was told of a referral: every write, whatever became of it. */
async function told(ward: Ward, ubrn: string): Promise<readonly string[]> {
  const endpoints = ['A013', 'A014', 'A020', 'A022', 'A028'];
  const calls = await Promise.all(endpoints.map((endpoint) => ward.calls(endpoint)));
  return endpoints.filter((_, index) => calls[index]?.some((call) => call.ubrn === ubrn));
}
/** A clinician signs in and sends what waits; answers what the engine says. */
const sendSignedIn = async (ward: Ward, ubrn: string) =>
  ward.dispatch.send((await ward.recordOf(ubrn)).taskId, await signIn(ward.simulator));
const reasonCode = (task: Task) => task.statusReason?.coding?.[0]?.code;

/** A broken rule with the code that tells of it: 422 and nothing stored at the facade, given back in the store (E-9c). */
const BROKEN: readonly [string, string, readonly unknown[], string][] = [
  ['T-1', 'a rejection without its exact code', [status('rejected')], 'reason-required'],
  ['4.3', 'a reason without its status', [rejection('SERVICE_INAPPROPRIATE')], 'decision-incomplete'],
  [
    '4.3',
    'a reason beside a claim',
    [status('received'), outcome('CANCEL_APPOINTMENT_ACTION_LATER')],
    'decision-incomplete',
  ],
  ['4.3', 'a priority without its status', [outputs(priority('URGENT'))], 'decision-incomplete'],
  [
    '4.3',
    'a PAS flag beside a claim',
    [status('received'), outputs(makeOutput('appointment-cancelled-in-pas', { valueBoolean: true }))],
    'decision-incomplete',
  ],
  ['T-2', 'two new notes', [...reject, notes('one', 'two')], 'comment-ambiguous'],
  [
    'T-3',
    'an explanation in statusReason.text',
    [status('rejected'), rejection('SERVICE_INAPPROPRIATE', 'Never sent.')],
    'comment-in-wrong-place',
  ],
  ['T-4', 'an accept with a note', [...accept, notes('why')], 'comment-not-allowed'],
  [
    'T-5',
    'a priority that e-RS does not have',
    [...accept, outcome('CANCEL_APPOINTMENT_ACTION_LATER'), notes('Rebook.'), outputs(priority('WHENEVER'))],
    'priority-unknown',
  ],
  [
    'T-7',
    'an engine element beside a decision',
    [...accept, { op: 'replace', path: '/priority', value: 'stat' }],
    'read-only-element',
  ],
  ['T-9', 'a cancellation', [status('cancelled')], 'cancel-not-supported'],
];

/** Every decision but reject, whose doubts each have a test of their own, and accept, which leaves no trace (4.5). */
const OTHERS = [
  {
    endpoint: 'A022',
    kind: 'booked-direct',
    operations: [...accept, outcome('CANCEL_APPOINTMENT_ACTION_LATER'), notes('Rebook.')],
    ended: 'redirected',
  },
  {
    endpoint: 'A028',
    kind: 'triage',
    operations: [...accept, outcome('ACCEPT_REFER_BOOK_LATER'), notes('First free slot.')],
    ended: 'accepted-book-later',
  },
  {
    endpoint: 'A028',
    kind: 'triage',
    operations: [status('rejected'), outcome('RETURN_TO_REFERRER_WITH_ADVICE'), notes('Not serious.')],
    ended: 'returned-with-advice',
  },
] as const;

describe.each(DOORS)('%s', (door) => {
  let ward: Ward;
  beforeAll(async () => {
    ward = await openWard({ policy: { maxAttempts: 2 }, sweepEveryMs: 60_000 });
  }, 30_000);
  afterAll(async () => ward[Symbol.asyncDispose]());
  const refer = () => ward.refer('booked-direct');

  test.each(BROKEN)('%s, E-9c: %s decides nothing and says why', async (_rule, _what, operations, code) => {
    const ubrn = await refer();
    const before = await ward.taskOf(ubrn);
    if (door === 'through the facade') {
      const answer = await ward.patch(ubrn, operations);
      const { issue } = (await answer.json()) as OperationOutcome;
      expect([answer.status, issue?.[0]?.details?.coding?.[0]?.code]).toEqual([422, code]);
      expect((await ward.taskOf(ubrn)).meta.versionId).toBe(before.meta.versionId);
    } else {
      await ward.decide(ubrn, operations);
      expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
      const task = await ward.taskOf(ubrn);
      expect([task.status, reasonCode(task)]).toEqual(['requested', code]);
    }
    await ward.dispatch.settled();
    expect(await told(ward, ubrn)).toEqual([]);
  });

  test('4.3: an attachment without its status decides nothing and says why', async () => {
    const ubrn = await refer();
    const file = makeOutput('attachment', { valueReference: { reference: await ward.attach(ubrn) } });
    if (door === 'through the facade') {
      const answer = await ward.patch(ubrn, [outputs(file)]);
      expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining('decision-incomplete')]);
    } else {
      await ward.decide(ubrn, [outputs(file)]);
      expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
      expect(reasonCode(await ward.taskOf(ubrn))).toBe('decision-incomplete');
    }
    expect((await ward.taskOf(ubrn)).output?.some(({ type }) => type.coding?.[0]?.code === 'attachment') ?? false).toBe(
      false,
    );
  });

  test('T-6: an attachment that was made for another review decides nothing and says why', async () => {
    const [ubrn, other] = [await refer(), await refer()];
    const file = makeOutput('attachment', { valueReference: { reference: await ward.attach(other) } });
    const operations = [...accept, outcome('CANCEL_APPOINTMENT_ACTION_LATER'), notes('Rebook.'), outputs(file)];
    if (door === 'through the facade') {
      const answer = await ward.patch(ubrn, operations);
      expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining('attachment-unusable')]);
    } else {
      await ward.decide(ubrn, operations);
      expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
      expect(reasonCode(await ward.taskOf(ubrn))).toBe('attachment-unusable');
    }
    expect([await told(ward, ubrn), await told(ward, other)]).toEqual([[], []]);
  });

  test('T-8: an update of an older version than the one that stands is not written', async () => {
    const ubrn = await refer();
    const read = await ward.taskOf(ubrn);
    await write(ward, door, ubrn, [status('received')]);
    await reach(ward, ubrn, 'under-review');
    if (door === 'through the facade') expect((await ward.patch(ubrn, accept, read)).status).toBe(412);
    else {
      const late = await ward.store.patch('Task', read.id, accept, { ifMatch: read.meta.versionId });
      expect(late).toMatchObject({ ok: false, code: 'conflict' });
    }
    expect((await ward.taskOf(ubrn)).status).toBe('received');
  });

  test('T-10: a slot issue that e-RS lets nobody review offers no decision, and takes none', async () => {
    const ubrn = await ward.refer('slot-issue');
    expect(availableDecisionsOf(await ward.taskOf(ubrn))).toEqual([]);
    if (door === 'through the facade') {
      const answer = await ward.patch(ubrn, accept);
      expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining('decision-not-available')]);
    } else {
      await ward.decide(ubrn, accept);
      expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
      expect(reasonCode(await ward.taskOf(ubrn))).toBe('decision-not-available');
    }
    await ward.dispatch.settled();
    expect([availableDecisionsOf(await ward.taskOf(ubrn)), await told(ward, ubrn)]).toEqual([[], []]);
  });

  test('T-11 T-12: a claim and a release are noted on the Task and in the record, and e-RS is not told', async () => {
    const ubrn = await refer();
    await write(ward, door, ubrn, [status('received')]);
    await reach(ward, ubrn, 'under-review');
    await ward.dispatch.settled();
    expect((await ward.recordOf(ubrn)).baseline.status).toBe('received');
    await write(ward, door, ubrn, [status('requested')]);
    await ward.dispatch.settled();
    const { baseline, decision } = await ward.recordOf(ubrn);
    expect([baseline.status, decision]).toEqual(['requested', undefined]);
    expect((await ward.taskOf(ubrn)).status).toBe('requested');
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('awaiting-review');
    expect(await told(ward, ubrn)).toEqual([]);
  });

  test('T-13 E-1 E-2 E-3 E-4: a decision is queued, sent and recorded, from requested as from received', async () => {
    const [open, claimed] = [await refer(), await refer()];
    const born = await ward.taskOf(open);
    expect([born.status, businessStatusOf(born)]).toEqual(['requested', 'awaiting-review']);
    await write(ward, door, claimed, [status('received')]);
    await reach(ward, claimed, 'under-review');
    await ward.dispatch.settled();
    for (const ubrn of [open, claimed]) {
      await write(ward, door, ubrn, accept);
      expect(await reach(ward, ubrn, 'accepted')).toBe('accepted');
      const task = await ward.taskOf(ubrn);
      expect([task.status, decisionOf(task)]).toEqual(['accepted', 'accept']);
      expect(await successes(ward, 'A013', ubrn)).toBe(1);
    }
  });

  test('T-15: a closed Task stays closed, and keeps what it said', async () => {
    const ubrn = await refer();
    await write(ward, door, ubrn, accept);
    await reach(ward, ubrn, 'accepted');
    const closed = await ward.taskOf(ubrn);
    if (door === 'through the facade') {
      const answer = await ward.patch(ubrn, [status('received')]);
      expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining('task-closed')]);
    } else await ward.decide(ubrn, [status('received')]);
    const startedMs = performance.now();
    while ((await ward.taskOf(ubrn)).status !== 'accepted' && performance.now() - startedMs < 10_000) {
      await ward.dispatch.sweep();
      await ward.dispatch.settled();
      ward.dispatch.wake(closed.id);
    }
    const { meta: _, lastModified: __, ...now } = await ward.taskOf(ubrn);
    const { meta: ___, lastModified: ____, ...then } = closed;
    expect(now).toEqual(then);
    expect(await successes(ward, 'A013', ubrn)).toBe(1);
  });

  test('T-16: what is being sent cannot be changed: it ends as it was decided first', async () => {
    const ubrn = await refer();
    await fault(ward, 'A013', { kind: 'delay', delayMs: 700 });
    await write(ward, door, ubrn, accept);
    while (businessStatusOf(await ward.taskOf(ubrn)) !== 'decision-sending')
      await new Promise((resolve) => setTimeout(resolve, 5));
    if (door === 'through the facade') {
      const answer = await ward.patch(ubrn, [status('received')]);
      expect([answer.status, await answer.text()]).toEqual([409, expect.stringContaining('task-in-flight')]);
    } else await ward.decide(ubrn, [status('received')]);
    expect(await reach(ward, ubrn, 'accepted')).toBe('accepted');
    expect((await ward.taskOf(ubrn)).status).toBe('accepted');
    expect(await successes(ward, 'A013', ubrn)).toBe(1);
  });

  test('E-5: content that changed under the decision opens the Task with the conflict', async () => {
    const ubrn = await refer();
    await event(ward, ubrn, 'clinical-information-updated');
    await write(ward, door, ubrn, reject);
    expect(await reach(ward, ubrn, 'decision-conflict')).toBe('decision-conflict');
    expect(reasonCode(await ward.taskOf(ubrn))).toBe('referral-changed');
    expect(await successes(ward, 'A014', ubrn)).toBe(0);
  });

  test('E-6: a 422 opens the Task with the code of e-RS', async () => {
    const ubrn = await refer();
    await fault(ward, 'A014', { kind: 'status', status: 422, body: refusal('PATIENT_ERROR') });
    await write(ward, door, ubrn, reject);
    expect(await reach(ward, ubrn, 'decision-refused')).toBe('decision-refused');
    expect(reasonCode(await ward.taskOf(ubrn))).toBe('PATIENT_ERROR');
  });

  test.each([400, 404, 406, 412, 415])('E-6: a %i opens the Task and pages the operator', async (code) => {
    const ubrn = await refer();
    await fault(ward, 'A014', { kind: 'status', status: code });
    await write(ward, door, ubrn, reject);
    expect(await reach(ward, ubrn, 'decision-refused')).toBe('decision-refused');
    const { taskId } = await ward.recordOf(ubrn);
    expect(ward.alerts.standing()).toContainEqual(
      expect.objectContaining({ code: 'ers-request-wrong', subject: taskId }),
    );
  });

  test.each([
    ['a 403', { kind: 'status', status: 403 }],
    ['a 403 that says NO_ACCESS', { kind: 'status', status: 403, body: refusal('NO_ACCESS') }],
    ['a 401', { kind: 'status', status: 401 }],
  ])('E-7: %s waits for another session', async (_what, what) => {
    const ubrn = await refer();
    await fault(ward, 'A014', what);
    await write(ward, door, ubrn, reject);
    expect(await reach(ward, ubrn, 'awaiting-user-authorisation')).toBe('awaiting-user-authorisation');
  });

  test.each([
    ['E-8: a 429', { kind: 'status', status: 429 }],
    ['E-8: a 503', { kind: 'status', status: 503 }],
    ['E-8a: a 423', { kind: 'status', status: 423 }],
    ['E-8b: a lost answer', { kind: 'lose-answer' }],
    ['E-8b: a 504 that was applied', { kind: 'status', status: 504, applied: true }],
    ['E-8b: a 500 that was not', { kind: 'status', status: 500 }],
    ['E-8b: a body that breaks off', { kind: 'truncate' }],
    ['E-8b: a request that got lost', { kind: 'lose-request' }],
    ['E-8b: a connection that is reset', { kind: 'reset' }],
  ])('%s ends with one reject recorded', async (_rule, what) => {
    const ubrn = await refer();
    await fault(ward, 'A014', what);
    await write(ward, door, ubrn, reject);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
    const there = await ward.control<{ state: string; decisions: unknown[] }>('GET', `referrals/${ubrn}`);
    expect([there.state, there.decisions.length]).toEqual(['REJECTED', 1]);
  });

  test.each(
    OTHERS.flatMap((other) =>
      [
        ['E-8: a 503', { kind: 'status', status: 503 }],
        ['E-8b: a lost answer', { kind: 'lose-answer' }],
        ['E-8b: a 502 that was applied', { kind: 'status', status: 502, applied: true }],
      ].map(([rule, what]) => ({ ...other, rule, what: what as object })),
    ),
  )('$rule to $endpoint ends with one $ended recorded', async ({ endpoint, kind, operations, ended, what }) => {
    const ubrn = await ward.refer(kind);
    await fault(ward, endpoint, what);
    await write(ward, door, ubrn, operations);
    expect(await reach(ward, ubrn, ended)).toBe(ended);
    const { decisions } = await ward.control<{ decisions: unknown[] }>('GET', `referrals/${ubrn}`);
    expect(decisions).toHaveLength(1);
  });

  test('E-9a: attempts that e-RS did not take are exhausted, and the Task is open again', async () => {
    const ubrn = await refer();
    await fault(ward, 'A014', { kind: 'status', status: 503, times: 2 });
    await write(ward, door, ubrn, reject);
    expect(await reach(ward, ubrn, 'delivery-failed')).toBe('delivery-failed');
    const task = await ward.taskOf(ubrn);
    expect([task.status, reasonCode(task), decisionOf(task, 'failed-decision')]).toEqual([
      'requested',
      'retries-exhausted',
      'reject',
    ]);
  });

  test('E-11: a referral that changes while the review is open is shown as changed, and an older reading decides nothing', async () => {
    const ubrn = await refer();
    const read = await ward.taskOf(ubrn);
    await event(ward, ubrn, 'priority-changed');
    await ward.poll(ubrn);
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('referral-changed');
    if (door === 'through the facade') expect((await ward.patch(ubrn, accept, read)).status).toBe(412);
    else {
      const late = await ward.store.patch('Task', read.id, accept, { ifMatch: read.meta.versionId });
      expect(late).toMatchObject({ ok: false, code: 'conflict' });
    }
    await ward.dispatch.settled();
    expect((await ward.calls('A013')).filter((call) => call.ubrn === ubrn)).toEqual([]);
  });

  test('E-12: a version that moves alone touches no Task, and the decision goes with the new one', async () => {
    const ubrn = await refer();
    const read = await ward.taskOf(ubrn);
    await event(ward, ubrn, 'internal-version-bump');
    await ward.poll(ubrn);
    expect((await ward.taskOf(ubrn)).meta.versionId).toBe(read.meta.versionId);
    await write(ward, door, ubrn, reject);
    expect(await reach(ward, ubrn, 'rejected')).toBe('rejected');
    expect((await ward.calls('A014')).filter((call) => call.ubrn === ubrn).map((call) => call.status)).toEqual([200]);
  });
});

describe.each(DOORS)('without a signed-in clinician, %s', (door) => {
  let ward: Ward;
  beforeAll(async () => {
    ward = await openWard({ isSignedIn: false });
  }, 30_000);
  afterAll(async () => ward[Symbol.asyncDispose]());

  test('T-14: a decision that waits is taken back, and what was decided is not sent', async () => {
    const ubrn = await ward.refer('booked-direct');
    await write(ward, door, ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await write(ward, door, ubrn, [status('received')]);
    expect(await reach(ward, ubrn, 'under-review')).toBe('under-review');
    await ward.dispatch.settled();
    expect((await ward.recordOf(ubrn)).decision).toBeUndefined();
    expect(await sendSignedIn(ward, ubrn)).toEqual({ ok: false, code: 'decision-not-available' });
    await ward.dispatch.settled();
    const task = await ward.taskOf(ubrn);
    expect([task.status, decisionOf(task), await told(ward, ubrn)]).toEqual(['received', undefined, []]);
  });

  test('E-9b: a decision that waits, and whose referral changes meanwhile, is given back as a conflict, and sent by nobody', async () => {
    const ubrn = await ward.refer('booked-direct');
    await write(ward, door, ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await event(ward, ubrn, 'clinical-information-updated');
    await ward.poll(ubrn);
    expect(await reach(ward, ubrn, 'decision-conflict')).toBe('decision-conflict');
    const task = await ward.taskOf(ubrn);
    expect([task.status, reasonCode(task), decisionOf(task, 'failed-decision')]).toEqual([
      'requested',
      'referral-changed',
      'reject',
    ]);
    expect(await sendSignedIn(ward, ubrn)).toEqual({ ok: false, code: 'decision-not-available' });
    await ward.dispatch.settled();
    expect(await told(ward, ubrn)).toEqual([]);
  });

  test('T-16: a decision that waits can be neither swapped nor released', async () => {
    const ubrn = await ward.refer('booked-direct');
    await write(ward, door, ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    if (door === 'through the facade') {
      const answer = await ward.patch(ubrn, [status('requested')]);
      expect([answer.status, await answer.text()]).toEqual([422, expect.stringContaining('transition-not-allowed')]);
      expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('awaiting-user-authorisation');
    } else {
      await ward.decide(ubrn, [status('requested')]);
      expect(await reach(ward, ubrn, 'decision-invalid')).toBe('decision-invalid');
      expect(reasonCode(await ward.taskOf(ubrn))).toBe('transition-not-allowed');
    }
  });

  test('E-2: the Task shows the same, whichever way the decision came', async () => {
    const ubrn = await ward.refer('booked-direct');
    await write(ward, door, ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    const task = await ward.taskOf(ubrn);
    expect([
      task.status,
      decisionOf(task),
      task.input?.some(({ type }) => type.coding?.[0]?.code === 'available-decision'),
    ]).toEqual(['rejected', 'reject', false]);
    expect((await ward.recordOf(ubrn)).decision).toMatchObject({ code: 'reject', attempts: 0 });
  });

  test('E-10: a waiting decision whose referral is cancelled in e-RS ends withdrawn, and says that it was not recorded', async () => {
    const ubrn = await ward.refer('booked-direct');
    await write(ward, door, ubrn, reject);
    await reach(ward, ubrn, 'awaiting-user-authorisation');
    await event(ward, ubrn, 'cancelled-by-referrer');
    await ward.poll(ubrn);
    const task = await ward.taskOf(ubrn);
    expect([task.status, businessStatusOf(task), decisionOf(task, 'failed-decision')]).toEqual([
      'cancelled',
      'withdrawn',
      'reject',
    ]);
  });
});

test.each(DOORS)(
  'E-9b: a decision that no clinician sent in time is given back, %s',
  async (door) => {
    await using ward = await openWard({ isSignedIn: false, policy: { authorisationTimeoutMs: 300 } });
    const ubrn = await ward.refer('booked-direct');
    await write(ward, door, ubrn, reject);
    expect(await reach(ward, ubrn, 'decision-expired')).toBe('decision-expired');
    expect(reasonCode(await ward.taskOf(ubrn))).toBe('decision-expired');
  },
  30_000,
);

test.each(
  DOORS.flatMap((door) => [accept, reject].map((operations) => ({ door, operations, code: operations[0]?.value }))),
)(
  'T-14: a decision ($code) that is held back is taken back before its time, and is then not sent, $door',
  async ({ door, operations }) => {
    await using ward = await openWard({ policy: { delayMs: 3_600_000 } });
    const ubrn = await ward.refer('booked-direct');
    await write(ward, door, ubrn, operations);
    expect(await reach(ward, ubrn, 'decision-queued')).toBe('decision-queued');
    await ward.dispatch.settled();
    expect((await ward.recordOf(ubrn)).decision?.attempts).toBe(0);
    await write(ward, door, ubrn, [status('received')]);
    expect(await reach(ward, ubrn, 'under-review')).toBe('under-review');
    await ward.dispatch.settled();
    expect(await sendSignedIn(ward, ubrn)).toEqual({ ok: false, code: 'decision-not-available' });
    const { decision, baseline } = await ward.recordOf(ubrn);
    expect([decision, baseline.status, await told(ward, ubrn)]).toEqual([undefined, 'received', []]);
  },
  30_000,
);
