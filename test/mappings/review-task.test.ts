import { describe, expect, test } from '@jest/globals';
import {
  availableDecisionsOf,
  buildReviewTask,
  CODE_SYSTEM,
  codeOf,
  decisionOf,
  decisionValue,
  FINAL_STATUSES,
  IN_FLIGHT_STATUSES,
  inputOf,
  inputsOf,
  isFinal,
  isInFlight,
  isOpen,
  makeInput,
  makeOutput,
  mapReferral,
  mapWorklist,
  OPEN_STATUSES,
  outputsOf,
  parseTaskKey,
  type ReviewInput,
  reviewStatusOf,
  taskCodeOf,
  taskKey,
  unmappedOf,
  withReviewStatus,
} from '../../mappings/index.ts';
import { ersFixture, ids, mustMap } from './fixtures.ts';
import { faultsOf } from './r4.ts';

const booked = mustMap(mapReferral(ersFixture('a005-booked'), { ids }));
const [reviewItem] = mustMap(mapWorklist(ersFixture('a008-referrals-for-review'), 'REFERRALS_FOR_REVIEW')).items;
const [slotItem] = mustMap(mapWorklist(ersFixture('a008-appointment-slot-issues'), 'APPOINTMENT_SLOT_ISSUES')).items;
if (!reviewItem || !slotItem) throw new Error('no items');

const first = { system: CODE_SYSTEM.requestContextStatus, code: 'NEVER_REVIEWED' };

const task = (input: Partial<ReviewInput> = {}) => {
  const made = buildReviewTask(
    {
      facts: booked.facts,
      item: { ...reviewItem, requestContextStatus: first },
      episode: 1,
      code: 'review-booking',
      availableDecisions: ['accept', 'reject', 'redirect'],
      bookableType: 'DIRECTLY_BOOKABLE',
      firstSeen: '2026-03-05T00:00:00Z',
      hasAppointment: true,
      documents: booked.documents,
      hasClinicalSummary: true,
      ...input,
    },
    ids,
  );
  expect(faultsOf(made)).toEqual([]);
  return made;
};

describe('the review Task (4.2)', () => {
  test('it is new, awaits review, and names the referral, the patient, the service and who asks', () => {
    expect(task()).toMatchObject({
      status: 'requested',
      intent: 'order',
      priority: 'asap',
      identifier: [{ value: 'r.5d0f3f52-1d0c-4a52-9d3e-2f7a4c1b9e01.1' }],
      focus: { identifier: { value: '000990000017' } },
      for: { identifier: { value: '9990001014' } },
      owner: { display: 'Northshire Rapid Access Cardiology' },
      requester: { display: 'NHS e-Referral Service' },
    });
    expect(reviewStatusOf(task())).toBe('awaiting-review');
    expect(taskCodeOf(task())).toBe('review-booking');
    expect(codeOf(task().code, CODE_SYSTEM.fhirTaskCode)).toBe('fulfill');
    expect(codeOf(task().performerType?.[0], CODE_SYSTEM.specialty)).toBe('CARDIOLOGY');
  });

  test('I-4: each episode of a referral is a Task of its own', () => {
    expect(task({ episode: 2 }).id).not.toBe(task().id);
    expect(parseTaskKey(taskKey('r.1.2', 12).value)).toEqual({ requestId: 'r.1.2', episode: 12 });
    expect(parseTaskKey('r.1')?.requestId).toBe('r');
    expect(parseTaskKey('r')).toBeUndefined();
  });

  test('what the reviewer is given stands in one order', () => {
    expect(task().input?.map(({ type }) => codeOf(type, CODE_SYSTEM.taskParameter))).toEqual([
      'referral-type',
      'bookable-type',
      ...['available-decision', 'available-decision', 'available-decision'],
      'clinical-info-printed',
      'appointment',
      ...['document', 'document', 'document'],
      'clinical-summary',
    ]);
    expect(availableDecisionsOf(task())).toEqual(['accept', 'reject', 'redirect']);
  });

  test('nothing is offered or named that is not there', () => {
    const bare = task({
      availableDecisions: [],
      hasAppointment: false,
      documents: [],
      hasClinicalSummary: false,
    });
    for (const code of ['available-decision', 'appointment', 'document', 'clinical-summary'] as const)
      expect(inputsOf(bare, code)).toEqual([]);
  });

  test('authoredOn of a first review is when the appointment was made', () => {
    expect(task().authoredOn).toBe(booked.facts.appointment?.created);
  });

  test('M-72: without an appointment it is when the list received it, else when it was first seen', () => {
    const { appointment: _none, ...facts } = booked.facts;
    expect(task({ facts, item: slotItem }).authoredOn).toBe('2026-05-04T10:00:01.000Z');
    const { ubrnReceived: _unsaid, ...item } = slotItem;
    expect(task({ facts, item }).authoredOn).toBe('2026-03-05T00:00:00Z');
  });

  test('of a review again it is when clinical information was last updated, else when it was first seen', () => {
    const { clinicalInfoLastUpdated: _unsaid, ...facts } = booked.facts;
    for (const again of [{ episode: 2 }, { item: reviewItem }]) {
      expect(task(again).authoredOn).toBe('2026-03-03T11:02:45.000Z');
      expect(task({ ...again, facts }).authoredOn).toBe('2026-03-05T00:00:00Z');
    }
  });

  test('M-63, M-70: why a review is asked for is the list’s own reason', () => {
    expect(codeOf(task({ item: reviewItem }).reasonCode, CODE_SYSTEM.requestContextStatus)).toBe('LETTER_CHANGED');
    expect(codeOf(task({ item: slotItem }).reasonCode, CODE_SYSTEM.reviewReason)).toBe('NO_SLOTS_AT_SERVICE');
  });

  test('on both lists, the other one’s reason is an input and its due date holds', () => {
    const both = task({ otherItem: slotItem });
    expect(codeOf(inputOf(both, 'review-reason')?.valueCodeableConcept, CODE_SYSTEM.reviewReason)).toBe(
      'NO_SLOTS_AT_SERVICE',
    );
    expect(both.restriction?.period?.end).toBe('2026-05-18');
  });

  test('M-71, M-73, M-74: a slot issue has a due date, its information status and last contact', () => {
    const slot = task({ item: slotItem, code: 'review-slot-issue' });
    expect(slot.restriction?.period?.end).toBe('2026-05-18');
    expect(inputOf(slot, 'last-contact')?.valueDateTime).toBe('2026-05-06T14:00:00.000Z');
    expect(inputOf(slot, 'clinical-information-status')?.valueCodeableConcept?.coding?.[0]?.code).toBe('PRESENT');
  });

  test('K3: fields of the worklist that no rule names stay on the Task', () => {
    expect(unmappedOf(task())).toEqual([
      { path: 'entry.extension[0].extension[14]', json: '{"url":"notPublishedYet","valueString":"later"}' },
    ]);
  });
});

describe('reading and writing Tasks', () => {
  test('a businessStatus that is not ours is none, so that it can never pass for a decision', () => {
    const foreign = { coding: [{ system: CODE_SYSTEM.reviewStatus, code: 'done' }] };
    expect(reviewStatusOf({ ...task(), businessStatus: foreign })).toBeUndefined();
    expect(
      reviewStatusOf({ ...task(), businessStatus: { coding: [{ system: 'x', code: 'accepted' }] } }),
    ).toBeUndefined();
    expect(reviewStatusOf(withReviewStatus(task(), 'decision-queued'))).toBe('decision-queued');
  });

  test('4.4: each status is open, in flight or final, and only one of them', () => {
    for (const status of [...OPEN_STATUSES, ...IN_FLIGHT_STATUSES, ...FINAL_STATUSES])
      expect([isOpen(status), isInFlight(status), isFinal(status)].filter(Boolean)).toHaveLength(1);
    expect([isOpen(undefined), isInFlight(undefined), isFinal(undefined)]).toEqual([false, false, false]);
  });

  test('outputs are found by their code in our system only', () => {
    const foreign = { type: { coding: [{ system: 'x', code: 'decision' }] }, valueBoolean: true };
    const decided = { ...task(), output: [foreign, makeOutput('decision', decisionValue('redirect'))] };
    expect(outputsOf(decided, 'decision')).toHaveLength(1);
    expect(decisionOf(decided)).toBe('redirect');
    expect(decisionOf(decided, 'failed-decision')).toBeUndefined();
  });

  test('a decision that is not one of ours is not read as one', () => {
    const odd = makeInput('available-decision', {
      valueCodeableConcept: { coding: [{ system: CODE_SYSTEM.decision, code: 'cancel' }] },
    });
    expect(availableDecisionsOf({ ...task(), input: [odd] })).toEqual([]);
  });
});
