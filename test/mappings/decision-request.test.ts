import { describe, expect, test } from '@jest/globals';
import { buildDecisionRequest, CODE_SYSTEM, type DecisionEnvironment } from '../../mappings/index.ts';
import { asJson } from './fixtures.ts';

const environment: DecisionEnvironment = {
  rejectionReasonSystem: 'https://ers.example.nhs.uk/referrals/FHIR/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON',
  currentPriority: 'ROUTINE',
  attachments: [],
};

const file = { url: 'Binary/3c1f', description: 'Rapid access form', indexed: '2026-03-05T14:29:41.988Z' };

const parametersOf = (body: object | undefined) =>
  Object.fromEntries(
    (asJson(body) as { parameter: { name: string }[] }).parameter.map(({ name, ...value }) => [name, value]),
  );

describe('decisions on their way to e-RS', () => {
  test('A013: an accept has no body', () => {
    expect(buildDecisionRequest({ decision: 'accept' }, environment)).toEqual({
      operation: 'A013',
      path: '$ers.acceptReferral',
    });
  });

  test('A014: a reject sends its reason under the system of that environment (G-3)', () => {
    const { operation, path, body } = buildDecisionRequest(
      {
        decision: 'reject',
        reason: 'WRONG_CLINIC',
        comment: 'Please use the community clinic.',
        appointmentCancelledInPas: true,
      },
      environment,
    );
    expect([operation, path]).toEqual(['A014', '$ers.rejectReferral']);
    expect(asJson(body)).toEqual({
      resourceType: 'Parameters',
      meta: { profile: ['https://fhir.nhs.uk/STU3/StructureDefinition/eRS-RejectReferral-Parameters-1'] },
      parameter: [
        { name: 'rejectionReason', valueCoding: { system: environment.rejectionReasonSystem, code: 'WRONG_CLINIC' } },
        { name: 'rejectionComments', valueString: 'Please use the community clinic.' },
        { name: 'appointmentCancelledInPAS', valueBoolean: true },
      ],
    });
  });

  test('A014: comment and PAS flag are sent only if given, and a false flag is given', () => {
    const { body } = buildDecisionRequest({ decision: 'reject', reason: 'WRONG_CLINIC' }, environment);
    expect(Object.keys(parametersOf(body))).toEqual(['rejectionReason']);
    const { body: flagged } = buildDecisionRequest(
      { decision: 'reject', reason: 'WRONG_CLINIC', appointmentCancelledInPas: false },
      environment,
    );
    expect(parametersOf(flagged)['appointmentCancelledInPAS']).toEqual({ valueBoolean: false });
  });

  test('A022: a redirect sends comment, priority, PAS flag and files', () => {
    const { operation, path, body } = buildDecisionRequest(
      { decision: 'redirect', comment: 'Rebook.', priority: 'URGENT', appointmentCancelledInPas: true },
      { ...environment, attachments: [file, { url: 'Binary/4d', indexed: file.indexed }] },
    );
    expect([operation, path]).toEqual(['A022', '$ers.cancelAppointmentActionLater']);
    const { parameter } = asJson(body) as { parameter: { name: string; resource?: object }[] };
    expect(parameter.map(({ name }) => name)).toEqual([
      'comments',
      'priority',
      'appointmentCancelledInPAS',
      'providerAttachmentFile',
      'providerAttachmentFile',
    ]);
    expect(parameter[3]?.resource).toEqual({
      resourceType: 'DocumentReference',
      meta: { profile: ['https://fhir.nhs.uk/STU3/StructureDefinition/eRS-DocumentReference-1'] },
      type: { coding: [{ system: CODE_SYSTEM.attachmentType, code: 'PROVIDER' }] },
      status: 'current',
      indexed: file.indexed,
      description: file.description,
      content: [{ attachment: { url: file.url } }],
    });
    expect(parameter[4]?.resource).not.toHaveProperty('description');
  });

  test('A022: without a priority the referral’s own is not sent', () => {
    const { body } = buildDecisionRequest({ decision: 'redirect', comment: 'Rebook.' }, environment);
    expect(Object.keys(parametersOf(body))).toEqual(['comments']);
  });

  test('A028: accept, refer/book later sends the current priority if the reviewer named none (4.3)', () => {
    const sent = (priority?: 'URGENT') =>
      parametersOf(
        buildDecisionRequest(
          { decision: 'accept-book-later', comment: 'Book soon.', ...(priority && { priority }) },
          environment,
        ).body,
      );
    expect(sent()).toMatchObject({
      reviewOutcome: { valueCoding: { code: 'ACCEPT_REFER_BOOK_LATER' } },
      reviewPriority: { valueCoding: { code: 'ROUTINE' } },
    });
    expect(sent('URGENT')).toMatchObject({ reviewPriority: { valueCoding: { code: 'URGENT' } } });
  });

  test('A028: return with advice never sends a priority, which e-RS would refuse', () => {
    const { path, body } = buildDecisionRequest(
      { decision: 'return-with-advice', comment: 'No further action.' },
      { ...environment, attachments: [file] },
    );
    expect(path).toBe('$ers.recordReviewOutcome');
    expect(Object.keys(parametersOf(body))).toEqual(['reviewOutcome', 'reviewComments', 'reviewAttachmentFile']);
    expect(parametersOf(body)['reviewOutcome']).toMatchObject({
      valueCoding: { code: 'RETURN_TO_REFERRER_WITH_ADVICE' },
    });
  });
});
