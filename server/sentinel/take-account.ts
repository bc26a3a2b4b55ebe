import type { Account, AccountException, ServiceAccount } from '../core/index.ts';
import type { Evidence, FirstSeen } from './evidence.ts';
import { isUntaken, type Review } from './facts.ts';
import type { Patience, SentinelOptions } from './room.ts';
import { isListedSince, latestReview, type Standing, standingOf } from './standing.ts';

export interface AccountOptions {
  readonly services: SentinelOptions['services'];
  readonly patience: Patience;
  /** Since when polls are waited for where there was none, and no record says so: older versions wrote none. */
  readonly startedAt: string;
}

/**
 * Makes the account: each referral ever seen is counted once for each service that named it, by how it stands; and whatever
 * takes too long, or should not be, is an exception. Pure but for what it reads of the evidence.
 * Source: K1; issue 5
 */
export function takeAccount(evidence: Evidence, options: AccountOptions, now: string): Account {
  const exceptions: AccountException[] = [];
  const named = new Set([...options.services.map(({ id }) => id), ...evidence.seen.keys()]);
  const services = [...named].toSorted().map((service) => {
    const seen = everSeen(evidence, service);
    const counts = emptyAccount(service);
    for (const [ubrn, first] of seen) {
      const standing = standingOf(evidence, service, ubrn, first);
      count(counts, standing);
      exceptions.push(...exceptionsOf(evidence, { service, ubrn, first, standing }, options.patience, now));
    }
    return { ...counts, seen: seen.size };
  });
  exceptions.push(
    ...overduePolls(evidence, options, now),
    ...overdueFiles(evidence, options.patience, now),
    ...overdueDecisions(evidence, options.patience, now),
    ...stillListed(evidence),
  );
  return {
    at: now,
    balances: services.every((one) => one.seen === one.open + one.decided + one.explained),
    services,
    exceptions: exceptions.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1)),
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Counting = Writable<Omit<ServiceAccount, 'explanations'>> & {
  readonly explanations: Writable<ServiceAccount['explanations']>;
};

const emptyAccount = (service: string): Counting => ({
  service,
  seen: 0,
  open: 0,
  inFlight: 0,
  decided: 0,
  explained: 0,
  explanations: { withdrawn: 0, unasked: 0, quarantined: 0, arriving: 0 },
  missing: 0,
});

function count(counts: Counting, standing: Standing): void {
  counts[standing.kind] += 1;
  if (standing.kind === 'open' && standing.isInFlight) counts.inFlight += 1;
  if (standing.kind === 'explained') counts.explanations[standing.by] += 1;
}

/** What the polls noted, and whatever the raw answers that are still kept name besides. */
function everSeen(evidence: Evidence, service: string): Map<string, FirstSeen> {
  const seen = new Map(evidence.seen.get(service));
  for (const worklist of evidence.worklists.values()) {
    if (worklist.service !== service) continue;
    for (const { binaryId, polledAt } of worklist.snapshots)
      for (const ubrn of evidence.answers.get(binaryId) ?? [])
        if (!seen.has(ubrn)) seen.set(ubrn, { list: worklist.list, at: polledAt });
  }
  return seen;
}

const isOver = (since: string, ms: number, now: string): boolean => Date.parse(now) - Date.parse(since) > ms;

/** How an exception names a referral: by what the store has of it, else by its number. */
function nameOf(evidence: Evidence, ubrn: string): Pick<AccountException, 'serviceRequestId' | 'taskId' | 'ubrn'> {
  const landed = evidence.landed.get(ubrn);
  const known = landed?.serviceRequestId;
  const serviceRequestId = known ?? evidence.referralOf.get(ubrn);
  const taskId = landed && latestReview(evidence, landed)?.taskId;
  if (serviceRequestId === undefined) return { ubrn };
  return { serviceRequestId, ...(taskId === undefined ? {} : { taskId }) };
}

function exceptionsOf(
  evidence: Evidence,
  about: { service: string; ubrn: string; first: FirstSeen; standing: Standing },
  patience: Patience,
  now: string,
): AccountException[] {
  const { service, ubrn, first, standing } = about;
  const named = { service, since: first.at, ...nameOf(evidence, ubrn) };
  if (standing.kind === 'missing') return [{ code: 'referral-vanished', missing: standing.missing, ...named }];
  if (standing.kind !== 'explained') return [];
  if (standing.by === 'quarantined') {
    const since = evidence.quarantined.get(`${service}.${ubrn}`) ?? first.at;
    return [{ code: 'referral-quarantined', ...named, since }];
  }
  return standing.by === 'arriving' && isOver(first.at, patience.referralMs, now)
    ? [{ code: 'referral-overdue', ...named }]
    : [];
}

function overduePolls(evidence: Evidence, { services, startedAt }: AccountOptions, now: string): AccountException[] {
  return services.flatMap(({ id, lists }) =>
    lists.flatMap(({ list, longestGapMs }): AccountException[] => {
      const { snapshots: [latest] = [], awaitedSince = startedAt } = evidence.worklists.get(`${id}.${list}`) ?? {};
      const since = latest?.polledAt ?? awaitedSince;
      return isOver(since, longestGapMs, now) ? [{ code: 'poll-overdue', service: id, since }] : [];
    }),
  );
}

const overdueFiles = (evidence: Evidence, { fileMs }: Patience, now: string): AccountException[] =>
  [...evidence.landed.values()].flatMap((landed): AccountException[] => {
    const { serviceRequestId, fileAwaitedSince: since } = landed;
    if (since === undefined || !isOver(since, fileMs, now)) return [];
    return [{ code: 'file-overdue', since, serviceRequestId, ...serviceOf(latestReview(evidence, landed)) }];
  });

const serviceOf = (review: Review | undefined): Pick<AccountException, 'service'> =>
  review?.service === undefined ? {} : { service: review.service };

/** Decisions that the engine has taken over, and those that it should have: a Task decided in the store since so long. */
function overdueDecisions(evidence: Evidence, { decisionMs }: Patience, now: string): AccountException[] {
  return evidence.openReviews().flatMap((review): AccountException[] => {
    const { taskId, serviceRequestId, decidedAt, outcomeUnknownSince } = review;
    const task = evidence.tasks.get(taskId);
    const untakenSince = evidence.untakenSince.get(taskId) ?? task?.updatedAt;
    const since = decidedAt ?? (isUntaken(review, task) ? untakenSince : undefined);
    const isLate = since !== undefined && isOver(since, decisionMs, now);
    const named = { serviceRequestId, taskId, ...serviceOf(review) };
    return [
      ...(outcomeUnknownSince === undefined
        ? []
        : [{ code: 'outcome-unknown' as const, since: outcomeUnknownSince, ...named }]),
      ...(isLate ? [{ code: 'decision-overdue' as const, since, ...named }] : []),
    ];
  });
}

/** Decided, and yet a worklist that was polled later names it and asks for nothing new (4.6). */
const stillListed = (evidence: Evidence): AccountException[] =>
  [...evidence.landed.values()].flatMap((landed): AccountException[] => {
    const review = latestReview(evidence, landed);
    const isDecided = review?.endedAt !== undefined && review.status !== 'cancelled';
    if (!isDecided || !isListedSince(evidence, landed.ubrn, review)) return [];
    const { taskId, serviceRequestId } = review;
    return [{ code: 'decided-but-listed', serviceRequestId, taskId, ...serviceOf(review) }];
  });

const orderOf = ({ code, service = '', serviceRequestId = '', taskId = '', ubrn = '' }: AccountException): string =>
  [code, service, serviceRequestId, taskId, ubrn].join('|');
