import { describe, expect, test } from '@jest/globals';
import {
  CODE_SYSTEM,
  canonicalJson,
  environmentSystemOf,
  idSpace,
  logicalId,
  mapReferenceData,
  normaliseSystem,
  referenceDataOf,
  rejectionReasons,
  SYSTEM,
  toErsPriority,
} from '../../mappings/index.ts';
import { asJson, ersFixture, ids, mustMap, r4Fixture } from './fixtures.ts';
import { faultsOf } from './r4.ts';

describe('systems (1.0.1)', () => {
  test.each([
    ['https://e.example/FHIR/STU3/CodeSystem/SPECIALTY', CODE_SYSTEM.specialty],
    ['_baseUrl_/STU3/CodeSystem/CLINIC-TYPE', CODE_SYSTEM.clinicType],
    ['https://fhir.nhs.uk/STU3/CodeSystem/eRS-ClinicType-1', CODE_SYSTEM.clinicType],
    ['_baseurl_/STU3/v1/CodeSystem/PRIORITY', CODE_SYSTEM.priority],
    ['_baseurl_/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON', CODE_SYSTEM.appointmentCancellationReason],
    ['_baseurl_/STU3/CodeSystem/REFERRAL-CANCELLATION-REASON', CODE_SYSTEM.referralCancellationReason],
    ['_baseurl_/STU3/CodeSystem/REQUEST-CANCELLATION-REASON', CODE_SYSTEM.referralCancellationReason],
    ['_baseurl_/STU3/CodeSystem/APPOINTMENT-NON-ATTENDANCE-REASON', CODE_SYSTEM.appointmentNonAttendanceReason],
    ['http://fhir.nhs.net/Id/nhs-number', SYSTEM.nhsNumber],
    ['http://fhir.nhs.net/Id/sds-user-id', SYSTEM.sdsUser],
    ['http://fhir.nhs.net/Id/ers-service', SYSTEM.service],
    ['https://directory.spineservices.nhs.uk/STU3/Organization', SYSTEM.organisation],
    ['http://hl7.org/fhir/ValueSet/encounter-participant-type', CODE_SYSTEM.participationType],
    ['http://snomed.info/sct', 'http://snomed.info/sct'],
    [CODE_SYSTEM.appointmentCancellationReason, CODE_SYSTEM.appointmentCancellationReason],
  ])('G-3: %s is %s', (url, system) => {
    expect(normaliseSystem(url)).toEqual({ system, known: true });
  });

  test('a code system of an environment that the table lacks is ours, and unknown', () => {
    expect(normaliseSystem('_baseUrl_/STU3/CodeSystem/XYZ')).toEqual({
      system: 'https://ers-fhir.example/CodeSystem/ers-xyz',
      known: false,
    });
  });

  test('the way back names A004’s data', () => {
    expect(referenceDataOf(CODE_SYSTEM.appointmentCancellationReason)).toBe('APPOINTMENT-CANCELLATION-REASON');
    expect(referenceDataOf(CODE_SYSTEM.snomed)).toBeUndefined();
  });
});

describe('priority', () => {
  test.each([
    [CODE_SYSTEM.priority, 'URGENT', 'URGENT'],
    ['_baseUrl_/STU3/CodeSystem/PRIORITY', 'ROUTINE', 'ROUTINE'],
    [CODE_SYSTEM.requestPriority, 'routine', 'ROUTINE'],
    [CODE_SYSTEM.requestPriority, 'urgent', 'URGENT'],
    [CODE_SYSTEM.requestPriority, 'asap', 'TWO_WEEK_WAIT'],
    [CODE_SYSTEM.requestPriority, 'stat', undefined],
    [CODE_SYSTEM.requestPriority, 'URGENT', undefined],
    [CODE_SYSTEM.priority, 'urgent', undefined],
    ['https://other.example', 'URGENT', undefined],
  ])('T-5: %s#%s asks e-RS for %p', (system, code, priority) => {
    expect(toErsPriority({ system, code })).toBe(priority);
  });

  test('T-5: a priority without a system is none', () => {
    expect(toErsPriority({ code: 'URGENT' })).toBeUndefined();
    expect(toErsPriority(undefined)).toBeUndefined();
  });
});

describe('reference data (A004)', () => {
  const name = 'a004-appointment-cancellation-reason';
  const mirror = () => mustMap(mapReferenceData(ersFixture(name)));

  test('a code system becomes its pair, with every property', () => {
    expect(asJson(mirror())).toEqual(r4Fixture(name));
    expect(faultsOf(mirror())).toEqual([]);
  });

  const DATE = 'https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-EffectivefromDate-1';
  const withDate = (valueDate: string) => {
    const property = [{ code: 'effectiveFrom', valueDateTime: '2004-06-01T00:00:00.000Z' }];
    const concept = [{ extension: [{ url: DATE, valueDate }], code: 'ALLERGY', property }];
    const { value, issues } = mapReferenceData({ ...ersFixture(name), concept }) as Extract<
      ReturnType<typeof mapReferenceData>,
      { ok: true }
    >;
    return { concept: value.concept?.[0], kept: value.extension?.length, issues: issues.map(({ code }) => code) };
  };

  test('a date that e-RS says a second time, in an extension that nobody publishes for R4, is said once', () => {
    const concept = {
      code: 'ALLERGY',
      property: [{ code: 'effectiveFrom', valueDateTime: '2004-06-01T00:00:00.000Z' }],
    };
    expect(withDate('2004-06-01')).toEqual({ concept, kept: undefined, issues: [] });
  });

  test('K3: such an extension with another date is kept', () => {
    expect(withDate('2004-06-02')).toMatchObject({ kept: 1, issues: ['VALUE_UNMAPPED'] });
    expect(withDate('2004-06')).toMatchObject({ kept: 1, issues: ['VALUE_UNMAPPED'] });
  });

  test('csd-0: its name is one that code can be made from; what e-RS calls it is its title', () => {
    expect(mirror().name).toMatch(/^[A-Z]\w{0,254}$/);
    expect(mirror().title).toBe(ersFixture(name).name);
  });

  test('G-3: what the environment calls it is kept for what is sent back', () => {
    expect(mirror().url).toBe(CODE_SYSTEM.appointmentCancellationReason);
    expect(environmentSystemOf(mirror())).toBe(ersFixture(name).url);
  });

  test('G-3: a placeholder of the sandbox is no URI, and is not said to be one', () => {
    const url = '_baseUrl_/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON';
    const ofSandbox = mustMap(mapReferenceData({ ...ersFixture(name), url }));
    expect(ofSandbox.identifier).toEqual([{ value: url }]);
    expect(environmentSystemOf(ofSandbox)).toBe(url);
    const absolute = 'https://e.example/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON';
    expect(mustMap(mapReferenceData({ ...ersFixture(name), url: absolute })).identifier).toEqual([
      { system: 'urn:ietf:rfc:3986', value: absolute },
    ]);
  });

  test('A014: only rejections in force at the instant are offered, from their start up to their end', () => {
    const codesAt = (at: string) => rejectionReasons(mirror(), at).map(({ code }) => code);
    expect(codesAt('2026-06-01T00:00:00Z')).toEqual(['WRONG_CLINIC', 'OTHER']);
    expect(codesAt('2014-09-30T23:59:59Z')).toEqual(['WRONG_CLINIC', 'OTHER', 'OLD_REASON']);
    expect(codesAt('2014-10-01T00:00:00Z')).toEqual(['WRONG_CLINIC', 'OTHER']);
    expect(codesAt('2027-01-01T00:00:00Z')).toEqual(['WRONG_CLINIC', 'OTHER', 'NEXT_YEAR']);
    expect(codesAt('2004-05-31T23:59:59Z')).toEqual([]);
  });

  test('A014: whether a comment is mandatory is e-RS’s word, not ours', () => {
    expect(rejectionReasons(mirror(), '2026-06-01T00:00:00Z').map((one) => one.commentIsMandatory)).toEqual([
      false,
      true,
    ]);
  });

  test.each([null, {}, { resourceType: 'CodeSystem' }, { resourceType: 'CodeSystem', url: 'x', concept: [] }])(
    '%p is no reference data of e-RS',
    (source) => {
      expect(mapReferenceData(source).ok).toBe(false);
    },
  );
});

describe('identity', () => {
  test('2.2: a logical id is the same in every installation, but a patient’s', () => {
    const other = idSpace('another secret');
    expect(logicalId(ids, SYSTEM.service, '11002')).toBe('9a60b600-2269-5522-8bdc-095dbea6b6e7');
    expect(logicalId(ids, SYSTEM.service, '11002')).toBe(logicalId(other, SYSTEM.service, '11002'));
    expect(logicalId(ids, SYSTEM.nhsNumber, '9990001014')).not.toBe(logicalId(other, SYSTEM.nhsNumber, '9990001014'));
  });

  test('I-11: what a store adds by itself, and the order of members, make no difference; the content does', () => {
    const one = {
      resourceType: 'ServiceRequest',
      id: '1',
      meta: { versionId: '4', profile: ['p'] },
      status: 'active',
    };
    const same = {
      status: 'active',
      meta: { profile: ['p'], lastUpdated: '2026-01-01T00:00:00Z' },
      id: '2',
      resourceType: 'ServiceRequest',
      note: undefined,
    };
    expect(canonicalJson(one)).toBe(canonicalJson(same));
    expect(canonicalJson({ ...one, status: 'revoked' })).not.toBe(canonicalJson(one));
    expect(canonicalJson({ ...one, meta: { versionId: '4' } })).not.toBe(canonicalJson(one));
    expect(canonicalJson({ ...one, meta: { versionId: '4' } })).toBe(
      canonicalJson({ resourceType: 'ServiceRequest', status: 'active' }),
    );
  });
});
