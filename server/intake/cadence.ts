import { createHash, randomUUID } from 'node:crypto';
import type { Code, PollsOf, SiteService, WorklistName } from '../core/index.ts';
import type { IntakeRoom } from './room.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** At the very first start the services are read at once, a second apart on average, and not in twelve hours' time. */
const FIRST_APART_MS = 1_000;

/** How the polls of a service are used: how many of them a day, and which part of them goes to which list. */
export interface PollPlan {
  readonly perDay: number;
  readonly shares: ReadonlyMap<WorklistName, number>;
}

/**
 * The plan of a service: as it is configured, else all to Referrals for Review, and half each where it has slot issues.
 * Source: architecture 6
 */
export function planPolls({ lists, pollSplit }: SiteService, pollsPerDay: number): PollPlan {
  const counts = lists.map((list) => [list, pollSplit?.[list] ?? (pollSplit === undefined ? 1 : 0)] as const);
  const sum = counts.reduce((total, [, count]) => total + count, 0);
  return {
    perDay: pollSplit === undefined ? pollsPerDay : Math.min(sum, pollsPerDay),
    shares: new Map(counts.flatMap(([list, count]) => (count > 0 ? [[list, count / sum] as const] : []))),
  };
}

/** The lists of a service that are polled by themselves. */
export const listsPolled = (service: SiteService, pollsPerDay: number | undefined): readonly WorklistName[] =>
  pollsPerDay === undefined ? service.lists : [...planPolls(service, pollsPerDay).shares.keys()];

/** Where a service's own times lie between those of all others: the same at each start, spread over services. */
const placeOf = (service: string): number => createHash('sha1').update(service).digest().readUInt32BE() / 2 ** 32;

/** The service's times of the day: its place, and on from there in even steps. */
export function slotBefore(service: string, perDay: number, atMs: number): number {
  const stepMs = DAY_MS / perDay;
  const offsetMs = placeOf(service) * stepMs;
  return Math.floor((atMs - offsetMs) / stepMs) * stepMs + offsetMs;
}

/**
 * When a service is to be polled next: at that one of its times which is nearest to one step after its last poll, or as soon
 * after it as the ledger permits. Whoever was late stays so by less than half a step; by more, one poll is given up to
 * be back in time, or all services would be read at once after each outage, for ever.
 * @param about.startedAtMs when this process started; by the ledger's clock, as all instants here
 */
export function nextPollMs(about: {
  readonly service: string;
  readonly perDay: number;
  readonly polls: PollsOf;
  readonly startedAtMs: number;
  /** How many services there are in all. */
  readonly count: number;
}): number {
  const { service, perDay, polls } = about;
  const lastMs = polls.spent.at(-1)?.at.getTime();
  if (lastMs === undefined) return about.startedAtMs + placeOf(service) * (about.count - 1) * FIRST_APART_MS;
  const stepMs = DAY_MS / perDay;
  return Math.max(slotBefore(service, perDay, lastMs + stepMs * 1.5), polls.nextAt.getTime());
}

/** The list whose turn it is: the one that has waited longest for its share. One that was not read lately comes first. */
export function nextList({ shares }: PollPlan, polls: PollsOf): WorklistName | undefined {
  const waitedFor = ([list, share]: readonly [WorklistName, number]) => {
    const last = polls.spent.findLast((poll) => poll.list === list);
    return last === undefined ? Number.POSITIVE_INFINITY : (polls.now.getTime() - last.at.getTime()) * share;
  };
  return [...shares].toSorted((a, b) => waitedFor(b) - waitedFor(a) || 0)[0]?.[0];
}

/**
 * A list that nobody has ever read, although an earlier process spent a poll on it: the answer died with that process, and the
 * first load does not wait for it until the next time of the day. What is lost later costs freshness only.
 */
export function lostList(
  { lists }: SiteService,
  polls: PollsOf,
  isSpentHere: (list: WorklistName) => boolean,
  isRead: (list: WorklistName) => boolean,
): WorklistName | undefined {
  // Not by the clock: e-RS's shows whole seconds, and a process is up again within one.
  return lists.find((list) => polls.spent.some((poll) => poll.list === list) && !isSpentHere(list) && !isRead(list));
}

const ABSENT: ReadonlySet<Code> = new Set([
  'ERS_UNAVAILABLE',
  'ERS_BUSY',
  'ERS_APPLICATION_REFUSED',
  'ERS_ANSWER_UNREADABLE',
]);

/** Whether e-RS answers at all, by a read that costs nothing. Source: A004 */
export async function isErsThere({ ers, log, signal }: IntakeRoom): Promise<boolean> {
  const answer = await ers.fetchCodeSystem('PRIORITY', { correlationId: randomUUID(), priority: 'urgent', signal });
  if (answer.kind === 'ok' || !ABSENT.has(answer.code)) return true;
  log.warn('intake.ers.absent', { operation: 'A004', code: answer.code });
  return false;
}

/**
 * How long each list of a service may go without a successful poll: its share of the polls, half a step more because a late
 * poll stays late by as much, and an hour for e-RS to come back. Lists that are not polled by themselves are left out.
 * @param about.pollIntervalMs where the poll limit is lifted
 */
export function longestGaps(
  service: SiteService,
  about: { readonly pollsPerDay: number | undefined; readonly pollIntervalMs: number },
): { readonly list: WorklistName; readonly longestGapMs: number }[] {
  const { pollsPerDay, pollIntervalMs } = about;
  if (pollsPerDay === undefined)
    return service.lists.map((list) => ({ list, longestGapMs: pollIntervalMs * 1.5 + HOUR_MS }));
  const { perDay, shares } = planPolls(service, pollsPerDay);
  return [...shares].map(([list, share]) => ({ list, longestGapMs: (DAY_MS / (perDay * share)) * 1.5 + HOUR_MS }));
}
