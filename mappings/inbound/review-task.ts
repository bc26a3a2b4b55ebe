import type { Appointment, DocumentReference, Extension, Task, TaskInput } from '@medplum/fhirtypes';
import { structureDefinition } from '../canonical.ts';
import { concept, ersExtension, identifier } from '../elements.ts';
import type { IdSpace } from '../ids.ts';
import { documentKey, idOf, referenceTo, summaryKey, taskKey } from '../keys.ts';
import type { ReviewInput, WorklistItem } from '../model.ts';
import {
  appointmentKeyOf,
  ersDeviceReference,
  patientReference,
  referralReference,
  serviceReference,
} from '../references.ts';
import { CODE_SYSTEM } from '../systems.ts';
import { mapPriority } from '../tables/priority.ts';
import { decisionValue, makeInput } from '../task-parameters.ts';
import { unmappedExtensions } from './unmapped.ts';

/**
 * Builds the Task by which e-RS asks for a review: requested, awaiting-review; `lastModified` is the writer's (I-14).
 * Source: target-model 4.2, M-60..M-75
 */
export function buildReviewTask(input: ReviewInput, ids: IdSpace): Task {
  const { facts, item, otherItem } = input;
  const service = item.service ?? facts.service;
  const owner = service && serviceReference(ids, service);
  const priority = mapPriority(facts.priority?.code);
  const { specialty } = facts;
  const reason = reasonOf(item);
  const due = item.patientContactExpected ?? otherItem?.patientContactExpected;
  const key = taskKey(facts.requestId, input.episode);
  return {
    resourceType: 'Task',
    id: idOf(ids, key),
    meta: { profile: [structureDefinition('ers-review-task')] },
    extension: [
      ersExtension('ers-version', { valueUnsignedInt: facts.version }),
      ersExtension('ers-worklist', { valueCoding: { system: CODE_SYSTEM.listSelector, code: item.list } }),
      ...(owner ? [ersExtension('ers-service', { valueReference: owner })] : []),
      ...keptFields(item, otherItem),
    ],
    identifier: [identifier(key)],
    status: 'requested',
    businessStatus: concept({ system: CODE_SYSTEM.reviewStatus, code: 'awaiting-review' }),
    intent: 'order',
    ...(priority && { priority }),
    code: {
      coding: [
        { system: CODE_SYSTEM.fhirTaskCode, code: 'fulfill', display: 'Fulfill the focal request' },
        { system: CODE_SYSTEM.taskCode, code: input.code },
      ],
    },
    focus: referralReference(ids, facts),
    for: patientReference(ids, facts.nhsNumber),
    authoredOn: authoredOn(input),
    requester: ersDeviceReference(ids),
    ...(specialty?.code && {
      performerType: [concept({ ...(specialty.system && { system: specialty.system }), code: specialty.code })],
    }),
    ...(owner && { owner }),
    ...(reason && { reasonCode: concept(reason) }),
    ...(due !== undefined && { restriction: { period: { end: due } } }),
    input: inputs(input, ids),
  };
}

/** Why a list asks for a review: what changed since the last one, or why no slot was found (M-63, M-70). */
const reasonOf = (item: WorklistItem) =>
  item.list === 'REFERRALS_FOR_REVIEW' ? item.requestContextStatus : item.reviewReason;

/** When this review was asked for, as far as e-RS states it; a first review by when the referral came, a later one by what changed. */
function authoredOn({ facts, item, otherItem, episode, firstSeen }: ReviewInput): string {
  const context = (item.requestContextStatus ?? otherItem?.requestContextStatus)?.code;
  if (episode > 1 || (context !== undefined && context !== 'NEVER_REVIEWED'))
    return facts.clinicalInfoLastUpdated ?? firstSeen;
  return facts.appointment?.created ?? item.ubrnReceived ?? otherItem?.ubrnReceived ?? firstSeen;
}

function inputs(input: ReviewInput, ids: IdSpace): TaskInput[] {
  const { facts, item, otherItem } = input;
  const { requestId } = facts;
  const field = <K extends keyof WorklistItem>(name: K) => item[name] ?? otherItem?.[name];
  const referralType = field('referralType');
  const printed = field('clinicalInfoPrinted');
  const informationStatus = field('clinicalInformationStatus');
  const otherReason = otherItem && reasonOf(otherItem);
  const lastContact = field('lastContact');
  return [
    ...(referralType ? [makeInput('referral-type', { valueCodeableConcept: concept(referralType) })] : []),
    ...(input.bookableType
      ? [
          makeInput('bookable-type', {
            valueCodeableConcept: concept({ system: CODE_SYSTEM.bookableType, code: input.bookableType }),
          }),
        ]
      : []),
    ...input.availableDecisions.map((decision) => makeInput('available-decision', decisionValue(decision))),
    ...(printed === undefined ? [] : [makeInput('clinical-info-printed', { valueBoolean: printed })]),
    ...(informationStatus
      ? [makeInput('clinical-information-status', { valueCodeableConcept: concept(informationStatus) })]
      : []),
    ...(otherReason ? [makeInput('review-reason', { valueCodeableConcept: concept(otherReason) })] : []),
    ...(lastContact === undefined ? [] : [makeInput('last-contact', { valueDateTime: lastContact })]),
    ...(input.hasAppointment
      ? [
          makeInput('appointment', {
            valueReference: referenceTo<Appointment>('Appointment', ids, appointmentKeyOf(facts)),
          }),
        ]
      : []),
    ...input.documents.map(({ attachmentId }) =>
      makeInput('document', {
        valueReference: referenceTo<DocumentReference>('DocumentReference', ids, documentKey(requestId, attachmentId)),
      }),
    ),
    ...(input.hasClinicalSummary
      ? [
          makeInput('clinical-summary', {
            valueReference: referenceTo<DocumentReference>('DocumentReference', ids, summaryKey(requestId)),
          }),
        ]
      : []),
  ];
}

const keptFields = (item: WorklistItem, otherItem: WorklistItem | undefined): Extension[] =>
  unmappedExtensions([...item.unmapped, ...(otherItem?.unmapped ?? [])]);
