import type { ServiceRequest, Task } from '@medplum/fhirtypes';
import {
  type DecisionCode,
  type DecisionCommand,
  ID_NAMESPACE,
  type MappedReferral,
  parseNhsNumber,
  parseUbrn,
  type ReferralFacts,
  type ReferralStateCode,
  sortedJson,
  type WorklistItem,
  withReviewStatus,
} from '../../mappings/index.ts';
import type { DispatchRecord } from '../../server/core/index.ts';
import {
  type AssessContext,
  assessTask,
  type Episode,
  planReview,
  type QueuedDecision,
  type ReviewPlan,
  type ReviewSituation,
} from '../../server/decisions/index.ts';

const ubrn = parseUbrn('000049730001');
const nhsNumber = parseNhsNumber('9990000018');
if (ubrn === undefined || nhsNumber === undefined) throw new Error('the ward has no patient');

export const NOW = '2026-03-02T09:00:00.000Z';
export const LATER = '2026-03-02T12:00:00.000Z';
export const PERSON = 'Practitioner/0f0e8a52-3f6f-5b7e-9a55-0d9c5b2b7a11';
export const REVIEW_OUTCOME_SYSTEM = 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewOutcome-1';
export const REJECTION_SYSTEM = 'https://ers-fhir.example/CodeSystem/ers-appointment-cancellation-reason';
export const PRIORITY_SYSTEM = 'https://fhir.nhs.uk/STU3/CodeSystem/eRS-Priority-1';
const PARAMETER_SYSTEM = 'https://ers-fhir.example/CodeSystem/ers-task-parameter';

const coding = (code: string) => ({ system: `https://fhir.nhs.uk/STU3/CodeSystem/test`, code });

export interface Changes {
  readonly version?: number;
  readonly status?: string;
  readonly state?: ReferralStateCode | undefined;
  readonly reason?: string;
  readonly comments?: string;
  readonly priority?: string;
  readonly appointment?: string | undefined;
  readonly service?: string;
  /** Stands for everything else that a reviewer decides on: documents, requirements, the letter's dates. */
  readonly content?: string;
}

/** A referral as mappings would hand it over, with the members that decisions read. */
export function referral(changes: Changes = {}): MappedReferral {
  const state = 'state' in changes ? changes.state : 'BOOKED';
  const appointment = 'appointment' in changes ? changes.appointment : 'appointment-1';
  const {
    version = 5,
    status = 'active',
    priority = 'ROUTINE',
    service = '11002',
    reason,
    comments,
    content,
  } = changes;
  const facts: ReferralFacts = {
    ubrn: ubrn as NonNullable<typeof ubrn>,
    requestId: 'r.7d1f3c2e-9a4b-4c55-8f60-2b1a6d3e4f50',
    version,
    nhsNumber: nhsNumber as NonNullable<typeof nhsNumber>,
    status,
    priority: { system: PRIORITY_SYSTEM, code: priority },
    service: { id: service, display: 'Cardiology, Sample Trust' },
    related: [],
    ...(state === undefined ? {} : { state }),
    ...(reason === undefined ? {} : { reason: { system: REVIEW_OUTCOME_SYSTEM, code: reason } }),
    ...(comments === undefined ? {} : { comments }),
    ...(appointment === undefined
      ? {}
      : { appointment: { id: appointment, created: NOW, status: 'booked', start: LATER, hasSlot: true } }),
    fingerprintSource: sortedJson({ state, reason, priority, service, appointment, content }),
  };
  const serviceRequest = { resourceType: 'ServiceRequest', id: 'sr-1' } as ServiceRequest;
  return { facts, shared: [], serviceRequest, documents: [] };
}

/** An entry on Referrals for Review; `list` makes it one of Appointment Slot Issues. */
export function item(changes: Partial<WorklistItem> & { type?: string; context?: string } = {}): WorklistItem {
  const { type = 'APPOINTMENT', context = 'NEVER_REVIEWED', list = 'REFERRALS_FOR_REVIEW', ...rest } = changes;
  const common = { list, ubrn: ubrn as NonNullable<typeof ubrn>, service: { id: '11002' }, unmapped: [], ...rest };
  if (list === 'APPOINTMENT_SLOT_ISSUES') return common;
  return {
    version: 5,
    referralType: coding(type),
    requestContextStatus: coding(context),
    clinicalInfoPrinted: false,
    ...common,
  };
}

export const situation = (changes: Partial<ReviewSituation> = {}): ReviewSituation => ({
  referral: referral(),
  listed: [item()],
  polledAt: NOW,
  latest: undefined,
  hasClinicalSummary: false,
  now: NOW,
  ids: { patientNamespace: ID_NAMESPACE },
  ...changes,
});

/** What a plan makes of an episode; throws where the plan writes nothing. */
export function episodeOf(plan: ReviewPlan, latest?: Episode): Episode {
  if (plan.kind === 'none') throw new Error(`nothing planned: ${plan.alerts.join()}`);
  const task = plan.task ?? latest?.task;
  if (task === undefined) throw new Error('a plan without a Task');
  return { task, record: plan.record };
}

type Kind =
  | 'booking-direct'
  | 'booking-indirect'
  | 'booking-unknown'
  | 'triage'
  | 'slot-issue'
  | 'slot-closed'
  | 'unknown';

const KINDS: Readonly<Record<Kind, Partial<ReviewSituation>>> = {
  'booking-direct': { bookableType: 'DIRECTLY_BOOKABLE' },
  'booking-indirect': { bookableType: 'INDIRECTLY_BOOKABLE' },
  'booking-unknown': {},
  triage: {
    referral: referral({ state: 'AWAITING_TRIAGE', appointment: undefined }),
    listed: [item({ type: 'TRIAGE_DEFERRAL' })],
  },
  'slot-issue': {
    referral: referral({ state: 'DEFERRED_TO_PROVIDER', appointment: undefined }),
    listed: [item({ list: 'APPOINTMENT_SLOT_ISSUES' })],
    isReviewable: true,
  },
  'slot-closed': {
    referral: referral({ state: 'DEFERRED_TO_PROVIDER', appointment: undefined }),
    listed: [item({ list: 'APPOINTMENT_SLOT_ISSUES' })],
  },
  unknown: { listed: [item({ type: 'SOMETHING_NEW' })] },
};

/** The situation in which a review of a kind is asked for. */
export const asked = (kind: Kind, changes: Partial<ReviewSituation> = {}): ReviewSituation =>
  situation({ ...KINDS[kind], ...changes });

/** A review as the engine opens it. */
export const opened = (kind: Kind = 'booking-direct'): Episode => episodeOf(planReview(asked(kind)));

export const context: AssessContext = {
  rejectionReasons: [
    { code: 'SERVICE_INAPPROPRIATE', display: 'Inappropriate service', commentIsMandatory: true },
    { code: 'DUPLICATE_REFERRAL', display: 'Duplicate referral', commentIsMandatory: false },
  ],
  currentPriority: 'ROUTINE',
  usableAttachments: new Set(['DocumentReference/usable']),
};

export const note = (text: string) => ({ text });
export const reason = (system: string, code: string, text?: string) => ({
  coding: [{ system, code }],
  ...(text === undefined ? {} : { text }),
});
export const outcome = (code: string, text?: string) => reason(REVIEW_OUTCOME_SYSTEM, code, text);
export const rejection = (code: string, text?: string) => reason(REJECTION_SYSTEM, code, text);
const output = (code: string, value: object) => ({
  type: { coding: [{ system: PARAMETER_SYSTEM, code }] },
  ...value,
});
export const pasFlag = (value: boolean) => output('appointment-cancelled-in-pas', { valueBoolean: value });
export const priority = (code: string, system = PRIORITY_SYSTEM) =>
  output('priority', { valueCodeableConcept: { coding: [{ system, code }] } });
export const attachment = (reference: string) => output('attachment', { valueReference: { reference } });

/** What a client sends: the Task as it read it, with its own elements. */
export const withClient = (task: Task, changes: Partial<Task>): Task => ({ ...task, ...changes });

/** One way to decide each kind of review, as a client writes it (4.3). */
export const DECISIONS: Readonly<
  Record<DecisionCode, { kind: Kind; changes: Partial<Task>; command: DecisionCommand }>
> = {
  accept: { kind: 'booking-direct', changes: { status: 'accepted' }, command: { decision: 'accept' } },
  reject: {
    kind: 'booking-indirect',
    changes: {
      status: 'rejected',
      statusReason: rejection('SERVICE_INAPPROPRIATE'),
      note: [note('Community clinic, please.')],
      output: [pasFlag(true)],
    },
    command: {
      decision: 'reject',
      reason: 'SERVICE_INAPPROPRIATE',
      comment: 'Community clinic, please.',
      appointmentCancelledInPas: true,
    },
  },
  redirect: {
    kind: 'booking-direct',
    changes: {
      status: 'accepted',
      statusReason: outcome('CANCEL_APPOINTMENT_ACTION_LATER'),
      note: [note('Rebook into rapid access.')],
      output: [priority('URGENT'), attachment('DocumentReference/usable')],
    },
    command: { decision: 'redirect', comment: 'Rebook into rapid access.', priority: 'URGENT' },
  },
  'accept-book-later': {
    kind: 'triage',
    changes: {
      status: 'accepted',
      statusReason: outcome('ACCEPT_REFER_BOOK_LATER'),
      note: [note('First free slot.')],
      output: [priority('asap', 'http://hl7.org/fhir/request-priority')],
    },
    command: { decision: 'accept-book-later', comment: 'First free slot.', priority: 'TWO_WEEK_WAIT' },
  },
  'return-with-advice': {
    kind: 'triage',
    changes: {
      status: 'rejected',
      statusReason: outcome('RETURN_TO_REFERRER_WITH_ADVICE'),
      note: [note('No further action needed.')],
    },
    command: { decision: 'return-with-advice', comment: 'No further action needed.' },
  },
};

/** A review whose decision the engine has taken over. */
export function decided(
  code: DecisionCode,
  changes: Partial<QueuedDecision> = {},
): Episode & { decision: QueuedDecision } {
  const { kind, changes: client } = DECISIONS[code];
  const { task, record } = opened(kind);
  const assessment = assessTask({ baseline: task, task: withClient(task, client), offered: record.offered, context });
  if (assessment.kind !== 'decided') throw new Error(JSON.stringify(assessment));
  const decision: QueuedDecision = {
    code,
    command: assessment.command,
    queuedAt: NOW,
    attempts: 0,
    resendUsed: false,
    probeUsed: false,
    wasUnknown: false,
    isUnknowable: false,
    ...changes,
  };
  return { task: assessment.task, record: { ...record, baseline: assessment.task, decision }, decision };
}

/** An attempt on the wire, or just ended. */
export function attempted(
  code: DecisionCode,
  changes: Partial<QueuedDecision> = {},
  attempt: Partial<NonNullable<QueuedDecision['lastAttempt']>> = {},
): Episode & { decision: QueuedDecision } {
  const lastAttempt = {
    number: 1,
    correlationId: '3d5f0b1c-1111-4a2b-8c3d-000000000001',
    operation: 'A013' as const,
    version: 5,
    bodyHash: 'hash',
    mode: 'user' as const,
    startedAt: NOW,
    outcome: 'unknown' as const,
    isWitnessed: true,
    ...attempt,
  };
  const queued = decided(code, { attempts: 1, lastAttempt, ...changes });
  const task = withReviewStatus(queued.task, 'decision-sending');
  const record: DispatchRecord = { ...queued.record, baseline: task };
  return { task, record, decision: queued.decision };
}
