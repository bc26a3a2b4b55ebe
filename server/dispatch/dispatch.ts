import { IN_FLIGHT_STATUSES, identifierOf, OPEN_STATUSES, SYSTEM } from '../../mappings/index.ts';
import { describeError, type Engine, type EngineAnswer } from '../core/index.ts';
import { loadReview, type Review } from '../reviews/index.ts';
import { Agenda } from './agenda.ts';
import { Copies } from './copies.ts';
import { Crew } from './crew.ts';
import { deliver } from './deliver.ts';
import { findReview } from './find-review.ts';
import { KnownReviews } from './known-reviews.ts';
import type { Next } from './next.ts';
import { createPeople } from './people.ts';
import { reopen } from './reopen.ts';
import type { DispatchOptions, DispatchRoom } from './room.ts';
import { decisionIdOf, openSession, Sessions } from './sessions.ts';
import { isGivenBack, type Signing, signAndSend, waitingOn } from './sign-and-send.ts';
import { findWaiting } from './waiting.ts';
import { writeStep } from './write.ts';

/** Reconciles decided Tasks and e-RS: the one hard place. */
export interface Dispatch {
  start(): void;
  /** Lets what is in flight end; what is queued stays in the store. */
  stop(): Promise<void>;
  /** A Task changed: look soon. */
  wake(taskId?: string): void;
  /** Sends one decision of a Task with a clinician's session (4.7); resolves when its fate is on the Task. */
  send: Engine['send'];
  /** Sends waiting decisions in one session (4.7): those named, or all that are its user's own. */
  signAndSend: Engine['signAndSend'];
  /** The decisions that a session could send. */
  waiting: Engine['waiting'];
  openSession: Engine['openSession'];
  /** Gives a stuck decision back where e-RS is known not to have recorded it (E-9a). */
  reopen(taskId: string): Promise<EngineAnswer<void>>;
  /** Scans, and resolves when nothing is due any more; for tests and for shutdown. */
  settled(): Promise<void>;
  /** Compares every open review with its record (architecture 4, scan b). */
  sweep(): Promise<void>;
}

/** Decided and not final, by state, whoever wrote it (architecture 4, scan a). */
const DECIDED_QUERIES = [
  'status=accepted,rejected&business-status:missing=true',
  `status=accepted,rejected&business-status=${[...OPEN_STATUSES, ...IN_FLIGHT_STATUSES].join(',')}`,
  // What is on its way has a record of it, whatever somebody made of the Task's status.
  `business-status=${IN_FLIGHT_STATUSES.join(',')}`,
];
/** What others write and the engine has not seen, as a Subscription may say it. */
export const DECIDED_BY_OTHERS = `Task?status=accepted,rejected&business-status=${OPEN_STATUSES.join(',')}`;
/** Reviews that may wait for e-RS beside those at work: at ten requests a second, what half a minute sends. */
const MOST_ASIDE = 256;
const PATIENCE_MS = 1_000;
const GRACE_MS = 3_000;
/** How soon a Task is looked at again whose session e-RS is being asked about. */
const EXPECTED_MS = 250;
const PAGE = '&_count=200&_sort=authored-on';

export function createDispatch(options: DispatchOptions): Dispatch {
  const { store, clock, log, alerts, turns } = options;
  const room: DispatchRoom = {
    ...options,
    people: createPeople(store, options.ids),
    sessionRefused(taskId, decision, why) {
      for (const other of sessions.refuse(taskId, decisionIdOf(decision), why)) schedule(other, clock.monotonicMs());
    },
    whyNotSent: (taskId, decision) => sessions.whyNot(taskId, decisionIdOf(decision)),
    isParking: () => parked.signal.aborted,
  };
  const stopped = new AbortController();
  /** What e-RS has not answered is waited for no longer. */
  const parked = new AbortController();
  /** Task id → the monotonic time from which it is due; what is absent rests. */
  const due = new Agenda();
  const { ers, standingSession } = options;
  const sessions = new Sessions({ ers, clock, standingSession, signal: parked.signal });
  const reviews = new KnownReviews();
  const copies = new Copies(options);
  const crew = new Crew({
    clock,
    parallel: options.parallel,
    aside: MOST_ASIDE,
    patienceMs: options.patienceMs ?? PATIENCE_MS,
  });
  crew.onRoom = () => ring();
  let ring = () => {};
  let loops: Promise<unknown> = Promise.resolve();

  const schedule = (taskId: string, atMs: number, why: 'decided' | 'look' = 'decided') => {
    due.add(taskId, atMs, why);
    ring();
  };

  async function handle(taskId: string): Promise<void> {
    const first = await loadReview(store, taskId, reviews.keyOf(taskId));
    if (!first.ok) return schedule(taskId, clock.monotonicMs() + 2_000);
    if (first.value === undefined) return copies.note(taskId);
    const { ubrn } = first.value.record.data;
    // Whoever has the referral now may be long about it.
    if (!turns.isIdle(ubrn)) crew.stepAside(taskId);
    await turns.take(ubrn, async () => {
      crew.comeBack(taskId);
      for (let tries = 0; tries < 8; tries += 1) {
        const next = await advance(taskId, first.value?.key);
        if (next.kind === 'rest') return;
        if (next.kind === 'later') return schedule(taskId, clock.monotonicMs() + next.afterMs);
      }
      schedule(taskId, clock.monotonicMs() + 1_000);
    });
  }

  /** One step of one review, in its referral's turn. */
  async function advance(taskId: string, key: string | undefined): Promise<Next> {
    const found = await find(taskId, key);
    if (!found.ok) return { kind: 'later', afterMs: 2_000 };
    if (found.value === undefined) return { kind: 'rest' };
    const { review, step, isDirty, reference } = found.value;
    if (step.record.decision === undefined) {
      sessions.forget(taskId);
      if (!isDirty) {
        alerts.clear('task-unwritable', taskId);
        return { kind: 'rest' };
      }
      const written = await writeStep(room, review, step);
      return written.ok ? { kind: 'rest' } : { kind: written.code === 'conflict' ? 'reload' : 'later', afterMs: 2_000 };
    }
    const session = await sessions.for(taskId, step.record.decision);
    if (session === 'expected') return { kind: 'later', afterMs: EXPECTED_MS };
    const watched = crew.watch(taskId, ers, parked.signal);
    return deliver({ ...room, ers: watched }, { review, step, isDirty }, session, reference);
  }

  const find = (taskId: string, key: string | undefined) => findReview(room, taskId, key, remember);

  function remember(review: Review): void {
    const { taskId, baseline, ended } = review.record.data;
    reviews.note(review.key, review.record.data);
    copies.forget(taskId);
    if (ended === undefined) due.note(taskId, baseline.priority);
    else due.forget(taskId);
  }

  function run(taskId: string): void {
    if (stopped.signal.aborted) return;
    due.remove(taskId);
    crew.start(taskId, () =>
      handle(taskId).catch((error: unknown) => {
        log.error('dispatch.task.failed', { taskId, ...describeError(error) });
        schedule(taskId, clock.monotonicMs() + 5_000);
      }),
    );
  }

  /** Looks at a Task at once, since somebody waits for what becomes of it. */
  async function attend(taskId: string): Promise<void> {
    while (crew.has(taskId)) await crew.ended(taskId);
    run(taskId);
    await crew.ended(taskId);
  }

  /** Starts what is due, as far as there is room; answers when the next one will be. */
  function startDue(): number {
    const nowMs = clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [taskId, atMs] of due.entries()) {
      if (crew.isFull) return nextMs;
      if (atMs > nowMs || crew.has(taskId)) nextMs = Math.min(nextMs, atMs > nowMs ? atMs : nextMs);
      else run(taskId);
    }
    return nextMs;
  }

  async function work(): Promise<void> {
    while (!stopped.signal.aborted) {
      const rung = new Promise<void>((resolve) => {
        ring = resolve;
      });
      const nextMs = startDue();
      if (nextMs === Number.POSITIVE_INFINITY)
        await rung; // stop rings, too
      else {
        const waited = new AbortController();
        const wait = clock.sleep(nextMs - clock.monotonicMs(), AbortSignal.any([waited.signal, stopped.signal]));
        await Promise.race([rung, wait]);
        waited.abort();
      }
    }
  }

  /** Finds decided Tasks by state. */
  async function scan(): Promise<void> {
    const found = new Set<string>();
    const decided = new Set<string>();
    for (const query of DECIDED_QUERIES) {
      let next: string | undefined;
      do {
        const page = await store.search('Task', query + PAGE, next);
        if (!page.ok) return log.warn('dispatch.scan.failed', { code: page.code });
        for (const task of page.value.matches) {
          if (identifierOf(task, SYSTEM.reviewTask) === undefined) continue;
          decided.add(task.id);
          if (copies.has(task)) continue;
          if ('priority' in task && !due.isNoted(task.id)) due.note(task.id, task.priority);
          found.add(task.id);
        }
        next = page.value.next;
      } while (next !== undefined);
    }
    copies.retain(decided);
    const nowMs = clock.monotonicMs();
    // What waits for its time keeps that, but has a decided one's place.
    for (const taskId of found) schedule(taskId, due.has(taskId) ? Number.POSITIVE_INFINITY : nowMs);
  }

  async function sweep(): Promise<void> {
    const learnt = await reviews.learn(store, options.landing.index);
    if (!learnt.ok) return log.warn('dispatch.sweep.failed', { code: learnt.code });
    const written = await reviews.closedAndWritten(store, clock.now());
    if (!written.ok) return log.warn('dispatch.sweep.failed', { code: written.code });
    for (const { taskId, priority } of reviews.open()) if (!due.isNoted(taskId)) due.note(taskId, priority);
    for (const taskId of new Set([...reviews.open().map(({ taskId: id }) => id), ...written.value]))
      if (!crew.has(taskId) && !due.has(taskId)) schedule(taskId, clock.monotonicMs(), 'look');
  }

  async function every(ms: number, name: string, job: () => Promise<void>): Promise<void> {
    while (!stopped.signal.aborted) {
      await job().catch((error: unknown) => log.error(`dispatch.${name}.failed`, describeError(error)));
      await clock.sleep(ms, stopped.signal);
    }
  }

  const signing: Signing = {
    store,
    clock,
    sessions,
    signal: stopped.signal,
    keyOf: (taskId) => reviews.keyOf(taskId),
    look(taskId) {
      const looked = crew.onceEnded(taskId);
      schedule(taskId, clock.monotonicMs());
      return looked;
    },
  };

  const unsubscribe = store.onChange(({ type, id }) => {
    if (type === 'Task') schedule(id, clock.monotonicMs(), 'look');
  });

  return {
    start() {
      loops = Promise.all([
        work(),
        every(options.scanEveryMs, 'scan', scan),
        every(options.sweepEveryMs, 'sweep', sweep),
      ]);
    },
    async stop() {
      unsubscribe();
      stopped.abort();
      ring();
      await loops;
      const ended = crew.allEnded();
      const inTime = new AbortController();
      void ended.finally(() => inTime.abort());
      await clock.sleep(options.graceMs ?? GRACE_MS, inTime.signal);
      // What is written down of an attempt stays, and is settled by reading e-RS at the next start (D2).
      parked.abort();
      await ended;
    },
    wake(taskId) {
      if (taskId === undefined) void scan();
      else schedule(taskId, clock.monotonicMs());
    },
    async send(taskId, session, decisionId) {
      const waiting: EngineAnswer<string | undefined> =
        decisionId === undefined
          ? await waitingOn(signing, taskId, () => attend(taskId))
          : { ok: true, value: decisionId };
      if (!waiting.ok) return waiting;
      const id = waiting.value;
      if (id === undefined) return { ok: true, value: undefined };
      sessions.expect(taskId, id);
      const identified = await sessions.identify(session).finally(() => sessions.expectNoMore(taskId, id));
      if (identified.ok) sessions.give(taskId, id, identified.value);
      else sessions.refuse(taskId, id, identified.code);
      if (stopped.signal.aborted) return { ok: false, code: 'engine-unavailable' };
      await attend(taskId);
      if (!identified.ok) return identified;
      const after = await loadReview(store, taskId, reviews.keyOf(taskId));
      if (!after.ok) return { ok: false, code: 'store-unavailable' };
      if (after.value === undefined) return { ok: false, code: 'resource-not-found' };
      const { ended, decision, baseline } = after.value.record.data;
      if (ended?.recorded || (decision === undefined && isGivenBack(baseline))) return { ok: true, value: undefined };
      // It was taken back meanwhile; what waits there now is another decision.
      if (decision === undefined || decisionIdOf(decision) !== id) return { ok: false, code: 'decision-not-available' };
      const whyNot = sessions.whyNot(taskId, id);
      return whyNot === undefined ? { ok: true, value: undefined } : { ok: false, code: whyNot };
    },
    async signAndSend(session, wish) {
      const identified = await sessions.identify(session);
      if (!identified.ok) return identified;
      return signAndSend(signing, identified.value, wish);
    },
    async waiting(session) {
      const identified = await sessions.identify(session);
      if (!identified.ok) return identified;
      const waiting = await findWaiting(store, identified.value);
      return waiting.ok ? waiting : { ok: false, code: 'store-unavailable' };
    },
    openSession: (idToken) => openSession(ers, idToken),
    async reopen(taskId) {
      const first = await loadReview(store, taskId, reviews.keyOf(taskId));
      if (!first.ok) return { ok: false, code: 'store-unavailable' };
      if (first.value === undefined) return { ok: false, code: 'resource-not-found' };
      const { key, record } = first.value;
      return turns.take(record.data.ubrn, () => reopen(room, () => find(taskId, key)));
    },
    async settled() {
      await scan();
      const nowMs = clock.monotonicMs();
      while (!crew.isIdle || [...due.entries()].some(([, atMs]) => atMs <= nowMs)) {
        ring();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    sweep,
  };
}
