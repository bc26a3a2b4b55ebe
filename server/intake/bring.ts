import { randomUUID } from 'node:crypto';
import type { ReferralFacts, WorklistItem } from '../../mappings/index.ts';
import {
  type Code,
  type DispatchRecord,
  type ErsContext,
  type ErsReferral,
  type Fate,
  isPolledSince,
  type RequestPriority,
  type Ubrn,
} from '../core/index.ts';
import { planReview, planUnreadable, type ReviewPlan, type ReviewSituation } from '../decisions/index.ts';
import type { LandResult, ReviewWrites, SyncIndex } from '../landing/index.ts';
import { fetchFiles, fetchSummary } from './files.ts';
import { type Entry, oldestOf } from './lists.ts';
import type { IntakeRoom } from './room.ts';

// K1  What e-RS ever listed is in the store, in quarantine, or found missing by the account.
//
// Steps of intake, and what a crash right after each leaves behind. 1 to 3 are in poll.ts, 9 is asked for by intake.ts.
//   1 spend a poll in the ledger and ask for the list (A008): the poll is spent and its answer lost. A list that was never
//     read is asked for at once (`lostList`), any other when it is due.
//   2 keep the answer as it came: a Binary that nothing names; the list is read as after 1.
//   3 note the answer as the latest, and with it, in one transaction, whom it names for the first time: the next start
//     reads it back and looks through it (`recallLists`). Of three answers the oldest is removed afterwards; else it stays.
//   4 read the referral (A005): nothing was written. What was not on a list but asked for (fetch, refresh) or due begins
//     here, and nobody takes up the former: who asked got no answer.
//   5 find or create what referrals share, each by itself: the patient now, all others right before 8. They are found again.
//   6 fetch its files (A042) and its summary (A007), and keep each under an id that follows from its place in e-RS, where
//     the store lets us choose ids: fetched again, and kept in the same place; else a Binary stays that nothing names.
//   7 ask whether a slot issue can be reviewed (A029): as after 6.
//   8 land it with its review in one transaction, or close the review of one that e-RS shows no more, or keep it in
//     quarantine with what e-RS said: the next start finds it unchanged, or looks at it again and changes nothing. A crash
//     between landing and leaving quarantine: it is looked at by the next list, and leaves then. So does what a dead process
//     puts there late.
//   9 note that all on the list has been dealt with: nothing is left to be done.
// Nothing is written to e-RS, so that every step may be done again.

/** What became of one referral that was to be brought in. */
export type Brought =
  | { readonly kind: 'landed'; readonly serviceRequestId: string; readonly changed: boolean }
  /** It is in quarantine with an alert, or its review was closed because e-RS no longer shows it (K1). */
  | { readonly kind: 'settled'; readonly code: Code }
  /** e-RS does not show it now, and nothing was written: who asked knows when to ask again. */
  | { readonly kind: 'refused'; readonly code: Code }
  /** Nothing was written; it is tried again. */
  | { readonly kind: 'again'; readonly code: Code; readonly afterMs: number };

/** What the latest complete worklists say of a referral. */
export interface Listing {
  readonly entries: readonly Entry[];
  /** When the oldest answer was polled that this rests on. */
  readonly polledAt: string;
  /** The same of Referrals for Review, whether or not it names it: an accept is known by its silence (4.5). */
  readonly reviewsPolledAt?: string;
}

const itemsIn = (entries: readonly Entry[]): readonly WorklistItem[] => entries.map(({ item }) => item);
const itemsOf = ({ listing }: Wanted): readonly WorklistItem[] | undefined => listing && itemsIn(listing.entries);

export interface Wanted {
  readonly ubrn: Ubrn;
  /** Undefined: the lists were not asked. */
  readonly listing: Listing | undefined;
  readonly priority: RequestPriority;
  /** The service on whose list it is, or was; for quarantine. */
  readonly service?: string;
}

const TRIES = 4;
const RELATED_DEPTH = 3;

/** Reads one referral from e-RS and lands it, with its files and those that it is related to. Source: architecture, "in" */
export async function bring(room: IntakeRoom, wanted: Wanted): Promise<Brought> {
  const related: Ubrn[] = [];
  const brought = await room.turns.take(wanted.ubrn, () =>
    bringOne(room, wanted, (facts) => related.push(...facts.related)),
  );
  await bringRelated(room, wanted, related, new Set([wanted.ubrn]), 1);
  return brought;
}

/** Related referrals are kept too, without a review; one that cannot be read stays a logical reference (1.1.2). */
async function bringRelated(
  room: IntakeRoom,
  wanted: Wanted,
  related: readonly Ubrn[],
  seen: Set<string>,
  depth: number,
): Promise<void> {
  for (const ubrn of related) {
    if (depth > RELATED_DEPTH || seen.has(ubrn) || room.landing.index.byUbrn(ubrn) !== undefined || room.signal.aborted)
      continue;
    seen.add(ubrn);
    const next: Ubrn[] = [];
    const one: Wanted = { ubrn, listing: undefined, priority: wanted.priority };
    await room.turns.take(ubrn, () => bringOne(room, one, (facts) => next.push(...facts.related)));
    await bringRelated(room, wanted, next, seen, depth + 1);
  }
}

/** Related UBRNs within reach of a reviewed referral that have not landed. */
export function missingRelated(index: SyncIndex, root: { readonly related: readonly string[] }): readonly string[] {
  const missing = new Set<string>();
  let reached: readonly string[] = root.related;
  for (let depth = 1; depth <= RELATED_DEPTH; depth += 1) {
    for (const ubrn of reached) if (index.byUbrn(ubrn) === undefined) missing.add(ubrn);
    reached = reached.flatMap((ubrn) => index.byUbrn(ubrn)?.related ?? []);
  }
  return [...missing];
}

async function bringOne(room: IntakeRoom, wanted: Wanted, onFacts: (facts: ReferralFacts) => void): Promise<Brought> {
  const context: ErsContext = { correlationId: randomUUID(), priority: wanted.priority, signal: room.signal };
  const read = await readReferral(room, wanted.ubrn, context);
  if (read.kind === 'refused') return unreadable(room, wanted, read.code);
  if (read.kind !== 'ok') return { kind: 'again', code: read.code, afterMs: read.afterMs };
  const { source } = read.value;
  const items = itemsOf(wanted);
  const prepared = await room.landing.prepare(source, items);
  if (prepared.kind !== 'prepared') return notLanded(room, wanted, prepared, source);
  const { referral, sync, patientReference } = prepared;
  const { facts, documents } = referral;
  const about = {
    requestId: facts.requestId,
    ubrn: facts.ubrn,
    version: facts.version,
    patientReference,
    documents,
    sync,
  };
  const files = await fetchFiles(room, about, context);
  const summary = sync?.summary?.version === facts.version ? undefined : await fetchSummary(room, about, context);
  const reviewable = await askReviewable(room, wanted, facts.version, context);
  if (room.signal.aborted || room.fence?.() === false) return { kind: 'again', code: 'engine-unavailable', afterMs: 0 };
  const bookableType = room.services.find(({ id }) => id === (facts.service ?? items?.[0]?.service)?.id)?.bookableType;
  const landed = await room.landing.land({
    source,
    items,
    ...(wanted.listing === undefined ? {} : { polledAt: wanted.listing.polledAt }),
    files,
    ...(summary === undefined ? {} : { summary }),
    ...(reviewable.kind === 'silent' ? { isUnasked: true } : {}),
    review: (situation) =>
      writesOf(
        planReview({
          ...situation,
          ...saidOf(wanted.listing, situation.latest?.record),
          ids: room.ids,
          ...(reviewable.kind === 'said' ? { isReviewable: reviewable.isReviewable } : {}),
          ...(bookableType === undefined ? {} : { bookableType }),
        }),
      ),
  });
  if (landed.kind !== 'landed') return notLanded(room, wanted, landed, source);
  onFacts(facts);
  const { serviceRequestId } = landed.sync;
  if (landed.changed)
    room.log.info('intake.referral.landed', {
      serviceRequestId,
      version: facts.version,
      correlationId: context.correlationId,
    });
  return { kind: 'landed', serviceRequestId, changed: landed.changed };
}

/**
 * What the lists say to a review. To one that has ended those speak that were polled since: what others said before is no
 * news (4.6). Under a decision all must be as new as the oldest, Referrals for Review in any case (4.5, D3).
 */
function saidOf(
  listing: Listing | undefined,
  review: DispatchRecord | undefined,
): Pick<ReviewSituation, 'listed' | 'polledAt'> {
  if (listing === undefined) return { listed: undefined };
  const { entries, polledAt, reviewsPolledAt = polledAt } = listing;
  const since = entries.filter((entry) => isPolledSince(review?.ended, entry.polledAt));
  if (since.length > 0) return { listed: itemsIn(since), polledAt: oldestOf(since) ?? polledAt };
  const isOlder = review?.decision !== undefined && reviewsPolledAt < polledAt;
  return { listed: itemsIn(entries), polledAt: isOlder ? reviewsPolledAt : polledAt };
}

const writesOf = (plan: ReviewPlan): ReviewWrites => (plan.kind === 'none' ? { alerts: plan.alerts } : plan);

/** A005, tried a few times: what is worth more patience is tried again by the reconciler. */
async function readReferral(room: IntakeRoom, ubrn: Ubrn, context: ErsContext): Promise<Fate<ErsReferral>> {
  for (let tries = 1; ; tries += 1) {
    const read = await room.ers.fetchReferral(ubrn, context);
    if (read.kind === 'ok' || read.kind === 'refused' || tries >= TRIES || room.signal.aborted) return read;
    await room.clock.sleep(read.afterMs, room.signal);
  }
}

type Reviewable =
  | { readonly kind: 'not-asked' }
  | { readonly kind: 'said'; readonly isReviewable: boolean }
  | { readonly kind: 'silent' };

/** T-10: only A029 tells whether a slot issue can be triaged. */
async function askReviewable(
  room: IntakeRoom,
  wanted: Wanted,
  version: number,
  context: ErsContext,
): Promise<Reviewable> {
  const { ubrn } = wanted;
  if (!itemsOf(wanted)?.some(({ list }) => list === 'APPOINTMENT_SLOT_ISSUES')) return { kind: 'not-asked' };
  if (room.unasked.leftMs(ubrn) > 0) return { kind: 'silent' };
  const actions = await room.ers.fetchAvailableActions(ubrn, version, context);
  if (actions.kind !== 'ok' && actions.kind !== 'refused') {
    room.unasked.extend(ubrn);
    return { kind: 'silent' };
  }
  room.unasked.end(ubrn);
  return { kind: 'said', isReviewable: actions.kind === 'ok' && actions.value.includes('RECORD_REVIEW_OUTCOME') };
}

/** e-RS does not show the referral: a known one moved away or is hidden (M-153, M-154); an unknown one is quarantined. */
async function unreadable(room: IntakeRoom, wanted: Wanted, code: Code): Promise<Brought> {
  const known = room.landing.index.byUbrn(wanted.ubrn);
  const isGone = code === 'ERS_NOT_FOUND' || code === 'ERS_NO_RELATIONSHIP';
  if (known !== undefined && (isGone || code === 'ERS_PATIENT_ERROR')) {
    const reason = isGone ? 'moved-away' : 'patient-error';
    const closed = await room.landing.landUnreadable(known.requestId, (latest, now) =>
      writesOf(planUnreadable(latest, reason, now)),
    );
    return closed.kind === 'store-failed' ? storeFailed : { kind: 'settled', code };
  }
  const isForbidden = UNAUTHORISED.has(code);
  if (wanted.listing === undefined || isForbidden) {
    const about = known === undefined ? {} : { serviceRequestId: known.serviceRequestId };
    room.log.warn('intake.referral.refused', { code, ...about });
  }
  const refused: Brought = { kind: 'refused', code };
  if (wanted.listing === undefined) return refused;
  const isTransient = isForbidden && room.refused.failuresOf(wanted.ubrn) < PASSING_REFUSALS;
  if (!isTransient && (wanted.listing.entries.length > 0 || known === undefined)) {
    const isKept = await room.landing.quarantine({ service: wanted.service ?? '', ubrn: wanted.ubrn, codes: [code] });
    if (!isKept) return storeFailed;
  }
  return isForbidden ? refused : { kind: 'settled', code };
}

/** What the application or its session may not do is no fault of the referral: somebody sets it right, and it is asked again. */
const UNAUTHORISED: ReadonlySet<Code> = new Set(['ERS_APPLICATION_REFUSED', 'ERS_FORBIDDEN', 'ERS_USER_SESSION_ENDED']);
/** So many refusals in a row pass by themselves; after them a person is told, by quarantine and its alert (K1). */
const PASSING_REFUSALS = 2;

const storeFailed: Brought = { kind: 'again', code: 'store-unavailable', afterMs: 2_000 };

async function notLanded(
  room: IntakeRoom,
  wanted: Wanted,
  result: Exclude<LandResult, { kind: 'landed' }>,
  raw: unknown,
): Promise<Brought> {
  switch (result.kind) {
    case 'stale':
      return { kind: 'landed', serviceRequestId: result.sync.serviceRequestId, changed: false };
    case 'store-failed':
      return storeFailed;
    case 'unlandable': {
      const { codes, version } = result;
      const service = wanted.service ?? itemsOf(wanted)?.[0]?.service?.id ?? 'fetched';
      const isKept = await room.landing.quarantine({
        service,
        ubrn: wanted.ubrn,
        codes,
        raw,
        ...(version === undefined ? {} : { version }),
      });
      if (!isKept) return storeFailed;
      return { kind: 'settled', code: codes[0] ?? 'referral-quarantined' };
    }
  }
}

const URGENCY: Readonly<Record<string, RequestPriority>> = { TWO_WEEK_WAIT: 'two-week-wait', URGENT: 'urgent' };

/** Whose turn comes first in the budget: the more urgent referral (architecture 6). */
export const priorityOf = (items: readonly WorklistItem[]): RequestPriority =>
  URGENCY[items.find(({ priority }) => priority !== undefined)?.priority?.code ?? ''] ?? 'routine';
