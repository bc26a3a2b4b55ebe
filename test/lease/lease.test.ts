import { describe, expect, test } from '@jest/globals';
import { LEASE_MS, type Machine, startMachines } from './machines.ts';

/** Pairs of machines whose engines worked at the same time. */
function overlaps(machines: readonly Machine[]): string[] {
  const shifts = machines.flatMap(({ name, shifts: own }) => own.map((shift) => ({ name, ...shift })));
  return shifts.flatMap((one, index) =>
    shifts
      .slice(index + 1)
      .filter(
        (other) =>
          one.from < (other.until ?? Number.POSITIVE_INFINITY) && other.from < (one.until ?? Number.POSITIVE_INFINITY),
      )
      .map((other) => `${one.name} and ${other.name}`),
  );
}

describe('one engine works for an application', () => {
  test('D1 B1: two engines over one store: the first works as long as it renews, the other stands by', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    const b = await world.start('b');
    await world.pass(6 * LEASE_MS);
    expect(world.working()).toEqual(['a']);
    expect([a.shifts.length, b.shifts.length]).toEqual([1, 0]);
  });

  test.each([undefined, 'hapi', 'medplum'] as const)(
    'B1: of twenty that contend at once for a lease that never was, one wins (store dressed as %s)',
    async (dressedAs) => {
      await using world = await startMachines(dressedAs);
      await Promise.all(Array.from({ length: 20 }, (_, index) => world.start(`m${index}`)));
      expect(world.working()).toHaveLength(1);
      const [winner] = world.working();
      await world.pass(2 * LEASE_MS);
      expect(world.working()).toEqual([winner]);
    },
  );

  test('B1: of twenty that wait for a dead one, one takes over, within the lease time', async () => {
    await using world = await startMachines();
    const dead = await world.start('dead');
    const others = await Promise.all(Array.from({ length: 20 }, (_, index) => world.start(`m${index}`)));
    await world.pass(LEASE_MS / 2);
    dead.kill();
    await world.pass(LEASE_MS);
    expect(world.working()).toHaveLength(1);
    await world.pass(2 * LEASE_MS);
    expect(others.filter(({ shifts }) => shifts.length > 0)).toHaveLength(1);
  });

  test('the record says who is active and where it is reached, for the hand-over of sessions', async () => {
    await using world = await startMachines();
    await world.start('a');
    expect(await world.record()).toMatchObject({ holder: { address: 'http://a.internal' }, leaseMs: LEASE_MS });
  });

  test('an engine with a shorter lease waits for the lease time of the one that holds it', async () => {
    await using world = await startMachines();
    const slow = await world.start('slow', { leaseMs: 4 * LEASE_MS });
    const quick = await world.start('quick');
    await world.pass(8 * LEASE_MS);
    expect([world.working(), quick.shifts.length, slow.shifts.length]).toEqual([['slow'], 0, 1]);
  });
});

describe('the loser stops before it sends', () => {
  test('D2: a holder frozen past its lease finds out when it wakes, before anything else runs', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    const b = await world.start('b');
    await world.pass(5_000);
    a.freeze();
    await world.pass(2 * LEASE_MS);
    expect(b.lease.isHeld()).toBe(true);
    expect(a.shifts.at(-1)?.until).toBeUndefined();
    a.thaw();
    expect(a.lease.isHeld()).toBe(false);
    await world.pass(2 * LEASE_MS);
    expect([world.working(), a.shifts.length]).toEqual([['b'], 1]);
    expect(a.shifts.at(-1)?.until).toBeDefined();
  });

  test('D2: a holder whose machine slept while its monotonic clock stood still does not send either', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    await world.pass(5_000);
    a.jump(LEASE_MS);
    expect(a.lease.isHeld()).toBe(false);
    await world.pass(LEASE_MS / 2);
    expect([a.lease.isHeld(), a.shifts.length]).toEqual([true, 1]);
  });

  test('D2: a holder cut off from the store stops before another can begin', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    const b = await world.start('b');
    await world.pass(LEASE_MS);
    a.line.isDown = true;
    await world.pass(2 * LEASE_MS);
    expect(world.working()).toEqual(['b']);
    expect(overlaps([a, b])).toEqual([]);
    a.line.isDown = false;
    await world.pass(2 * LEASE_MS);
    expect(world.working()).toEqual(['b']);
  });

  test('D2: a store that answers late, or not at all, does not hold up the end of a lease that has run out', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    a.line.hangMs = 2 * LEASE_MS;
    await world.pass(LEASE_MS * 0.75);
    expect(a.lease.isHeld()).toBe(true);
    await world.pass(LEASE_MS * 0.1);
    expect([a.lease.isHeld(), a.shifts.at(-1)?.until]).toEqual([false, expect.any(Number)]);
    a.line.hangMs = 0;
  });

  test('store down for all: the holder stops when its lease has run out, and one works again when the store is back', async () => {
    await using world = await startMachines();
    const machines = [await world.start('a'), await world.start('b')];
    for (const { line } of machines) line.isDown = true;
    await world.pass(LEASE_MS);
    expect(world.working()).toEqual([]);
    await world.pass(3 * LEASE_MS);
    for (const { line } of machines) line.isDown = false;
    await world.pass(LEASE_MS / 10);
    expect(world.working()).toHaveLength(1);
    await world.pass(2 * LEASE_MS);
    expect(world.working()).toHaveLength(1);
    expect(overlaps(machines)).toEqual([]);
  });
});

describe('clocks', () => {
  test('B1: wall clocks that are hours apart do no harm, whoever holds the lease', async () => {
    await using world = await startMachines();
    const late = await world.start('late', { skewMs: -3_600_000 });
    const early = await world.start('early', { skewMs: 3_600_000 });
    await world.pass(4 * LEASE_MS);
    expect([world.working(), early.shifts.length]).toEqual([['late'], 0]);
    late.kill();
    await world.pass(LEASE_MS);
    expect(world.working()).toEqual(['early']);
  });

  test('D2: a holder whose wall clock is set back stops by its monotonic clock all the same', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    a.jump(-3_600_000);
    a.line.isDown = true;
    await world.pass(LEASE_MS * 0.9);
    expect([a.lease.isHeld(), a.shifts.at(-1)?.until]).toEqual([false, expect.any(Number)]);
  });

  test('B1: a standby whose wall clock is set forward or back takes nothing over', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    const b = await world.start('b');
    b.jump(3_600_000);
    await world.pass(LEASE_MS);
    b.jump(-7_200_000);
    await world.pass(LEASE_MS);
    expect([world.working(), a.shifts.length, b.shifts.length]).toEqual([['a'], 1, 0]);
  });
});

describe('answers that get lost', () => {
  test('a renewal whose answer was lost is recognised as our own: the engine works on', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    const b = await world.start('b');
    for (let round = 0; round < 5; round += 1) {
      a.line.answersToLose = 1;
      await world.pass(LEASE_MS);
      expect(a.line.answersToLose).toBe(0);
    }
    expect([world.working(), a.shifts.length, b.shifts.length]).toEqual([['a'], 1, 0]);
    expect(a.events).toContain('lease.record.unwritten unknown-outcome');
  });

  test('a take-over whose answer was lost is found to be ours at the next look', async () => {
    await using world = await startMachines();
    const first = await world.start('first');
    await first.lease.stop();
    const a = await world.start('a');
    await a.lease.stop();
    const b = await world.start('b');
    const c = await world.start('c');
    c.line.answersToLose = 1;
    const ended = b.lease.stop();
    await world.pass(LEASE_MS / 15);
    await ended;
    await world.pass(LEASE_MS / 15);
    expect([world.working(), c.line.answersToLose]).toEqual([['c'], 0]);
  });
});

describe('handing over', () => {
  test('a clean stop ends the engine first and then gives the lease back: the other works at its next look', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    const b = await world.start('b');
    await world.pass(5_000);
    await a.lease.stop();
    expect((await world.record())?.holder).toBeUndefined();
    await world.pass(LEASE_MS / 15);
    expect(world.working()).toEqual(['b']);
    expect(overlaps([a, b])).toEqual([]);
  });

  test('D1: an engine that takes longer to end than the lease lasts keeps the lease until it has ended', async () => {
    await using world = await startMachines();
    const a = await world.start('a', { drainMs: 3 * LEASE_MS });
    const b = await world.start('b');
    const stopped = a.lease.stop();
    await world.pass(2.9 * LEASE_MS);
    expect([a.lease.isHeld(), b.shifts.length]).toEqual([true, 0]);
    await world.pass(LEASE_MS / 4);
    await stopped;
    expect(world.working()).toEqual(['b']);
    expect(overlaps([a, b])).toEqual([]);
  });

  test('a restart after a clean stop works at its first look', async () => {
    await using world = await startMachines();
    const a = await world.start('a');
    await a.lease.stop();
    await world.start('again');
    expect(world.working()).toEqual(['again']);
  });

  test('after kill -9 a store with one process at a time is worked on at the first look, and never renewed', async () => {
    await using world = await startMachines();
    const dead = await world.start('dead', { isSoleProcess: true });
    dead.kill();
    const next = await world.start('next', { isSoleProcess: true });
    expect(world.working()).toEqual(['next']);
    const version = await world.recordVersion();
    await world.pass(4 * LEASE_MS);
    expect([next.lease.isHeld(), await world.recordVersion()]).toEqual([true, version]);
  });
});
