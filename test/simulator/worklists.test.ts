import { describe, expect, test } from '@jest/globals';
import type { FarSide, Reply } from './far-side.ts';
import {
  askToken,
  codeOf,
  DIRECT,
  INDIRECT,
  ifMatch,
  parameters,
  SLOT_ISSUE,
  signAssertion,
  startFarSide,
  TRIAGE,
  ubrnsOf,
  worklistRequest,
} from './far-side.ts';

const S3 = 'https://fhir.nhs.uk/STU3/CodeSystem/';
const poll = (side: FarSide, list: string, service?: string, ...more: unknown[]): Promise<Reply> =>
  side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { json: worklistRequest(list, service, ...more) });
const review = (side: FarSide, service: string): Promise<Reply> => poll(side, 'REFERRALS_FOR_REVIEW', service);
const slotIssues = (side: FarSide): Promise<Reply> => poll(side, 'APPOINTMENT_SLOT_ISSUES', '70104');
const fieldsOf = (reply: Reply, index = 0): Record<string, Record<string, unknown>> =>
  Object.fromEntries(reply.json.entry[index].extension[0].extension.map((each: { url: string }) => [each.url, each]));
const indicator = (name: string, code: string): unknown => ({
  name,
  valueCodeableConcept: { coding: [{ system: `${S3}eRS-AssignedIndicator-1`, code }] },
});

describe('A008, what stands on a list', () => {
  test('a booked referral stands on Referrals for Review with the fields of that list and its version as a number', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create({ ...DIRECT, nhsNumber: '9990000018', priority: 'URGENT' });
    const reply = await review(side, '70101');
    expect(reply.json.entry[0].item).toEqual({ reference: `ReferralRequest/${ubrn}` });
    expect(fieldsOf(reply)).toMatchObject({
      patient: { valueReference: { reference: '#Patient-9990000018' } },
      priority: { valueCodeableConcept: { coding: [{ code: 'URGENT' }] } },
      referralType: { valueCodeableConcept: { coding: [{ code: 'APPOINTMENT' }] } },
      requestContextStatus: {
        valueCodeableConcept: { coding: [{ code: 'NEVER_REVIEWED', display: 'Never Reviewed' }] },
      },
      referralRequestVersion: { valueInteger: await side.versionOf(ubrn) },
      service: { valueReference: { identifier: { value: '70101' } } },
      appointmentStart: { valueDateTime: expect.any(String) },
    });
    expect(reply.json.contained.map((each: { id: string }) => each.id)).toContain('Patient-9990000018');
    expect(reply.headers.get('etag')).toBeNull();
  });

  test('a triage referral stands there too, as TRIAGE_DEFERRAL and without an appointment', async () => {
    await using side = await startFarSide();
    await side.create(TRIAGE);
    const fields = fieldsOf(await review(side, '70103'));
    expect(fields['referralType']).toMatchObject({ valueCodeableConcept: { coding: [{ code: 'TRIAGE_DEFERRAL' }] } });
    expect(fields['appointmentStart']).toBeUndefined();
  });

  test('a deferred referral stands on Appointment Slot Issues, its patient by identifier and without a version', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create({ ...SLOT_ISSUE, nhsNumber: '9990000018' });
    const reply = await slotIssues(side);
    expect(ubrnsOf(reply)).toEqual([ubrn]);
    expect(fieldsOf(reply)).toMatchObject({
      patient: { valueReference: { identifier: { value: '9990000018' } } },
      clinicalInformationStatus: { valueCodeableConcept: { coding: [{ code: 'PRESENT' }] } },
      reason: { valueCodeableConcept: { coding: [{ code: expect.stringMatching(/SLOT|BOOKING/) }] } },
    });
    expect(fieldsOf(reply)['referralRequestVersion']).toBeUndefined();
    expect(reply.json.contained).toBeUndefined();
    expect(ubrnsOf(await review(side, '70104'))).toEqual([]);
  });

  test('patientContactExpected counts working days from the deferral, by priority', async () => {
    await using side = await startFarSide();
    await side.create({ ...SLOT_ISSUE, priority: 'TWO_WEEK_WAIT' });
    const fields = fieldsOf(await slotIssues(side)) as Record<string, { valueDate: string; valueDateTime: string }>;
    const received = new Date(fields['ubrnReceived']?.valueDateTime ?? '');
    const expected = new Date(fields['patientContactExpected']?.valueDate ?? '');
    const days =
      (Date.UTC(expected.getUTCFullYear(), expected.getUTCMonth(), expected.getUTCDate()) -
        Date.UTC(received.getUTCFullYear(), received.getUTCMonth(), received.getUTCDate())) /
      86_400_000;
    expect(days === 7 || days === 6 || days === 5).toBe(true);
    expect([0, 6]).not.toContain(expected.getUTCDay());
  });

  test('without clinical information nothing reaches a review list, and its arrival puts the referral there', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create({ ...DIRECT, hasClinicalInformation: false });
    expect(ubrnsOf(await review(side, '70101'))).toEqual([]);
    await side.control('POST', `/referrals/${ubrn}/events`, { type: 'clinical-information-updated' });
    expect(ubrnsOf(await review(side, '70101'))).toEqual([ubrn]);
  });

  test('an accepted referral leaves the list, and a change by the referrer brings it back for another review', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const headers = ifMatch(await side.versionOf(ubrn));
    expect((await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.acceptReferral`, { headers })).status).toBe(
      200,
    );
    expect(ubrnsOf(await review(side, '70101'))).toEqual([]);
    for (const [type, status] of [
      ['priority-changed', 'PRIORITY_CHANGED'],
      ['clinical-information-updated', 'PRIORITY_AND_LETTER_CHANGED'],
    ]) {
      await side.control('POST', `/referrals/${ubrn}/events`, { type });
      const fields = fieldsOf(await review(side, '70101'));
      expect(fields['requestContextStatus']).toMatchObject({ valueCodeableConcept: { coding: [{ code: status }] } });
    }
  });

  test('a referral may stand on both lists at once', async () => {
    await using side = await startFarSide({ referrals: 24 });
    const onReview = ubrnsOf(await review(side, '70104'));
    const onSlotIssues = ubrnsOf(await slotIssues(side));
    expect(onReview.filter((ubrn) => onSlotIssues.includes(ubrn))).toHaveLength(1);
  });

  test('a list holds its own service only, and an empty one is an empty array', async () => {
    await using side = await startFarSide();
    await side.create(INDIRECT);
    expect((await review(side, '70101')).json.entry).toEqual([]);
    expect((await review(side, '70102')).json.entry).toHaveLength(1);
  });

  test('a list that is too large is not delivered, whatever the other lists hold: there is no paging to help', async () => {
    await using side = await startFarSide({ largestWorklistBytes: 6_000 });
    for (let left = 3; left > 0; left -= 1) await side.create(DIRECT);
    await side.create(INDIRECT);
    expect((await review(side, '70102')).status).toBe(200);
    const reply = await review(side, '70101');
    expect([reply.status, reply.text]).toEqual([500, '']);
  });

  test('5,000 triage referrals, some 8 MB, are delivered whole; as many bookings are more than 10 MB and are not', async () => {
    await using side = await startFarSide();
    const { ubrns } = (await side.control('POST', '/referrals', { ...TRIAGE, count: 5_000 })).json;
    const whole = await review(side, '70103');
    expect(ubrnsOf(whole)).toEqual(ubrns);
    expect(whole.text.length).toBeGreaterThan(7_500_000);
    await side.control('POST', '/referrals', { ...DIRECT, count: 5_200 });
    expect((await review(side, '70101')).status).toBe(500);
  });
});

describe('A008, how referrals move', () => {
  const RFR = 'REFERRALS_FOR_REVIEW';
  const ASI = 'APPOINTMENT_SLOT_ISSUES';
  const SLOTLESS_BOOKED = { ...DIRECT, service: '70104' };
  const late = { hasClinicalInformation: false };
  /** What it is, what happened in turn, its state then, and the lists that show it. */
  const MOVES: [wish: Record<string, unknown>, events: string[], state: string, lists: string[], context?: string][] = [
    [DIRECT, [], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [INDIRECT, [], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [TRIAGE, [], 'AWAITING_TRIAGE', [RFR], 'NEVER_REVIEWED'],
    [SLOT_ISSUE, [], 'DEFERRED_TO_PROVIDER', [ASI]],
    [{ ...DIRECT, ...late }, [], 'BOOKED', []],
    [{ ...TRIAGE, ...late }, [], 'AWAITING_TRIAGE', []],
    [{ ...SLOT_ISSUE, ...late }, [], 'DEFERRED_TO_PROVIDER', [ASI]],
    [{ ...DIRECT, ...late }, ['clinical-information-updated'], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [DIRECT, ['clinical-information-updated'], 'BOOKED', [RFR], 'LETTER_CHANGED'],
    [DIRECT, ['attachment-added'], 'BOOKED', [RFR], 'LETTER_CHANGED'],
    [DIRECT, ['priority-changed'], 'BOOKED', [RFR], 'PRIORITY_CHANGED'],
    [DIRECT, ['priority-changed', 'attachment-added'], 'BOOKED', [RFR], 'PRIORITY_AND_LETTER_CHANGED'],
    [DIRECT, ['appointment-moved'], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [DIRECT, ['internal-version-bump'], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [DIRECT, ['accepted-in-ers'], 'BOOKED', []],
    [DIRECT, ['accepted-in-ers', 'internal-version-bump'], 'BOOKED', []],
    [DIRECT, ['accepted-in-ers', 'appointment-moved'], 'BOOKED', []],
    [DIRECT, ['accepted-in-ers', 'priority-changed'], 'BOOKED', [RFR], 'PRIORITY_CHANGED'],
    [DIRECT, ['rejected-in-ers'], 'REJECTED', []],
    [DIRECT, ['rejected-in-ers', 'rebooked'], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [DIRECT, ['redirected-in-ers'], 'TRIAGED_PROVIDER_TO_ACTION', []],
    [DIRECT, ['redirected-in-ers', 'rebooked'], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [SLOTLESS_BOOKED, ['redirected-in-ers', 'deferred-to-provider'], 'DEFERRED_TO_PROVIDER', [ASI]],
    [DIRECT, ['redirected-in-ers', 'cancelled-by-referrer'], 'CANCELLED_REFERRAL', []],
    [DIRECT, ['cancelled-by-referrer'], 'CANCELLED_REFERRAL', []],
    [DIRECT, ['appointment-cancelled-by-patient'], 'APPT_CANCELLED_BY_PATIENT', []],
    [DIRECT, ['appointment-cancelled-by-provider'], 'APPT_CANCELLED_BY_PROVIDER', []],
    [DIRECT, ['appointment-cancelled-by-provider', 'rebooked'], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [DIRECT, ['did-not-attend'], 'DID_NOT_ATTEND', []],
    [DIRECT, ['assessment-recorded'], 'ASSESSMENT_RESULT', []],
    [DIRECT, ['shortlist-changed'], 'NOT_BOOKED', []],
    [TRIAGE, ['triaged-in-ers'], 'TRIAGED_PROVIDER_TO_ACTION', []],
    [TRIAGE, ['triaged-in-ers', 'rebooked'], 'AWAITING_TRIAGE', [RFR], 'NEVER_REVIEWED'],
    [TRIAGE, ['returned-in-ers'], 'TRIAGE_RESPONSE', []],
    [TRIAGE, ['priority-changed'], 'AWAITING_TRIAGE', [RFR], 'PRIORITY_CHANGED'],
    [SLOT_ISSUE, ['rebooked'], 'BOOKED', [RFR], 'NEVER_REVIEWED'],
    [SLOT_ISSUE, ['triaged-in-ers'], 'TRIAGED_PROVIDER_TO_ACTION', []],
    [SLOT_ISSUE, ['returned-in-ers'], 'TRIAGE_RESPONSE', []],
    [SLOT_ISSUE, ['cancelled-by-referrer'], 'CANCELLED_REFERRAL', []],
    [SLOT_ISSUE, ['priority-changed'], 'DEFERRED_TO_PROVIDER', [ASI]],
    [DIRECT, ['hidden-from-worklists'], 'BOOKED', []],
    [DIRECT, ['moved-to-another-provider'], 'BOOKED', []],
  ];

  test.each(MOVES)('%j after %j is %s and stands on %j', async (...move) => {
    const [wish, events, state, lists, context] = move;
    await using side = await startFarSide();
    const ubrn = await side.create(wish);
    for (const type of events) {
      const { status } = await side.control('POST', `/referrals/${ubrn}/events`, { type });
      expect([type, status]).toEqual([type, 200]);
    }
    const service = String(wish['service']);
    const held = (await side.control('GET', `/referrals/${ubrn}`)).json;
    expect(held.state).toBe(state);
    const shown = [];
    for (const list of [RFR, ASI]) if (ubrnsOf(await poll(side, list, service)).includes(ubrn)) shown.push(list);
    expect(shown).toEqual(lists);
    if (context !== undefined)
      expect(fieldsOf(await review(side, service))).toMatchObject({
        requestContextStatus: { valueCodeableConcept: { coding: [{ code: context }] } },
        referralRequestVersion: { valueInteger: held.version },
      });
  });
});

describe('A008, what a request must say', () => {
  test('an application must name a service', async () => {
    await using side = await startFarSide();
    const reply = await poll(side, 'REFERRALS_FOR_REVIEW');
    expect([reply.status, codeOf(reply)]).toEqual([422, 'MISSING_VALUE']);
  });

  test('a user need not: all services of the organisation answer', async () => {
    await using side = await startFarSide();
    const ubrns = [await side.create(DIRECT), await side.create(INDIRECT)];
    const user = await side.signIn({ roles: ['SERVICE_PROVIDER_ADMIN'] });
    const json = worklistRequest('REFERRALS_FOR_REVIEW');
    const reply = await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { ...user, json });
    expect(ubrnsOf(reply)).toEqual(ubrns);
  });

  test('a service that does not exist is REFERENCE_NOT_FOUND, one of a neighbour NO_RELATIONSHIP', async () => {
    await using side = await startFarSide();
    expect(codeOf(await review(side, '1'))).toBe('REFERENCE_NOT_FOUND');
    expect(codeOf(await review(side, '79901'))).toBe('NO_RELATIONSHIP');
  });

  test("an unknown list is INVALID_CODE, a referrer's list is not for a provider", async () => {
    await using side = await startFarSide();
    expect(codeOf(await poll(side, 'NO_SUCH_LIST', '70101'))).toBe('INVALID_CODE');
    expect(codeOf(await poll(side, 'AWAITING_BOOKING', '70101'))).toBe('INVALID_VALUE');
  });

  test('an unknown parameter is UNEXPECTED_FIELD with its path, a missing list type MISSING_VALUE', async () => {
    await using side = await startFarSide();
    const reply = await poll(side, 'REFERRALS_FOR_REVIEW', '70101', { name: 'colour', valueString: 'red' });
    expect([codeOf(reply), reply.json.issue[0].diagnostics]).toEqual([
      'UNEXPECTED_FIELD',
      expect.stringContaining('parameter[2]'),
    ]);
    const send = (json: unknown): Promise<Reply> =>
      side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { json });
    expect(codeOf(await send(parameters('eRS-FetchWorklist-Parameters-1')))).toBe('MISSING_VALUE');
    expect(codeOf(await send({ resourceType: 'Parameters', parameter: {} }))).toBe('INVALID_FHIR_STRUCTURE');
    expect(codeOf(await send(parameters('eRS-RejectReferral-Parameters-1')))).toBe('INVALID_VALUE');
  });

  test('an indicator and its filter go together, and NOT_ASSIGNED is reserved for specialties', async () => {
    await using side = await startFarSide();
    const code = async (...more: unknown[]): Promise<string | undefined> =>
      codeOf(await poll(side, 'REFERRALS_FOR_REVIEW', '70101', ...more));
    const specialty = { name: 'specialty', valueCodeableConcept: { coding: [{ code: 'CARDIOLOGY' }] } };
    expect(await code(indicator('specialtyAssignedIndicator', 'ASSIGNED'))).toBe('MISSING_VALUE');
    expect(await code(specialty)).toBe('UNEXPECTED_FIELD');
    expect(await code(indicator('specialtyAssignedIndicator', 'NOT_ASSIGNED'))).toBe('INVALID_VALUE');
    expect(await code(indicator('specialtyAssignedIndicator', 'PERHAPS'))).toBe('INVALID_CODE');
    expect(await code(indicator('specialtyAssignedIndicator', 'ASSIGNED'), specialty)).toBeUndefined();
  });

  test('a clinician filter finds the booked clinician, and NOT_ASSIGNED those without one', async () => {
    await using side = await startFarSide();
    const [direct, indirect] = [await side.create(DIRECT), await side.create(INDIRECT)];
    const start = await review(side, '70101');
    const id = String(
      (fieldsOf(start)['allocatedClinician'] as { valueReference: { reference: string } }).valueReference.reference,
    ).slice('#Practitioner-'.length);
    const clinician = {
      name: 'clinician',
      valueIdentifier: { system: 'http://fhir.nhs.net/Id/sds-user-id', value: id },
    };
    const found = await poll(
      side,
      'REFERRALS_FOR_REVIEW',
      '70101',
      indicator('clinicianAssignedIndicator', 'ASSIGNED'),
      clinician,
    );
    expect(ubrnsOf(found)).toEqual([direct]);
    const free = await poll(
      side,
      'REFERRALS_FOR_REVIEW',
      '70102',
      indicator('clinicianAssignedIndicator', 'NOT_ASSIGNED'),
    );
    expect(ubrnsOf(free)).toEqual([indirect]);
  });
});

test('polls are counted by service in any rolling 24 hours, both lists together, and over-polling is reported', async () => {
  await using side = await startFarSide({ pollsPerDay: 2 });
  await poll(side, 'REFERRALS_FOR_REVIEW', '70104');
  await poll(side, 'APPOINTMENT_SLOT_ISSUES', '70104');
  expect((await side.control('GET', '/audit')).json).toMatchObject({ pollsPerDayLimit: 2, pollsOverLimit: 0 });
  side.simulator.clock.advance(20 * 3_600_000);
  const late = await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', {
    token: (await askToken(side.simulator, await signAssertion(side.simulator))).json.access_token,
    json: worklistRequest('REFERRALS_FOR_REVIEW', '70104'),
  });
  expect(late.status).toBe(200);
  expect((await side.control('GET', '/audit')).json).toMatchObject({
    pollsOverLimit: 1,
    polls: { 70104: { '2027-03-01': 2, '2027-03-02': 1 } },
  });
});

describe('what counts as a poll', () => {
  const counted = async (side: FarSide): Promise<number> =>
    Object.values((await side.control('GET', '/audit')).json.polls['70101'] ?? {}).reduce<number>(
      (sum, each) => sum + Number(each),
      0,
    );

  test('a poll that arrived counts whatever became of it: too large, refused, or struck by a fault', async () => {
    await using side = await startFarSide({ largestWorklistBytes: 100 });
    expect((await review(side, '70101')).status).toBe(500);
    expect(await counted(side)).toBe(1);
    await poll(side, 'NO_SUCH_LIST', '70101');
    expect(await counted(side)).toBe(2);
    const faults = [
      { kind: 'status', status: 503 },
      { kind: 'status', status: 504, applied: true },
      { kind: 'status', status: 401 },
      { kind: 'lose-answer' },
      { kind: 'garbage' },
    ];
    for (const [index, fault] of faults.entries()) {
      await side.control('POST', '/faults', { endpoint: 'A008', ...fault });
      await review(side, '70101').catch(() => undefined);
      expect([fault, await counted(side)]).toEqual([fault, index + 3]);
    }
  });

  test('a poll that is sent away for its pace, comes from a user or a stranger, or never arrives does not count', async () => {
    await using side = await startFarSide();
    await side.control('POST', '/faults', { endpoint: 'A008', kind: 'status', status: 429 });
    expect((await review(side, '70101')).status).toBe(429);
    await side.control('POST', '/faults', { endpoint: 'A008', kind: 'lose-request' });
    await review(side, '70101').catch(() => undefined);
    const path = '/STU3/ReferralRequest/$ers.fetchworklist';
    const json = worklistRequest('REFERRALS_FOR_REVIEW', '70101');
    expect((await side.send('POST', path, { ...(await side.signIn()), json })).status).toBe(200);
    expect((await side.send('POST', path, { token: 'unknown', json })).status).toBe(401);
    expect(await counted(side)).toBe(0);
  });
});

describe('what nobody knows of the lists, by seed', () => {
  test('some lists show a referral as it was for half a minute after a write, others follow at once', async () => {
    await using side = await startFarSide({ openQuestions: 'by-seed' });
    const seen = new Set<number>();
    for (let left = 12; left > 0; left -= 1) {
      const ubrn = await side.create(DIRECT);
      const before = fieldsOf(await review(side, '70101'))['referralRequestVersion'];
      const headers = ifMatch(await side.versionOf(ubrn));
      await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.acceptReferral`, { headers });
      const reply = await review(side, '70101');
      if (ubrnsOf(reply).length > 0) expect(fieldsOf(reply)['referralRequestVersion']).toEqual(before);
      seen.add(ubrnsOf(reply).length);
      side.simulator.clock.advance(30_000);
      expect(ubrnsOf(await review(side, '70101'))).toEqual([]);
    }
    expect(seen).toEqual(new Set([0, 1]));
  });

  test('some extension urls are written WorklistItem, so that a reader compares them without case', async () => {
    await using side = await startFarSide({ openQuestions: 'by-seed' });
    for (let left = 12; left > 0; left -= 1) await side.create(DIRECT);
    const { text } = await review(side, '70101');
    expect([text.includes('WorklistItem-1'), text.includes('WorkListItem-1')]).toEqual([true, true]);
  });

  test('internal processing raises some versions between a read and the write that follows it, which is then 409', async () => {
    await using side = await startFarSide({ openQuestions: 'by-seed' });
    const outcomes = new Set<number>();
    for (let left = 30; left > 0; left -= 1) {
      const ubrn = await side.create(DIRECT);
      const { json } = await side.send('GET', `/STU3/ReferralRequest/${ubrn}`);
      const headers = ifMatch(Number(json.meta.versionId));
      outcomes.add((await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.acceptReferral`, { headers })).status);
    }
    expect(outcomes).toEqual(new Set([200, 409]));
  });
});
