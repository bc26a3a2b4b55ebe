import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { FarSide, Reply } from '../simulator/far-side.ts';
import {
  codeOf,
  DIRECT,
  INDIRECT,
  ifMatch,
  redirection,
  startFarSide,
  TRIAGE,
  ubrnsOf,
  worklistRequest,
} from '../simulator/far-side.ts';
import { shapeOfWorklist } from './worklist-shape.ts';

const EXAMPLES = join(resolve(process.env['ERS_SHARED'] ?? '../shared'), 'ers/examples/stu3');
const read = (path: string): ReturnType<typeof JSON.parse> => JSON.parse(readFileSync(join(EXAMPLES, path), 'utf8'));

interface Row {
  /** The example request below its operation's folder. */
  request: string;
  response?: string;
  /** The referral that is decided, and what happened to it before. */
  referral: Record<string, unknown>;
  before?: 'redirected' | 'triaged' | 'cancelled-by-patient';
  role?: string;
  code?: string;
}
interface Operation {
  folder: string;
  name: string;
  rows: Row[];
}

const REFERRER = 'REFERRING_CLINICIAN';
const SPC = 'SERVICE_PROVIDER_CLINICIAN';
const OPERATIONS: Operation[] = [
  {
    folder: 'rejectReferral',
    name: 'rejectReferral',
    rows: [
      { request: 'BasicExampleDbs', response: 'ExampleResponseDbs', referral: DIRECT },
      { request: 'BasicExampleIbs', response: 'ExampleResponseIbs', referral: INDIRECT },
    ],
  },
  {
    folder: 'cancelAppointmentActionLater',
    name: 'cancelAppointmentActionLater',
    rows: [
      { request: 'MinimalExampleDBS', response: 'MinimalExampleDBS', referral: DIRECT },
      { request: 'MinimalExampleIBS', response: 'MinimalExampleIBS', referral: INDIRECT },
      {
        request: 'PriorityChangeAndWithAttachmentsDBS',
        response: 'PriorityChangeAndWithAttachmentsDBS',
        referral: DIRECT,
      },
    ],
  },
  {
    folder: 'recordTriageOutcome',
    name: 'recordReviewOutcome',
    rows: [
      { request: 'AcceptReferBookLater', response: 'AcceptReferBookLater', referral: TRIAGE },
      { request: 'AttachmentIncluded', response: 'AttachmentIncluded', referral: TRIAGE },
      { request: 'ReturnToReferrerWithAdvice', response: 'ReturnToReferrerWithAdvice', referral: TRIAGE },
    ],
  },
  {
    folder: 'cancelReferral',
    name: 'cancelReferral',
    rows: [
      {
        request: 'IntendPrivateWithComment',
        response: 'CancelledReferralResolvedDeferralIntendPrivateWithComment',
        referral: DIRECT,
        before: 'redirected',
        role: REFERRER,
      },
      { request: 'IntendPrivateWithoutComment', referral: DIRECT },
      {
        request: 'NoLongerRequired',
        response: 'CancelledReferralWithCancelledBookingNoLongerRequired',
        referral: DIRECT,
        before: 'cancelled-by-patient',
      },
      { request: 'PatientRequestCancellationOther', referral: DIRECT },
      { request: 'RaisedInError', referral: DIRECT, role: REFERRER },
      {
        request: 'ReferrerCancellation',
        response: 'CancelledBookedReferralReferrerCancellation',
        referral: DIRECT,
        role: REFERRER,
      },
      { request: 'bookedOutsideCabWithoutComment', referral: INDIRECT },
      {
        request: 'outpatientService',
        response: 'CancelledReferralOutpatientService',
        referral: TRIAGE,
        before: 'triaged',
      },
    ],
  },
];

type Resource = ReturnType<typeof JSON.parse>;

/** What a decision changes, read alike from an official answer and from ours. */
function projection(answer: Resource): unknown {
  const resource = answer.resourceType === 'Parameters' ? answer.parameter[0].resource : answer;
  const state = resource.extension.find((each: Resource) => each.url.endsWith('ReferralState-1')).extension;
  const part = (url: string): Resource => state.find((each: Resource) => each.url === url);
  const appointment = resource.contained.find((each: Resource) => each.resourceType === 'Appointment');
  return {
    status: resource.status,
    state: part('state').valueCoding.code,
    reason: part('reason')?.valueCoding.code,
    comments: part('comments')?.valueString,
    appointment: appointment?.status,
    isBooked: appointment?.start !== undefined,
    cancelledToo: answer.parameter?.length,
    providerFiles: resource.contained
      .filter((each: Resource) => each.type?.coding[0].code === 'PROVIDER')
      .map((each: Resource) => each.description),
  };
}

/** One item of the sample trust is written WorklistItem on purpose. Source: provider-api 4.3 */
const respelt = (list: Resource): Resource =>
  JSON.parse(JSON.stringify(list).replaceAll('-WorklistItem-1"', '-WorkListItem-1"'));

async function clinicianOf(side: FarSide, ubrn: string): Promise<string> {
  const { json } = await side.send('GET', `/STU3/ReferralRequest/${ubrn}`);
  return json.contained
    .flatMap((each: Resource) => each.participant ?? [])
    .map(({ actor }: Resource) => actor.identifier)
    .find(({ system }: Resource) => system.endsWith('sds-user-id')).value;
}

/** Uploads a file for every link in the body, and puts its id there. */
async function withUploads(side: FarSide, body: Resource, ubrn: string): Promise<Resource> {
  const user = await side.signIn();
  let count = 0;
  for (const { resource } of body.parameter) {
    if (resource?.resourceType !== 'DocumentReference') continue;
    count += 1;
    const headers = {
      ...user.headers,
      'content-type': 'image/png',
      'NHSD-eRS-File-Name': `${count}.png`,
      'NHSD-eRS-Referral-ID': ubrn,
    };
    const reply = await side.send('POST', '/STU3/Binary', { token: user.token, headers, body: 'x' });
    resource.content[0].attachment.url = reply.headers.get('location');
  }
  return body;
}

async function decide(side: FarSide, ubrn: string, operation: string, json: unknown, role = SPC): Promise<Reply> {
  const user = await side.signIn({ roles: [role], organisations: [role === REFERRER ? 'Z99001' : 'ZZ1'] });
  const headers = { ...user.headers, ...ifMatch(await side.versionOf(ubrn)) };
  return side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.${operation}`, { token: user.token, json, headers });
}

describe.each(OPERATIONS)('$name', ({ folder, name, rows }) => {
  test('every official request has a row, so that none is forgotten', () => {
    const official = readdirSync(join(EXAMPLES, folder, 'requests')).map((file) => file.replace('.json', ''));
    expect(rows.map(({ request }) => request).sort()).toEqual(official.sort());
  });

  test.each(rows)(
    'takes the official request $request, and answers like e-RS where e-RS shows its answer',
    async (row) => {
      await using side = await startFarSide({ returnedState: 'TRIAGED_PROVIDER_TO_ACTION' });
      const ubrn = await side.create(row.referral);
      if (row.before === 'redirected') await decide(side, ubrn, 'cancelAppointmentActionLater', redirection('x'));
      if (row.before === 'triaged')
        await side.control('POST', `/referrals/${ubrn}/events`, { type: 'triaged-in-ers', comments: 'Outcome' });
      if (row.before === 'cancelled-by-patient')
        await side.control('POST', `/referrals/${ubrn}/events`, { type: 'appointment-cancelled-by-patient' });
      const reply = await decide(
        side,
        ubrn,
        name,
        await withUploads(side, read(`${folder}/requests/${row.request}.json`), ubrn),
        row.role,
      );
      expect([reply.status, codeOf(reply)]).toEqual([200, undefined]);
      if (row.response)
        expect(projection(reply.json)).toEqual(projection(read(`${folder}/responses/${row.response}.json`)));
    },
  );
});

describe('worklists', () => {
  const rows: [file: string, role: string, status: number, response?: string][] = [
    ['FilteringByClinician', SPC, 200, 'FilteredByClinician'],
    ['FilteringByService', SPC, 200, 'FilteredByService'],
    ['FilteringBySpecialty', SPC, 200, 'FilteredBySpecialty'],
    ['MinimalAppointmentSlotIssues', SPC, 200, 'AppointmentSlotIssues'],
    ['MinimalReferralsForReview', SPC, 200, 'ReferralsForReview'],
    // The lists of referrers are not simulated: this product is a provider's.
    ['MinimalAssessmentReturnedCancelledDna', REFERRER, 422],
    ['MinimalAwaitingBooking', REFERRER, 422],
    ['MinimalLettersOutstanding', REFERRER, 422],
    ['MinimalRejectedTriageResponse', REFERRER, 422],
  ];

  test('every official worklist request has a row', () => {
    const official = readdirSync(join(EXAMPLES, 'retrieveWorklist/requests')).map((file) => file.replace('.json', ''));
    expect(rows.map(([file]) => file).sort()).toEqual(official.sort());
  });

  const OFFICIAL_CLINICIAN = '021600556514';

  test.each(rows)('%s, asked by a %s, is answered with %i', async (...row) => {
    const [file, role, status, response] = row;
    await using side = await startFarSide({ referrals: 24 });
    // Among the listed: one whose letter was changed, and one with the clinician whom the example asks for.
    const changed = await side.create(DIRECT);
    await side.control('POST', `/referrals/${changed}/events`, { type: 'clinical-information-updated' });
    const body = JSON.stringify(read(`retrieveWorklist/requests/${file}.json`))
      .replace('"21012"', '"70101"')
      .replace(OFFICIAL_CLINICIAN, await clinicianOf(side, changed));
    const user = await side.signIn({ roles: [role] });
    const reply = await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', {
      ...user,
      json: JSON.parse(body),
    });
    expect(reply.status).toBe(status);
    if (response === undefined) return;
    expect(ubrnsOf(reply).length).toBeGreaterThan(0);
    const ours = shapeOfWorklist(respelt(reply.json));
    const official = shapeOfWorklist(read(`retrieveWorklist/responses/${response}.json`));
    expect(ours).toMatchObject(official);
    // What e-RS may add, and its examples do not show. Source: provider-api 4.4
    const more = Object.keys(ours).filter((key) => !(key in official));
    expect(['field namedClinician', 'field clinicalInfoLastUpdated']).toEqual(expect.arrayContaining(more));
  });

  test('the comparison of shapes notices an empty list, a field of another name or type, and a reference of another kind', () => {
    const official = read('retrieveWorklist/responses/ReferralsForReview.json');
    const shape = shapeOfWorklist(official);
    const spoilt = (spoil: (fields: Resource[]) => void): unknown => {
      const copy = structuredClone(official);
      for (const { extension } of copy.entry) spoil(extension[0].extension);
      return shapeOfWorklist(copy);
    };
    const field = (fields: Resource[], name: string): Resource => fields.find(({ url }: Resource) => url === name);
    expect(shapeOfWorklist({ ...official, entry: [] })).not.toMatchObject(shape);
    expect(spoilt(() => undefined)).toMatchObject(shape);
    expect(spoilt((fields) => void Object.assign(field(fields, 'priority'), { url: 'Priority' }))).not.toMatchObject(
      shape,
    );
    expect(
      spoilt((fields) => void Object.assign(field(fields, 'referralRequestVersion'), { valueInteger: '5' })),
    ).not.toMatchObject(shape);
    expect(
      spoilt(
        (fields) => void Object.assign(field(fields, 'patient'), { valueReference: { identifier: { value: '1' } } }),
      ),
    ).not.toMatchObject(shape);
  });
});

describe('the official examples as the state of the simulator', () => {
  const responses = readdirSync(join(EXAMPLES, 'retrieveReferralRequest/responses'));

  test('all eight A005 examples load and are served as they are, though several share appointment and Binary ids', async () => {
    await using side = await startFarSide({ dataDirectory: EXAMPLES, application: { odsCode: 'ZZ1' } });
    expect(side.simulator.loaded?.referrals).toHaveLength(8);
    for (const file of responses) {
      const official = read(`retrieveReferralRequest/responses/${file}`);
      expect((await side.send('GET', `/STU3/ReferralRequest/${official.id}`)).json).toEqual(official);
    }
  });

  test('the lists are derived from the states, every file that became nothing is named, and reference data are the official ones', async () => {
    await using side = await startFarSide({ dataDirectory: EXAMPLES });
    const list = (code: string, service: string): Promise<Reply> =>
      side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { json: worklistRequest(code, service) });
    expect(ubrnsOf(await list('REFERRALS_FOR_REVIEW', '11002'))).toEqual(['000000070001', '000000070005']);
    expect(ubrnsOf(await list('REFERRALS_FOR_REVIEW', '11016'))).toEqual(['000000070002']);
    expect(ubrnsOf(await list('APPOINTMENT_SLOT_ISSUES', '11010'))).toEqual(['000000070003']);
    const { loaded } = side.simulator;
    expect(loaded?.codeSystems.sort()).toEqual([
      'APPOINTMENT-CANCELLATION-REASON',
      'APPOINTMENT-NON-ATTENDANCE-REASON',
      'CLINIC-TYPE',
      'PRIORITY',
      'REFERRAL-CANCELLATION-REASON',
      'SPECIALTY',
    ]);
    const official = read('getCodeSystem/responses/SpecialtyCodeSystem.json');
    expect((await side.send('GET', '/STU3/CodeSystem/SPECIALTY')).json).toEqual(official);
    const files = readdirSync(EXAMPLES, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const used = 8 + 6 + (loaded?.worklists.length ?? 0);
    expect(loaded?.ignored).toHaveLength(files.length - used);
  });

  test('a decision on an official referral is possible although its appointment lies in 2021', async () => {
    await using side = await startFarSide({ dataDirectory: EXAMPLES });
    expect(
      (await decide(side, '000000070001', 'rejectReferral', read('rejectReferral/requests/BasicExampleDbs.json')))
        .status,
    ).toBe(200);
    const accepted = await side.send('POST', '/STU3/ReferralRequest/000000070002/$ers.acceptReferral', {
      headers: ifMatch(5),
    });
    expect(accepted.status).toBe(200);
  });
});
