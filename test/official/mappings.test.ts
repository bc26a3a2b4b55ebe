import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { DocumentReference, Resource } from '@medplum/fhirtypes';
import {
  accountForLeaves,
  buildDecisionRequest,
  buildReviewTask,
  canonicalJson,
  clinicalSummaryBinaryId,
  clinicalSummaryDocument,
  type DecisionCommand,
  type DecisionEnvironment,
  ID_NAMESPACE,
  type Mapped,
  type MappedReferral,
  type MappedWorklist,
  mapCancelAnswer,
  mapReferenceData,
  mapReferral,
  mapWorklist,
  rejectionReasons,
  type SourceKind,
  sortedJson,
  structureDefinition,
  unmappedOf,
  type WorklistItem,
  withBinary,
  withoutExtension,
} from '../../mappings/index.ts';
import { mustMap } from '../mappings/fixtures.ts';
import { faultsOf, resourcesOf } from '../mappings/r4.ts';

const SHARED = resolve(process.env['ERS_SHARED'] ?? '../shared');
const STU3 = join(SHARED, 'ers/examples/stu3');
const DESIGN = join(SHARED, 'design/examples');

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** The example ids were made in the published namespace, patients' too. */
const ids = { patientNamespace: ID_NAMESPACE };

/** What stays in `ers-unmapped`, by example: it may only change with somebody's knowledge (K3). */
const KEPT = read(join(import.meta.dirname, 'kept-in-unmapped.json')) as Record<string, string[]>;

/** Folders of answers by the mapping that they go through. */
const REFERRALS: readonly [folder: string, kind: SourceKind][] = [
  ['retrieveReferralRequest', 'referral'], // A005
  ['acceptReferral', 'referral'], // A013
  ['rejectReferral', 'referral'], // A014
  ['cancelAppointmentActionLater', 'referral'], // A022
  ['recordTriageOutcome', 'referral'], // A028
  ['cancelReferral', 'cancel-answer'], // A036
];

const SOURCES: readonly [path: string, kind: SourceKind][] = [
  ...REFERRALS.flatMap(([folder, kind]) =>
    readdirSync(join(STU3, folder, 'responses'))
      .filter((file) => file.endsWith('.json'))
      .map((file) => [`${folder}/responses/${file}`, kind] as [string, SourceKind]),
  ),
  // A008. The lists of referrers are none of ours: what only they say is kept, and counted, as if one came by mistake.
  ...readdirSync(join(STU3, 'retrieveWorklist/responses'))
    .filter((file) => file.endsWith('.json'))
    .map((file): [string, SourceKind] => [
      `retrieveWorklist/responses/${file}`,
      file === 'AppointmentSlotIssues.json' ? 'APPOINTMENT_SLOT_ISSUES' : 'REFERRALS_FOR_REVIEW',
    ]),
];

const mapped = (source: unknown, kind: SourceKind): Mapped<MappedReferral | MappedWorklist> =>
  kind === 'referral'
    ? mapReferral(source, { ids })
    : kind === 'cancel-answer'
      ? mapCancelAnswer(source, { ids })
      : mapWorklist(source, kind);

const table: Record<string, { mapped: number; structural: number; kept: number }> = {};

afterAll(() => {
  const widest = Math.max(...Object.keys(table).map((path) => path.length));
  const lines = Object.entries(table).map(
    ([path, { mapped, structural, kept }]) =>
      `${path.padEnd(widest)} ${[mapped, structural, kept].map((count) => String(count).padStart(10)).join('')}`,
  );
  process.stdout.write(`${''.padEnd(widest)}     mapped structural      kept\n${lines.join('\n')}\n`);
});

describe.each(SOURCES)('%s', (path, kind) => {
  const source = read(join(STU3, path));

  test('K3, G-2: every leaf is mapped, structural or kept, and what is kept is known', () => {
    const { unaccounted, ...account } = accountForLeaves(source, kind);
    expect(unaccounted).toEqual([]);
    expect(account.kept).toEqual(KEPT[path] ?? []);
    table[path] = {
      mapped: account.mapped.length,
      structural: account.structural.length,
      kept: account.kept.length,
    };
  });

  test('it maps to R4 that the base definitions accept', () => {
    const value = mustMap(mapped(source, kind));
    if ('items' in value) expect(value.unreadable).toEqual([]);
    else expect(resourcesOf(value).flatMap(faultsOf)).toEqual([]);
  });
});

test('the examples are all there: 8 of A005, and at least one of each other answer', () => {
  const count = (folder: string) => SOURCES.filter(([path]) => path.startsWith(`${folder}/`)).length;
  expect(count('retrieveReferralRequest')).toBe(8);
  expect(count('retrieveWorklist')).toBe(9);
  for (const [folder] of REFERRALS) expect(count(folder)).toBeGreaterThan(0);
  expect(Object.keys(KEPT).filter((path) => !SOURCES.some(([known]) => known === path))).toEqual([]);
});

describe('the expected results of the design', () => {
  const expected = (name: string) => read(join(DESIGN, `${name}.json`)) as Resource & { id: string };
  const answer = (name: string) =>
    mustMap(mapReferral(read(join(STU3, `retrieveReferralRequest/responses/${name}.json`)), { ids }));
  const booked = answer('BookedDBS');

  /** I-9 and K3 put two extensions on an attachment that the design's examples, made before, do not show. */
  function withoutOurIds(resource: DocumentReference): DocumentReference {
    const [content] = resource.content ?? [];
    const attachment = withoutExtension(
      withoutExtension(content?.attachment ?? {}, 'ers-binary-id'),
      'ers-declared-size',
    );
    return { ...resource, content: [{ ...content, attachment }] };
  }

  const same = (resource: (Resource & { id?: string }) | undefined, name: string) => {
    expect(JSON.parse(canonicalJson(resource ?? {}))).toEqual(JSON.parse(canonicalJson(expected(name))));
    expect(resource?.id).toBe(expected(name).id);
  };

  test('01, 02: the Patient and the service', () => {
    same(
      booked.shared.find(({ resourceType }) => resourceType === 'Patient'),
      '01-patient-from-ers',
    );
    same(
      booked.shared.find(({ resourceType }) => resourceType === 'HealthcareService'),
      '02-healthcareservice-stub',
    );
  });

  test('03: the ServiceRequest', () => same(booked.serviceRequest, '03-servicerequest-booked'));
  test('04: the shortlist', () => same(booked.shortlist, '04-list-shortlist'));
  test('05: the Appointment', () => same(booked.appointment, '05-appointment-booked'));

  test('06: an attachment that is stored', () => {
    const [document] = booked.documents;
    if (!document) throw new Error('no attachment');
    const stored = withBinary(document, {
      binaryId: '3d66f0e0-ed26-505d-86dc-e5620b34851d',
      size: 6,
      sha1: '9XLTlvrpIGYocU+yzgD3LpTyJY8=',
      contentType: 'application/pdf',
    });
    same(withoutOurIds(stored), '06-documentreference-available');
  });

  /** The design writes these two for another referral and uploader; the file and its state are what is compared. */
  test.each([
    [0, '07-documentreference-pending'],
    [1, '08-documentreference-threats-found'],
  ])('%i, %s: an attachment that may not or not yet be read', (index, name) => {
    const document = answer('WithUnavailableAttachments').documents[index];
    const want = expected(name) as DocumentReference;
    expect(document && withoutOurIds(document.resource).content).toEqual(want.content);
    expect(document?.resource.docStatus).toBe(want.docStatus);
  });

  test('09: the clinical information summary', () => {
    const attachment = (expected('09-documentreference-clinical-summary') as DocumentReference).content?.[0]
      ?.attachment;
    const { facts } = booked;
    const summary = clinicalSummaryDocument({
      facts,
      ids,
      binaryId: clinicalSummaryBinaryId(ids, facts.requestId, facts.version),
      size: 48_211,
      sha1: attachment?.hash ?? '',
      contentType: 'application/pdf',
      title: attachment?.title ?? '',
      date: '2021-07-06T11:48:52Z',
    });
    same(summary, '09-documentreference-clinical-summary');
  });

  const item: WorklistItem = {
    list: 'REFERRALS_FOR_REVIEW',
    ubrn: booked.facts.ubrn,
    requestContextStatus: {
      system: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-RequestContextStatus-1',
      code: 'NEVER_REVIEWED',
      display: 'Never Reviewed',
    },
    clinicalInfoPrinted: false,
    unmapped: [],
  };
  const review = { facts: booked.facts, episode: 1, firstSeen: '2021-06-12T00:00:00Z', hasAppointment: true };
  const referralType = (code: string) => ({
    referralType: { system: 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralType-1', code },
  });

  const sameTask = (task: Resource & { id?: string }, name: string) => {
    const { lastModified: _writers, ...want } = expected(name) as unknown as Record<string, unknown>;
    expect(JSON.parse(canonicalJson(task))).toEqual(JSON.parse(canonicalJson(want)));
    expect(task.id).toBe(want['id']);
  };

  test('10: the Task of a booking', () => {
    const task = buildReviewTask(
      {
        ...review,
        item: { ...item, ...referralType('APPOINTMENT') },
        code: 'review-booking',
        availableDecisions: ['accept', 'reject', 'redirect'],
        bookableType: 'DIRECTLY_BOOKABLE',
        documents: booked.documents,
        hasClinicalSummary: true,
      },
      ids,
    );
    sameTask(task, '10-task-awaiting-review');
  });

  test('10b: the Task of a triage', () => {
    const task = buildReviewTask(
      {
        ...review,
        item: { ...item, ...referralType('TRIAGE_DEFERRAL') },
        code: 'review-triage',
        availableDecisions: ['accept-book-later', 'return-with-advice'],
        documents: booked.documents,
        hasClinicalSummary: true,
      },
      ids,
    );
    sameTask(task, '10b-task-awaiting-triage');
  });

  const rejectionReasonSystem =
    'https://int.api.service.nhs.uk/referrals/FHIR/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON';

  const REQUESTS: readonly [name: string, command: DecisionCommand, attachments: DecisionEnvironment['attachments']][] =
    [
      [
        '13d-reject-ers-request-a014.stu3',
        {
          decision: 'reject',
          reason: 'SERVICE_INAPPROPRIATE',
          comment: 'Please refer to the community heart failure clinic.',
          appointmentCancelledInPas: true,
        },
        [],
      ],
      [
        '14c-redirect-ers-request-a022.stu3',
        {
          decision: 'redirect',
          comment: 'Please contact patient to rebook into the rapid access clinic.',
          priority: 'URGENT',
        },
        [
          {
            url: 'Binary/b2b22a7e-b3e9-4625-8d2c-00507bfdffb5',
            description: 'Rapid access form',
            indexed: '2021-06-11T14:29:41.988Z',
          },
        ],
      ],
      [
        '15c-triage-accept-ers-request-a028.stu3',
        {
          decision: 'accept-book-later',
          comment: 'Urgent action needed. To be booked as soon as possible.',
          priority: 'URGENT',
        },
        [],
      ],
      [
        '16c-triage-return-ers-request-a028.stu3',
        { decision: 'return-with-advice', comment: 'Condition not serious. No further action needed.' },
        [],
      ],
    ];

  test.each(REQUESTS)('%s: what is sent to e-RS, parameter by parameter in order', (name, command, attachments) => {
    const { body } = buildDecisionRequest(command, { rejectionReasonSystem, attachments });
    expect(sortedJson(body)).toBe(sortedJson(expected(name)));
  });
});

describe('reference data', () => {
  const folder = join(STU3, 'getCodeSystem/responses');

  test.each(readdirSync(folder))('A004, %s: every concept is taken over, nothing is left, and it is R4', (file) => {
    const source = read(join(folder, file)) as { concept: { property?: unknown[] }[] };
    const codeSystem = mustMap(mapReferenceData(source));
    expect(codeSystem.concept?.map(({ property }) => property?.length)).toEqual(
      source.concept.map(({ property }) => property?.length),
    );
    expect(unmappedOf(codeSystem)).toEqual([]);
    expect(faultsOf(codeSystem)).toEqual([]);
  });

  test('A014: the sample has rejection reasons in force today', () => {
    const reasons = mustMap(mapReferenceData(read(join(folder, 'AppointmentCancellationReasonCodeSystem.json'))));
    expect(rejectionReasons(reasons, '2026-01-01T00:00:00Z').map(({ code }) => code)).toContain(
      'SERVICE_INAPPROPRIATE',
    );
  });
});

test('every extension that the mappings write is one of ours or of FHIR’s own', () => {
  const own = structureDefinition('');
  const urls = SOURCES.filter(([, kind]) => kind === 'referral').flatMap(([path, kind]) => {
    const value = mustMap(mapped(read(join(STU3, path)), kind));
    return 'facts' in value
      ? resourcesOf(value).flatMap((resource) => resource.resourceType && topLevelUrls(resource))
      : [];
  });
  expect([...new Set(urls)].filter((url) => !url.startsWith(own))).toEqual([]);
});

const topLevelUrls = (resource: Resource): string[] =>
  'extension' in resource ? (resource.extension ?? []).map(({ url }) => url ?? '') : [];
