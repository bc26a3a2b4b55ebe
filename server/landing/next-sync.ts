import { MAPPING_VERSION, type MappedReferral, patientKey, type WorklistItem } from '../../mappings/index.ts';
import { type DispatchRecord, isPolledSince, type SyncRecord } from '../core/index.ts';
import type { LandedRecord } from './landed-record.ts';
import type { LandInput, LandingOptions } from './landing.ts';
import { later } from './looks.ts';
import { idIn, type References } from './references.ts';
import type { ReviewEntries } from './review-entries.ts';

/** What has landed once this transaction is through. */
export function nextSync(of: {
  readonly referral: MappedReferral;
  readonly input: LandInput;
  readonly sync: LandedRecord | undefined;
  readonly references: References;
  readonly judge: LandingOptions['judge'];
  readonly attachments: SyncRecord['attachments'];
  readonly written: ReviewEntries;
  /** The review as it stands after this transaction. */
  readonly review: DispatchRecord | undefined;
  readonly now: string;
}): LandedRecord {
  const { referral, input, sync, references, judge, attachments, written, review, now } = of;
  const { facts } = referral;
  const listed = isPostponed(review, input.items) ? undefined : input.items;
  const items = isNewsNext(input, written.record?.data, review) ? [] : (listed ?? sync?.items ?? []);
  const isUnderWay = review?.decision !== undefined && review.ended === undefined;
  // Who did not ask the lists did not ask A029 either.
  const isUnasked = input.items === undefined ? sync?.isUnasked : input.isUnasked;
  const terminal = judge.isTerminal(facts);
  const recheckAt = items.length > 0 || terminal ? undefined : later(now, recheckMs(facts, now));
  const state = facts.state ?? facts.stateCoding?.code;
  const summary = summaryOf(input, facts.version, sync);
  const summaryAwaitedSince = summary?.version === facts.version ? undefined : (sync?.summaryAwaitedSince ?? now);
  const context = items.find(({ list }) => list === 'REFERRALS_FOR_REVIEW')?.requestContextStatus?.code;
  const patient = referral.shared.find(
    (one) =>
      one.resourceType === 'Patient' &&
      one.identifier?.some(({ value }) => value === patientKey(facts.nhsNumber).value),
  );
  return {
    requestId: facts.requestId,
    ubrn: facts.ubrn,
    serviceRequestId: idIn(references.of(`ServiceRequest/${referral.serviceRequest.id ?? ''}`)),
    patientId: idIn(references.of(`Patient/${patient?.id ?? ''}`)),
    version: facts.version,
    mappingVersion: MAPPING_VERSION,
    ...(state === undefined ? {} : { state }),
    terminal,
    fingerprint: judge.fingerprintOf(facts, context),
    ...(summary === undefined ? {} : { summary }),
    ...(summaryAwaitedSince === undefined ? {} : { summaryAwaitedSince }),
    attachments,
    items,
    lastReadAt: now,
    episode: written.episode ?? sync?.episode ?? 0,
    ...(recheckAt === undefined ? {} : { recheckAt }),
    ...(facts.related.length === 0 ? {} : { related: facts.related }),
    ...(isUnderWay ? { isUnderWay } : {}),
    ...(isUnasked ? { isUnasked } : {}),
  };
}

/**
 * What the lists say next is news: the review has ended for another reason than its lists, and rests on them no more; or they
 * were polled before it ended, so that what they say opened no other, and nobody may think that it was heard (4.6, K1).
 */
function isNewsNext(
  { items, polledAt }: LandInput,
  ends: DispatchRecord | undefined,
  review: DispatchRecord | undefined,
) {
  if (items === undefined) return ends?.ended !== undefined;
  return review?.ended !== undefined && !isPolledSince(review.ended, polledAt);
}

/**
 * It left its lists while its decision was under way, which has to end first: the review rests on them still, so that
 * the next poll looks again (E-10).
 */
export const isPostponed = (review: DispatchRecord | undefined, items: readonly WorklistItem[] | undefined): boolean =>
  items?.length === 0 && review?.decision !== undefined && review.ended === undefined;

const DAY_MS = 24 * 3_600_000;
const ADMINISTRATOR_STATES: readonly (string | undefined)[] = ['DEFERRED_TO_PROVIDER', 'TRIAGED_PROVIDER_TO_ACTION'];

/** How long a referral on no list is left alone: what is about to happen to it is looked at daily (architecture 6). */
function recheckMs({ appointment, state }: MappedReferral['facts'], now: string): number {
  const isAhead =
    appointment?.start !== undefined &&
    appointment.status !== 'cancelled' &&
    Date.parse(appointment.start) > Date.parse(now);
  return isAhead || ADMINISTRATOR_STATES.includes(state) ? DAY_MS : 7 * DAY_MS;
}

/** A refusal keeps the summary of an earlier version, which is still in the store (M-130, M-134). */
function summaryOf({ summary }: LandInput, version: number, sync: SyncRecord | undefined): SyncRecord['summary'] {
  if (summary === undefined) return sync?.summary;
  if (summary.kind === 'stored') return { version, binaryId: summary.binaryId };
  const binaryId = sync?.summary?.binaryId;
  return { version, refused: summary.code, ...(binaryId === undefined ? {} : { binaryId }) };
}
