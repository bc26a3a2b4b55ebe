import { describe, expect, test } from '@jest/globals';
import type { OperationOutcome, Parameters } from '@medplum/fhirtypes';
import request from 'supertest';
import { CANONICAL_BASE, CODE_SYSTEM } from '../../mappings/index.ts';
import { accept, reject } from '../dispatch/deciding.ts';
import { startFacade, UBRN, type World } from './world.ts';

const SESSION = {
  'NHSD-User-Authorization': 'Bearer a-synthetic-token',
  'NHSD-End-User-Organisation-ODS': 'R69',
  'NHSD-eRS-Business-Function': 'SERVICE_PROVIDER_CLINICIAN',
};

const post = (
  world: World,
  path: string,
  parameters?: Parameters['parameter'],
  headers: Record<string, string> = {},
) => {
  const asked = request(world.url).post(`/fhir/R4${path}`).set(headers);
  return parameters
    ? asked.type('application/fhir+json').send(JSON.stringify({ resourceType: 'Parameters', parameter: parameters }))
    : asked;
};
const named = (body: Parameters, name: string) => body.parameter?.find((parameter) => parameter.name === name);
const codeOf = (body: OperationOutcome) => body.issue?.[0]?.details?.coding?.[0]?.code;
const issueOf = (body: Parameters) => (named(body, 'outcome')?.resource as OperationOutcome | undefined)?.issue?.[0];

describe('$ers-validate-decision', () => {
  test('shows the very body that e-RS would get, under the system that e-RS uses, and stores nothing', async () => {
    await using world = await startFacade();
    const before = await world.task();
    const answer = await post(world, '/Task/task-1/$ers-validate-decision', [
      { name: 'patch', valueString: JSON.stringify(reject) },
    ]);
    expect(answer.status).toBe(200);
    expect(issueOf(answer.body)?.severity).toBe('information');
    expect(named(answer.body, 'operation')?.valueCode).toBe('A014');
    expect(named(answer.body, 'ifMatch')?.valueString).toBe('W/"5"');
    expect(JSON.parse(named(answer.body, 'ersRequest')?.valueString ?? '')).toMatchObject({
      parameter: [
        {
          name: 'rejectionReason',
          valueCoding: {
            system: 'https://ers.test.example/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON',
            code: 'SERVICE_INAPPROPRIATE',
          },
        },
      ],
    });
    expect(await world.task()).toEqual(before);
    expect([world.engine.woken, world.engine.sent, world.engine.refreshed]).toEqual([[], [], []]);
  });

  test('tells every broken rule in its outcome, as a refusal would', async () => {
    await using world = await startFacade();
    const answer = await post(world, '/Task/task-1/$ers-validate-decision', [
      { name: 'patch', valueString: JSON.stringify([{ op: 'replace', path: '/status', value: 'rejected' }]) },
    ]);
    expect(answer.status).toBe(200);
    expect(issueOf(answer.body)).toMatchObject({ severity: 'error', expression: ['Task.statusReason'] });
    expect(named(answer.body, 'operation')).toBeUndefined();
  });

  test('takes a whole Task; an accept has no body', async () => {
    await using world = await startFacade();
    const task = { ...(await world.task()), status: 'accepted' as const };
    const answer = await post(world, '/Task/task-1/$ers-validate-decision', [{ name: 'task', resource: task }]);
    expect(named(answer.body, 'operation')?.valueCode).toBe('A013');
    expect(named(answer.body, 'ersRequest')).toBeUndefined();
  });

  test('without parameters judges the Task as it is, decided or not', async () => {
    await using world = await startFacade();
    const open = await post(world, '/Task/task-1/$ers-validate-decision');
    expect(issueOf(open.body)?.details?.text).toContain('no decision');
    await request(world.url)
      .patch('/fhir/R4/Task/task-1')
      .set('If-Match', `W/"${(await world.task()).meta.versionId}"`)
      .type('application/json-patch+json')
      .send(JSON.stringify(accept));
    const queued = await post(world, '/Task/task-1/$ers-validate-decision');
    expect(named(queued.body, 'operation')?.valueCode).toBe('A013');
  });

  test('refuses a patch that is no JSON, patch and task together, and a misspelt name that would seem to propose nothing', async () => {
    await using world = await startFacade();
    const path = '/Task/task-1/$ers-validate-decision';
    expect((await post(world, path, [{ name: 'patch', valueString: '[' }])).status).toBe(400);
    const both = [
      { name: 'patch', valueString: '[]' },
      { name: 'task', resource: await world.task() },
    ];
    expect((await post(world, path, both)).status).toBe(400);
    for (const wrong of [
      { name: 'ptch', valueString: '[]' },
      { name: 'patch', valueCode: 'x' },
      { name: 'task', valueString: 'x' },
    ]) {
      const refused = await post(world, path, [wrong]);
      expect([refused.status, refused.body.issue[0].details.text]).toEqual([
        400,
        expect.stringContaining('takes patch'),
      ]);
    }
    expect((await post(world, '/Task/none/$ers-validate-decision')).status).toBe(404);
  });
});

describe('$ers-sign-and-send', () => {
  const path = '/Task/$ers-sign-and-send';

  test('4.7: answers what became of each decision, and 202 while one is under way', async () => {
    await using world = await startFacade();
    world.engine.answers.signAndSend = async () => ({
      ok: true,
      value: [
        { taskId: 'task-1', outcome: 'sent' },
        { taskId: 'task-2', outcome: 'waiting', code: 'ERS_USER_SESSION_ENDED' },
      ],
    });
    const answer = await post(world, path, undefined, SESSION);
    expect([answer.status, world.engine.signed]).toEqual([200, [undefined]]);
    expect(answer.body.parameter.slice(0, 2)).toEqual([
      { name: 'sent', valueUnsignedInt: 1 },
      { name: 'waiting', valueUnsignedInt: 1 },
    ]);
    const [, , , { part }] = answer.body.parameter;
    expect(part[0].valueReference.reference).toBe('Task/task-2');
    expect(part[2].valueCoding.code).toBe('ERS_USER_SESSION_ENDED');
    world.engine.answers.signAndSend = async () => ({ ok: true, value: [{ taskId: 'task-1', outcome: 'under-way' }] });
    expect((await post(world, path, undefined, SESSION)).status).toBe(202);
  });

  test('takes Tasks by reference, each once, and refuses what is none', async () => {
    await using world = await startFacade();
    const task = (reference: string) => ({ name: 'task', valueReference: { reference } });
    await post(world, path, [task('Task/b'), task('Task/a'), task('Task/b')], SESSION);
    expect(world.engine.signed).toEqual([['b', 'a']]);
    for (const wrong of [task('Patient/a'), { name: 'task', valueString: 'a' }, { name: 'tsk', valueString: 'a' }])
      expect((await post(world, path, [wrong], SESSION)).status).toBe(400);
  });

  test('4.7: without a session, or with one that is not confirmed, says why', async () => {
    await using world = await startFacade();
    const without = await post(world, path);
    expect([without.status, codeOf(without.body)]).toEqual([403, 'user-session-required']);
    world.engine.answers.signAndSend = async () => ({ ok: false, code: 'session-role-not-held' });
    const wrong = await post(world, path, undefined, SESSION);
    expect([wrong.status, codeOf(wrong.body)]).toEqual([403, 'session-role-not-held']);
  });
});

describe('$ers-send-decision', () => {
  test('4.7: hands the session to the engine and answers the Task', async () => {
    await using world = await startFacade();
    const answer = await post(world, '/Task/task-1/$ers-send-decision', undefined, {
      ...SESSION,
      'NHSD-eRS-Business-Function': 'SERVICE_PROVIDER_CLINICIAN_ADMIN',
      'NHSD-eRS-On-Behalf-Of-User-ID': '021600556514',
    });
    expect([answer.status, answer.body.resourceType]).toEqual([200, 'Task']);
    expect(world.engine.sent[0]?.session.onBehalfOf).toBe('021600556514');
  });

  test('4.7: without a session is 403 and the engine is not asked', async () => {
    await using world = await startFacade();
    const answer = await post(world, '/Task/task-1/$ers-send-decision');
    expect([answer.status, codeOf(answer.body), world.engine.sent]).toEqual([403, 'user-session-required', []]);
  });

  test('says what stood in the way, with the status of its code and when to try again', async () => {
    await using world = await startFacade();
    world.engine.answers.send = async () => ({ ok: false, code: 'engine-unavailable', retryAfterMs: 4200 });
    const busy = await post(world, '/Task/task-1/$ers-send-decision', undefined, SESSION);
    expect([busy.status, busy.headers['retry-after']]).toEqual([503, '5']);
    world.engine.answers.send = async () => ({ ok: false, code: 'ERS_USER_SESSION_ENDED' });
    const ended = await post(world, '/Task/task-1/$ers-send-decision', undefined, SESSION);
    expect([ended.status, ended.headers['www-authenticate']]).toEqual([401, expect.stringContaining('Bearer')]);
  });

  test('is 202 with the Task as it is when e-RS takes longer than a client should wait', async () => {
    await using world = await startFacade();
    world.clock.isImpatient = true;
    world.engine.answers.send = () => new Promise(() => undefined);
    const answer = await post(world, '/Task/task-1/$ers-send-decision', undefined, SESSION);
    expect([answer.status, answer.body.id]).toEqual([202, 'task-1']);
  });
});

describe('$ers-reopen', () => {
  test('E-9a: asks the engine and answers the Task as it then is', async () => {
    await using world = await startFacade();
    const asked: string[] = [];
    world.engine.answers.reopen = async (taskId) => {
      asked.push(taskId);
      return { ok: true, value: undefined };
    };
    const answer = await post(world, '/Task/task-1/$ers-reopen');
    expect([answer.status, answer.body.id, answer.headers['etag'], asked]).toEqual([
      200,
      'task-1',
      'W/"1"',
      ['task-1'],
    ]);
    expect((await post(world, '/Task/none/$ers-reopen')).status).toBe(404);
  });

  test.each([
    ['nothing-to-reopen', 409],
    ['task-closed', 409],
    ['outcome-unknown', 409],
    ['ers-unavailable', 503],
    ['store-unavailable', 503],
  ] as const)('D3: %s is %i with that code: the Task stays as it is', async (code, status) => {
    await using world = await startFacade();
    world.engine.answers.reopen = async () => ({ ok: false, code });
    const answer = await post(world, '/Task/task-1/$ers-reopen');
    expect([answer.status, codeOf(answer.body)]).toEqual([status, code]);
  });

  test('is 503 without an engine, and where e-RS takes too long', async () => {
    await using world = await startFacade();
    world.engine.state = { ...world.engine.state, rooms: { dispatch: 'stopped' } };
    expect(codeOf((await post(world, '/Task/task-1/$ers-reopen')).body)).toBe('engine-unavailable');
    world.engine.state = { ...world.engine.state, rooms: { dispatch: 'ok' } };
    world.clock.isImpatient = true;
    world.engine.answers.reopen = () => new Promise(() => undefined);
    const late = await post(world, '/Task/task-1/$ers-reopen');
    expect([late.status, late.headers['retry-after']]).toEqual([503, '30']);
  });
});

describe('$ers-fetch and $ers-refresh', () => {
  test('bring a referral in by UBRN, and answer it', async () => {
    await using world = await startFacade();
    const asked: string[] = [];
    world.engine.answers.fetch = async (ubrn) => {
      asked.push(ubrn);
      return { ok: true, value: { serviceRequestId: 'referral-1' } };
    };
    const answer = await post(world, '/ServiceRequest/$ers-fetch', [{ name: 'ubrn', valueString: UBRN }]);
    expect([answer.status, answer.body.id, asked]).toEqual([200, 'referral-1', [UBRN]]);
  });

  test.each([['12345'], ['0000 0070 0001'], [undefined]])('refuse %j as a UBRN', async (ubrn) => {
    await using world = await startFacade();
    const parameters = ubrn === undefined ? [] : [{ name: 'ubrn', valueString: ubrn }];
    const answer = await post(world, '/ServiceRequest/$ers-fetch', parameters);
    expect([answer.status, codeOf(answer.body)]).toEqual([400, 'parameter-invalid']);
  });

  test('say what e-RS said: not found, or no answer yet', async () => {
    await using world = await startFacade();
    world.engine.answers.fetch = async () => ({ ok: false, code: 'ERS_NOT_FOUND' });
    const none = await post(world, '/ServiceRequest/$ers-fetch', [{ name: 'ubrn', valueString: UBRN }]);
    expect([none.status, codeOf(none.body)]).toEqual([404, 'ERS_NOT_FOUND']);
    world.clock.isImpatient = true;
    world.engine.answers.refresh = () => new Promise(() => undefined);
    const late = await post(world, '/ServiceRequest/referral-1/$ers-refresh');
    expect([late.status, codeOf(late.body)]).toEqual([503, 'ers-unavailable']);
    expect(late.headers['retry-after']).toBe('30');
  });

  test('read a referral again, and know no other', async () => {
    await using world = await startFacade();
    const answer = await post(world, '/ServiceRequest/referral-1/$ers-refresh');
    expect([answer.status, answer.body.id, world.engine.refreshed]).toEqual([200, 'referral-1', ['referral-1']]);
    expect((await post(world, '/ServiceRequest/none/$ers-refresh')).status).toBe(404);
  });
});

describe('ValueSet/$expand', () => {
  const REASONS = `${CANONICAL_BASE}ValueSet/ers-rejection-reason`;

  test('offers the rejection reasons that are in force today, and only those', async () => {
    await using world = await startFacade();
    const byUrl = await request(world.url).get('/fhir/R4/ValueSet/$expand').query({ url: REASONS });
    const codes = byUrl.body.expansion.contains.map((one: { code: string }) => one.code);
    expect(codes).toEqual(['SERVICE_INAPPROPRIATE', 'OTHER']);
    const byId = await post(world, '/ValueSet/ers-rejection-reason/$expand', [
      { name: 'filter', valueString: 'OTHER r' },
    ]);
    expect(byId.body.expansion.contains).toEqual([
      { system: CODE_SYSTEM.appointmentCancellationReason, code: 'OTHER', display: 'Other reason' },
    ]);
  });

  test('is 503 while e-RS’s reasons have not been read, rather than an empty pick list', async () => {
    await using world = await startFacade();
    await world.store.remove('CodeSystem', 'ers-appointment-cancellation-reason');
    const answer = await request(world.url).get('/fhir/R4/ValueSet/$expand').query({ url: REASONS });
    expect([answer.status, codeOf(answer.body)]).toEqual([503, 'ers-unavailable']);
  });

  test.each([
    ['ers-review-status-open', 8],
    ['ers-review-status-in-flight', 3],
    ['ers-review-status-final', 6],
    ['ers-task-code', 5],
    ['ers-decision', 5],
    ['ers-referral-state', 12],
    ['ers-priority', 3],
  ])('expands %s to %i codes, each with a display', async (id, count) => {
    await using world = await startFacade();
    const answer = await request(world.url).get(`/fhir/R4/ValueSet/${id}/$expand`);
    expect(answer.body.expansion.total).toBe(count);
    for (const { display } of answer.body.expansion.contains) expect(display).toEqual(expect.any(String));
  });

  test('pages with count and offset, and refuses what it does not take', async () => {
    await using world = await startFacade();
    const url = `${CANONICAL_BASE}ValueSet/ers-decision`;
    const page = await request(world.url).get('/fhir/R4/ValueSet/$expand').query({ url, count: 2, offset: 4 });
    expect(page.body.expansion.contains).toHaveLength(1);
    const refused = async (query: Record<string, string>) =>
      (await request(world.url).get('/fhir/R4/ValueSet/$expand').query(query)).status;
    expect(await refused({ url, count: 'all' })).toBe(400);
    expect(await refused({ url, displayLanguage: 'cy' })).toBe(400);
    expect(await refused({})).toBe(400);
    expect(await refused({ url: 'https://other.example/ValueSet/x' })).toBe(404);
  });
});

describe('health', () => {
  test('is live always, and ready when the engine is, with counts and codes only', async () => {
    await using world = await startFacade();
    world.alerts.raise('outcome-unknown', 'Task/task-1');
    world.alerts.raise('outcome-unknown', 'Task/task-2');
    expect((await request(world.url).get('/health/live')).status).toBe(200);
    const ready = await request(world.url).get('/health/ready');
    expect([ready.status, ready.body.alerts]).toEqual([200, [{ code: 'outcome-unknown', count: 2 }]]);
    expect(ready.text).not.toContain('task-1');
    world.engine.state = {
      ready: false,
      engine: 'active',
      rooms: { intake: 'starting' },
      firstLoad: { done: 10, left: 90 },
      services: [],
    };
    const loading = await request(world.url).get('/health/ready');
    expect([loading.status, loading.body.firstLoad]).toEqual([503, { done: 10, left: 90 }]);
  });

  test('is measured: requests by route pattern, alerts by code, no ids (P1)', async () => {
    await using world = await startFacade();
    world.alerts.raise('outcome-unknown', 'Task/task-1');
    await request(world.url).get('/fhir/R4/Task/task-1');
    await request(world.url).get('/fhir/R4/Nope/12345');
    const { text } = await request(world.url).get('/metrics');
    expect(text).toContain('facade_request_seconds_count{method="GET",route="/fhir/R4/Task/:id",status="200"} 1');
    expect(text).toContain('standing_alerts{code="outcome-unknown"} 1');
    expect(text).not.toMatch(/task-1|12345/);
  });
});

describe('$ers-poll', () => {
  const spent = { now: new Date('2027-03-01T09:00:00Z'), spent: [], nextAt: new Date('2027-03-01T15:01:00Z') };
  const service = { name: 'service', valueString: '70101' };

  test('answers what the list holds, how many polls are left and when the next is free', async () => {
    await using world = await startFacade();
    const asked: unknown[] = [];
    world.engine.answers.poll = async (...words) => {
      asked.push(words);
      const polls = { ...spent, left: 0 };
      return { ok: true, value: { list: 'REFERRALS_FOR_REVIEW', listed: 41, isChanged: true, polls } };
    };
    const answer = await post(world, '/$ers-poll', [service]);
    expect(answer.status).toBe(200);
    expect(asked).toEqual([['70101', undefined]]);
    expect(answer.body.parameter).toEqual([
      { name: 'list', valueCode: 'REFERRALS_FOR_REVIEW' },
      { name: 'listed', valueUnsignedInt: 41 },
      { name: 'changed', valueBoolean: true },
      { name: 'pollsLeft', valueUnsignedInt: 0 },
      { name: 'nextPollAt', valueInstant: '2027-03-01T15:01:00.000Z' },
    ]);
  });

  test('B1: refused by the ledger it is 429, with the time of the next poll in words and in Retry-After', async () => {
    await using world = await startFacade();
    world.engine.answers.poll = async () => ({
      ok: false,
      code: 'poll-refused-by-ledger',
      polls: { ...spent, left: 0 },
    });
    const answer = await post(world, '/$ers-poll', [service, { name: 'list', valueCode: 'APPOINTMENT_SLOT_ISSUES' }]);
    expect(answer.status).toBe(429);
    expect(answer.headers['retry-after']).toBe('21660');
    expect(codeOf(answer.body)).toBe('poll-refused-by-ledger');
    expect(answer.body.issue[0].details.text).toContain('2027-03-01T15:01:00.000Z');
  });

  test('a poll that e-RS did not answer says what it cost; an unknown service and a wrong word cost nothing', async () => {
    await using world = await startFacade();
    world.engine.answers.poll = async () => ({ ok: false, code: 'ERS_UNAVAILABLE', polls: { ...spent, left: 1 } });
    const unanswered = await post(world, '/$ers-poll', [service]);
    expect(unanswered.status).toBe(503);
    expect(unanswered.body.issue[0].details.text).toContain('Polls left: 1');
    world.engine.answers.poll = async () => ({ ok: false, code: 'service-unknown' });
    expect((await post(world, '/$ers-poll', [service])).status).toBe(404);
    expect((await post(world, '/$ers-poll', [{ name: 'service', valueString: 'cardiology' }])).status).toBe(400);
    expect((await post(world, '/$ers-poll', [service, { name: 'list', valueCode: 'ALL' }])).status).toBe(400);
    expect((await post(world, '/Task/$ers-poll', [service])).status).toBe(404);
  });
});

describe('a copy of a review Task', () => {
  test.each([
    ['$ers-send-decision', undefined],
    ['$ers-reopen', undefined],
    ['$ers-validate-decision', [{ name: 'patch', valueString: JSON.stringify(accept) }]],
  ])('architecture 4: takes no %s, and the answer names the original', async (operation, parameters) => {
    await using world = await startFacade();
    await world.put({ ...(await world.task()), id: 'task-1-copy' });
    const answer = await post(world, `/Task/task-1-copy/${operation}`, parameters, SESSION);
    expect([answer.status, codeOf(answer.body)]).toEqual([422, 'task-copied']);
    expect(answer.body.issue[0].details.text).toContain('Task/task-1.');
    expect(world.engine.sent).toEqual([]);
  });
});
