/** The time that everything in the simulator obeys: tokens, scans, links, appointment dates, polls. */
export interface SimulatorClock {
  now(): Date;
  set(instant: Date): void;
  advance(ms: number): void;
  /** How a pause passes; the machine's time, unless the clock knows better. */
  sleep?(ms: number): Promise<void>;
}

/** A clock that runs with the machine's and can be moved; it starts at `start`, or now. */
export function createRunningClock(start = new Date()): SimulatorClock {
  let offsetMs = start.getTime() - Date.now();
  return {
    now: () => new Date(Date.now() + offsetMs),
    set: (instant) => {
      offsetMs = instant.getTime() - Date.now();
    },
    advance: (ms) => {
      offsetMs += ms;
    },
  };
}

/** A clock that stands still until somebody moves it. */
export function createStillClock(start: Date): SimulatorClock {
  let nowMs = start.getTime();
  return {
    now: () => new Date(nowMs),
    set: (instant) => {
      nowMs = instant.getTime();
    },
    advance: (ms) => {
      nowMs += ms;
    },
  };
}
