import type { Task } from '@medplum/fhirtypes';
import {
  buildReviewTask,
  type DecisionCode,
  type ReferralFacts,
  type TaskCode,
  taskCodeOf,
  type WorklistItem,
} from '../../mappings/index.ts';
import type { DispatchRecord } from '../core/index.ts';
import { appointmentKeyOf } from './fingerprint.ts';
import type { ReviewSituation } from './situation.ts';
import { withOffered } from './task-elements.ts';

/** Decisions that each kind of review offers (4.3, T-10). */
const OFFERED: Readonly<Record<TaskCode, readonly DecisionCode[]>> = {
  'review-booking': ['accept', 'reject', 'redirect'],
  'review-triage': ['accept-book-later', 'return-with-advice'],
  'review-slot-issue': ['accept-book-later', 'return-with-advice'],
  'resolve-slot-issue': [],
  'review-unknown': [],
};

/** The Task that a listed referral needs, with what it offers and rests on. */
export interface Review {
  readonly task: Task;
  readonly offered: readonly DecisionCode[];
  readonly reviewed: DispatchRecord['reviewed'];
}

/** Builds the review of episode `n` from the situation; `item` is the entry that the review rests on. */
export function buildReview(situation: ReviewSituation, items: readonly WorklistItem[], n: number): Review | undefined {
  const item = items.find(({ list }) => list === 'REFERRALS_FOR_REVIEW') ?? items[0];
  if (item === undefined) return undefined;
  const otherItem = items.find((candidate) => candidate !== item);
  const { facts, documents, appointment } = situation.referral;
  const code = taskCodeFor(item, facts, situation.isReviewable ?? wasReviewable(situation));
  const offered = OFFERED[code];
  const bookableType = situation.bookableType ?? facts.inferredBookableType;
  const built = buildReviewTask(
    {
      facts,
      item,
      ...(otherItem === undefined ? {} : { otherItem }),
      episode: n,
      code,
      availableDecisions: offered,
      ...(bookableType === undefined ? {} : { bookableType }),
      firstSeen: situation.now,
      hasAppointment: appointment !== undefined,
      documents,
      hasClinicalSummary: situation.hasClinicalSummary,
    },
    situation.ids,
  );
  // A review that has nothing to show must not show an empty list, which FHIR does not have.
  const task = withOffered(situation.resolve?.(built) ?? built, offered);
  return { task, offered, reviewed: reviewedOf(facts, item) };
}

/** Where A029 was not asked, what it said when it was stands (T-10). */
const wasReviewable = ({ latest }: ReviewSituation): boolean =>
  latest !== undefined &&
  latest.record.ended === undefined &&
  taskCodeOf(latest.record.baseline) === 'review-slot-issue';

/** M-62; T-10 for slot issues. */
function taskCodeFor(item: WorklistItem, facts: ReferralFacts, isReviewable: boolean): TaskCode {
  if (item.list === 'APPOINTMENT_SLOT_ISSUES') return isReviewable ? 'review-slot-issue' : 'resolve-slot-issue';
  const type = item.referralType?.code;
  if (type === 'APPOINTMENT') return 'review-booking';
  if (type === 'TRIAGE_DEFERRAL') return 'review-triage';
  if (type !== undefined) return 'review-unknown';
  if (facts.state === 'AWAITING_TRIAGE') return 'review-triage';
  return facts.state === 'BOOKED' ? 'review-booking' : 'review-unknown';
}

/** What is put up for review. What only the lists say stays as it was, where they were not asked. */
export function reviewedOf(
  facts: ReferralFacts,
  item: WorklistItem | undefined,
  was: DispatchRecord['reviewed'] = {},
): DispatchRecord['reviewed'] {
  const all = {
    state: facts.state,
    appointment: appointmentKeyOf(facts),
    service: facts.service?.id ?? (item === undefined ? was.service : item.service?.id),
    referralType: item === undefined ? was.referralType : item.referralType?.code,
    requestContextStatus: item === undefined ? was.requestContextStatus : item.requestContextStatus?.code,
    priority: facts.priority?.code,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Elements of an open Task that follow e-RS; the rest is the client's, or stays as it was when the review was opened. */
const FOLLOWING = [
  'extension',
  'priority',
  'code',
  'focus',
  'for',
  'performerType',
  'reasonCode',
  'restriction',
  'input',
] as const;

/** An open Task brought up to what e-RS says now. A service as owner follows the referral; a person stays. */
export function followed(current: Task, built: Task): Task {
  const rest = Object.fromEntries(
    Object.entries(current).filter(([name]) => !FOLLOWING.some((element) => element === name)),
  );
  const following = Object.fromEntries(
    FOLLOWING.flatMap((name) => (built[name] === undefined ? [] : [[name, built[name]]])),
  );
  const isOwnedByService = current.owner?.type === 'HealthcareService' && built.owner !== undefined;
  return { ...rest, ...following, ...(isOwnedByService ? { owner: built.owner } : {}) } as Task;
}
