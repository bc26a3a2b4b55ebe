import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import type { OperationOutcome, Parameters } from '@medplum/fhirtypes';
import request from 'supertest';
import { NHS_NUMBER, startFacade, type World } from './world.ts';

const codesOf = (body: OperationOutcome) => body.issue?.map((issue) => issue.details?.coding?.[0]?.code);
const textOf = (body: OperationOutcome) => body.issue?.[0]?.details?.text;
const outcomeOf = (body: Parameters) =>
  body.parameter?.find(({ name }) => name === 'outcome')?.resource as OperationOutcome;

const etag = async (world: World) => `W/"${(await world.task()).meta.versionId}"`;

async function patch(world: World, body: string | Buffer, type = 'application/json-patch+json') {
  const asked = request(world.url)
    .patch('/fhir/R4/Task/task-1')
    .set({ 'If-Match': await etag(world), 'Content-Type': type });
  return typeof body === 'string' ? asked.send(body) : asked.serialize((bytes) => bytes as string).send(body as never);
}

const note = (text: string) => JSON.stringify([{ op: 'add', path: '/note', value: [{ text }] }]);

describe('what grows without end', () => {
  const doubling = [
    { op: 'add', path: '/note', value: [{ text: 'a' }] },
    ...Array.from({ length: 40 }, () => ({ op: 'copy', from: '/note', path: '/note/-' })),
  ];

  test('a list that is copied into itself forty times is 413, not two to the fortieth notes', async () => {
    await using world = await startFacade();
    const before = await world.task();
    const answer = await patch(world, JSON.stringify(doubling));
    expect([answer.status, codesOf(answer.body)]).toEqual([413, ['body-too-large']]);
    expect(await world.task()).toEqual(before);
  });

  test('nor does a dry run carry it out', async () => {
    await using world = await startFacade();
    const answer = await request(world.url)
      .post('/fhir/R4/Task/task-1/$ers-validate-decision')
      .type('application/fhir+json')
      .send({ resourceType: 'Parameters', parameter: [{ name: 'patch', valueString: JSON.stringify(doubling) }] });
    expect([answer.status, codesOf(outcomeOf(answer.body))]).toEqual([200, ['body-too-large']]);
  });

  test('an element that is copied into its own depth is refused, before its depth exhausts a stack', async () => {
    await using world = await startFacade();
    let deepest = '/note/0/extension';
    const operations: object[] = [{ op: 'add', path: '/note', value: [{ text: 'a', extension: [{ url: 'u' }] }] }];
    for (let count = 0; count < 14; count += 1) {
      operations.push({ op: 'copy', from: '/note/0/extension', path: `${deepest}/0/extension` });
      deepest = deepest + deepest.slice('/note/0'.length).replace(/^\/extension/, '/0/extension');
    }
    expect((await patch(world, JSON.stringify(operations))).status).toBe(413);
  });

  test('a body of a hundred thousand brackets is 400', async () => {
    await using world = await startFacade();
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const answer = await patch(world, `[{"op":"add","path":"/note","value":${deep}}]`);
    expect([answer.status, textOf(answer.body)]).toEqual([400, expect.stringContaining('nested')]);
  });

  test('a Task larger than the engine’s record of it could hold is 413 with the remedy, and says nothing of records', async () => {
    await using world = await startFacade();
    const answers = [await patch(world, note('x'.repeat(900_000)))];
    const task = { ...(await world.task()), note: [{ text: 'x'.repeat(250_000) }] };
    answers.push(
      await request(world.url)
        .put('/fhir/R4/Task/task-1')
        .set('If-Match', await etag(world))
        .type('application/fhir+json')
        .send(JSON.stringify(task)),
    );
    for (const { status, body } of answers) {
      expect([status, codesOf(body)]).toEqual([413, ['body-too-large']]);
      expect(textOf(body)).toContain('200000');
      expect(JSON.stringify(body)).not.toMatch(/Basic|Entry/);
    }
  });

  test('notes stop before the limit, so that a decision with its comment still has room', async () => {
    await using world = await startFacade();
    expect((await patch(world, note('x'.repeat(140_000)))).status).toBe(200);
    const more = JSON.stringify([{ op: 'add', path: '/note/-', value: { text: 'y'.repeat(20_000) } }]);
    expect((await patch(world, more)).status).toBe(413);
    expect((await patch(world, '[{"op":"replace","path":"/status","value":"accepted"}]')).status).toBe(200);
  });
});

describe('what would be stored as something else', () => {
  test.each([
    [
      'bytes that are no UTF-8',
      Buffer.concat([
        Buffer.from('[{"op":"add","path":"/note","value":[{"text":"'),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('"}]}]'),
      ]),
    ],
    ['half of a surrogate pair', '[{"op":"add","path":"/note","value":[{"text":"a\\ud800b"}]}]'],
    ['a character that FHIR strings do not have', '[{"op":"add","path":"/note","value":[{"text":"a\\u0000b"}]}]'],
    ['one name twice', '[{"op":"replace","path":"/status","value":"rejected","value":"accepted"}]'],
    ['one name twice, once escaped', '[{"op":"replace","path":"/status","value":"rejected","v\\u0061lue":"accepted"}]'],
  ])('%s in a patch is 400, and nothing is stored', async (_name, body) => {
    await using world = await startFacade();
    const before = await world.task();
    const answer = await patch(world, body);
    expect([answer.status, codesOf(answer.body)]).toEqual([400, ['body-unreadable']]);
    expect(await world.task()).toEqual(before);
  });

  test('one name twice in a Task that is PUT is 400, and so it is in the patch of a dry run', async () => {
    await using world = await startFacade();
    const task = JSON.stringify(await world.task());
    const put = await request(world.url)
      .put('/fhir/R4/Task/task-1')
      .set('If-Match', await etag(world))
      .type('application/fhir+json')
      .send(`${task.slice(0, -1)},"status":"accepted"}`);
    expect([put.status, textOf(put.body)]).toEqual([400, expect.stringContaining('twice')]);
    const dry = await request(world.url)
      .post('/fhir/R4/Task/task-1/$ers-validate-decision')
      .type('application/fhir+json')
      .send({
        resourceType: 'Parameters',
        parameter: [{ name: 'patch', valueString: '[{"op":"remove","op":"test","path":"/status","value":"x"}]' }],
      });
    expect([dry.status, textOf(dry.body)]).toEqual([400, expect.stringContaining('twice')]);
  });

  test('text beyond the basic plane, escaped or not, and a byte order mark are taken as they are', async () => {
    await using world = await startFacade();
    expect((await patch(world, `\ufeff${note('a \ud83d\ude00 b')}`)).status).toBe(200);
    expect((await world.task()).note?.[0]?.text).toBe('a \ud83d\ude00 b');
    const escaped = '[{"op":"add","path":"/note/-","value":{"text":"\\ud83d\\ude00\\n\\t\\u00e9"}}]';
    expect((await patch(world, escaped)).status).toBe(200);
    expect((await world.task()).note?.[1]?.text).toBe('\ud83d\ude00\n\t\u00e9');
  });

  test('a body in another character set is 415', async () => {
    await using world = await startFacade();
    const latin = await patch(
      world,
      Buffer.from(note('caf\u00e9'), 'latin1'),
      'application/json-patch+json; charset=latin1',
    );
    expect([latin.status, codesOf(latin.body)]).toEqual([415, ['media-type-unsupported']]);
    expect((await patch(world, note('caf\u00e9'), 'application/json-patch+json; charset="UTF-8"')).status).toBe(200);
  });
});

describe('names that every object has', () => {
  const NAMES = ['constructor', 'toString', 'hasOwnProperty', '__proto__', 'valueOf'];

  test.each(NAMES)('%s is no search parameter, no type, no operation and no element: 4xx', async (name) => {
    await using world = await startFacade();
    const get = (path: string) => request(world.url).get(`/fhir/R4${path}`);
    const answers = await Promise.all([
      get(`/Task?${name}=x`),
      get(`/Task?${name}:missing=true`),
      get(`/Task?focus:${name}.status=x`),
      get(`/Task?_sort=${name}`),
      get(`/Task?_include=${name}:${name}`),
      get(`/Task?_has:${name}:${name}:${name}=x`),
      get(`/ValueSet?${name}=x`),
      get(`/${name}`),
      get(`/${name}/1`),
      get(`/$${name}`),
      get(`/Task/task-1?${name}=x`),
      get(`/Task/task-1/_history?${name}=x`),
      get(`/ValueSet/$expand?${name}=x`),
      patch(world, JSON.stringify([{ op: 'add', path: `/${name}`, value: {} }])),
      patch(world, `[{"op":"add","path":"/note","value":[{"text":"x","${name}":{"x":1}}]}]`),
      patch(world, `[{"op":"add","path":"/contained","value":[{"resourceType":"${name}"}]}]`),
      patch(world, `[{"${name}":1}]`),
    ]);
    const taken = answers.map(
      ({ status, body }) => status >= 400 && status < 500 && body.resourceType === 'OperationOutcome',
    );
    expect(taken).toEqual(answers.map(() => true));
  });
});

describe('Parameters that are none', () => {
  const OPERATIONS = [
    '/ServiceRequest/$ers-fetch',
    '/$ers-poll',
    '/Task/task-1/$ers-validate-decision',
    '/ValueSet/$expand',
    '/$ers-reconciliation',
  ];
  const MALFORMED = [
    [null],
    {},
    'x',
    [[]],
    [{}],
    [{ name: 5 }],
    [{ name: 'ubrn', valueString: 5 }],
    [{ name: 'patch', valueString: null }],
    [{ name: 'task', resource: [] }],
    [{ name: 'count', valueInteger: 'x' }],
  ];

  test.each(OPERATIONS)('are refused by %s with 400, whatever is wrong with them', async (path) => {
    await using world = await startFacade();
    for (const parameter of MALFORMED) {
      const { status, body } = await request(world.url)
        .post(`/fhir/R4${path}`)
        .type('application/fhir+json')
        .send(JSON.stringify({ resourceType: 'Parameters', parameter }));
      expect([JSON.stringify(parameter), status, body.resourceType]).toEqual([
        JSON.stringify(parameter),
        400,
        'OperationOutcome',
      ]);
    }
  });

  test.each(OPERATIONS)(
    'nor does %s pass over a name that it does not know, or one that is there twice',
    async (path) => {
      await using world = await startFacade();
      const post = (parameter: object[]) =>
        request(world.url)
          .post(`/fhir/R4${path}`)
          .type('application/fhir+json')
          .send({ resourceType: 'Parameters', parameter });
      const unknown = await post([{ name: 'colour', valueString: 'red' }]);
      expect([unknown.status, codesOf(unknown.body)]).toEqual([400, ['parameter-unknown']]);
      const name = textOf(unknown.body)?.match(/takes ([a-z]+)/)?.[1];
      const value = path.endsWith('validate-decision') ? '[]' : '1';
      const twice = await post([
        { name, valueString: value },
        { name, valueString: value },
      ]);
      expect([twice.status, textOf(twice.body)]).toEqual([400, expect.stringContaining('once')]);
    },
  );
});

describe('what is no FHIR', () => {
  test.each([
    ['an empty element', { op: 'add', path: '/owner', value: {} }, 'Task.owner'],
    ['an empty list', { op: 'add', path: '/note', value: [{ text: 'x', extension: [] }] }, 'Task.note[0].extension'],
    [
      'two values of one choice',
      { op: 'add', path: '/note', value: [{ text: 'x', authorString: 'x', authorReference: { display: 'x' } }] },
      'Task.note[0].author[x]',
    ],
    [
      'two values of one choice, in an extension',
      { op: 'add', path: '/note', value: [{ text: 'x', extension: [{ url: 'u', valueCode: 'x', valueUri: 'u' }] }] },
      'Task.note[0].extension[0].value[x]',
    ],
    ['an element where a list belongs', { op: 'add', path: '/contained', value: 'x' }, 'Task.contained'],
    [
      'a text where an element belongs',
      { op: 'add', path: '/note', value: [{ text: 'x', _text: 'x' }] },
      'Task.note[0]._text',
    ],
    [
      'a number in a list of elements',
      { op: 'add', path: '/note', value: [{ text: 'x', extension: [{ url: 'u', extension: [5] }] }] },
      'Task.note[0].extension[0].extension[0]',
    ],
  ])('%s is 422 and named, and nothing is stored', async (_name, operation, element) => {
    await using world = await startFacade();
    const before = await world.task();
    const answer = await patch(world, JSON.stringify([operation]));
    expect([answer.status, codesOf(answer.body)?.[0], answer.body.issue[0].expression]).toEqual([
      422,
      'store-refused',
      [element],
    ]);
    expect(await world.task()).toEqual(before);
  });
});

describe('searches without measure', () => {
  const get = (world: World, path: string) => request(world.url).get(`/fhir/R4${path}`);
  const post = (world: World, type: string, form: string) =>
    request(world.url).post(`/fhir/R4/${type}/_search`).type('form').send(form);

  test('a list of thousands of values is searched, by the type of each parameter', async () => {
    await using world = await startFacade();
    const list = (value: string, make: (index: number) => string) =>
      [...Array.from({ length: 3000 }, (_, index) => make(index)), value].join(',');
    const searches: [string, string][] = [
      ['Task', `_id=${list('task-1', (index) => `none-${index}`)}`],
      ['Task', `status=${list('requested', (index) => `none-${index}`)}`],
      ['Task', `focus=${list('ServiceRequest/referral-1', (index) => `ServiceRequest/none-${index}`)}`],
      ['Task', `focus=${list('referral-1', (index) => `none-${index}`)}`],
      ['HealthcareService', `name=${list('cardio', (index) => `none-${index}`)}`],
      ['HealthcareService', `name:contains=${list('iolog', (index) => `none-${index}`)}`],
      ['ServiceRequest', `_has:Task:focus:_id=${list('task-1', (index) => `none-${index}`)}`],
      ['Task', `patient:Patient.identifier=${list(NHS_NUMBER, (index) => `none-${index}`)}`],
    ];
    for (const [type, form] of searches) {
      const { status, body } = await post(world, type, form);
      expect([form.slice(0, 30), status, body.entry?.length]).toEqual([form.slice(0, 30), 200, 1]);
    }
    const not = await post(world, 'Task', `status:not=${list('requested', (index) => `none-${index}`)}`);
    expect([not.status, not.body.entry]).toEqual([200, undefined]);
  });

  test.each([
    ['two hundred parameters', 'Task', Array(200).fill('status=requested').join('&'), '100 parameters'],
    ['two thousand keys to sort by', 'Task', `_sort=${Array(2000).fill('status').join(',')}`, '_sort takes 10'],
    ['a chain of thirty references', 'Task', `${Array(30).fill('part-of').join('.')}.status=x`, '4 references'],
    [
      'thirty _has in one another',
      'ServiceRequest',
      `${'_has:ServiceRequest:based-on:'.repeat(30)}status=x`,
      '4 references',
    ],
    ['fifty inclusions', 'Task', Array(50).fill('_include=Task:focus').join('&'), '20 inclusions'],
    [
      'seven inclusions that go on from one another',
      'Task',
      Array(7).fill('_include:iterate=ServiceRequest:subject').join('&'),
      '6 of them with :iterate',
    ],
    ['a list of two hundred dates', 'Task', `authored-on=${Array(200).fill('2026-01-01').join(',')}`, '100 dates'],
  ])('%s are 400, and the limit is named', async (_name, type, form, limit) => {
    await using world = await startFacade();
    const { status, body } = await post(world, type, form);
    expect([status, codesOf(body)]).toEqual([400, ['parameter-invalid']]);
    expect(textOf(body)).toContain(limit);
  });

  test('as many parameters, links, keys and dates as the limits let through are answered', async () => {
    await using world = await startFacade();
    const many = [
      ['Task', Array(99).fill('status=requested').join('&')],
      ['ServiceRequest', Array(99).fill('_has:Task:focus:status=requested').join('&')],
      ['Task', Array(99).fill('focus:ServiceRequest.status=active').join('&')],
      ['ServiceRequest', '_has:Task:focus:_has:Task:part-of:part-of:Task.status=x'],
      [
        'ServiceRequest',
        'based-on:ServiceRequest.based-on:ServiceRequest.based-on:ServiceRequest.based-on:ServiceRequest.status=x',
      ],
      ['Task', `_sort=${Array(10).fill('status').join(',')}`],
      [
        'Task',
        `${Array(14).fill('_include=Task:focus').join('&')}&${Array(6).fill('_include:iterate=ServiceRequest:subject').join('&')}`,
      ],
      ['Task', `authored-on=${Array(100).fill('ne2026-01-01').join(',')}`],
    ];
    for (const [type, form = ''] of many) {
      const { status } = await post(world, type ?? '', form);
      expect([form.slice(0, 60), status]).toEqual([form.slice(0, 60), 200]);
    }
  });

  test.each(['2026-11-25T25:00:00Z', '2026-11-25T10:61:00Z', '2026-11-25T10:00:61Z', '2026-11-25T10:00:00%2B15:00'])(
    'a time that there is not, %s, is 400 instead of a search that finds nothing',
    async (time) => {
      await using world = await startFacade();
      const answer = await get(world, `/Task?authored-on=${time}`);
      expect([answer.status, codesOf(answer.body)]).toEqual([400, ['parameter-invalid']]);
    },
  );

  test('a time zone whose plus sign arrived as a space is 400, and the text says how it is written', async () => {
    await using world = await startFacade();
    for (const path of [
      '/Task?authored-on=ge2026-01-01T00:00:00+01:00',
      '/Task/task-1/_history?_since=2026-01-01T00:00:00+01:00',
    ]) {
      const answer = await get(world, path);
      expect([answer.status, textOf(answer.body)]).toEqual([400, expect.stringContaining('%2B')]);
    }
    const sound = await get(world, '/Task?authored-on=ge2026-01-01T00:00:00%2B01:00');
    expect([sound.status, sound.body.entry.length]).toEqual([200, 1]);
  });

  test('a value that is no UTF-8 is 400, since it could only find nothing', async () => {
    await using world = await startFacade();
    expect((await get(world, '/HealthcareService?name=%C3%28')).status).toBe(400);
  });

  test('any _count that is a number is one, however large', async () => {
    await using world = await startFacade();
    for (const count of ['999999', '1000000000', '999999999999']) {
      expect((await get(world, `/Task?_count=${count}`)).status).toBe(200);
      expect((await get(world, `/Task/_history?_count=${count}`)).status).toBe(200);
    }
  });
});

describe('an NHS number in a parameter that is none of a patient’s identifier (P1)', () => {
  test.each([`patient=${NHS_NUMBER}`, `_id=${NHS_NUMBER}`, `focus=x,${NHS_NUMBER}`, 'owner=999%20000%200018'])(
    'posted as %s is in no link, and in a URL it is refused where that is asked for',
    async (form) => {
      await using world = await startFacade({ refuseIdentifiersInUrls: true });
      const posted = await request(world.url).post('/fhir/R4/Task/_search').type('form').send(form);
      expect(posted.status).toBe(200);
      expect(decodeURIComponent(JSON.stringify(posted.body.link))).not.toMatch(/999.?000.?0018/);
      const got = await request(world.url).get(`/fhir/R4/Task?${form}`);
      expect([got.status, codesOf(got.body)]).toEqual([400, ['identifier-in-url']]);
    },
  );

  test('ten digits without the check digit of one, a UBRN, and a logical id that has such digits, are links as before', async () => {
    await using world = await startFacade({ refuseIdentifiersInUrls: true });
    for (const value of ['9990000019', '000049730001', 'c0ffee00-0999-4000-8018-a9990000018b']) {
      const { status, body } = await request(world.url).get(`/fhir/R4/Task?_id=${value}`);
      expect([status, body.link[0].url]).toEqual([200, expect.stringContaining(value)]);
    }
  });
});

/** Sends bytes as they are; answers the status and the body. */
async function sendRaw(world: World, bytes: string): Promise<{ status: number; body: OperationOutcome }> {
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
  socket.write(bytes);
  const answer = (await buffer(socket)).toString('utf8');
  const [head = '', body = '{}'] = answer.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), body: JSON.parse(body) };
}

describe('the host that a request names', () => {
  test.each(['/fhir/R4/Patient', '/fhir/R4/metadata', '/health/ready', '/metrics', '/'])(
    'is asked for at %s: a stranger’s name that was made to point here is 421',
    async (path) => {
      await using world = await startFacade();
      for (const host of [
        'evil.example',
        'evil.example:8080',
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        '@',
      ]) {
        const { status, body } = await request(world.url).get(path).set('Host', host);
        expect([host, status, codesOf(body)]).toEqual([host, 421, ['host-unknown']]);
      }
    },
  );

  test('may be loopback under each of its names, with any port, or the host of PUBLIC_URL', async () => {
    await using world = await startFacade({ publicUrl: 'https://fhir.trust.example' });
    const hosts = [
      'localhost',
      'LOCALHOST:1',
      '127.0.0.1:8080',
      '[::1]:8080',
      'fhir.trust.example',
      'fhir.trust.example:443',
    ];
    for (const host of hosts) {
      const { status } = await request(world.url).get('/fhir/R4/Task/task-1').set('Host', host);
      expect([host, status]).toEqual([host, 200]);
    }
  });

  test('may stand in the request target, as proxies write it, and is judged there', async () => {
    await using world = await startFacade();
    const get = (target: string) =>
      sendRaw(world, `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect((await get(`${world.fhir}/Task/task-1`)).status).toBe(200);
    expect((await get('http://evil.example/fhir/R4/Task/task-1')).status).toBe(421);
  });

  test('is one: a request that names two is refused, since whoever stands in front may have heeded the other', async () => {
    await using world = await startFacade();
    const hosts = 'Host: localhost\r\nHost: evil.example\r\n';
    const answer = await sendRaw(world, `GET /fhir/R4/Task/task-1 HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`);
    expect(answer.status).toBe(421);
  });
});

describe('what is no request', () => {
  test.each([
    ['headers without end', `GET /fhir/R4/Task HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a URL without end', `GET /fhir/R4/Task?_id=${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 431],
    ['a line that is no HTTP', 'HELLO\r\n\r\n', 400],
    [
      'two lengths',
      'POST /fhir/R4/Task/_search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
    ],
  ])('%s is answered with an OperationOutcome too', async (_name, bytes, status) => {
    await using world = await startFacade();
    const answer = await sendRaw(world, bytes);
    expect([answer.status, answer.body.resourceType]).toEqual([status, 'OperationOutcome']);
  });
});
