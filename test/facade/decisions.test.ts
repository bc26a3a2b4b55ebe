import { describe, expect, test } from '@jest/globals';
import type { OperationOutcome, Task } from '@medplum/fhirtypes';
import request from 'supertest';
import { CODE_SYSTEM, decisionOf, makeOutput, reviewStatusOf } from '../../mappings/index.ts';
import type { SiteService } from '../../server/core/index.ts';
import { type ReviewOptions, startFacade, type World } from './world.ts';

const SESSION = {
  'NHSD-User-Authorization': 'Bearer a-synthetic-token',
  'NHSD-End-User-Organisation-ODS': 'R69',
  'NHSD-eRS-Business-Function': 'SERVICE_PROVIDER_CLINICIAN',
};

const reject = (code: string) => [
  { op: 'replace', path: '/status', value: 'rejected' },
  {
    op: 'add',
    path: '/statusReason',
    value: { coding: [{ system: CODE_SYSTEM.appointmentCancellationReason, code }] },
  },
];
const note = (text: string) => [{ op: 'add', path: '/note', value: [{ text }] }];
const output = (...outputs: unknown[]) => [{ op: 'add', path: '/output', value: outputs }];
const status = (value: string) => [{ op: 'replace', path: '/status', value }];
const outcomeReason = (code: string) => [
  { op: 'add', path: '/statusReason', value: { coding: [{ system: CODE_SYSTEM.reviewOutcome, code }] } },
];

async function etag(world: World): Promise<string> {
  return `W/"${(await world.task()).meta.versionId}"`;
}

async function patch(world: World, operations: unknown, headers: Record<string, string> = {}) {
  return request(world.url)
    .patch('/fhir/R4/Task/task-1')
    .set({ 'If-Match': await etag(world), ...headers })
    .type('application/json-patch+json')
    .send(typeof operations === 'string' ? operations : JSON.stringify(operations));
}

const codesOf = (body: OperationOutcome) => body.issue?.map((issue) => issue.details?.coding?.[0]?.code);
const expressionsOf = (body: OperationOutcome) => body.issue?.flatMap((issue) => issue.expression ?? []);

describe('an update', () => {
  test('T-8: without If-Match is 400 version-required, and nothing is stored', async () => {
    await using world = await startFacade();
    const before = await world.task();
    const answer = await request(world.url)
      .patch('/fhir/R4/Task/task-1')
      .type('application/json-patch+json')
      .send(JSON.stringify(status('accepted')));
    expect([answer.status, codesOf(answer.body)]).toEqual([400, ['version-required']]);
    expect(answer.body.issue[0].details.coding[0].system).toBe(CODE_SYSTEM.decisionIssue);
    expect(await world.task()).toEqual(before);
  });

  test('T-8: with a stale If-Match is 412, so nobody overwrites what a colleague decided', async () => {
    await using world = await startFacade();
    const first = await etag(world);
    await patch(world, status('accepted'));
    const late = await patch(world, status('received'), { 'If-Match': first });
    expect([late.status, codesOf(late.body)]).toEqual([412, ['version-conflict']]);
    expect((await world.task()).status).toBe('accepted');
  });

  test.each([['3'], ['*'], ['W/"1", W/"2"'], ['W/3']])(
    'T-8: with If-Match %s is 400: it does not say what the reviewer saw',
    async (ifMatch) => {
      await using world = await startFacade();
      const answer = await patch(world, status('accepted'), { 'If-Match': ifMatch });
      expect([answer.status, codesOf(answer.body)]).toEqual([400, ['parameter-invalid']]);
    },
  );

  test('of the same version by eight clients at once is stored once; the others get 412', async () => {
    await using world = await startFacade();
    const ifMatch = await etag(world);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => patch(world, status('accepted'), { 'If-Match': ifMatch })),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 412, 412, 412, 412, 412, 412, 412]);
  });

  test('that changes nothing stores nothing and is answered with the Task', async () => {
    await using world = await startFacade();
    const before = await world.task();
    const answer = await patch(world, [{ op: 'test', path: '/status', value: 'requested' }]);
    expect([answer.status, answer.body.meta.versionId]).toEqual([200, before.meta.versionId]);
  });

  test('is answered as Prefer asks', async () => {
    await using world = await startFacade();
    const minimal = await patch(world, note('first'), { Prefer: 'return=minimal' });
    expect([minimal.status, minimal.text, minimal.headers['etag']]).toEqual([204, '', await etag(world)]);
    const told = await patch(world, [{ op: 'add', path: '/note/-', value: { text: 'second' } }], {
      Prefer: 'return=OperationOutcome',
    });
    expect([told.status, told.body.resourceType, told.headers['etag']]).toEqual([
      200,
      'OperationOutcome',
      await etag(world),
    ]);
  });
});

describe('a JSON Patch', () => {
  test.each([
    ['no JSON', '[{', 'well-formed'],
    ['no list', '{}', 'list of operations'],
    ['an unknown op', [{ op: 'merge', path: '/status', value: 'accepted' }], 'Operation 0'],
    ['a pointer without slash', [{ op: 'replace', path: 'status', value: 'accepted' }], 'Operation 0'],
    ['no value', [{ op: 'replace', path: '/status' }], 'value is missing'],
    ['nothing there', [...status('accepted'), { op: 'remove', path: '/nothing' }], 'Operation 1 (remove /nothing)'],
    ['a list that is not there yet', [{ op: 'add', path: '/note/-', value: { text: 'x' } }], 'add it whole'],
    ['an index that is not there', [{ op: 'add', path: '/input/99', value: {} }], 'no such index'],
    ['a way into the prototype', [{ op: 'add', path: '/__proto__/x', value: 1 }], 'cannot be used'],
  ])('with %s is 400 and says which operation is wrong', async (_name, operations, said) => {
    await using world = await startFacade();
    const answer = await patch(world, operations);
    expect([answer.status, codesOf(answer.body)]).toEqual([400, ['body-unreadable']]);
    expect(answer.body.issue[0].details.text).toContain(said);
  });

  test('whose test operation fails is 422 under a code of its own: the patch was well-formed', async () => {
    await using world = await startFacade();
    const answer = await patch(world, [{ op: 'test', path: '/status', value: 'received' }, ...status('accepted')]);
    expect([answer.status, codesOf(answer.body)]).toEqual([422, ['patch-test-failed']]);
    expect((await world.task()).status).toBe('requested');
  });

  test('of another media type is 415 and names the right one', async () => {
    await using world = await startFacade();
    const answer = await request(world.url)
      .patch('/fhir/R4/Task/task-1')
      .set('If-Match', await etag(world))
      .type('application/fhir+json')
      .send('[]');
    expect([answer.status, codesOf(answer.body)]).toEqual([415, ['media-type-unsupported']]);
    expect(answer.body.issue[0].details.text).toContain('application/json-patch+json');
  });

  test('that makes an element what FHIR does not have there is 422 and names it', async () => {
    await using world = await startFacade();
    const answer = await patch(world, [{ op: 'add', path: '/note', value: [{ text: 5 }] }]);
    expect([answer.status, expressionsOf(answer.body)]).toEqual([422, ['Task.note[0].text']]);
    const owner = await patch(world, [{ op: 'add', path: '/owner', value: { reference: 'Nobody/1' } }]);
    expect([owner.status, expressionsOf(owner.body)]).toEqual([422, ['Task.owner.reference']]);
    const deeper = await patch(world, [{ op: 'add', path: '/note', value: [{ text: 'x', time: 'soon' }] }]);
    expect([deeper.status, codesOf(deeper.body)]).toEqual([422, ['store-refused']]);
  });

  test('that is too large is 413', async () => {
    await using world = await startFacade({ limits: { maxBodyBytes: 2000 } });
    const answer = await patch(world, note('x'.repeat(3000)));
    expect([answer.status, codesOf(answer.body)]).toEqual([413, ['body-too-large']]);
  });
});

describe('a decision', () => {
  test('T-13: is queued in the client’s own write, so its ETag is the version that was decided', async () => {
    await using world = await startFacade();
    const answer = await patch(world, status('accepted'));
    const task = await world.task();
    expect([answer.status, answer.headers['etag']]).toEqual([200, `W/"${task.meta.versionId}"`]);
    expect([task.status, reviewStatusOf(task), decisionOf(task)]).toEqual(['accepted', 'decision-queued', 'accept']);
    expect(task.lastModified).toBe('2026-01-05T09:00:00.000Z');
    expect(world.engine.woken).toEqual(['task-1']);
    const history = await world.store.history('Task', 'task-1', {});
    expect(history.ok && history.value.entries).toHaveLength(2);
  });

  const triage: ReviewOptions = { code: 'review-triage', offered: ['accept-book-later', 'return-with-advice'] };
  const indirect: ReviewOptions = { bookableType: 'INDIRECTLY_BOOKABLE' };
  const inPas = makeOutput('appointment-cancelled-in-pas', { valueBoolean: true });
  test.each<[string, ReviewOptions, unknown[]]>([
    ['accept', {}, status('accepted')],
    ['reject', {}, reject('SERVICE_INAPPROPRIATE')],
    ['reject', indirect, [...reject('OTHER'), ...note('Please refer elsewhere.'), ...output(inPas)]],
    ['redirect', {}, [...status('accepted'), ...outcomeReason('CANCEL_APPOINTMENT_ACTION_LATER'), ...note('Rebook.')]],
    ['accept-book-later', triage, [...status('accepted'), ...note('Book a clinic.')]],
    [
      'return-with-advice',
      triage,
      [...status('rejected'), ...outcomeReason('RETURN_TO_REFERRER_WITH_ADVICE'), ...note('Advice.')],
    ],
  ])('4.3: %s is taken over by PATCH (%j)', async (decision, review, operations) => {
    await using world = await startFacade({ review });
    const answer = await patch(world, operations);
    expect([answer.status, decisionOf(answer.body)]).toEqual([200, decision]);
    expect(reviewStatusOf(await world.task())).toBe('decision-queued');
  });

  test('4.3: is taken over by PUT of the whole Task', async () => {
    await using world = await startFacade();
    const task: Task = { ...(await world.task()), status: 'accepted' };
    const answer = await request(world.url)
      .put('/fhir/R4/Task/task-1')
      .set('If-Match', await etag(world))
      .type('application/fhir+json')
      .send(JSON.stringify(task));
    expect([answer.status, decisionOf(answer.body)]).toEqual([200, 'accept']);
  });

  test.each<[string, unknown[], string, string]>([
    ['a reject without reason', status('rejected'), 'reason-required', 'Task.statusReason'],
    ['a reason that is no longer in force', reject('OLD_REASON'), 'reason-not-in-force', 'Task.statusReason'],
    ['a reject whose reason needs a comment', reject('OTHER'), 'comment-required', 'Task.note'],
    ['T-4: an accept with a note', [...status('accepted'), ...note('why')], 'comment-not-allowed', 'Task.note'],
    ['T-9: a cancellation', status('cancelled'), 'cancel-not-supported', 'Task.status'],
    ['T-9: a completion', status('completed'), 'transition-not-allowed', 'Task.status'],
    [
      'T-7: an engine element',
      [{ op: 'replace', path: '/priority', value: 'stat' }],
      'read-only-element',
      'Task.priority',
    ],
    [
      'T-7: a forged businessStatus',
      [{ op: 'replace', path: '/businessStatus/coding/0/code', value: 'accepted' }],
      'read-only-element',
      'Task.businessStatus',
    ],
    ['T-7: a label', [{ op: 'add', path: '/meta/tag', value: [{ code: 'x' }] }], 'read-only-element', 'Task.meta'],
  ])(
    '%s is 422 with its element, nothing is stored and the engine is left alone',
    async (_name, operations, code, expression) => {
      await using world = await startFacade();
      const before = await world.task();
      const answer = await patch(world, operations);
      expect([answer.status, codesOf(answer.body)]).toEqual([422, [code]]);
      expect(expressionsOf(answer.body)).toEqual([expression]);
      expect(await world.task()).toEqual(before);
      expect([world.engine.woken, world.engine.sent]).toEqual([[], []]);
    },
  );

  test('T-16: that is being sent cannot be changed: 409 task-in-flight', async () => {
    await using world = await startFacade();
    const task = await world.task();
    const sending: Task & { id: string } = {
      ...task,
      status: 'accepted',
      businessStatus: { coding: [{ system: CODE_SYSTEM.reviewStatus, code: 'decision-sending' }] },
    };
    await world.put(sending);
    await world.rewriteRecord({ ...(await world.record()), baseline: sending });
    const answer = await patch(world, status('received'));
    expect([answer.status, codesOf(answer.body)]).toEqual([409, ['task-in-flight']]);
  });

  test('T-14: is taken back before it is sent, in the Task and in the engine’s record at once', async () => {
    await using world = await startFacade();
    await patch(world, status('accepted'));
    const answer = await patch(world, status('received'));
    const task = await world.task();
    expect([answer.status, task.status, reviewStatusOf(task), decisionOf(task)]).toEqual([
      200,
      'received',
      'under-review',
      undefined,
    ]);
    const record = await world.record();
    expect([record.decision, record.baseline.status]).toEqual([undefined, 'received']);
  });

  test('is refused where the engine keeps no review for the Task', async () => {
    await using world = await startFacade();
    const foreign = await world.put({ resourceType: 'Task', id: 'foreign-1', status: 'requested', intent: 'order' });
    const answer = await request(world.url)
      .patch('/fhir/R4/Task/foreign-1')
      .set('If-Match', `W/"${foreign.meta.versionId}"`)
      .type('application/json-patch+json')
      .send(JSON.stringify(status('accepted')));
    expect([answer.status, codesOf(answer.body)]).toEqual([422, ['transition-not-allowed']]);
  });
});

describe('a claim', () => {
  const claim = [
    ...status('received'),
    { op: 'replace', path: '/owner', value: { reference: 'Practitioner/practitioner-1' } },
  ];

  test('T-11: reads the referral first and answers the ETag that decides', async () => {
    await using world = await startFacade();
    const answer = await patch(world, claim);
    expect([answer.status, reviewStatusOf(answer.body)]).toEqual([200, 'under-review']);
    expect(world.engine.refreshed).toEqual(['referral-1']);
    expect((await world.record()).baseline.owner?.reference).toBe('Practitioner/practitioner-1');
    const decided = await patch(world, status('accepted'), { 'If-Match': answer.headers['etag'] ?? '' });
    expect(decided.status).toBe(200);
  });

  test('T-11: of a Task that the refresh changed is 412: the reviewer has to see what is new', async () => {
    await using world = await startFacade();
    world.engine.answers.refresh = async () => {
      await world.put({ ...(await world.task()), priority: 'urgent' });
      return { ok: true, value: { changed: true } };
    };
    const answer = await patch(world, claim);
    expect([answer.status, codesOf(answer.body)]).toEqual([412, ['version-conflict']]);
    expect((await world.task()).status).toBe('requested');
  });

  test.each<[string, (world: World) => void]>([
    [
      'fails',
      (world) => {
        world.engine.answers.refresh = async () => ({ ok: false, code: 'ERS_UNAVAILABLE' });
      },
    ],
    [
      'takes too long',
      (world) => {
        world.clock.isImpatient = true;
        world.engine.answers.refresh = () => new Promise(() => undefined);
      },
    ],
  ])('T-11: goes on where the refresh %s, and says so in a Warning', async (_name, arrange) => {
    await using world = await startFacade();
    arrange(world);
    const answer = await patch(world, claim);
    expect([answer.status, answer.body.status]).toEqual([200, 'received']);
    expect(answer.headers['warning']).toContain('as last known');
    expect(world.log.map(({ event }) => event)).toContain('facade.claim.unrefreshed');
  });

  test('T-12: is released without a call', async () => {
    await using world = await startFacade();
    await patch(world, claim);
    const answer = await patch(world, status('requested'));
    expect([answer.status, reviewStatusOf(answer.body)]).toEqual([200, 'awaiting-review']);
    expect(world.engine.refreshed).toHaveLength(1);
  });
});

describe('a clinician’s session', () => {
  test('4.7: given with the decision sends it, and the answer is the Task as it then is', async () => {
    await using world = await startFacade();
    world.engine.answers.send = async () => {
      const task = await world.task();
      await world.put({
        ...task,
        businessStatus: { coding: [{ system: CODE_SYSTEM.reviewStatus, code: 'accepted' }] },
      });
      return { ok: true, value: undefined };
    };
    const answer = await patch(world, status('accepted'), SESSION);
    expect([answer.status, reviewStatusOf(answer.body)]).toEqual([200, 'accepted']);
    expect(world.engine.sent).toEqual([
      {
        taskId: 'task-1',
        session: { token: 'a-synthetic-token', organisation: 'R69', businessFunction: 'SERVICE_PROVIDER_CLINICIAN' },
      },
    ]);
  });

  test('P1: is neither stored nor logged nor said back', async () => {
    await using world = await startFacade();
    const answer = await patch(world, status('accepted'), SESSION);
    const history = await world.store.history('Task', 'task-1', {});
    const everything = JSON.stringify([answer.body, answer.headers, world.log, history, await world.record()]);
    expect(everything).not.toContain('a-synthetic-token');
  });

  test('4.7: that cannot be used leaves the decision queued, and the Task says so', async () => {
    await using world = await startFacade();
    world.engine.answers.send = async () => ({ ok: false, code: 'ERS_USER_SESSION_ENDED' });
    const answer = await patch(world, status('accepted'), SESSION);
    expect([answer.status, reviewStatusOf(answer.body)]).toEqual([200, 'decision-queued']);
    expect(answer.headers['warning']).toContain('ERS_USER_SESSION_ENDED');
  });

  test('needs an engine: without one it is 503 and nothing is stored', async () => {
    await using world = await startFacade();
    world.engine.state = { ...world.engine.state, rooms: { dispatch: 'stopped' } };
    const answer = await patch(world, status('accepted'), SESSION);
    expect([answer.status, codesOf(answer.body)]).toEqual([503, ['engine-unavailable']]);
    expect((await world.task()).status).toBe('requested');
  });

  const site = (unattended: SiteService['unattended']) => ({
    refuseUserRestricted: { services: [{ id: '1', lists: ['REFERRALS_FOR_REVIEW'] as const, unattended }] },
  });

  test('4.7: is asked for with 403 where the site lets no decision wait for one; nothing is stored', async () => {
    await using world = await startFacade(site([]));
    const answer = await patch(world, status('accepted'));
    expect([answer.status, codesOf(answer.body)]).toEqual([403, ['user-session-required']]);
    expect((await world.task()).status).toBe('requested');
  });

  test('4.7: is not asked for where the application sends such a decision by itself', async () => {
    await using world = await startFacade(site(['accept']));
    expect((await patch(world, status('accepted'))).status).toBe(200);
    expect((await world.task()).status).toBe('accepted');
  });

  test.each<[string, Record<string, string>]>([
    ['NHSD-User-Authorization', { 'NHSD-User-Authorization': 'a-synthetic-token' }],
    ['NHSD-End-User-Organisation-ODS', { 'NHSD-End-User-Organisation-ODS': 'no code' }],
    ['NHSD-eRS-Business-Function', { 'NHSD-eRS-Business-Function': 'REFERRING_CLINICIAN' }],
    ['NHSD-eRS-On-Behalf-Of-User-ID', { 'NHSD-eRS-Business-Function': 'SERVICE_PROVIDER_CLINICIAN_ADMIN' }],
    ['NHSD-eRS-On-Behalf-Of-User-ID', { 'NHSD-eRS-On-Behalf-Of-User-ID': '123' }],
  ])('whose %s is wrong is 400 and nothing is stored (%j)', async (header, wrong) => {
    await using world = await startFacade();
    const answer = await patch(world, status('accepted'), { ...SESSION, ...wrong });
    expect([answer.status, codesOf(answer.body)]).toEqual([400, ['parameter-invalid']]);
    expect(answer.body.issue[0].details.text).toContain(header);
    expect(JSON.stringify(answer.body)).not.toContain('a-synthetic-token');
    expect((await world.task()).status).toBe('requested');
  });
});

describe('a defect', () => {
  test('is 500 without details; the log names the class of the error, never its message (P1)', async () => {
    await using world = await startFacade();
    world.engine.answers.fetch = () => {
      throw new TypeError('9990000018 quoted in a message');
    };
    const answer = await request(world.url)
      .post('/fhir/R4/ServiceRequest/$ers-fetch')
      .type('application/fhir+json')
      .send(JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'ubrn', valueString: '000000700001' }] }));
    expect([answer.status, codesOf(answer.body)]).toEqual([500, ['internal-error']]);
    expect(JSON.stringify([answer.body, world.log])).not.toContain('9990000018');
    expect(world.log.find(({ event }) => event === 'facade.request.failed')?.error).toBe('TypeError');
  });
});
