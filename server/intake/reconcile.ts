import { MAPPING_VERSION, type WorklistItem, type WorklistName } from '../../mappings/index.ts';
import { describeError, parseUbrn, type SiteService, type Ubrn } from '../core/index.ts';
import { itemHash } from '../landing/index.ts';
import { type Brought, bring, priorityOf, type Wanted } from './bring.ts';
import { oldestOf, type Snapshot } from './lists.ts';
import type { Progress } from './progress.ts';
import type { IntakeRoom } from './room.ts';

/** How many referrals are brought in at the same time; the budget paces their calls. */
const PARALLEL = 6;
/** Slot issues carry no version: each is read once a day, whatever its fields say (I-10). */
const SLOT_ISSUE_MS = 24 * 3_600_000;

/**
 * Deals with each difference between a complete worklist and the store: what is new or changed is brought in, what has
 * left is read again and settled. Answers in how many ms something has to be tried again; undefined: nothing.
 * Source: I-10, 1.8; architecture 5
 */
export async function reconcile(
  room: IntakeRoom,
  service: SiteService,
  list: WorklistName,
  snapshot: Snapshot,
  progress: Progress,
): Promise<number | undefined> {
  const kept = await room.landing.quarantined();
  // Also what has landed since it was put there: a process may have ended, or the store failed it, before it was let go.
  const changed = [...snapshot.items.values()].filter((item) => kept.has(item.ubrn) || !isUnchanged(room, item));
  const left = leftOf(room, service, list, snapshot, kept);
  const want = (ubrn: Ubrn) => wantedOf(room, ubrn, service.id, snapshot);
  const wanted = [...changed.map(({ ubrn }) => ubrn), ...left].map(want);
  const ordered = wanted.toSorted((a, b) => urgency(a) - urgency(b));
  const key = `${service.id}.${list}`;
  progress.begin(key, ordered.length, !room.lists.wasReconciled(service.id, list));
  let againMs: number | undefined;
  const tryAgainIn = (ms: number) => {
    againMs = Math.min(againMs ?? ms, ms);
  };
  await eachOf(ordered, PARALLEL, async ({ ubrn }) => {
    const isWaiting = room.refused.leftMs(ubrn) > 0;
    // As the lists say by now: thousands may have been before it.
    const brought = room.signal.aborted || isWaiting ? undefined : await bringSafely(room, want(ubrn));
    if (room.signal.aborted) return tryAgainIn(0);
    progress.advance(key);
    if (brought?.kind === 'refused') room.refused.extend(ubrn);
    else if (brought?.kind === 'landed' || brought?.kind === 'settled') {
      room.refused.end(ubrn);
      const unaskedMs = room.unasked.leftMs(ubrn);
      return unaskedMs > 0 ? tryAgainIn(unaskedMs) : undefined;
    }
    tryAgainIn(room.refused.leftMs(ubrn));
  });
  return againMs;
}

/** Entries that e-RS sent in a form that cannot be read are kept aside, with an alert (K1). True: all are kept. */
export async function setAside(
  room: IntakeRoom,
  service: SiteService,
  unreadable: Snapshot['unreadable'],
): Promise<boolean> {
  let isDone = true;
  for (const { index, ubrn } of unreadable) {
    const isKept = await room.landing.quarantine({
      service: service.id,
      ubrn: ubrn ?? `entry-${index}`,
      codes: ['REQUIRED_ELEMENT_MISSING'],
    });
    if (!isKept) isDone = false;
  }
  return isDone;
}

const PRIORITIES = ['decision', 'two-week-wait', 'urgent', 'routine', 'recheck'] as const;
const urgency = ({ priority }: Wanted): number => PRIORITIES.indexOf(priority);

const wantedOf = (room: IntakeRoom, ubrn: Ubrn, service: string, snapshot: Snapshot): Wanted => {
  const { lists, landing } = room;
  const entries = lists.entriesOf(ubrn);
  const known = landing.index.byUbrn(ubrn)?.items ?? [];
  // Where no list names it, those count that did: they could.
  const silent = entries.length > 0 ? [] : known.flatMap((item) => lists.of(item.service, item.list) ?? []);
  const services = [...new Set([service, ...known.map((item) => item.service)])];
  const reviewsPolledAt = oldestOf(services.flatMap((id) => lists.of(id, 'REFERRALS_FOR_REVIEW') ?? []));
  const listing = {
    entries,
    polledAt: oldestOf([...entries, ...silent]) ?? snapshot.polledAt,
    ...(reviewsPolledAt === undefined ? {} : { reviewsPolledAt }),
  };
  const priority = entries.length === 0 ? 'recheck' : priorityOf(entries.map(({ item }) => item));
  return { ubrn, listing, service, priority };
};

/** One bad referral never stops the others: a defect is logged, and the referral tried again. */
export async function bringSafely(room: IntakeRoom, wanted: Wanted): Promise<Brought | undefined> {
  try {
    return await bring(room, wanted);
  } catch (error: unknown) {
    room.log.error('intake.referral.failed', { ...describeError(error) });
    return undefined;
  }
}

/** I-10, without a read of the store. */
function isUnchanged(room: IntakeRoom, item: WorklistItem): boolean {
  const known = room.landing.index.byUbrn(item.ubrn);
  if (known === undefined || known.mappingVersion !== MAPPING_VERSION || known.isUnderWay) return false;
  const listed = known.items.find(({ list, service }) => list === item.list && service === (item.service?.id ?? ''));
  if (listed === undefined || listed.hash !== itemHash(item)) return false;
  if (item.version !== undefined) return known.version >= item.version;
  return room.clock.now().getTime() - Date.parse(known.lastReadAt) < SLOT_ISSUE_MS;
}

/**
 * Referrals whose review rests on this list and that are on it no more; and those that left before they had been brought in
 * at all, as when e-RS did not answer for them in time (K1).
 */
function leftOf(
  room: IntakeRoom,
  service: SiteService,
  list: WorklistName,
  snapshot: Snapshot,
  kept: ReadonlySet<string>,
): Ubrn[] {
  if (!room.lists.isComplete(service)) return [];
  const owed = [...room.seen.of(service)].filter(
    (ubrn) => !snapshot.items.has(ubrn) && room.landing.index.byUbrn(ubrn) === undefined && !kept.has(ubrn),
  );
  const left = room.landing.index
    .all()
    .filter(
      ({ ubrn, items }) =>
        !snapshot.items.has(ubrn) && items.some((item) => item.list === list && item.service === service.id),
    )
    .map(({ ubrn }) => ubrn);
  return [...left, ...owed].flatMap((ubrn) => parseUbrn(ubrn) ?? []);
}

async function eachOf<T>(items: readonly T[], parallel: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
}
