import { describe, expect, test } from '@jest/globals';
import type { Reply } from './far-side.ts';
import { codeOf, DIRECT, INDIRECT, SLOT_ISSUE, startFarSide, TRIAGE } from './far-side.ts';

interface Resource {
  resourceType: string;
  id: string;
  contained: Resource[];
  extension: { url: string; valueReference?: { reference: string } }[];
  [key: string]: unknown;
}
const appointmentIdOf = (resource: Resource): string =>
  resource.extension
    .find(({ url }) => url.endsWith('Appointment-Reference-1'))
    ?.valueReference?.reference.split('/')[1] ?? '';
const converted = { referrals: 24 };

test.each([
  'SPECIALTY',
  'APPOINTMENT-CANCELLATION-REASON',
  'CLINIC-TYPE',
  'REFERRAL-CANCELLATION-REASON',
  'APPOINTMENT-NON-ATTENDANCE-REASON',
  'PRIORITY',
])('A004 serves %s with an effective date on each concept', async (type) => {
  await using side = await startFarSide();
  const { status, json } = await side.send('GET', `/STU3/CodeSystem/${type}`);
  expect([status, json.id]).toEqual([200, type]);
  expect(json.url).toMatch(new RegExp(`/STU3/CodeSystem/${type}$`));
  for (const concept of json.concept)
    expect(concept.property.map(({ code }: { code: string }) => code)).toContain('effectiveFrom');
});

test('A004 does not know any other type: 404', async () => {
  await using side = await startFarSide();
  expect((await side.send('GET', '/STU3/CodeSystem/COLOUR')).status).toBe(404);
});

describe('A005', () => {
  test('serves a direct booking with slot and clinician, an indirect one without, start equal to end', async () => {
    await using side = await startFarSide();
    const appointment = async (wish: Record<string, unknown>): Promise<Resource | undefined> => {
      const { json } = await side.send('GET', `/STU3/ReferralRequest/${await side.create(wish)}`);
      return (json as Resource).contained.find(({ resourceType }) => resourceType === 'Appointment');
    };
    const direct = await appointment(DIRECT);
    const indirect = await appointment(INDIRECT);
    expect(direct).toMatchObject({ status: 'booked', slot: [{ reference: expect.stringMatching(/^Slot\//) }] });
    expect(direct?.['participant']).toHaveLength(3);
    expect(indirect?.['slot']).toBeUndefined();
    expect(indirect?.['start']).toBe(indirect?.['end']);
    expect(await appointment(SLOT_ISSUE)).toMatchObject({ status: 'proposed' });
  });

  test('of its versions only the current one exists: any other is 404', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const version = await side.versionOf(ubrn);
    const path = `/STU3/ReferralRequest/${ubrn}/_history`;
    expect((await side.send('GET', `${path}/${version}`)).status).toBe(200);
    expect((await side.send('GET', `${path}/${version - 1}`)).status).toBe(404);
  });

  test('names related referrals and the advice that it came from as bare references', async () => {
    await using side = await startFarSide();
    const first = await side.create(DIRECT);
    const second = await side.create({ ...DIRECT, relatedTo: first });
    const { json } = await side.send('GET', `/STU3/ReferralRequest/${second}`);
    expect(json.supportingInfo).toEqual([{ reference: `ReferralRequest/${first}` }]);
  });
});

describe('A007', () => {
  test('draws a PDF that opens, named after the UBRN, without attachments; the same referral makes the same bytes', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create({ ...DIRECT, attachments: [{ title: 'secret.txt', contentType: 'text/plain' }] });
    const path = `${side.simulator.baseUrl}/STU3/ReferralRequest/${ubrn}/$ers.generateCRI`;
    const headers = { authorization: `Bearer ${await side.token()}` };
    const draw = async (): Promise<{ response: Response; bytes: Buffer }> => {
      const response = await fetch(path, { method: 'POST', headers });
      return { response, bytes: Buffer.from(await response.arrayBuffer()) };
    };
    const [one, two] = [await draw(), await draw()];
    expect(one.response.headers.get('content-disposition')).toBe(
      `attachment; filename="${ubrn}_Clinical_Information_Summary_20270301090000.pdf"`,
    );
    expect(one.bytes.subarray(0, 5).toString()).toBe('%PDF-');
    expect(one.bytes.toString('latin1')).toContain('%%EOF');
    expect(Number(one.response.headers.get('content-length'))).toBe(one.bytes.length);
    expect(one.bytes.equals(two.bytes)).toBe(true);
    expect(one.bytes.toString('latin1')).not.toContain('secret');
  });

  test('is given as PDF or not at all: another Accept is 406', async () => {
    await using side = await startFarSide();
    const path = `/STU3/ReferralRequest/${await side.create(DIRECT)}/$ers.generateCRI`;
    expect((await side.send('POST', path, { accept: 'application/fhir+json' })).status).toBe(406);
    expect((await side.send('POST', path, { accept: 'application/pdf' })).status).toBe(200);
  });
});

describe('A024 and A025', () => {
  const find = (replies: Reply): string =>
    replies.json.referrals.find((each: { reason?: string }) => each.reason?.startsWith('PROVIDER_CONVERTED')).ubrn;

  test('a converted referral keeps its advice request and conversation under the same UBRN', async () => {
    await using side = await startFarSide(converted);
    const ubrn = find(await side.control('GET', '/referrals'));
    const referral = await side.send('GET', `/STU3/ReferralRequest/${ubrn}`);
    expect(referral.json.supportingInfo).toContainEqual({ reference: `CommunicationRequest/${ubrn}` });
    const advice = await side.send('GET', `/STU3/CommunicationRequest/${ubrn}`);
    expect(advice.json).toMatchObject({ id: ubrn, category: [{ coding: [{ code: 'ADVICE_CONVERTED' }] }] });
    expect(advice.headers.get('etag')).toBe(`W/"${advice.json.meta.versionId}"`);
    const basedOn = `CommunicationRequest/${ubrn}/_history/${advice.json.meta.versionId}`;
    const include = 'Communication:sender-practitionerrole:PractionerRole';
    const talk = await side.send('GET', `/STU3/Communication?based-on=${basedOn}&_include=${include}`);
    expect(talk.json.total).toBe(2);
    expect(talk.json.entry.map((each: { search: { mode: string } }) => each.search.mode)).toEqual([
      'match',
      'match',
      'include',
      'include',
    ]);
  });

  test('a stale version is 404, a missing based-on 400, a referral that was none INVALID_REQUEST_TYPE', async () => {
    await using side = await startFarSide(converted);
    const ubrn = find(await side.control('GET', '/referrals'));
    const plain = await side.create(DIRECT);
    expect((await side.send('GET', `/STU3/CommunicationRequest/${ubrn}/_history/1`)).status).toBe(404);
    expect(
      (await side.send('GET', `/STU3/Communication?based-on=CommunicationRequest/${ubrn}/_history/1`)).status,
    ).toBe(404);
    const ask = async (query: string): Promise<[number, string | undefined]> => {
      const reply = await side.send('GET', `/STU3/Communication${query}`);
      return [reply.status, codeOf(reply)];
    };
    expect(await ask('')).toEqual([400, 'MISSING_PARAMETER']);
    expect(await ask('?based-on=x')).toEqual([400, 'INVALID_VALUE']);
    expect(await ask(`?based-on=CommunicationRequest/${plain}/_history/1`)).toEqual([400, 'INVALID_REQUEST_TYPE']);
    expect(await ask(`?based-on=CommunicationRequest/${ubrn}/_history/4&_include=x`)).toEqual([400, 'INVALID_VALUE']);
    expect(codeOf(await side.send('GET', `/STU3/CommunicationRequest/${plain}`))).toBe('INVALID_REQUEST_TYPE');
  });

  test('advice follows the relationship of its referral', async () => {
    await using side = await startFarSide(converted);
    const ubrn = find(await side.control('GET', '/referrals'));
    const user = await side.signIn({ services: ['70102'] });
    expect(codeOf(await side.send('GET', `/STU3/CommunicationRequest/${ubrn}`, user))).toBe('NO_RELATIONSHIP');
  });
});

describe('A029', () => {
  const query = (ubrn: string, version: number, more = '&intent=proposal&status=ready'): string =>
    `/STU3/Task?focus=ReferralRequest/${ubrn}/_history/${version}${more}`;
  const actions = (reply: Reply): string[] =>
    reply.json.entry.map(
      (each: { resource: { code: { coding: { code: string }[] } } }) => each.resource.code.coding[0]?.code,
    );

  test('tells which slot issue waits for a review, and never speaks of accept or reject', async () => {
    await using side = await startFarSide();
    const asked = async (wish: Record<string, unknown>): Promise<string[]> => {
      const ubrn = await side.create(wish);
      return actions(await side.send('GET', query(ubrn, await side.versionOf(ubrn))));
    };
    expect(await asked(TRIAGE)).toEqual(['RECORD_REVIEW_OUTCOME', 'CANCEL_REFERRAL']);
    expect(await asked(SLOT_ISSUE)).toEqual(['RECORD_REVIEW_OUTCOME', 'CANCEL_REFERRAL']);
    expect(await asked({ ...SLOT_ISSUE, hasClinicalInformation: false })).toEqual(['CANCEL_REFERRAL']);
    expect(await asked(DIRECT)).toEqual(['CANCEL_REFERRAL']);
  });

  test('answers 400 to what it does not take: missing, malformed, stale or unknown focus', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(TRIAGE);
    const version = await side.versionOf(ubrn);
    const code = async (path: string): Promise<string | undefined> => {
      const reply = await side.send('GET', path);
      return reply.status === 400 ? codeOf(reply) : undefined;
    };
    expect(await code('/STU3/Task')).toBe('MISSING_PARAMETER');
    expect(await code(query(ubrn, version, '&intent=proposal'))).toBe('MISSING_PARAMETER');
    expect(await code(query(ubrn, version, '&intent=order&status=ready'))).toBe('INVALID_VALUE');
    expect(await code(query(ubrn, version, '&intent=proposal&status=done'))).toBe('INVALID_VALUE');
    expect(await code(query(ubrn, version + 1))).toBe('HISTORY_NOT_SUPPORTED');
    expect(await code(query('000000000000', 1))).toBe('REFERENCE_NOT_FOUND');
    expect(await code(`/STU3/Task?focus=ReferralRequest/${ubrn}&intent=proposal&status=ready`)).toBe('INVALID_VALUE');
  });

  test('has no total, and is empty of actions for a referral that is cancelled', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(TRIAGE);
    await side.control('POST', `/referrals/${ubrn}/events`, { type: 'cancelled-by-referrer' });
    const { json } = await side.send('GET', query(ubrn, await side.versionOf(ubrn)));
    expect([json.total, json.entry]).toEqual([undefined, []]);
  });
});

test('A030 tells a user their organisations and business functions, and asks for no role', async () => {
  await using side = await startFarSide();
  const { token } = await side.signIn({
    roles: ['SERVICE_PROVIDER_CLINICIAN', 'SERVICE_DEFINER'],
    organisations: ['ZZ1', 'ZZ9'],
  });
  const { json } = await side.send('GET', '/R4/PractitionerRole', { token });
  expect(json.total).toBe(2);
  expect(json.entry[1].resource.organization.identifier.value).toBe('ZZ9');
  expect(json.entry[0].resource.code.map((each: { coding: { code: string }[] }) => each.coding[0]?.code)).toEqual([
    'SERVICE_PROVIDER_CLINICIAN',
    'SERVICE_DEFINER',
  ]);
});

describe('A038', () => {
  test('serves the appointment on its own, with its number and its own version, current only', async () => {
    await using side = await startFarSide();
    const { json: referral } = await side.send('GET', `/STU3/ReferralRequest/${await side.create(DIRECT)}`);
    const id = appointmentIdOf(referral);
    const user = await side.signIn();
    const reply = await side.send('GET', `/STU3/Appointment/${id}`, user);
    expect(reply.json).toMatchObject({ id, status: 'booked' });
    expect(reply.headers.get('etag')).toBe('W/"0"');
    expect((await side.send('GET', `/STU3/Appointment/${id}/_history/0`, user)).status).toBe(200);
    expect((await side.send('GET', `/STU3/Appointment/${id}/_history/1`, user)).status).toBe(404);
    expect((await side.send('GET', '/STU3/Appointment/1', user)).status).toBe(404);
  });

  test('keeps to the relationship and to sensitive patients', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const id = appointmentIdOf((await side.send('GET', `/STU3/ReferralRequest/${ubrn}`)).json);
    const stranger = await side.signIn({ organisations: ['ZZ9'] });
    expect(codeOf(await side.send('GET', `/STU3/Appointment/${id}`, stranger))).toBe('NO_RELATIONSHIP');
    await side.control('POST', `/referrals/${ubrn}/events`, { type: 'patient-restricted' });
    expect(codeOf(await side.send('GET', `/STU3/Appointment/${id}`, await side.signIn()))).toBe('PATIENT_ERROR');
  });
});

test('A040 tells an administrator for whom they may act, with an identifier that is an object, and nothing when for nobody', async () => {
  await using side = await startFarSide();
  const roles = ['SERVICE_PROVIDER_CLINICIAN_ADMIN'];
  const admin = await side.signIn({ roles, onBehalfOf: ['999000000042'] });
  const { json } = await side.send('GET', '/R4/Practitioner?_query=onBehalfOf', admin);
  expect(json).toMatchObject({ total: 1, entry: [{ resource: { identifier: { value: '999000000042' } } }] });
  const lonely = await side.send('GET', '/R4/Practitioner?_query=onBehalfOf', await side.signIn({ roles }));
  expect([lonely.json.total, lonely.json.entry]).toEqual([0, undefined]);
  const wrong = await side.send('GET', '/R4/Practitioner', admin);
  expect([wrong.status, codeOf(wrong)]).toEqual([400, 'REC_BAD_REQUEST']);
  expect((await side.send('GET', '/R4/Practitioner?_query=onBehalfOf', await side.signIn())).status).toBe(403);
});
