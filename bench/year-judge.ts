import type { SiteService, WorklistName } from '../server/core/index.ts';
import { slotBefore } from '../server/intake/cadence.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SLOT = 12 * HOUR;
/** What an engine may take to notice that it could poll: it looks for an e-RS that was down every five minutes. */
const TOLERANCE_MS = 15 * 60_000;
/** How long a poll counts in the ledger. */
const LEDGER_MS = DAY + 60_000;

/** One poll: spent in the ledger, and arrived at e-RS or not. */
export interface Poll {
  readonly service: string;
  readonly list: WorklistName;
  readonly by: 'cadence' | 'operator';
  /** When the process that spent it started. */
  readonly bornMs: number;
  readonly spentMs: number;
  arrivedMs?: number;
  answeredMs?: number;
}

export interface Span {
  readonly fromMs: number;
  toMs: number;
}

export interface Losses {
  readonly slots: number;
  readonly used: number;
  /** Lost slots by why. */
  readonly lost: Readonly<Record<string, number>>;
  readonly unexplained: readonly string[];
}

/** e-RS's rule by its own clock: polls that arrived although `permitted` had arrived in the 24 hours before. */
export function rollingDayViolations(services: readonly string[], polls: readonly Poll[], permitted: number): number {
  return services.reduce((sum, service) => {
    const arrivals = polls
      .flatMap((poll) => (poll.service === service && poll.arrivedMs !== undefined ? [poll.arrivedMs] : []))
      .toSorted((a, b) => a - b);
    const over = arrivals.filter((atMs, index) => {
      const earlier = arrivals[index - permitted];
      return earlier !== undefined && atMs - earlier < DAY;
    });
    return sum + over.length;
  }, 0);
}

/** Each half day of a service that no poll arrived in, and why. */
export function lossesOf(
  services: readonly string[],
  about: {
    readonly polls: readonly Poll[];
    readonly up: readonly Span[];
    readonly outages: readonly Span[];
    readonly fromMs: number;
    readonly toMs: number;
  },
): Losses {
  const lost: Record<string, number> = {};
  const unexplained: string[] = [];
  let [slots, used] = [0, 0];
  for (const service of services) {
    const polls = about.polls.filter((poll) => poll.service === service);
    for (let from = slotBefore(service, 2, about.fromMs) + SLOT; from + SLOT <= about.toMs; from += SLOT) {
      slots += 1;
      const slot: Span = { fromMs: from, toMs: from + SLOT };
      if (polls.some(({ arrivedMs }) => arrivedMs !== undefined && isIn(arrivedMs, slot))) used += 1;
      else {
        const why = whyLost(service, slot, polls, about);
        if (why === undefined) unexplained.push(`${service} ${new Date(from).toISOString()}`);
        else lost[why] = (lost[why] ?? 0) + 1;
      }
    }
  }
  return { slots, used, lost, unexplained };
}

/** How the services with two lists shared their polls between these. */
export interface TurnsOfLists {
  readonly services: number;
  /** Polls that arrived, by list. */
  readonly polls: Readonly<Partial<Record<WorklistName, number>>>;
  /** Polls by the cadence of the list that had been polled last, since the process knew of no answer of it. */
  readonly readAgain: number;
  /** Such polls without that reason. */
  readonly outOfTurn: readonly string[];
}

/** Whether the lists of a service took turns. Source: architecture 6, one poll each where the service has slot issues */
export function turnsOf(sites: readonly SiteService[], polls: readonly Poll[]): TurnsOfLists {
  const shared = sites.filter(({ lists }) => lists.length > 1);
  const arrived: Partial<Record<WorklistName, number>> = {};
  const outOfTurn: string[] = [];
  let readAgain = 0;
  for (const { id } of shared) {
    const own = polls.filter(({ service }) => service === id);
    for (const [index, poll] of own.entries()) {
      const { list, by, spentMs, arrivedMs } = poll;
      if (arrivedMs !== undefined) arrived[list] = (arrived[list] ?? 0) + 1;
      if (by !== 'cadence' || own[index - 1]?.list !== list) continue;
      if (own.some((other) => other.list === list && isKnownTo(poll, other)))
        outOfTurn.push(`${id} ${list} ${new Date(spentMs).toISOString()}`);
      else readAgain += 1;
    }
  }
  return { services: shared.length, polls: arrived, readAgain, outOfTurn };
}

/** Whether the process that spent a poll knew another's answer: its own, or one that was kept before it started. */
const isKnownTo = ({ bornMs, spentMs }: Poll, other: Poll): boolean =>
  other.bornMs === bornMs ? other.spentMs < spentMs : other.answeredMs !== undefined && other.answeredMs < bornMs;

const isIn = (atMs: number, { fromMs, toMs }: Span): boolean => atMs >= fromMs && atMs < toMs;

function whyLost(
  service: string,
  slot: Span,
  polls: readonly Poll[],
  { up, outages }: { readonly up: readonly Span[]; readonly outages: readonly Span[] },
): string | undefined {
  const working = minus(within(up, slot), outages);
  if (lengthOf(working) < TOLERANCE_MS)
    return lengthOf(within(up, slot)) < TOLERANCE_MS ? 'no process was up' : 'e-RS was down';
  const counting = polls.filter(({ spentMs }) => spentMs < slot.toMs && spentMs + LEDGER_MS > slot.fromMs);
  const full = fullSpans(counting);
  if (lengthOf(minus(working, full)) < TOLERANCE_MS) {
    if (counting.some(({ arrivedMs }) => arrivedMs === undefined))
      return 'its permit was spent on a call that a kill or an outage stopped';
    if (counting.some(({ by }) => by === 'operator')) return 'an operator had spent its permit';
    return 'its permit was spent late, after an outage or a pause, and was not yet free';
  }
  const last = polls.findLast(({ spentMs }) => spentMs < slot.toMs);
  // More than half a step late: the cadence gives one poll up to be back at the service's own times.
  if (last !== undefined && slotBefore(service, 2, last.spentMs + 1.5 * SLOT) >= slot.toMs)
    return 'given up, to be back at its own time after being late';
  return undefined;
}

/** When two polls count, so that none may be spent. */
function fullSpans(polls: readonly Poll[]): Span[] {
  return polls.flatMap((poll, index) => {
    const next = polls[index + 1];
    return next === undefined ? [] : [{ fromMs: next.spentMs, toMs: poll.spentMs + LEDGER_MS }];
  });
}

const within = (spans: readonly Span[], { fromMs, toMs }: Span): Span[] =>
  merged(
    spans
      .map((span) => ({ fromMs: Math.max(span.fromMs, fromMs), toMs: Math.min(span.toMs, toMs) }))
      .filter((span) => span.toMs > span.fromMs),
  );

/** Overlapping spans as one. */
function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = result.at(-1);
    if (last !== undefined && span.fromMs <= last.toMs) last.toMs = Math.max(last.toMs, span.toMs);
    else result.push({ ...span });
  }
  return result;
}

function minus(spans: readonly Span[], holes: readonly Span[]): Span[] {
  return holes.reduce<Span[]>(
    (left, hole) =>
      left.flatMap((span) =>
        [
          { fromMs: span.fromMs, toMs: Math.min(span.toMs, hole.fromMs) },
          { fromMs: Math.max(span.fromMs, hole.toMs), toMs: span.toMs },
        ].filter(({ fromMs, toMs }) => toMs > fromMs),
      ),
    [...spans],
  );
}

const lengthOf = (spans: readonly Span[]): number => spans.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
