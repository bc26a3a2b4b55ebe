import { describe, expect, test } from '@jest/globals';
import {
  CODE_SYSTEM,
  canonicalJson,
  codeOf,
  ersVersionOf,
  extensionOf,
  type MappedReferral,
  mapCancelAnswer,
  mapReferral,
  type ReferralOptions,
  SYSTEM,
  unmappedOf,
  type WorklistItem,
} from '../../mappings/index.ts';
import { asJson, ersFixture, ids, mustMap, r4Fixture } from './fixtures.ts';
import { faultsOf, resourcesOf } from './r4.ts';

// biome-ignore lint/suspicious/noExplicitAny: a source document is altered at will
type Change = (source: any) => void;

/** The booked fixture after a change, mapped. */
function booked(change: Change = () => {}, options: Partial<ReferralOptions> = {}) {
  const source = ersFixture('a005-booked');
  change(source);
  const mapped = mapReferral(source, { ids, ...options });
  return { ...mustMap(mapped), issues: mapped.issues };
}

const has = (issues: MappedReferral | { issues: readonly { code: string; at: string }[] }, code: string): boolean =>
  'issues' in issues && issues.issues.some((issue) => issue.code === code);

const withoutFacts = ({ facts: _facts, ...parts }: MappedReferral): unknown => asJson(parts);

const item = (fields: Partial<WorklistItem>): WorklistItem => ({
  list: 'REFERRALS_FOR_REVIEW',
  ubrn: booked().facts.ubrn,
  unmapped: [],
  ...fields,
});

/** The extension of a source by the tail of its url. */
// biome-ignore lint/suspicious/noExplicitAny: a source document is altered at will
const sourceExtension = (source: any, name: string) =>
  source.extension.find(({ url }: { url: string }) => url.includes(name));

describe('pairs', () => {
  test.each(['a005-booked', 'a005-triage'])('%s becomes its pair, resource by resource', (name) => {
    expect(withoutFacts(mustMap(mapReferral(ersFixture(name), { ids })))).toEqual(r4Fixture(name));
  });

  test('I-13: the answer of a cancellation becomes the referral in it, with the reason that only its own appointment gives', () => {
    expect(withoutFacts(mustMap(mapCancelAnswer(ersFixture('a036-cancelled'), { ids })))).toEqual(
      r4Fixture('a036-cancelled'),
    );
  });

  test('K2, G-7: the order of extensions, participants, documents and contained resources changes nothing', () => {
    const reversed = booked((source) => {
      for (const part of [source.contained, source.supportingInfo]) part.reverse();
      source.extension.splice(0, 11, ...source.extension.slice(0, 11).reverse());
      source.contained.find(({ id }: { id: string }) => id === 'appointment').participant.reverse();
    });
    expect(resourcesOf(reversed).map(canonicalJson)).toEqual(resourcesOf(booked()).map(canonicalJson));
    expect(reversed.facts.fingerprintSource).toBe(booked().facts.fingerprintSource);
  });

  test.each(['a005-booked', 'a005-triage'])('%s passes the R4 base definitions', (name) => {
    expect(resourcesOf(mustMap(mapReferral(ersFixture(name), { ids }))).flatMap(faultsOf)).toEqual([]);
  });
});

describe('identity', () => {
  test.each<[string, Change]>([
    ['resourceType', (source) => (source.resourceType = 'Bundle')],
    ['id', (source) => delete source.id],
    ['meta.versionId', (source) => delete source.meta.versionId],
    ['subject.identifier', (source) => delete source.subject.identifier.value],
  ])('G-1: a referral without %s is refused, and the missing element named', (at, change) => {
    const source = ersFixture('a005-booked');
    change(source);
    expect(mapReferral(source, { ids })).toEqual({
      ok: false,
      issues: [{ code: 'REQUIRED_ELEMENT_MISSING', at: `ReferralRequest.${at}` }],
    });
  });

  test.each([undefined, null, 'text', 7, []])('G-1: %p is no referral and throws nothing', (source) => {
    expect(mapReferral(source, { ids }).ok).toBe(false);
    expect(mapCancelAnswer(source, { ids }).ok).toBe(false);
  });

  test('G-1: a subject that some other system numbers is never taken for an NHS number', () => {
    const source = ersFixture('a005-booked');
    source.subject.identifier.system = 'https://fhir.hl7.org.uk/Id/chi-number';
    expect(mapReferral(source, { ids }).ok).toBe(false);
  });

  test('M-1, M-3: a UBRN keeps its leading zeros and version 0 is legal', () => {
    const { facts, serviceRequest } = booked((source) => {
      source.meta.versionId = '0';
    });
    expect(facts).toMatchObject({ ubrn: '000990000017', version: 0 });
    expect(ersVersionOf(serviceRequest)).toBe(0);
  });

  test('M-2, I-3: without a request id the referral is keyed by its UBRN under a system of ours, and that is reported', () => {
    const mapped = booked((source) => (source.identifier = null));
    expect(mapped.facts.requestId).toBe('000990000017#referral');
    expect(mapped.serviceRequest.identifier?.[1]).toEqual({
      system: SYSTEM.request,
      value: '000990000017#referral',
    });
    expect(has(mapped, 'REQUEST_ID_MISSING')).toBe(true);
  });

  test('M-40: a number with a wrong check digit is kept, marked and reported', () => {
    const mapped = booked((source) => (source.subject.identifier.value = '9990001015'));
    const patient = mapped.shared.find(
      ({ resourceType, identifier }) => resourceType === 'Patient' && identifier?.[0]?.value === '9990001015',
    );
    expect(JSON.stringify(patient)).toContain('ers-source-code');
    expect(has(mapped, 'NHS_NUMBER_CHECK_DIGIT')).toBe(true);
  });

  test('M-41: the Patient says no more than e-RS knows', () => {
    const patient = booked().shared.find(({ resourceType }) => resourceType === 'Patient');
    expect(Object.keys(patient ?? {}).toSorted()).toEqual(['active', 'id', 'identifier', 'meta', 'resourceType']);
  });
});

describe('status, intent, priority, state', () => {
  test.each([
    ['active', 'active'],
    ['cancelled', 'revoked'],
    ['completed', 'completed'],
  ])('M-5: status %s becomes %s', (from, to) => {
    expect(booked((source) => (source.status = from)).serviceRequest.status).toBe(to);
  });

  test('M-5, G-6: a status that R4 lacks becomes unknown with its own word beside it', () => {
    const { serviceRequest, ...mapped } = booked((source) => (source.status = 'suspended-in-ers'));
    expect(asJson(serviceRequest)).toMatchObject({
      status: 'unknown',
      _status: { extension: [{ valueString: 'suspended-in-ers' }] },
    });
    expect(has(mapped, 'CODE_UNKNOWN')).toBe(true);
  });

  test('M-5: a rejected referral stays active, since e-RS keeps it so', () => {
    const { serviceRequest, facts } = booked((source) => {
      sourceExtension(source, 'ReferralState').extension[0].valueCoding.code = 'REJECTED';
    });
    expect([serviceRequest.status, facts.state]).toEqual(['active', 'REJECTED']);
  });

  test('M-6, G-6: an intent other than plan is an order with its own word beside it', () => {
    expect(asJson(booked((source) => (source.intent = 'proposal')).serviceRequest)).toMatchObject({
      intent: 'order',
      _intent: { extension: [{ valueString: 'proposal' }] },
    });
  });

  test.each([
    ['ROUTINE', 'routine'],
    ['URGENT', 'urgent'],
    ['TWO_WEEK_WAIT', 'asap'],
    ['SOMETHING_NEW', undefined],
  ])('M-8: priority %s becomes %p and is kept verbatim beside it', (code, priority) => {
    const { serviceRequest } = booked((source) => {
      sourceExtension(source, 'ReferralPriority').valueCodeableConcept.coding[0].code = code;
    });
    expect(serviceRequest.priority).toBe(priority);
    expect(extensionOf(serviceRequest, 'ers-priority')?.valueCoding?.code).toBe(code);
  });

  test('M-16: the spelling of the referrer lists is made one with that of A005, and e-RS’s own stays known', () => {
    const { facts, serviceRequest } = booked((source) => {
      sourceExtension(source, 'ReferralState').extension[0].valueCoding.code = 'APP_CANCELLED_BY_PATIENT';
    });
    expect(facts).toMatchObject({
      state: 'APPT_CANCELLED_BY_PATIENT',
      stateCoding: { code: 'APP_CANCELLED_BY_PATIENT' },
    });
    expect(JSON.stringify(extensionOf(serviceRequest, 'ers-referral-state'))).toContain('APPT_CANCELLED_BY_PATIENT');
  });

  test('M-16, M-151: an unknown state is carried, named in no fact, and reported', () => {
    const mapped = booked((source) => {
      sourceExtension(source, 'ReferralState').extension[0].valueCoding.code = 'PAUSED';
    });
    expect(mapped.facts.state).toBeUndefined();
    expect(JSON.stringify(mapped.serviceRequest)).toContain('PAUSED');
    expect(has(mapped, 'CODE_UNKNOWN')).toBe(true);
  });

  test('M-16: a missing state is left out and reported', () => {
    const mapped = booked((source) => {
      source.extension = source.extension.filter(({ url }: { url: string }) => !url.includes('ReferralState'));
    });
    expect(extensionOf(mapped.serviceRequest, 'ers-referral-state')).toBeUndefined();
    expect(has(mapped, 'STATE_MISSING')).toBe(true);
  });

  test('M-17, M-18, G-3: reason and comments are taken over, the reason under our system', () => {
    const { facts } = mustMap(mapCancelAnswer(ersFixture('a036-cancelled'), { ids }));
    expect(facts).toMatchObject({
      reason: { system: CODE_SYSTEM.referralCancellationReason, code: 'INTEND_PRIVATE' },
      comments: 'Rang us on Monday.',
    });
  });

  test('M-22: the pathway start is read under both names that e-RS gives it, character for character (G-5)', () => {
    const { serviceRequest } = booked((source) => {
      const extension = sourceExtension(source, 'eReferralPathwayStart');
      extension.valueDateTime = '2026-03-02T10:20:11.2040+01:00';
      delete extension.valueInstant;
    });
    expect(extensionOf(serviceRequest, 'ers-pathway-start')?.valueDateTime).toBe('2026-03-02T10:20:11.2040+01:00');
  });

  test('M-29: extension urls are compared without regard to case', () => {
    const { facts } = booked((source) => {
      const extension = sourceExtension(source, 'ReferralState');
      extension.url = extension.url.toUpperCase();
    });
    expect(facts.state).toBe('BOOKED');
  });

  test('M-30: requester and authoredOn stay absent, since no source states them', () => {
    const { serviceRequest } = booked();
    expect(serviceRequest.requester).toBeUndefined();
    expect(serviceRequest.authoredOn).toBeUndefined();
  });
});

describe('who and what the referral points at', () => {
  test('M-27: the service of the appointment is the performer, not the shortlist', () => {
    const { serviceRequest, facts } = booked();
    expect(serviceRequest.performer?.map(({ display }) => display)).toEqual(['Northshire Rapid Access Cardiology']);
    expect(facts.service?.id).toBe('990011');
  });

  test('M-27: without an appointment the worklist’s service is the performer', () => {
    const { serviceRequest } = booked(withoutAppointment, { worklistService: { id: '990012', display: 'Clinic' } });
    expect(serviceRequest.performer?.map(({ identifier }) => identifier?.value)).toEqual(['990012']);
  });

  test('M-27: without either, every shortlisted service is', () => {
    const { serviceRequest, facts } = booked(withoutAppointment);
    expect(serviceRequest.performer?.map(({ identifier }) => identifier?.value)).toEqual(['990011', '990012']);
    expect(facts.service).toBeUndefined();
  });

  test('M-28: the clinician whom the worklist names comes before the one whom the referrer searched for', () => {
    const named = (options: Partial<ReferralOptions>) =>
      extensionOf(booked(undefined, options).serviceRequest, 'ers-named-clinician')?.valueReference?.identifier?.value;
    expect(named({})).toBe('555100000029');
    expect(named({ namedClinician: '555100000052' })).toBe('555100000052');
    expect(named({ worklistItem: item({ namedClinician: '555100000060' }) })).toBe('555100000060');
  });

  test('M-66: values of the worklist fill what A005 lacks, and only that', () => {
    const priority = { system: CODE_SYSTEM.priority, code: 'ROUTINE' };
    const specialty = { system: CODE_SYSTEM.specialty, code: 'UROLOGY' };
    const worklistItem = item({ priority, specialty, pathwayStart: '2026-01-01T00:00:00Z' });
    expect(booked(undefined, { worklistItem }).facts).toMatchObject({
      priority: { code: 'TWO_WEEK_WAIT' },
      specialty: { code: 'CARDIOLOGY' },
    });
    const filled = booked(
      (source) => {
        delete source.specialty;
        source.extension = source.extension.filter(({ url }: { url: string }) => !/Priority|PathwayStart/.test(url));
      },
      { worklistItem },
    );
    expect(filled.facts).toMatchObject({ priority, specialty });
    expect(extensionOf(filled.serviceRequest, 'ers-pathway-start')?.valueDateTime).toBe('2026-01-01T00:00:00Z');
  });

  test('M-66, K3: what a worklist says of an appointment that A005 does not show is kept', () => {
    const worklistItem = item({ appointmentStart: '2026-03-16T10:30:00Z', allocatedClinician: '555100000037' });
    expect(unmappedOf(booked(withoutAppointment, { worklistItem }).serviceRequest)).toEqual(
      expect.arrayContaining([
        { path: 'worklist.appointmentStart', json: '"2026-03-16T10:30:00Z"' },
        { path: 'worklist.allocatedClinician', json: '"555100000037"' },
      ]),
    );
  });

  test('M-13, M-14: related referrals support it, the advice request it came from is its basis', () => {
    const { facts, serviceRequest } = booked();
    expect(facts).toMatchObject({ related: ['000990000025'], adviceUbrn: '000990000017' });
    expect(serviceRequest.basedOn).toEqual([
      { type: 'ServiceRequest', identifier: { system: SYSTEM.ubrn, value: '000990000017' } },
    ]);
  });

  test('M-13: a referral that names itself is not its own relation', () => {
    expect(
      booked((source) => source.supportingInfo.push({ reference: 'ReferralRequest/000990000017' })).facts.related,
    ).toEqual(['000990000025']);
  });

  test('M-12, M-15: an anchor that leads nowhere and a reference of another kind are shown, kept and reported', () => {
    const mapped = booked((source) =>
      source.supportingInfo.push({ reference: '#DocumentReference-9' }, { reference: 'Observation/1' }),
    );
    expect(mapped.serviceRequest.supportingInfo?.map(({ display }) => display)).toEqual(
      expect.arrayContaining(['#DocumentReference-9', 'Observation/1']),
    );
    expect(unmappedOf(mapped.serviceRequest).map(({ json }) => json)).toEqual(
      expect.arrayContaining(['{"reference":"#DocumentReference-9"}', '{"reference":"Observation/1"}']),
    );
    expect(has(mapped, 'REFERENCE_DANGLING')).toBe(true);
  });

  test('M-121: an attachment that supportingInfo does not name is mapped, and linked only from its own side', () => {
    const { documents, serviceRequest } = booked();
    expect(documents.map(({ attachmentId }) => attachmentId)).toEqual(['71001', '71002', '71003']);
    expect(serviceRequest.supportingInfo?.filter(({ type }) => type === 'DocumentReference')).toHaveLength(2);
    expect(documents[2]?.resource.context?.related).toHaveLength(1);
  });

  test('M-82: criteria within the List are found as those beside it are', () => {
    const nested = booked((source) => {
      const [criteria] = source.contained.splice(0, 1);
      source.contained[0].contained = [criteria];
    });
    expect(canonicalJson(nested.shortlist ?? {})).toBe(canonicalJson(booked().shortlist ?? {}));
  });

  test('M-10: the clinic type that was searched for is the code', () => {
    expect(codeOf(booked().serviceRequest.code, CODE_SYSTEM.clinicType)).toBe('HEART_FAILURE');
    expect(mustMap(mapReferral(ersFixture('a005-triage'), { ids })).serviceRequest.code).toBeUndefined();
  });
});

const withoutAppointment: Change = (source) => {
  source.contained = source.contained.filter(({ id }: { id: string }) => id !== 'appointment');
};

describe('irregular sources (1.11)', () => {
  test('contained, extension and supportingInfo may be null', () => {
    const mapped = booked((source) => {
      source.contained = source.extension = source.supportingInfo = null;
    });
    expect(mapped.documents).toEqual([]);
    expect(mapped.shortlist).toBeUndefined();
  });

  test('M-24: an anchor without content is kept, and content without an anchor is mapped', () => {
    const anchored = booked(withoutAppointment);
    expect(anchored.appointment).toBeUndefined();
    expect(JSON.stringify(unmappedOf(anchored.serviceRequest))).toContain('#appointment');
    expect(has(anchored, 'REFERENCE_DANGLING')).toBe(true);
    const unanchored = booked((source) => {
      source.extension = source.extension.filter(({ url }: { url: string }) => !url.includes('Appointment'));
    });
    expect(unanchored.appointment?.status).toBe('booked');
    expect(unanchored.appointment?.identifier?.[0]?.value).toBe(
      'r.5d0f3f52-1d0c-4a52-9d3e-2f7a4c1b9e01.2026-03-02T09:20:11.204Z',
    );
  });

  test.each([
    ['_baseUrl_/STU3/CodeSystem/SPECIALTY'],
    ['_baseurl_/STU3/CodeSystem/SPECIALTY'],
    ['https://dep.example.nhs.uk/referrals-dep/FHIR/STU3/v1/CodeSystem/SPECIALTY'],
  ])('G-3: %s is the specialty system of every environment', (system) => {
    const { serviceRequest } = booked((source) => (source.specialty.coding[0].system = system));
    expect(codeOf(serviceRequest.performerType, CODE_SYSTEM.specialty)).toBe('CARDIOLOGY');
  });

  test('1.0.1: a code system that nobody has named yet gets a system of ours and is reported', () => {
    const mapped = booked((source) => (source.specialty.coding[0].system = '_baseUrl_/STU3/CodeSystem/NEW-THING'));
    expect(mapped.facts.specialty?.system).toBe('https://ers-fhir.example/CodeSystem/ers-new-thing');
    expect(has(mapped, 'CODE_SYSTEM_UNKNOWN')).toBe(true);
  });

  test('a specialty may be an array, and missing', () => {
    expect(booked((source) => (source.specialty = [source.specialty])).facts.specialty?.code).toBe('CARDIOLOGY');
    expect(booked((source) => delete source.specialty).facts.specialty).toBeUndefined();
  });

  test('one attachment id on two files keeps both apart', () => {
    const { documents } = booked((source) => (source.contained[4].content[0].attachment.id = '71001'));
    expect(documents.map(({ attachmentId }) => attachmentId)).toEqual([
      '71001',
      '71001.DocumentReference-71002',
      '71003',
    ]);
    expect(new Set(documents.map(({ resource }) => resource.id)).size).toBe(3);
  });

  test('M-4: a profile that we do not know is kept', () => {
    const { serviceRequest } = booked((source) => source.meta.profile.push('https://fhir.nhs.uk/Another-2'));
    expect(unmappedOf(serviceRequest)).toContainEqual({
      path: 'ReferralRequest.meta.profile[1]',
      json: '"https://fhir.nhs.uk/Another-2"',
    });
  });
});

describe('the fingerprint (4.5)', () => {
  const print = (change?: Change) => booked(change).facts.fingerprintSource;
  const appointment = 2;

  test.each<[string, Change]>([
    ['the priority', (s) => (sourceExtension(s, 'ReferralPriority').valueCodeableConcept.coding[0].code = 'ROUTINE')],
    ['the state', (s) => (sourceExtension(s, 'ReferralState').extension[0].valueCoding.code = 'REJECTED')],
    [
      'when clinical information was last updated',
      (s) => (sourceExtension(s, 'LastUpdated').valueDateTime = '2026-03-04'),
    ],
    ['the appointment’s start', (s) => (s.contained[appointment].start = '2026-03-16T10:00:00.000Z')],
    ['the clinician', (s) => (s.contained[appointment].participant[2].actor.identifier.value = '555100000088')],
    ['an attachment', (s) => s.contained.pop()],
    ['an availability', (s) => (s.contained[4].content[0].attachment.extension[0].valueCoding.code = 'AVAILABLE')],
    ['a requirement', (s) => s.extension.splice(9, 1)],
    ['the specialty', (s) => (s.specialty.coding[0].code = 'UROLOGY')],
  ])('changes with %s', (_what, change) => {
    expect(print(change)).not.toBe(print());
  });

  test.each<[string, Change]>([
    ['the version', (s) => (s.meta.versionId = '9')],
    ['a display', (s) => (s.specialty.coding[0].display = 'Heart')],
    ['what nobody has published', (s) => s.extension.pop()],
  ])('does not change with %s', (_what, change) => {
    expect(print(change)).toBe(print());
  });
});
