import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Resource } from '@medplum/fhirtypes';
import { CODE_SYSTEM, SYSTEM, structureDefinition } from '../../mappings/index.ts';
import type { ResourceType, Store, Stored } from '../../server/core/index.ts';

const coding = (system: string, code: string) => ({ coding: [{ system, code }] });
const parameter = encodeURIComponent;
/** An id that nothing has. */
const NIL = '00000000-0000-0000-0000-000000000000';

/** Two referrals of one service in a small world, and every search of the target model's section 6 asked of it. */
export function searchWorld(storeOf: () => Store): void {
  describe('searches', () => {
    const ids: Record<string, string> = {};

    async function put(name: string, resource: Resource): Promise<void> {
      const made = await storeOf().create(resource);
      if (!made.ok) throw new Error(`${name}: ${made.code} ${JSON.stringify(made.outcome)}`);
      ids[name] = made.value.resource.id;
    }
    const to = (type: ResourceType, name: string) => ({ reference: `${type}/${ids[name]}` });

    beforeAll(async () => {
      await put('service', {
        resourceType: 'HealthcareService',
        identifier: [{ system: SYSTEM.service, value: '990001' }],
        name: 'Search Clinic',
      });
      await put('patient', {
        resourceType: 'Patient',
        identifier: [{ system: SYSTEM.nhsNumber, value: '9990001014' }],
      });
      await put('clinician', {
        resourceType: 'Practitioner',
        identifier: [{ system: SYSTEM.sdsUser, value: '555000000901' }],
      });
      await put('advice', {
        resourceType: 'ServiceRequest',
        status: 'active',
        intent: 'order',
        subject: to('Patient', 'patient'),
      });
      for (const [name, ubrn, state, priority] of [
        ['booked', '000990000101', 'BOOKED', 'routine'],
        ['rejected', '000990000102', 'REJECTED', 'asap'],
      ] as const) {
        await put(name, {
          resourceType: 'ServiceRequest',
          status: 'active',
          intent: 'order',
          priority,
          identifier: [{ system: SYSTEM.ubrn, value: ubrn }],
          category: [coding('http://snomed.info/sct', '3457005')],
          code: coding(CODE_SYSTEM.clinicType, 'HEART_FAILURE'),
          performerType: coding(CODE_SYSTEM.specialty, 'CARDIOLOGY'),
          subject: to('Patient', 'patient'),
          performer: [to('HealthcareService', 'service')],
          ...(name === 'rejected'
            ? { basedOn: [to('ServiceRequest', 'advice')], supportingInfo: [to('ServiceRequest', 'booked')] }
            : {}),
          extension: [
            {
              url: structureDefinition('ers-referral-state'),
              extension: [{ url: 'state', valueCoding: { system: CODE_SYSTEM.referralState, code: state } }],
            },
            { url: structureDefinition('ers-pathway-start'), valueDateTime: '2026-01-05T10:00:00Z' },
          ],
        } as Resource);
      }
      for (const [name, focus, status, businessStatus, priority] of [
        ['open', 'booked', 'requested', 'awaiting-review', 'routine'],
        ['closed', 'rejected', 'rejected', 'rejected', 'asap'],
      ] as const) {
        await put(name, {
          resourceType: 'Task',
          status,
          intent: 'order',
          priority,
          code: coding(CODE_SYSTEM.taskCode, name === 'open' ? 'review-booking' : 'review-triage'),
          businessStatus: coding(CODE_SYSTEM.reviewStatus, businessStatus),
          focus: to('ServiceRequest', focus),
          for: to('Patient', 'patient'),
          owner: name === 'open' ? to('HealthcareService', 'service') : to('Practitioner', 'clinician'),
          authoredOn: name === 'open' ? '2026-02-01T09:00:00Z' : '2026-02-02T09:00:00Z',
          extension: [{ url: structureDefinition('ers-service'), valueReference: to('HealthcareService', 'service') }],
        } as Resource);
      }
      await put('other', { resourceType: 'HealthcareService', name: 'Other Clinic' });
      await put('stranger', { resourceType: 'Patient', active: true });
      await put('elsewhere', {
        resourceType: 'ServiceRequest',
        status: 'active',
        intent: 'order',
        subject: to('Patient', 'stranger'),
        performer: [to('HealthcareService', 'other')],
      } as Resource);
      await put('foreign', {
        resourceType: 'Task',
        status: 'requested',
        intent: 'order',
        focus: to('ServiceRequest', 'elsewhere'),
        for: to('Patient', 'stranger'),
      } as Resource);
      await put('letter', {
        resourceType: 'DocumentReference',
        status: 'current',
        type: coding(CODE_SYSTEM.documentType, 'clinical-information-summary'),
        subject: to('Patient', 'patient'),
        context: { related: [to('ServiceRequest', 'booked')] },
        content: [
          {
            attachment: {
              contentType: 'application/pdf',
              url: 'Binary/letter-file',
              extension: [
                {
                  url: structureDefinition('ers-availability-status'),
                  valueCoding: { system: CODE_SYSTEM.availability, code: 'THREATS_FOUND' },
                },
              ],
            },
          },
        ],
      } as Resource);
      await put('appointment', {
        resourceType: 'Appointment',
        status: 'booked',
        start: '2026-03-01T09:00:00Z',
        end: '2026-03-01T09:15:00Z',
        basedOn: [to('ServiceRequest', 'booked')],
        participant: [{ actor: to('HealthcareService', 'service'), status: 'accepted' }],
      } as Resource);
      await put('shortlist', {
        resourceType: 'List',
        status: 'current',
        mode: 'snapshot',
        subject: to('Patient', 'patient'),
        entry: [{ item: to('HealthcareService', 'service') }],
      } as Resource);
      await put('provenance', {
        resourceType: 'Provenance',
        target: [to('Task', 'closed'), to('ServiceRequest', 'rejected')],
        recorded: '2026-02-03T09:00:00Z',
        agent: [{ who: to('Practitioner', 'clinician') }],
      } as Resource);
    });

    const named = (resources: readonly Stored[]) =>
      resources.map(({ id }) => Object.entries(ids).find(([, known]) => known === id)?.[0] ?? id).toSorted();

    /** `{name}` in a query stands for that resource's id. */
    const filled = (query: string) => query.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? '');

    const QUERIES: readonly (readonly [string, ResourceType, string, readonly string[], (readonly string[])?])[] = [
      [
        'S-1',
        'Task',
        'owner=HealthcareService/{service}&status=requested,received&_include=Task:focus&_include=Task:patient',
        ['open'],
        ['booked', 'patient'],
      ],
      [
        'S-1 chained',
        'Task',
        'focus:ServiceRequest.performer=HealthcareService/{service}&owner=Practitioner/{clinician}',
        ['closed'],
      ],
      ['S-2', 'Task', 'owner=Practitioner/{clinician}&status=rejected', ['closed']],
      [
        'S-3',
        'Task',
        `code=${parameter(`${CODE_SYSTEM.taskCode}|review-booking`)}&status=requested&owner=HealthcareService/{service}`,
        ['open'],
      ],
      ['S-4', 'Task', 'priority=asap&owner=Practitioner/{clinician}&_sort=authored-on', ['closed']],
      [
        'S-5 S-6 S-7 S-8',
        'Task',
        'business-status=awaiting-review,decision-queued&owner=HealthcareService/{service}',
        ['open'],
      ],
      [
        'S-9',
        'ServiceRequest',
        `identifier=${parameter(`${SYSTEM.ubrn}|000990000101`)}&category=${parameter('http://snomed.info/sct|3457005')}&_revinclude=Task:focus&_revinclude=Appointment:based-on&_revinclude=DocumentReference:related`,
        ['booked'],
        ['appointment', 'letter', 'open'],
      ],
      [
        'S-10',
        'ServiceRequest',
        `patient.identifier=${parameter(`${SYSTEM.nhsNumber}|9990001014`)}&category=3457005`,
        ['booked', 'rejected'],
      ],
      [
        'S-11 base',
        'ServiceRequest',
        '_has:Task:focus:business-status=rejected&performer=HealthcareService/{service}',
        ['rejected'],
      ],
      [
        'S-12',
        'ServiceRequest',
        `performer-type=${parameter(`${CODE_SYSTEM.specialty}|CARDIOLOGY`)}&code=HEART_FAILURE&priority=asap&performer=HealthcareService/{service}`,
        ['rejected'],
      ],
      ['S-13 missing', 'ServiceRequest', 'based-on:missing=false&performer=HealthcareService/{service}', ['rejected']],
      ['S-13', 'ServiceRequest', 'based-on=ServiceRequest/{advice}', ['rejected']],
      ['S-15', 'DocumentReference', 'related=ServiceRequest/{booked}&type=clinical-information-summary', ['letter']],
      [
        'S-17',
        'Appointment',
        'actor=HealthcareService/{service}&date=ge2026-01-01&status=booked&_include=Appointment:based-on',
        ['appointment'],
        ['booked'],
      ],
      [
        'S-18',
        'Task',
        'business-status=rejected,returned-with-advice&authored-on=ge2026-02-02&owner=Practitioner/{clinician}',
        ['closed'],
      ],
      ['S-19', 'Provenance', 'target=Task/{closed}', ['provenance']],
      [
        'S-20',
        'Task',
        '_lastUpdated=ge2020-01-01T00:00:00Z&_sort=_lastUpdated&owner=HealthcareService/{service}',
        ['open'],
      ],
      ['S-22', 'List', 'item=HealthcareService/{service}', ['shortlist']],
      ['S-22 patient', 'List', 'patient=Patient/{patient}', ['shortlist']],
      // What keeps a client to its services (docs/decisions/0019), beside conditions of its own.
      [
        'services',
        'Task',
        `_id={open},{closed},{foreign}&focus:ServiceRequest.performer=HealthcareService/${NIL},HealthcareService/{service}`,
        ['closed', 'open'],
      ],
      [
        'services twice',
        'Task',
        'focus:ServiceRequest.performer=HealthcareService/{other}&focus:ServiceRequest.performer=HealthcareService/{service}',
        [],
      ],
      ['services none', 'Task', `focus:ServiceRequest.performer=HealthcareService/${NIL}`, []],
      [
        'services of documents',
        'DocumentReference',
        'location=Binary/letter-file&related:ServiceRequest.performer=HealthcareService/{service}',
        ['letter'],
      ],
      [
        'services of other documents',
        'DocumentReference',
        'location=Binary/letter-file&related:ServiceRequest.performer=HealthcareService/{other}',
        [],
      ],
      [
        'services of appointments',
        'Appointment',
        '_id={appointment}&based-on:ServiceRequest.performer=HealthcareService/{service}',
        ['appointment'],
      ],
      [
        'services of witnesses',
        'Provenance',
        '_id={provenance}&target:ServiceRequest.performer=HealthcareService/{service}',
        ['provenance'],
      ],
      [
        'services of patients',
        'Patient',
        `_id={patient},{stranger}&_has:ServiceRequest:subject:performer=HealthcareService/{service},HealthcareService/${NIL}`,
        ['patient'],
      ],
      [
        'services of other patients',
        'Patient',
        '_id={patient},{stranger}&_has:ServiceRequest:subject:performer=HealthcareService/{other}',
        ['stranger'],
      ],
      ['identifier of a reference', 'Task', '_id={open},{closed}&status:not=rejected', ['open']],
    ];

    test.each(QUERIES)(
      '%s is answered in a form of base R4: %s?%s',
      async (_rule, type, query, matches, includes = []) => {
        const answer = await storeOf().search(type, filled(query));
        if (!answer.ok) throw new Error(JSON.stringify(answer));
        expect([named(answer.value.matches), named(answer.value.includes)]).toEqual([matches, includes]);
      },
    );

    const CUSTOM: readonly (readonly [string, ResourceType, string, readonly string[]])[] = [
      ['S-1', 'Task', 'ers-service=HealthcareService/{service}&status=requested', ['open']],
      [
        'S-11',
        'ServiceRequest',
        `ers-state=${parameter(`${CODE_SYSTEM.referralState}|REJECTED`)}&performer=HealthcareService/{service}`,
        ['rejected'],
      ],
      ['S-14', 'ServiceRequest', 'supporting-info=ServiceRequest/{booked}', ['rejected']],
      [
        'S-16',
        'DocumentReference',
        `ers-availability=${parameter(`${CODE_SYSTEM.availability}|THREATS_FOUND`)}&related=ServiceRequest/{booked}`,
        ['letter'],
      ],
      [
        'S-21',
        'ServiceRequest',
        'ers-pathway-start=lt2026-02-01&performer=HealthcareService/{service}',
        ['booked', 'rejected'],
      ],
    ];

    test.each(CUSTOM)(
      '%s needs a search parameter of ours: %s?%s is answered where the store has it, else refused',
      async (_rule, type, query, matches) => {
        const answer = await storeOf().search(type, filled(query));
        if (!storeOf().capabilities.customSearchParameters)
          return expect(answer).toMatchObject({ ok: false, code: 'invalid' });
        if (!answer.ok) throw new Error(JSON.stringify(answer));
        expect(named(answer.value.matches)).toEqual(matches);
      },
    );

    test('S-18: _summary=count and _total=accurate count without sending', async () => {
      const counted = await storeOf().search('Task', filled('_id={open},{closed}&_summary=count'));
      expect(counted.ok && [counted.value.total, counted.value.matches.length]).toEqual([2, 0]);
      const total = await storeOf().search('Task', filled('_id={open},{closed}&_total=accurate&_count=1'));
      expect(total.ok && [total.value.total, total.value.matches.length]).toEqual([2, 1]);
    });

    test('_elements sends what was asked for, marked as a part', async () => {
      const answer = await storeOf().search('Task', filled('_id={open}&_elements=status'));
      const [task] = answer.ok ? answer.value.matches : [];
      expect(task).toMatchObject({ status: 'requested' });
      expect(task).not.toHaveProperty('focus');
      expect(task?.meta.tag?.[0]?.code).toBe('SUBSETTED');
    });
  });
}
