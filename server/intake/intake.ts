import type { WorklistName } from '../../mappings/index.ts';
import {
  describeError,
  type EngineAnswer,
  type PollAnswer,
  type Readiness,
  type SiteService,
  Turns,
  type Ubrn,
} from '../core/index.ts';
import { noteAwaited } from './awaited.ts';
import { type Brought, bring } from './bring.ts';
import { isErsThere, lostList, nextList, nextPollMs, planPolls } from './cadence.ts';
import { Due } from './due.ts';
import { Lists, type Snapshot } from './lists.ts';
import { markReconciled, type Polled, poll, recallLists } from './poll.ts';
import { Progress } from './progress.ts';
import { reconcile, setAside } from './reconcile.ts';
import { mirrorReferenceData } from './reference-data.ts';
import type { IntakeOptions, IntakeRoom } from './room.ts';
import { Seen } from './seen.ts';
import { Waits } from './waits.ts';

/** Reconciles e-RS's worklists and the store, and owns its own cadence. */
export interface Intake {
  start(): void;
  /** Parks what is in flight; the next start goes on with it. */
  stop(): Promise<void>;
  /** Polls every list once, as far as the ledger permits, and deals with all that is due; for tests and demos. */
  runOnce(): Promise<void>;
  /** Lands a referral by UBRN, whether or not it is on a list. */
  fetch(ubrn: Ubrn): Promise<EngineAnswer<{ serviceRequestId: string }>>;
  refresh(serviceRequestId: string): Promise<EngineAnswer<{ changed: boolean }>>;
  /** Reads a worklist now, by a poll of the same ledger; what is new on it is brought in afterwards. */
  poll(service: string, list?: WorklistName): Promise<PollAnswer>;
  readiness(): Omit<Readiness, 'engine'>;
}

const DAY_MS = 24 * 3_600_000;
const RETRY_MS = 5_000;
const LOOK_EVERY_MS = 5_000;
/** Longest wait for the next poll in one go: an operator, or another process, may have polled meanwhile. */
const LONGEST_WAIT_MS = 3_600_000;
/** How soon e-RS is looked for again that did not answer when a poll was due. */
const ABSENT_MS = 300_000;
const BREATH_MS = 60_000;

interface Unfinished {
  readonly service: SiteService;
  readonly list: WorklistName;
  readonly snapshot: Snapshot;
  /** The store knows already that this answer has been dealt with. */
  readonly isMarked?: boolean;
  /** By the monotonic clock: before it there is nothing to be done. */
  readonly notBeforeMs?: number;
}

const isSameList = (a: Pick<Unfinished, 'service' | 'list'>, b: Pick<Unfinished, 'service' | 'list'>): boolean =>
  a.service === b.service && a.list === b.list;

export function createIntake(options: IntakeOptions): Intake {
  const { clock, log, services, landing, budget } = options;
  const closing = new AbortController();
  const room: IntakeRoom = {
    ...options,
    lists: new Lists(),
    seen: new Seen(),
    spent: new Set(),
    refused: new Waits(clock),
    unasked: new Waits(clock),
    signal: closing.signal,
  };
  let unfinished: Unfinished[] = [];
  let loading: Promise<void> | undefined;
  let isLoaded = false;
  let running: Promise<unknown> = Promise.resolve();
  const dueReferrals = new Due(room);
  const startedMs = clock.monotonicMs();
  const nextPollAt = new Map<string, string>();
  const inBackground = new Set<Promise<unknown>>();
  const progress = new Progress(options);
  const turnsOfLists = new Turns();

  /** What the store holds is read once; without it nothing would be known to be unchanged. */
  function loaded(): Promise<void> {
    loading ??= (async () => {
      while (!closing.signal.aborted) {
        const [landed, lists] = [await landing.load(), await recallLists(room)];
        if (landed.ok && lists !== undefined) {
          await noteAwaited(room);
          unfinished = lists;
          isLoaded = true;
          options.alerts.clear('store-unavailable', 'intake');
          return;
        }
        options.alerts.raise('store-unavailable', 'intake');
        await clock.sleep(RETRY_MS, closing.signal);
      }
    })();
    return loading;
  }

  async function pollList(service: SiteService, list: WorklistName): Promise<void> {
    const { news } = await pollOnly(service, list);
    if (news !== undefined) await finish(news);
  }

  /** A poll, and what is to be done about it. One after the other: an answer that was overtaken would be taken for the newest. */
  function pollOnly(service: SiteService, list: WorklistName): Promise<{ polled: Polled; news?: Unfinished }> {
    return turnsOfLists.take(`poll ${service.id}.${list}`, () => pollInTurn(service, list));
  }

  async function pollInTurn(service: SiteService, list: WorklistName): Promise<{ polled: Polled; news?: Unfinished }> {
    const polled = await poll(room, service, list);
    const snapshot = room.lists.of(service.id, list);
    if (polled.kind === 'nothing' || snapshot === undefined) return { polled };
    // A list that says what it said is looked through as well: what is in quarantine may land by now, a decision under way
    // may be settled by it, a review that has ended may be asked for again.
    const isMarked = polled.kind === 'unchanged' && !unfinished.some((one) => isSameList(one, { service, list }));
    return { polled, news: { service, list, snapshot, isMarked } };
  }

  /** One after the other: of an answer that is looked through twice at once, each would undo what the other did. */
  const finish = (one: Unfinished): Promise<void> =>
    turnsOfLists.take(`finish ${one.service.id}.${one.list}`, () => finishInTurn(one));

  async function finishInTurn(one: Unfinished): Promise<void> {
    unfinished = unfinished.filter((other) => !isSameList(other, one));
    const isAside = await setAside(room, one.service, one.snapshot.unreadable);
    const reconciledMs = await reconcile(room, one.service, one.list, one.snapshot, progress);
    const againMs = isAside ? reconciledMs : 0;
    if (againMs !== undefined) unfinished.push({ ...one, isMarked: false, notBeforeMs: clock.monotonicMs() + againMs });
    else if (!one.isMarked) await markReconciled(room, one.service.id, one.list, one.snapshot);
  }

  async function listsInTurn(service: SiteService): Promise<readonly WorklistName[]> {
    if (options.pollsPerDay === undefined) return service.lists;
    const polls = await budget.pollsOf(service.id);
    const list = polls && nextList(planPolls(service, options.pollsPerDay), polls);
    return list === undefined ? [] : [list];
  }

  async function serviceLoop(service: SiteService): Promise<void> {
    const { pollsPerDay } = options;
    while (!closing.signal.aborted) {
      await safely('poll', async () => {
        if (pollsPerDay === undefined) {
          for (const list of service.lists) if (!closing.signal.aborted) await pollList(service, list);
          await clock.sleep(options.pollIntervalMs ?? RETRY_MS, closing.signal);
        } else {
          const waitMs = await pollIfDue(service, pollsPerDay);
          await clock.sleep(Math.min(waitMs, LONGEST_WAIT_MS), closing.signal);
        }
      });
    }
  }

  /** Polls a service if it is time to, and answers how long it is until then. */
  async function pollIfDue(service: SiteService, pollsPerDay: number): Promise<number> {
    const plan = planPolls(service, pollsPerDay);
    const due = async () => {
      const polls = await budget.pollsOf(service.id);
      if (polls === undefined) return undefined;
      const nowMs = polls.now.getTime();
      const startedAtMs = nowMs - (clock.monotonicMs() - startedMs);
      const { perDay } = plan;
      const lost = lostList(
        service,
        polls,
        (list) => room.spent.has(`${service.id}.${list}`),
        (list) => room.lists.of(service.id, list) !== undefined,
      );
      const atMs =
        lost === undefined
          ? nextPollMs({ service: service.id, perDay, polls, startedAtMs, count: services.length })
          : polls.nextAt.getTime();
      nextPollAt.set(service.id, new Date(atMs).toISOString());
      return { waitMs: atMs - nowMs, list: lost ?? nextList(plan, polls) };
    };
    const first = await due();
    if (first === undefined || first.waitMs > 0) return first?.waitMs ?? RETRY_MS;
    // A poll that is sent to an e-RS that is down is lost for a day. Asking also tells what time it is there.
    if (!(await isErsThere(room))) return ABSENT_MS;
    const then = await due();
    if (then?.list === undefined || then.waitMs > 0) return then?.waitMs ?? RETRY_MS;
    if (!closing.signal.aborted) await pollList(service, then.list);
    return BREATH_MS;
  }

  /** All at the same time: a list of thousands keeps no other from having its turn; the pace shares turns out in order. */
  async function finishAll(): Promise<void> {
    const nowMs = clock.monotonicMs();
    const due = unfinished.filter(({ notBeforeMs = nowMs }) => notBeforeMs <= nowMs);
    await Promise.all(due.map((one) => (closing.signal.aborted ? undefined : finish(one))));
  }

  function inBackgroundUntilDone(work: Promise<unknown>): void {
    inBackground.add(work);
    void work.finally(() => inBackground.delete(work));
  }

  async function safely(name: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error: unknown) {
      log.error(`intake.${name}.failed`, describeError(error));
      await clock.sleep(RETRY_MS, closing.signal);
    }
  }

  async function every(ms: number, name: string, work: () => Promise<unknown>): Promise<void> {
    while (!closing.signal.aborted) {
      await safely(name, work);
      await clock.sleep(ms, closing.signal);
    }
  }

  async function referenceLoop(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; ) {
      let isComplete = false;
      await safely('reference', async () => {
        isComplete = await mirrorReferenceData(room);
      });
      // A set that e-RS never delivers must not cost six calls every few seconds for ever.
      const againMs = Math.min(RETRY_MS * 2 ** failures, LONGEST_WAIT_MS);
      failures = isComplete ? 0 : Math.min(failures + 1, 20);
      await clock.sleep(isComplete ? DAY_MS : againMs, closing.signal);
    }
  }

  return {
    start() {
      running = loaded().then(() =>
        Promise.all([
          referenceLoop(),
          every(options.lookEveryMs ?? LOOK_EVERY_MS, 'resume', finishAll),
          every(options.lookEveryMs ?? LOOK_EVERY_MS, 'due', () => dueReferrals.bring()),
          ...services.map(serviceLoop),
        ]),
      );
    },
    async stop() {
      closing.abort();
      await Promise.all([running, ...inBackground]);
    },
    async runOnce() {
      await loaded();
      await mirrorReferenceData(room);
      await finishAll();
      for (const service of services) for (const list of await listsInTurn(service)) await pollList(service, list);
      await dueReferrals.bring();
    },
    async fetch(ubrn) {
      await loaded();
      const brought = await bring(room, { ubrn, listing: undefined, priority: 'urgent' });
      return answerOf(brought, ({ serviceRequestId }) => ({ serviceRequestId }));
    },
    async refresh(serviceRequestId) {
      await loaded();
      const known = landing.index.byServiceRequestId(serviceRequestId);
      if (known === undefined) return { ok: false, code: 'resource-not-found' };
      const brought = await bring(room, { ubrn: known.ubrn as Ubrn, listing: undefined, priority: 'decision' });
      return answerOf(brought, ({ changed }) => ({ changed }));
    },
    async poll(serviceId, wanted) {
      await loaded();
      const service = services.find(({ id }) => id === serviceId);
      if (service === undefined) return { ok: false, code: 'service-unknown' };
      const list = wanted ?? (await listsInTurn(service))[0];
      if (list === undefined) return { ok: false, code: 'store-unavailable' };
      if (!service.lists.includes(list)) return { ok: false, code: 'list-unknown' };
      const before = await budget.pollsOf(service.id);
      if (before?.left === 0) return { ok: false, code: 'poll-refused-by-ledger', list, polls: before };
      if (!(await isErsThere(room)))
        return { ok: false, code: 'ers-unavailable', list, ...(before && { polls: before }) };
      const { polled, news } = await pollOnly(service, list);
      if (news !== undefined) inBackgroundUntilDone(safely('poll', () => finish(news)));
      const polls = await budget.pollsOf(service.id);
      if (polls === undefined) return { ok: false, code: 'store-unavailable', list };
      if (polled.kind === 'nothing') return { ok: false, code: polled.code, list, polls };
      return {
        ok: true,
        value: {
          list,
          listed: room.lists.of(serviceId, list)?.items.size ?? 0,
          isChanged: polled.kind === 'changed',
          polls,
        },
      };
    },
    readiness() {
      const firstLoad = progress.load();
      return {
        ready: isLoaded,
        rooms: { intake: isLoaded && firstLoad === undefined ? 'ok' : 'starting' },
        ...(firstLoad === undefined ? {} : { firstLoad }),
        services: services.map((service) => {
          const lastPolledAt = room.lists.lastPolledAt(service);
          const nextAt = nextPollAt.get(service.id);
          return {
            service: service.id,
            listed: room.lists.countOf(service),
            ...(lastPolledAt === undefined ? {} : { lastPolledAt }),
            ...(nextAt === undefined ? {} : { nextPollAt: nextAt }),
          };
        }),
      };
    },
  };
}

function answerOf<T>(brought: Brought, value: (landed: Extract<Brought, { kind: 'landed' }>) => T): EngineAnswer<T> {
  if (brought.kind === 'landed') return { ok: true, value: value(brought) };
  return { ok: false, code: brought.code, ...(brought.kind === 'again' ? { retryAfterMs: brought.afterMs } : {}) };
}
