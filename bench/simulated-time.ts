import { setImmediate } from 'node:timers/promises';

/** True time, as nobody in the simulation sees it: it jumps to whatever is due next, once all that runs has come to rest. */
export interface SimulatedTime {
  nowMs(): number;
  /** Calls `wake` at an instant; answers how to call it off. */
  at(atMs: number, wake: () => void): () => void;
  /** Work that time must wait for, such as a call of the store. */
  hold<T>(work: Promise<T>): Promise<T>;
  /** Lets time pass until an instant. */
  runUntil(atMs: number): Promise<void>;
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly wake: () => void;
  isOff: boolean;
}

const isBefore = (a: Due, b: Due): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
/** Turns of the event loop in which whoever was woken may start something that time must wait for. */
const TURNS = 3;

export function createSimulatedTime(startMs: number): SimulatedTime {
  const heap: Due[] = [];
  let nowMs = startMs;
  let order = 0;
  let held = 0;

  function push(due: Due): void {
    let index = heap.length;
    heap.push(due);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(due, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = due;
  }

  function pop(): Due | undefined {
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      const [left, right] = [heap[2 * index + 1], heap[2 * index + 2]];
      const isRight = left !== undefined && right !== undefined && isBefore(right, left);
      const below = isRight ? right : left;
      if (below === undefined || !isBefore(below, last)) break;
      heap[index] = below;
      index = 2 * index + (isRight ? 2 : 1);
    }
    heap[index] = last;
    return first;
  }

  async function rest(): Promise<void> {
    for (let turns = 0; turns < TURNS; turns += 1) {
      await setImmediate();
      if (held > 0) turns = -1;
    }
  }

  return {
    nowMs: () => nowMs,
    at(atMs, wake) {
      order += 1;
      const due: Due = { atMs: Math.max(atMs, nowMs), order, wake, isOff: false };
      push(due);
      return () => {
        due.isOff = true;
      };
    },
    async hold(work) {
      held += 1;
      try {
        return await work;
      } finally {
        held -= 1;
      }
    },
    async runUntil(atMs) {
      for (;;) {
        await rest();
        let next = heap[0];
        while (next?.isOff) {
          pop();
          next = heap[0];
        }
        if (next === undefined || next.atMs > atMs) break;
        pop();
        nowMs = next.atMs;
        next.wake();
      }
      nowMs = atMs;
    },
  };
}
