import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { searchParameters } from '../conformance/index.ts';
import { idSpace } from '../mappings/index.ts';
import { createBudget } from '../server/budget/index.ts';
import {
  alertBoard,
  type Clock,
  type ErsClient,
  type Fate,
  type Log,
  type SiteService,
  type Store,
  Turns,
  type WorklistName,
} from '../server/core/index.ts';
import { fingerprintOf, isTerminal } from '../server/decisions/index.ts';
import { createIntake, type Intake } from '../server/intake/index.ts';
import { createLanding } from '../server/landing/index.ts';
import { openEmbeddedStore } from '../server/store/index.ts';
import { createSimulatedTime, type SimulatedTime } from './simulated-time.ts';
import {
  type Losses,
  lossesOf,
  type Poll,
  rollingDayViolations,
  type Span,
  type TurnsOfLists,
  turnsOf,
} from './year-judge.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.parse('2027-01-04T07:00:00Z');
const RFR = 'REFERRALS_FOR_REVIEW';
const ASI = 'APPOINTMENT_SLOT_ISSUES';
/** Where there is a disk in memory the store is on it: no power fails here, and waiting for a disk proves nothing. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface YearOptions {
  readonly days: number;
  readonly services: number;
  readonly seed: number;
  /** How much oftener than in a bad year things happen. */
  readonly trouble?: number;
}

export interface YearReport extends Losses {
  /** How the services with two lists shared their polls between these. */
  readonly turns: TurnsOfLists;
  readonly polls: number;
  readonly overLimit: number;
  readonly restarts: number;
  readonly kills: number;
  readonly clockSteps: number;
  readonly outages: number;
  readonly twoAtOnce: number;
  readonly operatorPolls: number;
}

/** A process: its rooms, and how it ends. */
interface Process {
  readonly intake: Intake;
  stop(): Promise<void>;
  /** From now on nothing that it awaits ever comes. */
  kill(): void;
}

/**
 * Many days of polling by the real budget, ledger and cadence over a real store, in a world of kills, restarts, second
 * processes, clocks that are set wrong, and an e-RS that is down now and then. e-RS itself counts the polls.
 */
export async function simulateYear(options: YearOptions): Promise<YearReport> {
  const { days, services: count, trouble = 1 } = options;
  const random = generator(options.seed);
  const between = (low: number, high: number) => low + random() * (high - low);
  const oneOf = <T>(choices: readonly T[]) => choices[Math.floor(random() * choices.length)] as T;
  const time = createSimulatedTime(START);
  const services = Array.from({ length: count }, (_, index) => String(70_101 + index));
  const sites: SiteService[] = services.map((id, index) => ({ id, lists: listsOf(index), unattended: [] }));
  const directory = mkdtempSync(join(MEMORY, 'ers-fhir-year-'));
  const wall = { offsetMs: 0 };
  const wallNow = () => new Date(time.nowMs() + wall.offsetMs);
  const opened = await openEmbeddedStore({ directory, clock: clockOf(time, wallNow, () => false), searchParameters });

  const polls: Poll[] = [];
  const up: Span[] = [];
  const outages: Span[] = [];
  const tally = { restarts: 0, kills: 0, clockSteps: 0, outages: 0, twoAtOnce: 0, operatorPolls: 0 };
  const isDown = () => outages.some(({ fromMs, toMs }) => fromMs <= time.nowMs() && time.nowMs() < toMs);
  let isOperators = false;
  let isOver = false;

  function start(onEnd: () => void): Process {
    let isDead = false;
    const isGone = () => isDead || isOver;
    const clock = clockOf(time, wallNow, isGone);
    const store = mortal(opened, time, isGone);
    const shared = { store, clock, log: SILENT, random, ids: idSpace('year'), alerts: alertBoard(() => clock.now()) };
    const budget = createBudget({ ...shared, requestsPerSecond: 10, pollsPerDay: 2 });
    const span: Span = { fromMs: time.nowMs(), toMs: Number.POSITIVE_INFINITY };
    up.push(span);
    const end = () => {
      if (span.toMs !== Number.POSITIVE_INFINITY) return;
      span.toMs = time.nowMs();
      onEnd();
    };
    const kill = () => {
      if (isDead) return;
      isDead = true;
      tally.kills += 1;
      end();
    };
    /** Dies here, now and then: a process may end between any two steps. */
    const perhapsDie = async () => {
      if (random() < 0.003 * trouble) kill();
      await clock.sleep(between(0, random() < 0.02 ? 20_000 : 300));
    };
    const hear = () => budget.hearErsTime(new Date(Math.floor(time.nowMs() / 1000) * 1000));
    const ers: Partial<ErsClient> = {
      async fetchCodeSystem(_type, context) {
        const turn = await budget.admit(context.priority, context.signal);
        turn?.sent();
        if (turn === undefined || isDown()) return unavailable;
        await clock.sleep(between(20, 400));
        hear();
        return { kind: 'ok', value: REASONS };
      },
      async fetchWorklist({ service, list, spend }, context) {
        const turn = await budget.admit(context.priority, context.signal);
        if (turn === undefined) return unavailable;
        turn.sent();
        const by = isOperators ? 'operator' : 'cadence';
        const grant = await spend?.();
        if (grant?.granted === false) return { kind: 'refused', code: 'poll-refused-by-ledger' };
        const poll: Poll = { service, list, by, bornMs: span.fromMs, spentMs: time.nowMs() };
        polls.push(poll);
        await perhapsDie();
        if (isDown()) return unavailable;
        poll.arrivedMs = time.nowMs();
        await perhapsDie();
        if (random() < 0.01) return unavailable;
        hear();
        poll.answeredMs = time.nowMs();
        return { kind: 'ok', value: { stream: Readable.from([EMPTY[list]]), contentType: 'application/fhir+json' } };
      },
    };
    const intake = createIntake({
      ...shared,
      ers: ers as ErsClient,
      budget,
      landing: createLanding({ ...shared, judge: { isTerminal, fingerprintOf } }),
      turns: new Turns(),
      services: sites,
      pollsPerDay: 2,
      lookEveryMs: HOUR,
    });
    intake.start();
    return {
      intake,
      kill,
      async stop() {
        tally.restarts += 1;
        await intake.stop();
        end();
      },
    };
  }

  /** The process that is meant to run: whenever it ends it comes back, mostly soon. */
  let main: Process | undefined;
  const begin = (): void => {
    main = start(() => {
      main = undefined;
      const pause = random();
      const downMs =
        pause < 0.85
          ? between(2_000, 2 * MINUTE)
          : pause < 0.98
            ? between(HOUR, 10 * HOUR)
            : between(20 * HOUR, 40 * HOUR);
      time.at(time.nowMs() + downMs, begin);
    });
  };
  begin();

  const endMs = START + days * DAY;
  /** Something that happens again and again, so often a year. */
  const often = (aYear: number, happen: () => void): void => {
    const gapMs = () => (-Math.log(1 - random()) * 365 * DAY) / (aYear * trouble);
    const next = (): void => {
      time.at(time.nowMs() + gapMs(), () => {
        happen();
        next();
      });
    };
    next();
  };
  often(250, () => (random() < 0.5 ? main?.kill() : void main?.stop()));
  often(24, () => {
    tally.twoAtOnce += 1;
    const second = start(() => undefined);
    time.at(time.nowMs() + between(HOUR, 48 * HOUR), () => (random() < 0.5 ? second.kill() : void second.stop()));
  });
  often(100, () => {
    tally.outages += 1;
    outages.push({
      fromMs: time.nowMs(),
      toMs: time.nowMs() + (random() < 0.7 ? between(MINUTE, HOUR) : between(HOUR, 9 * HOUR)),
    });
  });
  // A time server corrects seconds; an operator, or a machine that knows no daylight saving, is wrong by hours.
  often(52, () => {
    tally.clockSteps += 1;
    wall.offsetMs += between(-120_000, 120_000);
  });
  often(26, () => {
    tally.clockSteps += 2;
    const byMs = oneOf([-1, 1]) * oneOf([HOUR, HOUR, between(HOUR, 26 * HOUR)]);
    wall.offsetMs += byMs;
    time.at(time.nowMs() + between(10 * MINUTE, 30 * HOUR), () => {
      wall.offsetMs = 0;
    });
  });
  often(120, () => {
    if (main === undefined) return;
    tally.operatorPolls += 1;
    isOperators = true;
    const { id, lists } = oneOf(sites);
    void main.intake.poll(id, oneOf(lists)).finally(() => {
      isOperators = false;
    });
  });

  try {
    await time.runUntil(endMs);
    const context = { polls, up, outages, fromMs: START, toMs: endMs };
    return {
      ...lossesOf(services, context),
      ...tally,
      polls: polls.filter(({ arrivedMs }) => arrivedMs !== undefined).length,
      overLimit: rollingDayViolations(services, polls, 2),
      turns: turnsOf(sites, polls),
    };
  } finally {
    isOver = true;
    await time.runUntil(endMs);
    await opened.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

const unavailable: Fate<never> = { kind: 'retry', code: 'ERS_UNAVAILABLE', afterMs: 1_000 };
const fixture = (name: string): string =>
  readFileSync(new URL(`../test/fixtures/ers/${name}`, import.meta.url), 'utf8');
const REASONS: unknown = JSON.parse(fixture('a004-appointment-cancellation-reason.json'));
const emptied = (name: string): Buffer => Buffer.from(JSON.stringify({ ...JSON.parse(fixture(name)), entry: [] }));
const EMPTY: Record<WorklistName, Buffer> = {
  [RFR]: emptied('a008-referrals-for-review.json'),
  [ASI]: emptied('a008-appointment-slot-issues.json'),
};

/** Every second service has slot issues besides, so that its two polls a day are for two lists. */
const listsOf = (index: number): readonly WorklistName[] => (index % 2 === 1 ? [RFR, ASI] : [RFR]);

const never = <T>(): Promise<T> => new Promise(() => undefined);

function clockOf(time: SimulatedTime, now: () => Date, isDead: () => boolean): Clock {
  const bornMs = time.nowMs();
  return {
    now,
    monotonicMs: () => time.nowMs() - bornMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = () => {
          signal?.removeEventListener('abort', abort);
          if (!isDead()) resolve();
        };
        const abort = () => {
          callOff();
          resolve();
        };
        const callOff = time.at(time.nowMs() + ms, wake);
        signal?.addEventListener('abort', abort);
      }),
  };
}

/** The store as a process sees it that may die: what was under way goes through, and nobody hears of it. */
function mortal(store: Store, time: SimulatedTime, isDead: () => boolean): Store {
  return new Proxy(store, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function' || name === 'onChange') return value;
      return async (...args: unknown[]) => {
        if (isDead()) return never();
        const answer: unknown = await time.hold(Promise.resolve(value.apply(target, args)));
        // Reading a file takes real time, in which no simulated time may pass.
        if (name === 'openBinary') void time.hold(streamEnd(answer as Awaited<ReturnType<Store['openBinary']>>));
        return isDead() ? never() : answer;
      };
    },
  });
}

const streamEnd = (opened: Awaited<ReturnType<Store['openBinary']>>): Promise<unknown> =>
  new Promise((resolve) => {
    if (opened.ok) opened.value.stream.once('close', resolve);
    else resolve(undefined);
  });

/** Mulberry32: the same seed, the same year. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
