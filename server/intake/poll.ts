import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { type MappedWorklist, mapWorklist, type WorklistName } from '../../mappings/index.ts';
import type { AlertCode, Code, PollGrant, SiteService, StoredBinary, WorklistRecord } from '../core/index.ts';
import { readRecord, recordEntry } from '../store/index.ts';
import type { Snapshot } from './lists.ts';
import type { IntakeRoom } from './room.ts';

/** e-RS delivers 10 MB at most; a little more is read, so that a longer answer is seen to be one. */
const MAX_BYTES = 11_000_000;
/** A list of as many entries does not empty itself between two polls. */
const SUSPICIOUS_COUNT = 5;

/** What a poll of one list told. */
export type Polled =
  | { readonly kind: 'changed'; readonly snapshot: Snapshot }
  | { readonly kind: 'unchanged' }
  /** Not permitted, not answered, not complete, or not to be believed: nothing follows from it. */
  | { readonly kind: 'nothing'; readonly code: Code };

const nothing = (code: Code): Polled => ({ kind: 'nothing', code });
/** The ledger said no: e-RS was not asked. */
const NOT_SPENT: ReadonlySet<Code> = new Set(['poll-refused-by-ledger', 'store-unavailable']);
const keyOf = (service: string, list: WorklistName): string => `${service}.${list}`;

/** Reads one worklist: a poll is spent, the raw answer is in the store before anybody looks at it. Source: A008, B1, K1 */
export async function poll(room: IntakeRoom, service: SiteService, list: WorklistName): Promise<Polled> {
  const { store, clock, log, alerts } = room;
  const subject = keyOf(service.id, list);
  const polledAt = clock.now().toISOString();
  const answer = await room.ers.fetchWorklist(
    { service: service.id, list, spend: () => spend(room, service.id, list) },
    { correlationId: randomUUID(), priority: 'decision', signal: room.signal },
  );
  if (answer.kind !== 'ok' && NOT_SPENT.has(answer.code)) {
    log.warn('intake.poll.refused', { service: service.id, list, code: answer.code });
    return nothing(answer.code);
  }
  if (answer.kind !== 'ok') {
    log.warn('intake.worklist.unread', { service: service.id, list, code: answer.code });
    if (!room.signal.aborted)
      for (const code of whyUnread(room, subject, answer.refusal?.status)) alerts.raise(code, subject);
    return nothing(answer.code);
  }
  const stored = await store.putBinary(answer.value.stream, {
    contentType: 'application/fhir+json',
    maxBytes: MAX_BYTES,
  });
  if (!stored.ok) {
    alerts.raise('worklist-incomplete', subject);
    return nothing('worklist-incomplete');
  }
  const previous = room.lists.of(service.id, list);
  if (previous?.sha1 === stored.value.sha1) {
    clearAlerts(room, subject);
    await store.remove('Binary', stored.value.id);
    const snapshot = { ...previous, polledAt };
    room.lists.note(service.id, list, snapshot);
    await keep(room, service.id, list, { snapshot });
    return { kind: 'unchanged' };
  }
  const mapped = await readAnswer(room, stored.value, list, previous?.read);
  if (mapped === undefined) {
    alerts.raise('worklist-incomplete', subject);
    return nothing('worklist-incomplete');
  }
  const isSuspicious =
    mapped.items.length === 0 &&
    (previous?.items.size ?? 0) >= SUSPICIOUS_COUNT &&
    !isStanding(room, 'worklist-suspiciously-empty', subject);
  if (isSuspicious) {
    alerts.raise('worklist-suspiciously-empty', subject);
    log.warn('intake.worklist.empty', { service: service.id, list, count: previous?.items.size ?? 0 });
    await store.remove('Binary', stored.value.id);
    return nothing('worklist-suspiciously-empty');
  }
  const snapshot = snapshotOf(mapped, polledAt, stored.value.sha1);
  if (!(await keep(room, service.id, list, { snapshot, stored: stored.value }))) {
    // What is not noted as seen could be lost without a trace: it waits for a poll that can be kept.
    alerts.raise('worklist-incomplete', subject);
    await store.remove('Binary', stored.value.id);
    return nothing('store-unavailable');
  }
  room.lists.note(service.id, list, snapshot);
  clearAlerts(room, subject);
  log.info('intake.worklist.read', { service: service.id, list, count: mapped.items.length, bytes: stored.value.size });
  return { kind: 'changed', snapshot };
}

const ALERTS = ['worklist-incomplete', 'worklist-too-large', 'worklist-suspiciously-empty'] as const;
const isStanding = ({ alerts }: IntakeRoom, code: AlertCode, subject: string): boolean =>
  alerts.standing().some((alert) => alert.code === code && alert.subject === subject);
const clearAlerts = ({ alerts }: IntakeRoom, subject: string): void => {
  for (const code of ALERTS) alerts.clear(code, subject);
};

/**
 * What the operator is told of a list that was not answered. A list over 10 MB has no documented error: 500 is likely one;
 * another server error may pass by itself, but hardly twice in a row. Source: provider-api 3, 9.1 no. 4
 */
function whyUnread(room: IntakeRoom, subject: string, status = 0): AlertCode[] {
  if (status === 500) return ['worklist-too-large'];
  const isSecond = status > 500 && status !== 503 && isStanding(room, 'worklist-incomplete', subject);
  return isSecond ? ['worklist-incomplete', 'worklist-too-large'] : ['worklist-incomplete'];
}
/** Without the lease a poll is not ours to spend. */
async function spend(room: IntakeRoom, service: string, list: WorklistName): Promise<PollGrant> {
  if (room.fence?.() === false) return { granted: false, reason: 'unavailable' };
  const grant = await room.budget.spendPoll(service, list);
  if (grant.granted) room.spent.add(keyOf(service, list));
  return grant;
}

const snapshotOf = (mapped: MappedWorklist, polledAt: string, sha1: string): Snapshot => ({
  polledAt,
  sha1,
  items: new Map(mapped.items.map((item) => [item.ubrn, item])),
  read: mapped.read,
  unreadable: mapped.unreadable,
});

async function readAnswer(
  room: IntakeRoom,
  binary: { id: string },
  list: WorklistName,
  before?: MappedWorklist['read'],
): Promise<MappedWorklist | undefined> {
  const opened = await room.store.openBinary(binary.id);
  if (!opened.ok) return undefined;
  const source = parsed(await text(opened.value.stream).catch(() => ''));
  const mapped = mapWorklist(source, list, before);
  return mapped.ok ? mapped.value : undefined;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** How often the store is asked to keep an answer for which a poll was spent. */
const KEEP_TRIES = 5;

interface Kept {
  readonly snapshot: Snapshot;
  /** The raw answer; absent where it says what the latest one said. */
  readonly stored?: StoredBinary;
  readonly isReconciled?: boolean;
}

/**
 * Keeps the last two answers of a list, and in the same transaction what is seen for the first time; an unchanged one only
 * moves the time. False: the store did not take it.
 */
async function keep(room: IntakeRoom, service: string, list: WorklistName, news: Kept): Promise<boolean> {
  for (let tries = 0; tries < KEEP_TRIES; tries += 1) {
    if (tries > 0) await room.clock.sleep(KEEP_AGAIN_MS * 2 ** tries, room.signal);
    const read = await readRecord<WorklistRecord>(room.store, 'ers-worklist', keyOf(service, list));
    if (!read.ok) continue;
    const { snapshots, surplus } = nextSnapshots(read.value?.data.snapshots ?? [], news);
    const { polledAt, items, unreadable } = news.snapshot;
    const ubrns = [...items.keys(), ...unreadable.map(({ index, ubrn }) => ubrn ?? `entry-${index}`)];
    const seen = room.seen.writes(room.store, service, { list, polledAt, ubrns });
    const record = { service, list, snapshots };
    const written = await room.store.transaction([
      ...seen.entries,
      recordEntry(room.store, 'ers-worklist', keyOf(service, list), record, read.value),
    ]);
    if (written.ok) {
      seen.note(written.value);
      for (const { binaryId } of surplus) await room.store.remove('Binary', binaryId);
      return true;
    }
    // Somebody else wrote, or this very write arrived although its answer was lost: what is there is read afresh.
    await room.seen.load(room.store);
  }
  return false;
}

const KEEP_AGAIN_MS = 100;

function nextSnapshots(before: WorklistRecord['snapshots'], { snapshot, stored, isReconciled }: Kept) {
  const { polledAt, sha1, items } = snapshot;
  const [latest, ...older] = before;
  if (stored !== undefined && latest?.binaryId !== stored.id) {
    const news = { polledAt, count: items.size, sha1, binaryId: stored.id, reconciled: false };
    return { snapshots: [news, ...before].slice(0, 2), surplus: before.slice(1) };
  }
  const moved = latest && { ...latest, polledAt, reconciled: isReconciled ?? latest.reconciled };
  return { snapshots: moved === undefined ? [] : [moved, ...older], surplus: [] };
}

/** Every entry of the latest answer has been dealt with; after a crash it need not be looked at again. */
export async function markReconciled(
  room: IntakeRoom,
  service: string,
  list: WorklistName,
  { sha1 }: Snapshot,
): Promise<void> {
  const snapshot = room.lists.of(service, list);
  room.lists.noteReconciled(service, list);
  // A later answer that came meanwhile has still to be dealt with.
  if (snapshot?.sha1 === sha1) await keep(room, service, list, { snapshot, isReconciled: true });
}

/** Reads the latest stored answers back after a start. Answers the lists whose entries were not all dealt with. */
export async function recallLists(
  room: IntakeRoom,
): Promise<{ readonly service: SiteService; readonly list: WorklistName; readonly snapshot: Snapshot }[] | undefined> {
  const seen = await room.seen.load(room.store);
  if (!seen.ok) return undefined;
  const unfinished: { service: SiteService; list: WorklistName; snapshot: Snapshot }[] = [];
  for (const service of room.services) {
    for (const list of service.lists) {
      const read = await readRecord<WorklistRecord>(room.store, 'ers-worklist', keyOf(service.id, list));
      if (!read.ok) return undefined;
      const snapshots = read.value?.data.snapshots ?? [];
      const [latest] = snapshots;
      if (snapshots.some(({ reconciled }) => reconciled)) room.lists.noteReconciled(service.id, list);
      const mapped = latest === undefined ? undefined : await readAnswer(room, { id: latest.binaryId }, list);
      if (latest === undefined || mapped === undefined) continue;
      const snapshot = snapshotOf(mapped, latest.polledAt, latest.sha1);
      room.lists.note(service.id, list, snapshot);
      if (!latest.reconciled) unfinished.push({ service, list, snapshot });
    }
  }
  return unfinished;
}
