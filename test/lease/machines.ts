import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Clock, type LeaseRecord, type Log, type Store, systemClock } from '../../server/core/index.ts';
import { createLease, type Lease } from '../../server/lease/index.ts';
import { openEmbeddedStore, readRecord } from '../../server/store/index.ts';
import { createFakeClock, type FakeClock } from '../budget/fake-clock.ts';
import { lineTo, type StoreLine } from './store-line.ts';

export const LEASE_MS = 30_000;
export const APPLICATION = 'a-hash-of-an-api-key';

/** One computer with an engine on it: clocks of its own, a line to the store of its own. */
export interface Machine {
  readonly name: string;
  readonly lease: Lease;
  readonly line: StoreLine;
  /** From when to when its engine worked, by the world's time. */
  readonly shifts: { from: number; until?: number }[];
  readonly events: readonly string[];
  isWorking(): boolean;
  /** Sets its wall clock forward or back. */
  jump(ms: number): void;
  /** Its whole process stands still: no timer fires, no answer of the store arrives. */
  freeze(): void;
  thaw(): void;
  /** It dies as it stands: nothing of it runs ever again. */
  kill(): void;
}

export interface Machines extends AsyncDisposable {
  readonly store: Store;
  readonly clock: FakeClock;
  /** Lets time pass, in steps that leave the store time to answer. */
  pass(ms: number): Promise<void>;
  start(name: string, options?: MachineOptions): Promise<Machine>;
  working(): string[];
  record(): Promise<LeaseRecord | undefined>;
  recordVersion(): Promise<string | undefined>;
}

export interface MachineOptions {
  /** How wrong its wall clock is. */
  readonly skewMs?: number;
  readonly isSoleProcess?: boolean;
  /** How long its engine takes to end. */
  readonly drainMs?: number;
  readonly leaseMs?: number;
}

/** Any number of machines over one real store, in one fake time. */
export async function startMachines(dressedAs?: 'hapi' | 'medplum'): Promise<Machines> {
  const directory = mkdtempSync(join(tmpdir(), 'ers-fhir-lease-'));
  const store = await openEmbeddedStore({
    directory,
    clock: systemClock,
    ...(dressedAs === undefined ? {} : { dressedAs }),
  });
  const clock = createFakeClock();
  const machines: Machine[] = [];
  const read = async () => {
    const answer = await readRecord<LeaseRecord>(store, 'ers-lease', APPLICATION);
    if (!answer.ok) throw new Error(answer.code);
    return answer.value;
  };
  const world: Machines = {
    store,
    clock,
    async pass(ms) {
      for (let left = ms; left > 0; left -= 250) {
        await clock.advance(Math.min(left, 250));
        for (let turn = 0; turn < 4; turn += 1) await setImmediate();
      }
    },
    async start(name, options = {}) {
      const machine = build(name, store, clock, options);
      machines.push(machine);
      void machine.lease.start();
      for (let turn = 0; turn < 8; turn += 1) await setImmediate();
      return machine;
    },
    working: () => machines.filter((machine) => machine.isWorking()).map(({ name }) => name),
    record: async () => (await read())?.data,
    recordVersion: async () => (await read())?.versionId,
    async [Symbol.asyncDispose]() {
      for (const machine of machines) machine.thaw();
      const stopped = Promise.all(machines.map(({ lease }) => lease.stop()));
      await world.pass(3 * LEASE_MS);
      await stopped;
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return world;
}

function build(name: string, store: Store, base: FakeClock, options: MachineOptions): Machine {
  const { isSoleProcess = false, drainMs = 0, leaseMs = LEASE_MS } = options;
  let skewMs = options.skewMs ?? 0;
  let isDead = false;
  const startedMs = Math.abs(skewMs) + 1_000;
  const line = lineTo(store, base);
  const clock: Clock = {
    now: () => new Date(base.now().getTime() + skewMs),
    // Machines were switched on at different times.
    monotonicMs: () => base.monotonicMs() + startedMs,
    async sleep(ms, signal) {
      await base.sleep(ms, signal);
      await line.open();
    },
  };
  const shifts: Machine['shifts'] = [];
  const events: string[] = [];
  const log: Log = {
    info: (event) => void events.push(event),
    warn: (event, fields) => void events.push(`${event} ${fields?.code ?? ''}`.trim()),
    error: (event) => void events.push(event),
  };
  const lease = createLease({
    store: line.store,
    clock,
    log,
    application: APPLICATION,
    address: `http://${name}.internal`,
    leaseMs,
    isSoleProcess,
    async whenHeld() {
      shifts.push({ from: base.monotonicMs() });
    },
    async whenLost() {
      if (drainMs > 0) await clock.sleep(drainMs);
      const shift = shifts.at(-1);
      if (shift !== undefined && !isDead) shift.until ??= base.monotonicMs();
    },
  });
  return {
    name,
    lease,
    line,
    shifts,
    events,
    isWorking: () => lease.isHeld() && !line.isShut() && shifts.length > 0 && shifts.at(-1)?.until === undefined,
    jump(ms) {
      skewMs += ms;
    },
    freeze: () => line.shut(),
    thaw: () => line.unshut(),
    kill() {
      isDead = true;
      line.shut();
    },
  };
}
