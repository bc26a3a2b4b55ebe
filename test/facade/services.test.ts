import { type IncomingMessage, request as send } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bundle, OperationOutcome, ServiceRequest } from '@medplum/fhirtypes';
import { isConformanceType, SERVED_TYPES, servedOperations } from '../../conformance/index.ts';
import { ANT, BEE, partsOf, startTwoServices, ubrnOf } from './two-services.ts';
import type { World } from './world.ts';

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

const ask = async (
  world: World,
  services: string,
  { method = 'GET', path, body, headers = {} }: Asked,
): Promise<Got> => {
  const sent = send(`${world.fhir}${path}`, { method, agent: false, headers: { 'x-services': services, ...headers } });
  sent.end(body);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject);
  });
  return { status: answer.statusCode ?? 0, headers: answer.headers, text: (await buffer(answer)).toString() };
};
const idsOf = ({ text }: Got): string[] =>
  ((JSON.parse(text) as Bundle).entry ?? [])
    .map(({ resource }) => `${resource?.resourceType}/${resource?.id}`)
    .toSorted();
const codeOf = ({ text }: Got) => (JSON.parse(text) as OperationOutcome).issue?.[0]?.details?.coding?.[0]?.code;

const FHIR = { 'content-type': 'application/fhir+json' };
const accept = JSON.stringify([{ op: 'replace', path: '/status', value: 'received' }]);
const HEADERS_OF_PATCH = { 'content-type': 'application/json-patch+json', 'if-match': 'W/"1"' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const SESSION = {
  'NHSD-User-Authorization': 'Bearer a-synthetic-token',
  'NHSD-End-User-Organisation-ODS': 'R69',
  'NHSD-eRS-Business-Function': 'SERVICE_PROVIDER_CLINICIAN',
};

/** Each way in which a client can name a resource by its id. */
function formsFor(type: string, id: string): Asked[] {
  const at = `/${type}/${id}`;
  const forms: Asked[] = [
    { path: at },
    { path: at, method: 'HEAD' },
    { path: at, headers: { 'if-none-match': 'W/"1"' } },
    { path: at, headers: { accept: 'application/fhir+json' } },
    { path: `${at}?_elements=id` },
  ];
  if (type !== 'Binary')
    forms.push(
      { path: `${at}/_history` },
      { path: `${at}/_history?_count=1` },
      { path: `${at}/_history/1` },
      { path: `${at}/_history/2` },
      { path: `/${type}?_id=${id}` },
      { path: `/${type}?_id=${id}&_total=accurate` },
      { path: `/${type}?_id=${id}&_summary=count` },
      { path: `/${type}?_id=${id}&_count=0` },
      { path: `/${type}/_search`, method: 'POST', body: `_id=${id}&_sort=-_lastUpdated`, headers: FORM },
    );
  if (type === 'Task')
    forms.push(
      { path: at, method: 'PATCH', body: accept, headers: HEADERS_OF_PATCH },
      { path: at, method: 'PATCH', body: accept, headers: { ...HEADERS_OF_PATCH, 'if-match': 'W/"77"' } },
      { path: at, method: 'PATCH', body: accept, headers: { 'content-type': 'application/json-patch+json' } },
      {
        path: at,
        method: 'PUT',
        body: `{"resourceType":"Task","id":"${id}"}`,
        headers: { ...FHIR, 'if-match': 'W/"1"' },
      },
    );
  for (const { code, level } of servedOperations.filter((one) => one.type === type && one.level === 'instance'))
    forms.push({ path: `${at}/$${code}`, method: 'POST', headers: { ...FHIR, ...SESSION, level } });
  return forms;
}

const KEPT = SERVED_TYPES.filter((type) => type !== 'Binary' && !isConformanceType(type));

/** Each way in which a search can reach one resource through another. */
const reaching = (patient: string, referral: string): readonly string[] => [
  `/Patient?_has:ServiceRequest:subject:_id=${referral}`,
  `/Patient?_has:Task:patient:focus=ServiceRequest/${referral}`,
  `/Patient?_id=${patient}&_revinclude=ServiceRequest:subject`,
  `/Patient?_id=${patient}&_revinclude=Task:patient&_include:iterate=Task:focus`,
  `/ServiceRequest?subject=Patient/${patient}&_include=ServiceRequest:subject`,
  `/ServiceRequest?subject=Patient/${patient}&_summary=count`,
  `/ServiceRequest?subject.family=${patient}&_revinclude=Task:focus&_revinclude=DocumentReference:related`,
  `/ServiceRequest?identifier=${ubrnOf(referral)}&_revinclude=Provenance:target`,
  `/ServiceRequest?_has:Task:focus:_id=${referral}-task`,
  `/ServiceRequest?supporting-info=ServiceRequest/${referral}`,
  `/ServiceRequest?supporting-info=DocumentReference/${referral}-doc`,
  `/ServiceRequest?_sort=supporting-info`,
  `/ServiceRequest?performer:HealthcareService.identifier=${BEE}`,
  `/ServiceRequest?_include=ServiceRequest:supporting-info`,
  `/Task?focus=ServiceRequest/${referral}&_include=Task:focus&_include=Task:patient`,
  `/Task?focus:ServiceRequest.identifier=${ubrnOf(referral)}&_total=accurate`,
  `/Task?patient.family=${patient}&_revinclude=Provenance:target`,
  `/Task?_include=Task:focus:ServiceRequest&_include:iterate=ServiceRequest:subject`,
  `/Appointment?based-on=ServiceRequest/${referral}`,
  `/DocumentReference?related=ServiceRequest/${referral}`,
  `/DocumentReference?location=Binary/${referral}-file`,
  `/Provenance?target=Task/${referral}-task&_include=Provenance:target`,
  `/HealthcareService?_has:ServiceRequest:performer:_id=${referral}`,
  '/HealthcareService?_revinclude=ServiceRequest:performer',
  '/HealthcareService?_revinclude=Task:owner&_summary=count',
  '/List?code=shortlist',
  '/AuditEvent',
  `/AuditEvent?entity=Task/${referral}-task`,
  ...KEPT.map((type) => `/${type}/_history`),
  ...KEPT.map((type) => `/${type}?_count=500`),
  ...KEPT.map((type) => `/${type}?_summary=count`),
];

describe('a client of one service', () => {
  let world: World;
  beforeAll(async () => {
    world = await startTwoServices();
    // Which resource stands for a service is known for a while, so the first call of a client asks more.
    await ask(world, ANT, { path: '/Patient' });
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  /** What was answered and what was asked of the store for it, without the ids that were asked for. */
  async function witnessed(asked: Asked, id: string) {
    world.calls.length = 0;
    const { status, headers, text } = await ask(world, ANT, asked);
    const { date: _, 'x-request-id': __, 'content-length': ___, ...kept } = headers;
    const said = text.replaceAll(id, 'ID').replace(/_page=[\w-]+/g, '_page');
    return { status, headers: kept, text: said, calls: [...world.calls] };
  }

  for (const referral of ['bee-1', 'bee-2', 'bee-moved'])
    for (const [type, id] of [...partsOf(referral), ['AuditEvent', `${referral}-audit`] as const])
      test(`finds ${type}/${id} exactly as absent as what never was, after the same calls of the store`, async () => {
        const never = 'never-was';
        for (const [at, form] of formsFor(type, id).entries()) {
          const hidden = await witnessed(form, id);
          const absent = await witnessed(formsFor(type, never)[at] ?? { path: '/' }, never);
          expect({ form, ...hidden }).toEqual({ form, ...absent });
          expect([200, 403, 404]).toContain(hidden.status);
        }
        expect(world.engine.refreshed).toEqual([]);
        expect(world.engine.sent).toEqual([]);
      });

  test('the same forms do find what is the client own, so that the tests above could fail', async () => {
    for (const [type, id] of partsOf('ant-1')) {
      const [first] = formsFor(type, id);
      const got = await ask(world, ANT, first ?? { path: '/' });
      expect(`${type} ${got.status}`).toBe(`${type} 200`);
      if (type === 'Binary') expect(got.text).toBe('file of ant-1');
      const all = await ask(world, 'all', { path: `/${type}/${id.replace('ant', 'bee')}` });
      expect(`${type} ${all.status}`).toBe(`${type} 200`);
    }
  });

  test('a patient whom two services have is seen by both, one of another service by neither search nor read', async () => {
    expect((await ask(world, ANT, { path: '/Patient/shared' })).status).toBe(200);
    expect((await ask(world, BEE, { path: '/Patient/shared' })).status).toBe(200);
    expect((await ask(world, ANT, { path: '/Patient/bee-patient' })).status).toBe(404);
    expect(idsOf(await ask(world, ANT, { path: '/Patient' }))).toEqual(['Patient/ant-patient', 'Patient/shared']);
    expect(idsOf(await ask(world, BEE, { path: '/Patient' }))).toEqual(['Patient/bee-patient', 'Patient/shared']);
  });

  test('what was redirected is the other service own with all its versions, and no longer of the first', async () => {
    for (const [type, id] of partsOf('bee-moved')) {
      expect((await ask(world, ANT, { path: `/${type}/${id}` })).status).toBe(404);
      expect((await ask(world, BEE, { path: `/${type}/${id}` })).status).toBe(200);
    }
    const versions = await ask(world, BEE, { path: '/ServiceRequest/bee-moved/_history' });
    expect(idsOf(versions)).toEqual(['ServiceRequest/bee-moved', 'ServiceRequest/bee-moved']);
    expect((await ask(world, ANT, { path: '/ServiceRequest/bee-moved/_history/1' })).status).toBe(404);
  });

  test('a client of both services sees what is of either, one of none or of an unknown service nothing', async () => {
    const referrals = { path: '/ServiceRequest?_summary=count' };
    const total = async (services: string) => JSON.parse((await ask(world, services, referrals)).text).total;
    expect(await total(ANT)).toBe(2);
    expect(await total(BEE)).toBe(3);
    expect(await total(`${ANT},${BEE}`)).toBe(5);
    expect(await total('')).toBe(0);
    expect(await total('990999')).toBe(0);
    expect((await ask(world, '', { path: '/Patient/shared' })).status).toBe(404);
  });

  test('a related referral is named as e-RS names it; that it is in the store as well is not told', async () => {
    const referral = async (services: string) =>
      JSON.parse((await ask(world, services, { path: '/ServiceRequest/ant-1' })).text) as ServiceRequest;
    const related = ({ supportingInfo }: ServiceRequest) =>
      supportingInfo?.find(({ type }) => type === 'ServiceRequest');
    expect(related(await referral('all'))?.reference).toBe('ServiceRequest/bee-1');
    expect(related(await referral(ANT))).toEqual({
      type: 'ServiceRequest',
      identifier: related(await referral('all'))?.identifier,
    });
    const found = await ask(world, ANT, { path: '/ServiceRequest?_id=ant-1' });
    const versions = await ask(world, ANT, { path: '/ServiceRequest/ant-1/_history' });
    for (const { text } of [found, versions]) expect(text).not.toContain('bee');
  });

  test('no way through another resource lets one of the other service out, nor counts it', async () => {
    for (const [patient, referral] of [
      ['shared', 'bee-1'],
      ['bee-patient', 'bee-2'],
      ['shared', 'bee-moved'],
    ] as const)
      for (const path of reaching(patient, referral)) {
        const got = await ask(world, ANT, { path });
        expect([path, got.status]).toEqual([path, got.status === 403 || got.status === 405 ? got.status : 200]);
        if (got.status === 403) expect(codeOf(got)).toBe('beyond-services');
        if (got.status === 200) expect(JSON.stringify(JSON.parse(got.text).entry ?? [])).not.toMatch(/bee-/);
      }
  });

  test('what is asked of all services at once is refused in words', async () => {
    const refused: Asked[] = [
      { path: '/$ers-poll', method: 'POST', headers: FHIR },
      { path: '/$ers-reconciliation' },
      { path: '/ServiceRequest/$ers-fetch', method: 'POST', headers: FHIR },
      { path: '/Task/_history' },
      { path: '/AuditEvent' },
      { path: '/List' },
      { path: '/Patient?_revinclude=ServiceRequest:subject' },
      { path: '/Patient?_has:ServiceRequest:subject:priority=asap' },
      { path: '/ServiceRequest?performer.name=x' },
    ];
    for (const form of refused) {
      const got = await ask(world, ANT, form);
      expect([form.path, got.status, codeOf(got)]).toEqual([form.path, 403, 'beyond-services']);
    }
    expect((await ask(world, ANT, { path: '/ValueSet/ers-review-outcome/$expand' })).status).toBe(200);
    expect((await ask(world, ANT, { path: '/metadata' })).status).toBe(200);
  });
});

test('what docs/security.md says to ask instead is answered', async () => {
  await using world = await startTwoServices();
  const asks: readonly (readonly [string, readonly string[]])[] = [
    [
      '/ServiceRequest?subject=Patient/shared&_include=ServiceRequest:subject',
      ['Patient/shared', 'ServiceRequest/ant-1'],
    ],
    [
      '/ServiceRequest?priority=routine&subject=Patient/shared&_include=ServiceRequest:subject',
      ['Patient/shared', 'ServiceRequest/ant-1'],
    ],
    ['/ServiceRequest?performer:HealthcareService.name=service-ant&_id=ant-2', ['ServiceRequest/ant-2']],
    [
      '/Task?_id=ant-1-task&_include=Task:focus:ServiceRequest&_include:iterate=ServiceRequest:subject',
      ['Patient/shared', 'ServiceRequest/ant-1', 'Task/ant-1-task'],
    ],
    [`/ServiceRequest?supporting-info:identifier=${ubrnOf('bee-1')}`, ['ServiceRequest/ant-1']],
  ];
  for (const [path, found] of asks) expect([path, idsOf(await ask(world, ANT, { path }))]).toEqual([path, found]);
});

describe('paging', () => {
  const next = ({ text }: Got, world: World) =>
    (JSON.parse(text) as Bundle).link?.find(({ relation }) => relation === 'next')?.url?.slice(world.fhir.length) ?? '';

  test('a link opens for the client that got it only, and for the services that it then had', async () => {
    await using world = await startTwoServices();
    const first = await ask(world, `${ANT},${BEE}`, { path: '/ServiceRequest?_count=1' });
    const path = next(first, world);
    expect((await ask(world, `${BEE},${ANT}`, { path })).status).toBe(200);
    expect((await ask(world, ANT, { path })).status).toBe(400);
    expect((await ask(world, 'all', { path })).status).toBe(400);
    expect((await ask(world, `${ANT},${BEE}`, { path, headers: { 'x-client': 'another' } })).status).toBe(400);
    const whole = await ask(world, 'all', { path: '/ServiceRequest?_count=1' });
    expect((await ask(world, 'all', { path: next(whole, world), headers: { 'x-client': 'another' } })).status).toBe(
      400,
    );
  });

  test('a page of versions opens at the resource that it is of only', async () => {
    await using world = await startTwoServices();
    const path = next(await ask(world, 'all', { path: '/ServiceRequest/ant-1/_history?_count=1' }), world);
    expect((await ask(world, 'all', { path })).status).toBe(200);
    expect((await ask(world, 'all', { path: path.replace('ant-1', 'bee-moved') })).status).toBe(400);
  });

  test('a referral that moved away between two pages of a sorted search is on neither', async () => {
    await using world = await startTwoServices();
    const first = await ask(world, BEE, { path: '/ServiceRequest?_count=1&_sort=_id' });
    expect(idsOf(first)).toEqual(['ServiceRequest/bee-1']);
    const moving = await world.store.read('ServiceRequest', 'bee-2');
    if (!moving.ok) throw new Error(moving.code);
    await world.put({ ...moving.value, performer: [{ reference: 'HealthcareService/service-ant' }] });
    const second = await ask(world, BEE, { path: next(first, world) });
    expect(idsOf(second)).toEqual([]);
    expect(idsOf(await ask(world, BEE, { path: next(second, world) }))).toEqual(['ServiceRequest/bee-moved']);
  });
});

describe('$ers-sign-and-send', () => {
  const sign = (named: readonly string[] = []): Asked => ({
    method: 'POST',
    path: '/Task/$ers-sign-and-send',
    headers: {
      ...FHIR,
      'NHSD-User-Authorization': 'Bearer a-synthetic-token',
      'NHSD-End-User-Organisation-ODS': 'R69',
      'NHSD-eRS-Business-Function': 'SERVICE_PROVIDER_CLINICIAN',
    },
    body: JSON.stringify({
      resourceType: 'Parameters',
      parameter: named.map((id) => ({ name: 'task', valueReference: { reference: `Task/${id}` } })),
    }),
  });

  test('4.7: of a clinician of two services sends, for a client of one, what waits there and nothing else', async () => {
    await using world = await startTwoServices();
    const own = (taskId: string, isOwn: boolean) => ({ taskId, id: 'first', decision: 'reject', isOwn }) as const;
    world.engine.answers.waiting = async () => ({
      ok: true,
      value: [own('bee-1-task', true), own('ant-1-task', true), own('ant-2-task', false)],
    });
    expect((await ask(world, ANT, sign())).status).toBe(200);
    expect((await ask(world, 'all', sign())).status).toBe(200);
    expect(world.engine.signed).toEqual([['ant-1-task'], undefined]);
    world.engine.answers.waiting = async () => ({ ok: false, code: 'ERS_USER_SESSION_ENDED' });
    expect(codeOf(await ask(world, ANT, sign()))).toBe('ERS_USER_SESSION_ENDED');
    expect(world.engine.signed).toHaveLength(2);
  });

  test('does not tell a Task of another service from one that never was, and sends neither', async () => {
    await using world = await startTwoServices();
    const hidden = await ask(world, ANT, sign(['bee-1-task', 'ant-1-task']));
    const absent = await ask(world, ANT, sign(['bee-9-task', 'ant-1-task']));
    expect(hidden.status).toBe(200);
    expect(hidden.text).toContain('resource-not-found');
    expect(hidden.text.replaceAll('bee-1', 'bee-9')).toBe(absent.text);
    expect(world.engine.signed).toEqual([['ant-1-task'], ['ant-1-task']]);
  });
});

describe('updates', () => {
  const patch = (operations: unknown[]): Asked => ({
    method: 'PATCH',
    path: '/Task/ant-1-task',
    body: JSON.stringify(operations),
    headers: HEADERS_OF_PATCH,
  });

  test('a client of the service claims and decides its Tasks', async () => {
    await using world = await startTwoServices();
    expect((await ask(world, ANT, patch([{ op: 'replace', path: '/status', value: 'received' }]))).status).toBe(200);
  });

  test('no update tells whether a resource of another service is there', async () => {
    await using world = await startTwoServices();
    const noted = (reference: string) =>
      patch([{ op: 'add', path: '/note', value: [{ text: 'a note', authorReference: { reference } }] }]);
    const hidden = await ask(world, ANT, noted('Patient/bee-patient'));
    const absent = await ask(world, ANT, noted('Patient/never-was'));
    expect([hidden.status, codeOf(hidden)]).toEqual([422, 'store-refused']);
    expect(hidden.text).toBe(absent.text);
    const tried = async (reference: string) => {
      const parameter = [{ name: 'patch', valueString: noted(reference).body }];
      const body = JSON.stringify({ resourceType: 'Parameters', parameter });
      const path = '/Task/ant-1-task/$ers-validate-decision';
      return (await ask(world, ANT, { path, method: 'POST', body, headers: FHIR })).text;
    };
    expect(await tried('Patient/bee-patient')).toBe(await tried('Patient/never-was'));
    expect(await tried('Patient/bee-patient')).toContain('is not here');
    expect((await ask(world, ANT, noted('Practitioner/practitioner-1'))).status).toBe(200);
  });

  test('a referral that e-RS says has moved away while it was refreshed is not shown any more', async () => {
    await using world = await startTwoServices();
    world.engine.answers = {
      refresh: async () => {
        const held = await world.store.read('ServiceRequest', 'ant-1');
        if (!held.ok) throw new Error(held.code);
        await world.put({ ...held.value, performer: [{ reference: 'HealthcareService/service-buzz' }] });
        return { ok: true, value: { changed: true } };
      },
    };
    const refreshed = await ask(world, ANT, {
      path: '/ServiceRequest/ant-1/$ers-refresh',
      method: 'POST',
      headers: FHIR,
    });
    expect([refreshed.status, codeOf(refreshed)]).toEqual([404, 'resource-not-found']);
  });

  test('an inclusion along a reference that somebody else wrote is let out only if the client reaches it', async () => {
    await using world = await startTwoServices();
    const task = await world.store.read('Task', 'ant-1-task');
    if (!task.ok) throw new Error(task.code);
    await world.put({ ...task.value, for: { reference: 'Patient/bee-patient' } });
    const found = await ask(world, ANT, { path: '/Task?_id=ant-1-task&_include=Task:patient&_include=Task:focus' });
    expect(idsOf(found)).toEqual(['ServiceRequest/ant-1', 'Task/ant-1-task']);
  });
});
