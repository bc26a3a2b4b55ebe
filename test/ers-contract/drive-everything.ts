import type { FarSide, Reply, SendOptions } from '../simulator/far-side.ts';
import {
  cancellation,
  changedPriority,
  DIRECT,
  fileLink,
  INDIRECT,
  ifMatch,
  outcome,
  redirection,
  rejection,
  SLOT_ISSUE,
  TRIAGE,
  worklistRequest,
} from '../simulator/far-side.ts';

/** Calls every endpoint of the simulator well and badly, in both modes, with every referral of the sample trust. */
export async function driveEverything(side: FarSide): Promise<void> {
  const clinician = await side.signIn();
  const admin = await side.signIn({ roles: ['SERVICE_PROVIDER_CLINICIAN_ADMIN'], onBehalfOf: ['999000000042'] });
  const principal = { ...admin.headers, 'NHSD-eRS-On-Behalf-Of-User-ID': '999000000042' };
  const asAdmin = { token: admin.token, headers: principal };
  const referrals: { ubrn: string; version: number; attachments: { binaryId: string }[] }[] = (
    await side.control('GET', '/referrals')
  ).json.referrals;

  for (const type of [
    'SPECIALTY',
    'APPOINTMENT-CANCELLATION-REASON',
    'CLINIC-TYPE',
    'REFERRAL-CANCELLATION-REASON',
    'APPOINTMENT-NON-ATTENDANCE-REASON',
    'PRIORITY',
    'COLOUR',
  ])
    await side.send('GET', `/STU3/CodeSystem/${type}`);
  for (const service of side.simulator.services)
    for (const list of service.lists)
      await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { json: worklistRequest(list, service.id) });
  await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', {
    json: worklistRequest('REFERRALS_FOR_REVIEW'),
  });
  await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', {
    ...asAdmin,
    json: worklistRequest('REFERRALS_FOR_REVIEW'),
  });

  for (const { ubrn, version, attachments } of referrals) {
    const { json } = await side.send('GET', `/STU3/ReferralRequest/${ubrn}`);
    await side.send('GET', `/STU3/ReferralRequest/${ubrn}/_history/${version}`, clinician);
    await side.send('GET', `/STU3/ReferralRequest/${ubrn}/_history/1`);
    await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.generateCRI`, { accept: 'application/pdf' });
    await side.send('GET', `/STU3/Task?focus=ReferralRequest/${ubrn}/_history/${version}&intent=proposal&status=ready`);
    await side.send(
      'GET',
      `/STU3/Task?focus=ReferralRequest/${ubrn}/_history/${version}&intent=proposal&status=ready`,
      clinician,
    );
    for (const { binaryId } of attachments) {
      await side.send('GET', `/R4/Binary/${binaryId}`);
      await side.send('GET', `/STU3/Binary/${binaryId}`, clinician);
    }
    const appointment = JSON.stringify(json).match(/Appointment\/(\d+)/)?.[1];
    if (appointment !== undefined) await side.send('GET', `/STU3/Appointment/${appointment}`, clinician);
    const advice = await side.send('GET', `/STU3/CommunicationRequest/${ubrn}`);
    const basedOn = `CommunicationRequest/${ubrn}/_history/${advice.json?.meta?.versionId ?? 1}`;
    await side.send(
      'GET',
      `/STU3/Communication?based-on=${basedOn}&_include=Communication:requester-practitionerrole:PractitionerRole`,
    );
  }
  await side.send('GET', '/R4/PractitionerRole', { token: clinician.token });
  await side.send('GET', '/R4/Practitioner?_query=onBehalfOf', { token: admin.token, headers: admin.headers });
  await decide(side, clinician);
  await refuse(side, clinician);
}

type Session = { token: string; headers: Record<string, string> };

/** Every write, once with success, on its own referral. */
async function decide(side: FarSide, clinician: Session): Promise<void> {
  const write = async (
    wish: Record<string, unknown>,
    operation: string,
    json: unknown,
    session?: Session,
  ): Promise<Reply> => {
    const ubrn = typeof wish['ubrn'] === 'string' ? wish['ubrn'] : await side.create(wish);
    const options: SendOptions = {
      ...(session && { token: session.token }),
      ...(json !== undefined && { json }),
      headers: { ...session?.headers, ...ifMatch(await side.versionOf(ubrn)) },
    };
    const reply = await side.send('POST', `/STU3/ReferralRequest/${ubrn}/$ers.${operation}`, options);
    if (reply.status !== 200) throw new Error(`${operation} was answered with ${reply.status} ${reply.text}`);
    return reply;
  };
  const upload = async (ubrn: string, name: string): Promise<string> => {
    const headers = {
      ...clinician.headers,
      'content-type': 'application/pdf',
      'NHSD-eRS-File-Name': name,
      'NHSD-eRS-Referral-ID': ubrn,
    };
    const reply = await side.send('POST', '/STU3/Binary', { token: clinician.token, headers, body: '%PDF-1.4' });
    return reply.headers.get('location') ?? '';
  };
  const attachment = { title: 'letter.pdf', contentType: 'application/pdf' };
  await write(DIRECT, 'acceptReferral', undefined);
  await write({ ...INDIRECT, attachments: [attachment] }, 'acceptReferral', undefined, clinician);
  await write(DIRECT, 'rejectReferral', rejection('OTHER', 'Not for us'), clinician);
  await write(INDIRECT, 'rejectReferral', rejection('SERVICE_INAPPROPRIATE', undefined, true), clinician);
  const redirected = await side.create(DIRECT);
  const file = fileLink('providerAttachmentFile', await upload(redirected, 'a.pdf'), { description: 'A file' });
  await write(
    { ubrn: redirected },
    'cancelAppointmentActionLater',
    redirection('Rebook', undefined, changedPriority('URGENT'), file),
    clinician,
  );
  await write(INDIRECT, 'cancelAppointmentActionLater', redirection('Rebook', false), clinician);
  const triaged = await side.create(TRIAGE);
  const advice = fileLink('reviewAttachmentFile', await upload(triaged, 'b.pdf'));
  await write(
    { ubrn: triaged },
    'recordReviewOutcome',
    outcome('RETURN_TO_REFERRER_WITH_ADVICE', 'Advice', undefined, advice),
    clinician,
  );
  const deferred = await slotIssueForReview(side);
  await write({ ubrn: deferred }, 'recordReviewOutcome', outcome('ACCEPT_REFER_BOOK_LATER', 'Book', 'URGENT'));
  await write(DIRECT, 'cancelReferral', cancellation('PATIENT_DIED', 'Told by family'), clinician);
  await write({ ubrn: redirected }, 'cancelReferral', cancellation('TRIAGE_ENDED'));
}

/** Which slot issues wait for a review A029 alone tells. */
async function slotIssueForReview(side: FarSide): Promise<string> {
  for (const service of ['70104', '70101', '70104', '70101', '70104', '70101']) {
    const ubrn = await side.create({ ...SLOT_ISSUE, service });
    const focus = `ReferralRequest/${ubrn}/_history/${await side.versionOf(ubrn)}`;
    const told = await side.send('GET', `/STU3/Task?focus=${focus}&intent=proposal&status=ready`);
    if (told.text.includes('RECORD_REVIEW_OUTCOME')) return ubrn;
  }
  throw new Error('no slot issue waits for a review');
}

/** Refusals of every kind and layer. */
async function refuse(side: FarSide, clinician: Session): Promise<void> {
  const ubrn = await side.create(DIRECT);
  const accept = `/STU3/ReferralRequest/${ubrn}/$ers.acceptReferral`;
  const version = await side.versionOf(ubrn);
  const reject = `/STU3/ReferralRequest/${ubrn}/$ers.rejectReferral`;
  await side.send('POST', accept);
  await side.send('POST', accept, { headers: { 'If-Match': 'x' } });
  await side.send('POST', accept, { headers: ifMatch(version + 1) });
  await side.send('POST', accept, { headers: ifMatch(version), accept: 'text/html' });
  await side.send('POST', accept, { token: 'unknown', headers: ifMatch(version) });
  await side.send('POST', reject, { json: rejection(), headers: ifMatch(version) });
  const spoiled = { token: clinician.token, headers: { ...clinician.headers, ...ifMatch(version) } };
  await side.send('POST', reject, { ...spoiled, json: rejection('NONE') });
  await side.send('POST', reject, { ...spoiled, json: {} });
  await side.send('POST', reject, { ...spoiled, body: '{}' });
  await side.send('GET', '/R4/Binary/00000000-0000-4000-8000-000000000000');
  await side.send('GET', '/R4/Binary/nonsense');
  await side.send('GET', '/R4/Binary/00000000-0000-4000-8000-000000000000', { token: 'unknown' });
  await side.send('GET', '/R4/PractitionerRole');
  await side.send('GET', '/STU3/ReferralRequest/000000000000');
  await side.send('GET', '/STU3/CommunicationRequest/000000000000');
  await side.send('GET', '/STU3/Task');
  const upload = { ...clinician.headers, 'content-type': 'application/pdf', 'NHSD-eRS-File-Name': 'a.png' };
  await side.send('POST', '/STU3/Binary', { token: clinician.token, headers: upload, body: 'x' });
  await side.control('POST', `/referrals/${ubrn}/events`, { type: 'pas-trouble', trouble: 'silent' });
  await side.send('POST', reject, { ...spoiled, json: rejection() });
  for (const trouble of ['refused', 'error', 'silent']) {
    const redirected = await side.create(DIRECT);
    await side.control('POST', `/referrals/${redirected}/events`, { type: 'pas-trouble', trouble });
    await side.send('POST', `/STU3/ReferralRequest/${redirected}/$ers.cancelAppointmentActionLater`, {
      token: clinician.token,
      headers: { ...clinician.headers, ...ifMatch(await side.versionOf(redirected)) },
      json: redirection('Rebook'),
    });
  }
  await side.control('POST', `/referrals/${ubrn}/events`, { type: 'patient-restricted' });
  await side.send('GET', `/STU3/ReferralRequest/${ubrn}`);
}
