import { describe, expect, test } from '@jest/globals';
import { CODE_SYSTEM, codeOf, mapReferral, unmappedOf } from '../../mappings/index.ts';
import { asJson, ersFixture, ids, mustMap } from './fixtures.ts';
import { faultsOf } from './r4.ts';

/** The appointment of the booked fixture, after a change to it. */
// biome-ignore lint/suspicious/noExplicitAny: a source document is altered at will
function appointmentAfter(change: (appointment: any) => void) {
  const source = ersFixture('a005-booked');
  change(source.contained[2]);
  const mapped = mapReferral(source, { ids });
  const { appointment, facts } = mustMap(mapped);
  if (!appointment) throw new Error('no appointment');
  expect(faultsOf(appointment)).toEqual([]);
  return { appointment, facts, issues: mapped.issues.map(({ code }) => code) };
}

const REASON = [{ coding: [{ system: '_baseurl_/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON', code: 'OTHER' }] }];

describe('appointments', () => {
  test.each(['proposed', 'pending', 'booked', 'arrived', 'fulfilled', 'cancelled', 'noshow'])(
    'M-92: %s is the same in R4 where start and end are known',
    (status) => {
      expect(appointmentAfter((one) => (one.status = status)).appointment.status).toBe(status);
    },
  );

  test.each([
    ['booked', 'proposed'],
    ['noshow', 'cancelled'],
    ['postponed', 'proposed'],
  ])('M-92, G-6: %s without times becomes %s, with e-RS’s own word beside it', (status, becomes) => {
    const { appointment, issues } = appointmentAfter((one) => {
      one.status = status;
      delete one.start;
      delete one.end;
    });
    expect(asJson(appointment)).toMatchObject({
      status: becomes,
      _status: { extension: [{ valueString: status }] },
    });
    expect(issues).toContain('CODE_UNKNOWN');
  });

  test('M-91, G-2: half an interval, which R4 refuses, is kept', () => {
    const { appointment } = appointmentAfter((one) => delete one.end);
    expect(appointment.start).toBeUndefined();
    expect(unmappedOf(appointment)).toEqual([
      { path: 'ReferralRequest.contained[2].start', json: '"2026-03-16T10:30:00.000Z"' },
    ]);
  });

  test('M-93: why it was cancelled is a cancellation reason', () => {
    const { appointment } = appointmentAfter((one) => Object.assign(one, { status: 'cancelled', reason: REASON }));
    expect(codeOf(appointment.cancelationReason, CODE_SYSTEM.appointmentCancellationReason)).toBe('OTHER');
    expect(appointment.reasonCode).toBeUndefined();
  });

  test.each(['proposed', 'noshow'])('M-94: why it is %s is a reason code', (status) => {
    const { appointment } = appointmentAfter((one) => Object.assign(one, { status, reason: REASON }));
    expect(codeOf(appointment.reasonCode?.[0], CODE_SYSTEM.appointmentCancellationReason)).toBe('OTHER');
    expect(appointment.cancelationReason).toBeUndefined();
  });

  test('M-95: the slot, which no provider can read, is named and not linked', () => {
    const { appointment } = appointmentAfter(() => {});
    expect(appointment.slot?.[0]).toEqual({
      type: 'Slot',
      identifier: { system: 'https://ers-fhir.example/Id/ers-slot', value: '990011004' },
    });
  });

  test('M-96: another version than the referral’s own is kept and reported', () => {
    const { appointment, issues } = appointmentAfter(
      (one) => (one.incomingReferral[0].reference = 'ReferralRequest/000990000017/_history/6'),
    );
    expect(JSON.stringify(unmappedOf(appointment))).toContain('_history/6');
    expect(issues).toContain('VERSION_DIFFERS');
  });

  test('M-98: a participant’s type may be the object that e-RS sends or the array that it should send', () => {
    const typeOf = (change: Parameters<typeof appointmentAfter>[0]) =>
      appointmentAfter(change).appointment.participant?.[2]?.type;
    const asSent = typeOf(() => {});
    expect(asSent).toEqual([{ coding: [{ system: CODE_SYSTEM.participationType, code: 'CON' }] }]);
    expect(typeOf((one) => (one.participant[2].type = [one.participant[2].type]))).toEqual(asSent);
  });

  test('M-99: a participant without a status needs action', () => {
    const { appointment } = appointmentAfter((one) => delete one.participant[0].status);
    expect(appointment.participant?.[0]?.status).toBe('needs-action');
  });

  test('M-97: a participant of another system stays named by its identifier', () => {
    const { appointment } = appointmentAfter((one) =>
      one.participant.push({ actor: { identifier: { system: 'https://other.example/Id', value: '7' } } }),
    );
    expect(appointment.participant?.at(-1)?.actor).toEqual({
      identifier: { system: 'https://other.example/Id', value: '7' },
    });
  });

  test.each([
    ['a slot', {}, 'DIRECTLY_BOOKABLE'],
    ['no slot', { slot: null }, 'INDIRECTLY_BOOKABLE'],
    ['no booking', { status: 'proposed' }, undefined],
  ])('1.5: from %s the bookable type is inferred, or not', (_what, change, type) => {
    expect(appointmentAfter((one) => Object.assign(one, change)).facts.inferredBookableType).toBe(type);
  });
});
