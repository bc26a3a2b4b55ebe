import type { ElementDefinition, StructureDefinition } from '@medplum/fhirtypes';
import { CODE_SYSTEM, SYSTEM, structureDefinition, ukCoreProfile } from '../mappings/index.ts';
import { artefact, canonicalOf } from './artefact.ts';
import { extensionIdsOf } from './extensions.ts';

type ProfiledType = 'ServiceRequest' | 'Task' | 'DocumentReference';

const element = (path: string, rest: Omit<ElementDefinition, 'id' | 'path'>): ElementDefinition => ({
  id: path,
  path,
  ...rest,
});

const extensionSlices = (type: ProfiledType, ids: readonly string[]): ElementDefinition[] => [
  element(`${type}.extension`, {
    slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' },
  }),
  ...ids.map((id) => ({
    id: `${type}.extension:${id}`,
    path: `${type}.extension`,
    sliceName: id,
    type: [{ code: 'Extension', profile: [structureDefinition(id)] }],
  })),
];

const profile = (
  id: string,
  type: ProfiledType,
  title: string,
  description: string,
  extensions: readonly string[],
  elements: readonly ElementDefinition[],
): StructureDefinition => ({
  ...artefact('StructureDefinition', id, title, description),
  fhirVersion: '4.0.1',
  kind: 'resource',
  abstract: false,
  type,
  baseDefinition: ukCoreProfile(type),
  derivation: 'constraint',
  differential: { element: [element(type, {}), ...extensionSlices(type, extensions), ...elements] },
});

const ADVICE_ONLY = ['ers-advice-status', 'ers-provider-conversion-authorisation'];
const onReferral = extensionIdsOf('ServiceRequest').filter((id) => !ADVICE_ONLY.includes(id));

/** Every decision is one of these facts on the Task. Source: target-model 4.2, 4.3 */
const TASK_ELEMENTS: readonly ElementDefinition[] = [
  element('Task.identifier', { min: 1, max: '1' }),
  element('Task.identifier.system', { min: 1, fixedUri: SYSTEM.reviewTask }),
  element('Task.status', {
    comment:
      'Clients write received (claim), requested (release), accepted and rejected (decide). The engine writes requested (reopened) and cancelled (withdrawn).',
  }),
  element('Task.statusReason', {
    comment:
      'How: a rejection reason of e-RS (ValueSet ers-rejection-reason), or an outcome (ValueSet ers-review-outcome): accepted with CANCEL_APPOINTMENT_ACTION_LATER redirects a booking; accepted with ACCEPT_REFER_BOOK_LATER, or no reason, accepts a triage; rejected with RETURN_TO_REFERRER_WITH_ADVICE returns a triage. Its text is never sent.',
  }),
  element('Task.businessStatus', {
    min: 1,
    short: 'Whether e-RS has recorded the decision; written by the engine only',
  }),
  element('Task.intent', { fixedCode: 'order' }),
  element('Task.code', { min: 1 }),
  element('Task.focus', {
    min: 1,
    type: [{ code: 'Reference', targetProfile: [canonicalOf('StructureDefinition', 'ers-service-request')] }],
  }),
  element('Task.for', { min: 1 }),
  element('Task.note', { comment: 'Append only. The one note that the deciding update adds is the comment for e-RS.' }),
  element('Task.input', { comment: `What the reviewer is given; types of ${CODE_SYSTEM.taskParameter}.` }),
  element('Task.output', { comment: 'Parameters of the decision, by the client; what became of it, by the engine.' }),
];

/** Source: target-model 5, 3 */
export const profiles: readonly StructureDefinition[] = [
  profile(
    'ers-service-request',
    'ServiceRequest',
    'e-RS referral',
    'A referral as e-RS holds it; read-only to clients.',
    onReferral,
    [
      element('ServiceRequest.identifier', { min: 1 }),
      element('ServiceRequest.intent', { fixedCode: 'order' }),
      element('ServiceRequest.subject', { min: 1 }),
    ],
  ),
  profile(
    'ers-advice-request',
    'ServiceRequest',
    'e-RS advice request',
    'An advice request that a referral came from. It has the same UBRN as the referral.',
    ['ers-version', 'ers-mapping-version', 'ers-priority', ...ADVICE_ONLY],
    [element('ServiceRequest.identifier', { min: 1 }), element('ServiceRequest.code', { min: 1 })],
  ),
  profile(
    'ers-review-task',
    'Task',
    'Review of an e-RS referral',
    'The one thing that clients write: a request for review, and its decision.',
    extensionIdsOf('Task'),
    TASK_ELEMENTS,
  ),
  profile(
    'ers-document-reference',
    'DocumentReference',
    'Document of an e-RS referral',
    'An attachment, or the summary that e-RS makes of a referral.',
    extensionIdsOf('DocumentReference'),
    [element('DocumentReference.identifier', { min: 1 }), element('DocumentReference.content', { max: '1' })],
  ),
];
