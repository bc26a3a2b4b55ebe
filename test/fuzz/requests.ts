import fc from 'fast-check';
import { SERVED_TYPES, searchEntriesOf, servedOperations } from '../../conformance/index.ts';

const NATIVE = ['constructor', '__proto__', 'toString', 'hasOwnProperty'];
const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('', ' ', '%', '\0', '\ud83d\ude00', ...NATIVE),
);

const segment = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...SERVED_TYPES) },
  { weight: 4, arbitrary: fc.constantFrom('task-1', 'referral-1', 'patient-1', 'binary-1', '1', '2') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('_history', '_search', 'metadata', ...servedOperations.map(({ code }) => `$${code}`)),
  },
  {
    weight: 1,
    arbitrary: fc.string({ unit: 'binary', maxLength: 70 }).map((text) => encodeURIComponent(text.toWellFormed())),
  },
  { weight: 1, arbitrary: fc.constantFrom('%', '%00', '..', '.', '%2e%2e', '%ff', ';x=1', ...NATIVE) },
);
/** Half of them lead to something. */
const path = fc.oneof(
  fc.array(segment, { maxLength: 5 }).map((segments) => `/${segments.join('/')}`),
  fc.constantFrom(...SERVED_TYPES).map((type) => `/${type}`),
  fc.constantFrom(...SERVED_TYPES).map((type) => `/${type}/_search`),
  fc.constantFrom('/Task/task-1', '/Task/task-1/_history', '/Task/task-1/_history/1', '/Binary/binary-1'),
  fc
    .constantFrom(...servedOperations)
    .map(({ type, code, level }) =>
      [type === undefined ? '' : `/${type}`, level === 'instance' ? '/task-1' : '', `/$${code}`].join(''),
    ),
);

const codes = SERVED_TYPES.flatMap((type) => searchEntriesOf(type).map(({ code }) => code));
const name = fc.oneof(
  fc.constantFrom(...codes),
  fc.constantFrom(
    '_sort',
    '_count',
    '_include',
    '_revinclude',
    '_elements',
    '_summary',
    '_total',
    '_format',
    '_page',
    '_since',
  ),
  fc
    .tuple(
      fc.constantFrom(...codes),
      fc.constantFrom(':not', ':missing', ':exact', ':contains', ':identifier', ':Patient', '.status', '.'),
    )
    .map((parts) => parts.join('')),
  fc
    .tuple(fc.constantFrom(...SERVED_TYPES), fc.constantFrom(...codes), fc.constantFrom(...codes))
    .map((parts) => `_has:${parts.join(':')}`),
  fc
    .tuple(fc.constantFrom(...codes), fc.constantFrom(...SERVED_TYPES), fc.constantFrom(...codes))
    .map(([a, type, b]) => `${a}:${type}.${b}`),
  oddText,
);
const value = fc.oneof(
  fc.constantFrom(
    'true',
    'requested',
    'Patient/patient-1',
    'task-1',
    'ge2026-01-01',
    '2026-13-01',
    '1',
    '-1',
    'Task:focus',
    'status,-_id',
    'json',
    'http://x|y',
    '|',
    'a,b,,\\,c',
    '9990000018',
  ),
  fc
    .array(fc.constantFrom('a', '1', 'x|y', '2026-01-01', 'Task/1'), { minLength: 20, maxLength: 120 })
    .map((list) => list.join()),
  oddText,
);
export const query = fc
  .array(fc.tuple(name, value), { maxLength: 6 })
  .map((pairs) =>
    new URLSearchParams(pairs.map(([a, b]): [string, string] => [a.toWellFormed(), b.toWellFormed()])).toString(),
  );

const json = fc.jsonValue({ maxDepth: 4, noUnicodeString: false });
const pointer = fc.oneof(
  fc.constantFrom(
    '/status',
    '/statusReason',
    '/note',
    '/note/-',
    '/note/0',
    '/output',
    '/owner',
    '/owner/display',
    '/input/0',
    '/input/-',
    '/businessStatus',
    '/meta',
    '/id',
    '/contained',
    '/extension/0/url',
    '/for',
    '',
    '/',
    '//',
    '/__proto__/x',
    '/constructor',
    '/_status',
    '/restriction',
    '/contained/0/resourceType',
    '/note/0/extension',
  ),
  oddText,
);
const element = fc.oneof(
  json,
  fc.constantFrom<unknown>(
    'accepted',
    'rejected',
    'received',
    null,
    [],
    {},
    [{ text: 'a' }],
    { text: 'a' },
    { coding: [{}] },
    [{ type: {}, valueBoolean: true, valueString: 'a' }],
    { reference: 'Patient/patient-1' },
    { resourceType: 'Task' },
  ),
);
const operation = fc.record(
  {
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'constructor'),
    path: pointer,
    from: pointer,
    value: element,
  },
  { requiredKeys: ['op', 'path', 'value'] },
);
export const patch = fc.array(fc.oneof({ weight: 9, arbitrary: operation }, { weight: 1, arbitrary: json }), {
  maxLength: 8,
});
export const parameters = fc.record(
  {
    resourceType: fc.constant('Parameters'),
    parameter: fc.oneof(
      json,
      fc.array(
        fc.record(
          {
            name: fc.oneof(
              fc.constantFrom('patch', 'task', 'ubrn', 'service', 'list', 'url', 'filter', 'count', 'offset'),
              oddText,
            ),
            valueString: fc.oneof(
              json,
              oddText,
              patch.map((operations) => JSON.stringify(operations)),
            ),
            valueInteger: json,
            resource: json,
          },
          { requiredKeys: ['name'] },
        ),
        { maxLength: 4 },
      ),
    ),
  },
  { requiredKeys: ['resourceType'] },
);
/** Bodies of many parts, whole and broken. */
const boundary = fc.constantFrom('x', '--', 'a b');
const multipart = fc
  .tuple(boundary, fc.array(fc.tuple(oddText, oddText), { maxLength: 4 }), fc.boolean())
  .map(([mark, parts, isClosed]) =>
    [
      ...parts.map(([name, text]) => `--${mark}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`),
      isClosed ? `--${mark}--\r\n` : '',
    ].join(''),
  );

const body = fc.oneof(
  patch.map((one) => JSON.stringify(one)),
  parameters.map((one) => JSON.stringify(one)),
  fc
    .dictionary(fc.constantFrom('status', 'note', 'output', 'owner', 'id', 'meta', 'statusReason', 'input'), element)
    .map((members) => JSON.stringify({ resourceType: 'Task', id: 'task-1', ...members })),
  json.map((one) => JSON.stringify(one)),
  query,
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  multipart,
);

/** What HTTP lets a header hold. */
const headerText = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((code) => code !== 0x7f)
    .map((code) => String.fromCharCode(code)),
  maxLength: 40,
});
const header = (...usual: string[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: headerText });
const headers = fc.record(
  {
    Accept: header('application/fhir+json', '*/*', '', ';', 'application/fhir+json;q=x', 'application/pdf'),
    'Content-Type': header(
      'application/fhir+json',
      'application/json-patch+json',
      'application/x-www-form-urlencoded',
      'application/json; charset=x',
      'application/pdf',
      'multipart/form-data; boundary=x',
      'multipart/form-data',
      '',
    ),
    'If-Match': header('W/"1"', 'W/"2"', '"', '*', ''),
    'If-None-Match': header('W/"1"', '*', ','),
    'If-Modified-Since': header('Mon, 05 Jan 2026 09:00:00 GMT', 'soon'),
    'Content-Encoding': header('gzip', 'identity', 'x'),
    'Content-Disposition': header('attachment; filename="letter.pdf"', "attachment; filename*=UTF-8''%ff", 'x'),
    'Content-Description': header('A letter', '=?utf-8?q?x?='),
    Prefer: header('return=minimal', 'handling=lenient', 'return=OperationOutcome', ';;,'),
    'NHSD-User-Authorization': header('Bearer x', 'Bearer'),
    'NHSD-End-User-Organisation-ODS': header('R69', ''),
    'NHSD-eRS-Business-Function': header('SERVICE_PROVIDER_CLINICIAN', 'x'),
    'X-Request-Id': header('1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b', 'x'),
    Host: header('localhost', '127.0.0.1:1', 'evil.example', '[::', ''),
  },
  { requiredKeys: [] },
);
/** Those with which a body is read at all, half of the time. */
const sound = fc.constantFrom(
  { 'If-Match': 'W/"1"', 'Content-Type': 'application/json-patch+json' },
  { 'If-Match': 'W/"1"', 'Content-Type': 'application/fhir+json' },
  { 'Content-Type': 'application/x-www-form-urlencoded' },
  { Prefer: 'handling=lenient' },
);

export const asked = fc.record({
  method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'PATCH', 'PATCH', 'DELETE', 'OPTIONS'),
  path,
  query,
  headers: fc.oneof(headers, sound),
  body: fc.option(body, { nil: undefined }),
});
/** One request. */
export type Asked = typeof asked extends fc.Arbitrary<infer T> ? T : never;

const knownPath = fc.oneof(
  fc.constantFrom(...SERVED_TYPES).map((type) => `/${type}`),
  fc.constantFrom(
    '/Task/task-1',
    '/ServiceRequest/referral-1',
    '/Patient/patient-1',
    '/Task/task-1/_history',
    '/Task/_history',
    '/metadata',
    '/Task/task-1/_history/1',
  ),
);
const ofType = fc.constantFrom(...SERVED_TYPES.filter((type) => type !== 'Binary')).chain((type) =>
  fc
    .array(fc.tuple(fc.constantFrom(...searchEntriesOf(type).map(({ code }) => code)), value), { maxLength: 4 })
    .map((pairs) => ({
      type,
      text: new URLSearchParams(pairs.map(([a, b]): [string, string] => [a, b.toWellFormed()])).toString(),
    })),
);
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
const PATCH = { 'Content-Type': 'application/json-patch+json' };

/** Requests that come through the first doors, one thing about them odd. */
export const near: fc.Arbitrary<Asked> = fc.oneof(
  knownPath.map((path) => ({ method: 'GET' as const, path, query: '', headers: {}, body: undefined })),
  ofType.map(({ type, text }) => ({
    method: 'GET' as const,
    path: `/${type}`,
    query: text,
    headers: {},
    body: undefined,
  })),
  ofType.map(({ type, text }) => ({
    method: 'POST' as const,
    path: `/${type}/_search`,
    query: '',
    headers: FORM,
    body: text,
  })),
  fc.tuple(patch, fc.constantFrom('1', '2', '3')).map(([operations, version]) => ({
    method: 'PATCH' as const,
    path: '/Task/task-1',
    query: '',
    headers: { ...PATCH, 'If-Match': `W/"${version}"` },
    body: JSON.stringify(operations),
  })),
  fc.tuple(fc.constantFrom(...servedOperations), parameters).map(([{ type, code, level }, given]) => ({
    method: 'POST' as const,
    path: [
      type === undefined ? '' : `/${type}`,
      level === 'instance' ? (type === 'Task' ? '/task-1' : '/referral-1') : '',
      `/$${code}`,
    ].join(''),
    query: '',
    headers: { 'Content-Type': 'application/fhir+json' },
    body: JSON.stringify(given),
  })),
);
