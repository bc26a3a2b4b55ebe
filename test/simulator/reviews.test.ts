import { describe, expect, test } from '@jest/globals';
import type { FarSide, Reply } from './far-side.ts';
import {
  cancellation,
  changedPriority,
  codeOf,
  DIRECT,
  INDIRECT,
  ifMatch,
  outcome,
  redirection,
  rejection,
  SLOT_ISSUE,
  startFarSide,
  TRIAGE,
} from './far-side.ts';

const ACCEPT = 'acceptReferral';
const REJECT = 'rejectReferral';
const REDIRECT = 'cancelAppointmentActionLater';
const TRIAGE_OUTCOME = 'recordReviewOutcome';
const CANCEL = 'cancelReferral';
const BOOK_LATER = 'ACCEPT_REFER_BOOK_LATER';
const RETURN = 'RETURN_TO_REFERRER_WITH_ADVICE';

/** Calls an operation with the current version, as a clinician where a body is sent, as the application otherwise. */
async function act(side: FarSide, ubrn: string, operation: string, json?: unknown): Promise<Reply> {
  const user = json === undefined ? undefined : await side.signIn();
  return side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.${operation}`, {
    ...(user && { token: user.token, json }),
    headers: { ...user?.headers, ...ifMatch(await side.versionOf(ubrn)) },
  });
}
const happen = (side: FarSide, ubrn: string, type: string, more: Record<string, unknown> = {}): Promise<Reply> =>
  side.control('POST', `/referrals/${ubrn}/events`, { type, ...more });
const holds = async (side: FarSide, ubrn: string): Promise<Record<string, unknown>> =>
  (await side.control('GET', `/referrals/${ubrn}`)).json;
const appointmentIn = (resource: { contained: { resourceType: string }[] }): Record<string, unknown> => ({
  ...resource.contained.find((each) => each.resourceType === 'Appointment'),
});
const part = (resource: { extension: { url: string; extension?: { url: string }[] }[] }, url: string): unknown =>
  resource.extension.find((each) => each.url.endsWith('ReferralState-1'))?.extension?.find((each) => each.url === url);

describe('A013 accept', () => {
  test('changes nothing but the version, which rises by one to four, and takes the referral off the list', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const before = await holds(side, ubrn);
    const reply = await act(side, ubrn, ACCEPT);
    expect(reply.status).toBe(200);
    const after = await holds(side, ubrn);
    const rise = Number(after['version']) - Number(before['version']);
    expect([1, 2, 3, 4]).toContain(rise);
    expect(reply.headers.get('etag')).toBe(`W/"${after['version']}"`);
    const { version } = after;
    const decisions = [{ by: 'api', kind: 'accepted', version }];
    expect(after).toEqual({ ...before, version, worklists: [], isReviewed: true, decisions });
    expect(appointmentIn(reply.json)['incomingReferral']).toEqual([
      { reference: `ReferralRequest/${ubrn}/_history/${after['version']}` },
    ]);
    expect(appointmentIn(reply.json)['status']).toBe('booked');
  });

  test('works for a clinician as for an application', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(INDIRECT);
    const { token, headers } = await side.signIn();
    const path = `/STU3/ReferralRequest/${ubrn}/$ers.${ACCEPT}`;
    const reply = await side.send('POST', path, {
      token,
      headers: { ...headers, ...ifMatch(await side.versionOf(ubrn)) },
    });
    expect(reply.status).toBe(200);
  });

  test.each<[string, Record<string, unknown>, string | undefined]>([
    ['is for triage', TRIAGE, undefined],
    ['is deferred to the provider', SLOT_ISSUE, undefined],
    ['was rejected meanwhile', DIRECT, 'rejected-in-ers'],
    ['was cancelled by the referrer', DIRECT, 'cancelled-by-referrer'],
    ['had its appointment cancelled by the patient', DIRECT, 'appointment-cancelled-by-patient'],
    ['was accepted before', DIRECT, 'accepted-in-ers'],
    ['lacks the clinical information', { ...DIRECT, hasClinicalInformation: false }, undefined],
    ['has an appointment in the past', { ...DIRECT, appointmentInDays: -1 }, undefined],
  ])('a referral that %s cannot be accepted: INVALID_REQUEST_STATE', async (_what, wish, event) => {
    await using side = await startFarSide();
    const ubrn = await side.create(wish);
    if (event !== undefined) await happen(side, ubrn, event);
    const reply = await act(side, ubrn, ACCEPT);
    expect([reply.status, codeOf(reply)]).toEqual([422, 'INVALID_REQUEST_STATE']);
  });

  test("an appointment of earlier today may still be decided, yesterday's not: the rule counts days", async () => {
    await using side = await startFarSide();
    const ubrn = await side.create({ ...DIRECT, appointmentInDays: 0 });
    side.simulator.clock.set(new Date('2027-03-01T23:00:00Z'));
    const path = `/STU3/ReferralRequest/${ubrn}/$ers.${ACCEPT}`;
    const accept = async (): Promise<Reply> => side.send('POST', path, { ...(await signedIn(side, ubrn)) });
    expect((await accept()).status).toBe(200);
    const other = await side.create({ ...DIRECT, appointmentInDays: 0 });
    side.simulator.clock.advance(24 * 3_600_000);
    expect(codeOf(await side.send('POST', path.replace(ubrn, other), await signedIn(side, other)))).toBe(
      'INVALID_REQUEST_STATE',
    );
  });
});

/** A fresh session and the current version, for calls after the clock moved. */
async function signedIn(side: FarSide, ubrn: string): Promise<{ token: string; headers: Record<string, string> }> {
  const { token, headers } = await side.signIn();
  return { token, headers: { ...headers, ...ifMatch(await side.versionOf(ubrn)) } };
}

describe('A014 reject', () => {
  test('makes the referral REJECTED but leaves it active, its appointment cancelled with the same reason', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const reply = await act(side, ubrn, REJECT, rejection('SERVICE_INAPPROPRIATE', 'Not for us'));
    expect(reply.status).toBe(200);
    expect(await holds(side, ubrn)).toMatchObject({
      state: 'REJECTED',
      status: 'active',
      reason: 'SERVICE_INAPPROPRIATE',
      comments: 'Not for us',
      worklists: [],
    });
    const appointment = appointmentIn(reply.json);
    expect(appointment).toMatchObject({ status: 'cancelled', comment: 'Not for us', meta: { versionId: '1' } });
    for (const gone of ['start', 'end', 'slot']) expect(appointment).not.toHaveProperty(gone);
  });

  test('an indirect booking needs appointmentCancelledInPAS, a direct one forbids it', async () => {
    await using side = await startFarSide();
    const [direct, indirect] = [await side.create(DIRECT), await side.create(INDIRECT)];
    expect(codeOf(await act(side, indirect, REJECT, rejection('OTHER')))).toBe('VALUE_IS_REQUIRED');
    expect(codeOf(await act(side, direct, REJECT, rejection('OTHER', undefined, true)))).toBe('FIELD_NOT_PERMITTED');
    expect((await act(side, indirect, REJECT, rejection('OTHER', undefined, false))).status).toBe(200);
  });

  test.each([
    ['that is unknown', rejection('NO_SUCH_REASON'), 'INVALID_CODE'],
    ['of another type', rejection('PATIENT_ILL'), 'INAPPROPRIATE_VALUE'],
    ['no longer in force', rejection('SIMULATOR_NO_LONGER_IN_FORCE'), 'INAPPROPRIATE_VALUE'],
    ['that needs a comment, without one', rejection('SIMULATOR_COMMENT_NEEDED'), 'VALUE_IS_REQUIRED'],
    ['with a comment of 2001 characters', rejection('OTHER', 'x'.repeat(2001)), 'INVALID_VALUE'],
    ['left out', redirectionAsRejection(), 'MISSING_VALUE'],
    ['written as text', withParameter({ name: 'rejectionReason', valueString: 'OTHER' }), 'INVALID_VALUE'],
    ['without its value', withParameter({ name: 'rejectionReason' }), 'MISSING_VALUE'],
    ['beside a field that does not exist', withParameter({ name: 'colour', valueString: 'red' }), 'UNEXPECTED_FIELD'],
  ])('a reason %s is refused by its code', async (_what, json, code) => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const reply = await act(side, ubrn, REJECT, json);
    expect([reply.status, codeOf(reply)]).toEqual([422, code]);
    expect((await holds(side, ubrn))['state']).toBe('BOOKED');
  });

  test('parameters that are no array are 400, without a body', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const reply = await act(side, ubrn, REJECT, { resourceType: 'Parameters', parameter: {} });
    expect([reply.status, reply.text]).toEqual([400, '']);
  });

  test.each([
    ['refused', 422, 'UNABLE_TO_CANCEL_APPOINTMENT'],
    ['error', 502, 'PAS_RESPONDED_WITH_ERROR'],
    ['silent', 504, 'PAS_NOT_RESPONDING'],
  ])('a booking system that is %s stops the rejection of a direct booking once', async (trouble, status, code) => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await happen(side, ubrn, 'pas-trouble', { trouble });
    const reply = await act(side, ubrn, REJECT, rejection());
    expect([reply.status, codeOf(reply)]).toEqual([status, code]);
    expect((await holds(side, ubrn))['state']).toBe('BOOKED');
    expect((await act(side, ubrn, REJECT, rejection())).status).toBe(200);
  });

  test('with open questions by seed, a silent booking system has cancelled some and not others, so a 504 proves nothing', async () => {
    await using side = await startFarSide({ openQuestions: 'by-seed' });
    const states = new Set<unknown>();
    for (let left = 12; left > 0; left -= 1) {
      const ubrn = await side.create(DIRECT);
      await happen(side, ubrn, 'pas-trouble', { trouble: 'silent' });
      expect((await act(side, ubrn, REJECT, rejection())).status).toBe(504);
      states.add((await holds(side, ubrn))['state']);
    }
    expect([...states].sort()).toEqual(['BOOKED', 'REJECTED']);
  });

  test('a triage referral cannot be rejected: INVALID_REQUEST_STATE', async () => {
    await using side = await startFarSide();
    expect(codeOf(await act(side, await side.create(TRIAGE), REJECT, rejection()))).toBe('INVALID_REQUEST_STATE');
  });
});

function withParameter(parameter: unknown): unknown {
  const json = rejection() as { parameter: unknown[] };
  const isReason = (parameter as { name: string }).name === 'rejectionReason';
  return { ...json, parameter: isReason ? [parameter] : [...json.parameter, parameter] };
}
function redirectionAsRejection(): unknown {
  return { ...(rejection() as object), parameter: [] };
}

describe('A022 redirect', () => {
  test('hands the referral to the administrators with the comment, the booking undone, and a changed priority', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create({ ...DIRECT, priority: 'ROUTINE' });
    const reply = await act(side, ubrn, REDIRECT, redirection('Please rebook', undefined, changedPriority('URGENT')));
    expect(reply.status).toBe(200);
    expect(await holds(side, ubrn)).toMatchObject({
      state: 'TRIAGED_PROVIDER_TO_ACTION',
      reason: 'CANCEL_APPOINTMENT_ACTION_LATER',
      comments: 'Please rebook',
      priority: 'URGENT',
      worklists: [],
    });
    expect(appointmentIn(reply.json)).toMatchObject({ status: 'proposed', comment: 'Please rebook' });
    const criteria = reply.json.contained.find((each: { id: string }) => each.id === 'serviceSearchCriteria');
    expect(criteria.parameter.find((each: { name: string }) => each.name === 'priority').valueCoding.code).toBe(
      'ROUTINE',
    );
  });

  test.each<[string, Record<string, unknown>, unknown, string]>([
    ['without a comment', DIRECT, redirection(), 'MISSING_VALUE'],
    ['with an empty comment', DIRECT, redirection(''), 'MISSING_VALUE'],
    ['with a comment of 2001 characters', DIRECT, redirection('x'.repeat(2001)), 'INVALID_VALUE'],
    ['of an indirect booking without the PAS flag', INDIRECT, redirection('x'), 'VALUE_IS_REQUIRED'],
    ['of a direct booking with the PAS flag', DIRECT, redirection('x', true), 'FIELD_NOT_PERMITTED'],
    ['to a priority that does not exist', DIRECT, redirection('x', undefined, changedPriority('SOON')), 'INVALID_CODE'],
    [
      'with a priority of another system',
      DIRECT,
      redirection('x', undefined, changedPriority('URGENT', 'x')),
      'INVALID_CODE',
    ],
    ['of a triage referral', TRIAGE, redirection('x'), 'INVALID_REQUEST_STATE'],
  ])('a redirection %s is refused by its code', async (_what, wish, json, code) => {
    await using side = await startFarSide();
    const ubrn = await side.create(wish);
    const reply = await act(side, ubrn, REDIRECT, json);
    expect([reply.status, codeOf(reply)]).toEqual([422, code]);
  });
});

describe('A028 triage outcome', () => {
  test('accepting hands the referral to the administrators', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create({ ...TRIAGE, priority: 'ROUTINE' });
    const reply = await act(side, ubrn, TRIAGE_OUTCOME, outcome(BOOK_LATER, 'Book soon', 'URGENT'));
    expect(reply.status).toBe(200);
    expect(await holds(side, ubrn)).toMatchObject({
      state: 'TRIAGED_PROVIDER_TO_ACTION',
      reason: BOOK_LATER,
      comments: 'Book soon',
      priority: 'URGENT',
      worklists: [],
    });
    expect(appointmentIn(reply.json)).toMatchObject({
      status: 'proposed',
      meta: { versionId: '2' },
      comment: 'Book soon',
    });
  });

  test('returning leaves the referral active with the advice, in the state that the texts describe', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(TRIAGE);
    const reply = await act(side, ubrn, TRIAGE_OUTCOME, outcome(RETURN, 'Some advice'));
    expect(reply.status).toBe(200);
    expect(part(reply.json, 'state')).toMatchObject({
      valueCoding: { code: 'TRIAGE_RESPONSE', display: 'Triage Response' },
    });
    expect(await holds(side, ubrn)).toMatchObject({
      status: 'active',
      reason: RETURN,
      comments: 'Some advice',
      worklists: [],
    });
  });

  test('the state after a return can be fixed to the one of the examples, since the evidence disagrees', async () => {
    await using side = await startFarSide({ returnedState: 'TRIAGED_PROVIDER_TO_ACTION' });
    const ubrn = await side.create(TRIAGE);
    await act(side, ubrn, TRIAGE_OUTCOME, outcome(RETURN, 'Some advice'));
    expect(await holds(side, ubrn)).toMatchObject({ state: 'TRIAGED_PROVIDER_TO_ACTION', reason: RETURN });
  });

  test('with open questions by seed, both states occur after a return', async () => {
    await using side = await startFarSide({ openQuestions: 'by-seed' });
    const states = new Set<unknown>();
    for (let left = 12; left > 0; left -= 1) {
      const ubrn = await side.create(TRIAGE);
      await act(side, ubrn, TRIAGE_OUTCOME, outcome(RETURN, 'Some advice'));
      states.add((await holds(side, ubrn))['state']);
    }
    expect([...states].sort()).toEqual(['TRIAGED_PROVIDER_TO_ACTION', 'TRIAGE_RESPONSE']);
  });

  test('works unattended, which the texts allow for cases that are not clinical', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(TRIAGE);
    const headers = ifMatch(await side.versionOf(ubrn));
    const json = outcome(BOOK_LATER, 'x', 'ROUTINE');
    expect(
      (await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.${TRIAGE_OUTCOME}`, { headers, json })).status,
    ).toBe(200);
  });

  test('a slot issue at a directly bookable service can be reviewed too, and leaves its list', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(SLOT_ISSUE);
    expect((await act(side, ubrn, TRIAGE_OUTCOME, outcome(BOOK_LATER, 'x', 'ROUTINE'))).status).toBe(200);
    expect(await holds(side, ubrn)).toMatchObject({ state: 'TRIAGED_PROVIDER_TO_ACTION', worklists: [] });
  });

  test.each<[string, Record<string, unknown>, unknown, string]>([
    ['an outcome that does not exist', TRIAGE, outcome('PERHAPS', 'x'), 'INVALID_CODE'],
    [
      'an outcome that other operations set',
      TRIAGE,
      outcome('CANCEL_APPOINTMENT_ACTION_LATER', 'x'),
      'INAPPROPRIATE_VALUE',
    ],
    ['no comment', TRIAGE, outcome(RETURN, undefined), 'MISSING_VALUE'],
    ['a comment of 2001 characters', TRIAGE, outcome(RETURN, 'x'.repeat(2001)), 'INVALID_VALUE'],
    [
      'a return with a new priority',
      { ...TRIAGE, priority: 'ROUTINE' },
      outcome(RETURN, 'x', 'URGENT'),
      'PRIORITY_NOT_CURRENT',
    ],
    ['an acceptance without priority', TRIAGE, outcome(BOOK_LATER, 'x'), 'VALUE_IS_REQUIRED'],
    ['a priority that does not exist', TRIAGE, outcome(BOOK_LATER, 'x', 'SOON'), 'INVALID_CODE'],
    ['an outcome for a booked referral', DIRECT, outcome(RETURN, 'x'), 'INVALID_REQUEST_STATE'],
    [
      'an outcome before the clinical information',
      { ...TRIAGE, hasClinicalInformation: false },
      outcome(RETURN, 'x'),
      'INVALID_REQUEST_STATE',
    ],
    [
      'an outcome for a slot issue at an indirectly bookable service',
      { ...SLOT_ISSUE, service: '70102' },
      outcome(RETURN, 'x'),
      'INVALID_REQUEST_STATE',
    ],
  ])('%s is refused by its code', async (_what, wish, json, code) => {
    await using side = await startFarSide();
    const reply = await act(side, await side.create(wish), TRIAGE_OUTCOME, json);
    expect([reply.status, codeOf(reply)]).toEqual([422, code]);
  });

  test('a return with the current priority named is no change, so it is taken', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create({ ...TRIAGE, priority: 'ROUTINE' });
    expect((await act(side, ubrn, TRIAGE_OUTCOME, outcome(RETURN, 'x', 'ROUTINE'))).status).toBe(200);
  });
});

describe('A036 cancel', () => {
  test('ends the referral, answers both resources, and gives no ETag', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const reply = await act(side, ubrn, CANCEL, cancellation('PATIENT_DIED', 'Told by family'));
    expect([reply.status, reply.headers.get('etag')]).toEqual([200, null]);
    expect(await holds(side, ubrn)).toMatchObject({ state: 'CANCELLED_REFERRAL', status: 'cancelled', worklists: [] });
    const [referral, appointment] = reply.json.parameter;
    expect(referral).toMatchObject({ name: 'updatedReferralRequest', resource: { status: 'cancelled' } });
    expect(appointment).toMatchObject({
      name: 'updatedAppointment',
      resource: { status: 'cancelled', id: expect.stringMatching(/^\d+$/) },
    });
  });

  test('a proposed appointment is left as it is, and no appointment is answered', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await act(side, ubrn, REDIRECT, redirection('x'));
    const reply = await act(side, ubrn, CANCEL, cancellation('TRIAGE_ENDED'));
    expect(reply.json.parameter).toHaveLength(1);
    expect(appointmentIn(reply.json.parameter[0].resource)['status']).toBe('proposed');
  });

  test.each<[string, string, unknown, string]>([
    ['booked', 'a reason to end a triage', cancellation('TRIAGE_ENDED'), 'INAPPROPRIATE_VALUE'],
    ['triaged', 'a reason that is not for triage', cancellation('PATIENT_DIED'), 'INAPPROPRIATE_VALUE'],
    ['booked', "a referrer's reason", cancellation('RAISED_IN_ERROR'), 'INAPPROPRIATE_VALUE'],
    ['booked', 'a reason that nobody may use', cancellation('PROVIDER_CANCELLATION'), 'INAPPROPRIATE_VALUE'],
    ['booked', 'a reason that does not exist', cancellation('WHY_NOT'), 'INAPPROPRIATE_VALUE'],
    ['booked', 'no comment where one is needed', cancellation('PATIENT_REQUEST_CANCELLATION_OTHER'), 'MISSING_VALUE'],
    ['cancelled', 'any reason', cancellation('PATIENT_DIED'), 'INVALID_REQUEST_STATE'],
  ])('a %s referral is not ended by %s', async (kind, _what, json, code) => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    if (kind === 'triaged') await act(side, ubrn, REDIRECT, redirection('x'));
    if (kind === 'cancelled') await happen(side, ubrn, 'cancelled-by-referrer');
    expect(codeOf(await act(side, ubrn, CANCEL, json))).toBe(code);
  });

  test('an application may end a referral with the reasons that the reference data give it', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    const send = async (reason: string): Promise<Reply> =>
      side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.${CANCEL}`, {
        headers: ifMatch(await side.versionOf(ubrn)),
        json: cancellation(reason),
      });
    expect(codeOf(await send('REFERRER_CANCELLATION'))).toBe('INAPPROPRIATE_VALUE');
    expect((await send('BOOKED_OUTSIDE_CAB')).status).toBe(200);
  });

  test('while triage is awaited both kinds of reason are taken, as the texts leave it open', async () => {
    await using side = await startFarSide();
    for (const reason of ['PATIENT_DIED', 'TRIAGE_ENDED'])
      expect((await act(side, await side.create(TRIAGE), CANCEL, cancellation(reason))).status).toBe(200);
  });

  test('a booking system in trouble stops a cancellation too', async () => {
    await using side = await startFarSide();
    const ubrn = await side.create(DIRECT);
    await happen(side, ubrn, 'pas-trouble', { trouble: 'error' });
    expect((await act(side, ubrn, CANCEL, cancellation('PATIENT_DIED'))).status).toBe(502);
  });
});
