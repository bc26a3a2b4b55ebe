import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createPace } from '../../server/budget/pace.ts';
import type { Log, RequestPriority } from '../../server/core/index.ts';
import { createFakeClock } from './fake-clock.ts';

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Turn {
  readonly atMs: number;
  readonly name: string;
}

function startPace(requestsPerSecond: number | undefined, clock = createFakeClock(), log = SILENT) {
  const pace = createPace({ clock, random: () => 0.5, log, requestsPerSecond });
  const turns: Turn[] = [];
  const ask = (priority: RequestPriority, name: string = priority, signal?: AbortSignal) =>
    pace.admit(priority, signal).then((turn) => {
      if (turn) turns.push({ atMs: clock.monotonicMs(), name });
      turn?.sent();
      turn?.ended();
      return turn !== undefined;
    });
  return { pace, clock, turns, ask };
}

/** The most turns in any window of one second. */
const busiestSecond = (turns: readonly Turn[]): number =>
  Math.max(
    0,
    ...turns.map(({ atMs }) => turns.filter((other) => other.atMs > atMs - 1000 && other.atMs <= atMs).length),
  );

const PRIORITIES: readonly RequestPriority[] = ['decision', 'two-week-wait', 'urgent', 'routine', 'recheck'];

describe('the pace', () => {
  test('B1: whatever is asked when, and however late the timers are, no second holds more than the limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.record({ afterMs: fc.nat(900), count: fc.nat(25), priority: fc.constantFrom(...PRIORITIES) }), {
          maxLength: 12,
        }),
        fc.array(fc.nat(60), { minLength: 1, maxLength: 20 }),
        async (limit, bursts, lateness) => {
          let timer = 0;
          const clock = createFakeClock(undefined, () => lateness[timer++ % lateness.length] ?? 0);
          const { turns, ask } = startPace(limit, clock);
          const asked: Promise<boolean>[] = [];
          for (const { afterMs, count, priority } of bursts) {
            await clock.advance(afterMs);
            for (let i = 0; i < count; i += 1) asked.push(ask(priority));
          }
          await clock.advance((asked.length + 1) * (1100 / limit + 60));
          expect(turns).toHaveLength(asked.length);
          expect(busiestSecond(turns)).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('uses nine and eight tenths of ten requests a second, so that a thousand take 1.02 of the shortest time there is', async () => {
    const { clock, turns, ask } = startPace(
      10,
      createFakeClock(undefined, () => 1.3),
    );
    for (let i = 0; i < 1000; i += 1) void ask('routine');
    await clock.advance(110_000);
    expect(turns).toHaveLength(1000);
    expect((turns.at(-1)?.atMs ?? 0) / 100_000).toBeLessThan(1.022);
  });

  test('gives the first turn one interval after the start, so that a restart does not add to the second before it', async () => {
    const { clock, turns, ask } = startPace(10);
    void ask('decision');
    await clock.advance(102);
    expect(turns).toEqual([]);
    await clock.advance(1);
    expect(turns).toHaveLength(1);
  });

  test('sends decisions before two-week waits, urgent, routine and re-checks, and each kind in its order', async () => {
    const { clock, turns, ask } = startPace(10);
    for (const priority of [...PRIORITIES].reverse()) for (const n of [1, 2]) void ask(priority, `${priority} ${n}`);
    await clock.advance(2000);
    expect(turns.map(({ name }) => name)).toEqual(PRIORITIES.flatMap((priority) => [`${priority} 1`, `${priority} 2`]));
  });

  test('starves nobody: with urgent work for ever, a re-check has its turn soon after its minute of patience', async () => {
    const { clock, turns, ask } = startPace(10);
    const { done, keepBusy } = endless(() => ask('urgent'));
    void ask('recheck');
    await clock.advance(62_000);
    done();
    const recheck = turns.find(({ name }) => name === 'recheck');
    expect(recheck?.atMs).toBeGreaterThan(60_000);
    expect(recheck?.atMs).toBeLessThan(60_500);
    await clock.advance(1000);
    await keepBusy;
  });

  test('keeps three turns of four for what is more urgent, however many have been waiting for long', async () => {
    const { clock, turns, ask } = startPace(10);
    for (let i = 0; i < 2000; i += 1) void ask('routine');
    await clock.advance(90_000);
    const before = turns.length;
    for (let i = 0; i < 30; i += 1) void ask('decision');
    await clock.advance(4200);
    expect(turns.slice(before, before + 40).filter(({ name }) => name === 'decision')).toHaveLength(30);
  });

  test('spends nothing for those who gave up waiting, and leaves no timer behind', async () => {
    const { clock, turns, ask } = startPace(10);
    const controller = new AbortController();
    const first = ask('routine', 'gave up', controller.signal);
    controller.abort();
    expect(await first).toBe(false);
    expect(await ask('routine', 'came too late', controller.signal)).toBe(false);
    await clock.advance(0);
    expect(clock.sleepers()).toBe(0);
    await clock.advance(5000);
    expect(turns).toEqual([]);
  });

  test('B1: however long connections are in coming, no second holds more on the wire than the limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constant(0), fc.nat(400), fc.nat(12_000)), { minLength: 1, maxLength: 30 }),
        async (delays) => {
          const clock = createFakeClock();
          const { pace } = startPace(10, clock);
          const sent: Turn[] = [];
          const send = async (index: number) => {
            const turn = await pace.admit('routine');
            await clock.sleep(delays[index % delays.length] ?? 0);
            sent.push({ atMs: clock.monotonicMs(), name: String(index) });
            turn?.sent();
            turn?.ended();
          };
          const sending = Array.from({ length: 60 }, (_, index) => send(index));
          await clock.advance(200_000);
          await Promise.all(sending);
          expect(busiestSecond(sent)).toBeLessThanOrEqual(10);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('B1: when nothing gets onto the wire for a while, what was admitted meanwhile goes out within the limit', async () => {
    const { clock, pace } = startPace(10);
    const sent: Turn[] = [];
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const sending = Array.from({ length: 60 }, async (_, index) => {
      const turn = await pace.admit('routine');
      await gate;
      sent.push({ atMs: clock.monotonicMs(), name: String(index) });
      turn?.sent();
      turn?.ended();
    });
    await clock.advance(5_000);
    open();
    await clock.advance(20_000);
    await Promise.all(sending);
    expect(sent).toHaveLength(60);
    expect(busiestSecond(sent)).toBeLessThanOrEqual(10);
  });

  test('gives a place back whose request ended unsent', async () => {
    const { clock, pace } = startPace(10);
    const first = Array.from({ length: 10 }, () => pace.admit('routine'));
    await clock.advance(5_000);
    const next = pace.admit('routine');
    let isAdmitted = false;
    void next.then(() => {
      isAdmitted = true;
    });
    await clock.advance(5_000);
    expect(isAdmitted).toBe(false);
    (await first[0])?.ended();
    await clock.advance(1_000);
    expect(isAdmitted).toBe(true);
  });

  test('without a limit everybody has a turn at once', async () => {
    const { clock, turns, ask } = startPace(undefined);
    await Promise.all(Array.from({ length: 500 }, () => ask('routine')));
    expect(turns).toHaveLength(500);
    expect(clock.monotonicMs()).toBe(0);
  });
});

describe('after a 429', () => {
  test('nobody has a turn before the time that e-RS named, then the pace is half and recovers in full', async () => {
    const { pace, clock, turns, ask } = startPace(10);
    for (let i = 0; i < 200; i += 1) void ask('routine');
    await clock.advance(1000);
    pace.slowDown(7000);
    const before = turns.length;
    await clock.advance(6999);
    expect(turns).toHaveLength(before);
    await clock.advance(1001);
    expect(turns.length - before).toBeLessThanOrEqual(6);
    await clock.advance(4000);
    const settled = turns.length;
    await clock.advance(5000);
    expect(turns.length - settled).toBeGreaterThanOrEqual(48);
  });

  test('several answers of one burst count as one warning; warnings one after the other make longer pauses', async () => {
    const warned: (number | undefined)[] = [];
    const log: Log = { ...SILENT, warn: (_event, fields) => warned.push(fields?.afterMs) };
    const { pace, clock, ask } = startPace(10, createFakeClock(), log);
    for (let i = 0; i < 50; i += 1) void ask('routine');
    await clock.advance(500);
    pace.slowDown();
    pace.slowDown();
    pace.slowDown();
    await clock.advance(1000);
    pace.slowDown();
    await clock.advance(2000);
    pace.slowDown();
    expect(warned).toEqual([750, 1500, 3000]);
    await clock.advance(60_000);
  });

  test('an application without a limit of its own does not storm either', async () => {
    const { pace, clock, turns, ask } = startPace(undefined);
    pace.slowDown(1000);
    for (let i = 0; i < 100; i += 1) void ask('routine');
    await clock.advance(999);
    expect(turns).toEqual([]);
    await clock.advance(500);
    expect(turns.length).toBeLessThanOrEqual(3);
    await clock.advance(5000);
    expect(turns).toHaveLength(100);
  });

  test('B1: 429s at any time and of any length never let the pace exceed the limit, and it always goes on', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ afterMs: fc.nat(3000), retryMs: fc.option(fc.nat(5000), { nil: undefined }) }), {
          maxLength: 8,
        }),
        async (warnings) => {
          const { pace, clock, turns, ask } = startPace(10);
          const asked = Array.from({ length: 40 }, () => ask('routine'));
          for (const { afterMs, retryMs } of warnings) {
            await clock.advance(afterMs);
            pace.slowDown(retryMs);
          }
          await clock.advance(400_000);
          await Promise.all(asked);
          expect(busiestSecond(turns)).toBeLessThanOrEqual(10);
        },
      ),
      { numRuns: 40 },
    );
  });
});

/** Asks again as soon as it had its turn, twice over, so that somebody always waits. */
function endless(ask: () => Promise<boolean>): { done: () => void; keepBusy: Promise<unknown> } {
  let isOver = false;
  const loop = async () => {
    while (!isOver) await ask();
  };
  return {
    done: () => {
      isOver = true;
    },
    keepBusy: Promise.all([loop(), loop()]),
  };
}
