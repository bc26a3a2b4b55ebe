import type { Clock, Store, StoreFailure } from '../../server/core/index.ts';

/** The way from one process to a real store, which can fail as ways do. */
export interface StoreLine {
  readonly store: Store;
  /** Every call fails before it reaches the store. */
  isDown: boolean;
  /** How many of the next writes are carried out while their answers are lost. */
  answersToLose: number;
  /** Calls fail after so long, without an answer: the driver's deadline. */
  hangMs: number;
  /** Nothing passes, and nothing fails: calls and their answers wait. */
  shut(): void;
  unshut(): void;
  isShut(): boolean;
  /** Resolves when the line is not shut. */
  open(): Promise<void>;
}

const WRITES = new Set<string | symbol>(['create', 'update', 'patch', 'remove', 'transaction']);
const AT_ONCE = new Set<string | symbol>(['onChange', 'close']);

export function lineTo(target: Store, clock: Pick<Clock, 'sleep'>): StoreLine {
  let gate = Promise.withResolvers<void>();
  let isShut = false;
  gate.resolve();
  const line: StoreLine = {
    store: new Proxy(target, {
      get(_, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        if (AT_ONCE.has(name)) return member.bind(target);
        return async (...given: unknown[]): Promise<unknown> => {
          await gate.promise;
          if (line.isDown) return { ok: false, code: 'unavailable' } satisfies StoreFailure;
          if (line.hangMs > 0) {
            await clock.sleep(line.hangMs);
            return { ok: false, code: 'unknown-outcome' } satisfies StoreFailure;
          }
          const answer: unknown = await member.apply(target, given);
          await gate.promise;
          if (line.answersToLose === 0 || !WRITES.has(name)) return answer;
          line.answersToLose -= 1;
          return { ok: false, code: 'unknown-outcome' } satisfies StoreFailure;
        };
      },
    }),
    isDown: false,
    answersToLose: 0,
    hangMs: 0,
    shut() {
      if (!isShut) gate = Promise.withResolvers<void>();
      isShut = true;
    },
    unshut() {
      isShut = false;
      gate.resolve();
    },
    isShut: () => isShut,
    open: () => gate.promise,
  };
  return line;
}
