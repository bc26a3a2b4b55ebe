import type { Clock, ErsClient, ErsContext } from '../core/index.ts';

export interface CrewOptions {
  readonly clock: Clock;
  /** Reviews at work at the same time. */
  readonly parallel: number;
  /** Reviews that may wait for e-RS beside those. */
  readonly aside: number;
  /** How long an answer of e-RS may be in coming before the review that waits for it steps aside. */
  readonly patienceMs: number;
}

/**
 * The reviews in hand. At most `parallel` are at work; one that only waits, for its referral's turn or for an answer of
 * e-RS that is long in coming, steps aside and delays no other. Where more than `aside` wait so, e-RS hangs as a whole:
 * the next ones keep their places, so that not every decision is put in doubt.
 * Source: decision 0020
 */
export class Crew {
  readonly #options: CrewOptions;
  readonly #running = new Map<string, Promise<void>>();
  readonly #aside = new Set<string>();
  readonly #waitedFor = new Map<string, (() => void)[]>();
  /** Somebody stepped aside or has ended. */
  #onRoom: () => void = () => {};

  constructor(options: CrewOptions) {
    this.#options = options;
  }

  set onRoom(tell: () => void) {
    this.#onRoom = tell;
  }

  get isFull(): boolean {
    return this.#running.size - this.#aside.size >= this.#options.parallel;
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  has(taskId: string): boolean {
    return this.#running.has(taskId);
  }

  /** Resolves when the review is in hand no more. */
  async ended(taskId: string): Promise<void> {
    await this.#running.get(taskId);
  }

  /** Resolves when the review has been in hand once more. */
  onceEnded(taskId: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waitedFor.set(taskId, [...(this.#waitedFor.get(taskId) ?? []), resolve]);
    });
  }

  async allEnded(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** @param work never rejects */
  start(taskId: string, work: () => Promise<void>): void {
    const ended = work().finally(() => {
      this.#running.delete(taskId);
      this.#aside.delete(taskId);
      for (const tell of this.#waitedFor.get(taskId) ?? []) tell();
      this.#waitedFor.delete(taskId);
      this.#onRoom();
    });
    this.#running.set(taskId, ended);
  }

  stepAside(taskId: string): void {
    if (!this.#running.has(taskId) || this.#aside.size >= this.#options.aside) return;
    this.#aside.add(taskId);
    this.#onRoom();
  }

  comeBack(taskId: string): void {
    this.#aside.delete(taskId);
  }

  /** The e-RS client for one review: while it waits long for an answer, it stands aside. `signal` ends its calls. */
  watch(taskId: string, ers: ErsClient, signal: AbortSignal): ErsClient {
    const { clock, patienceMs } = this.#options;
    const patiently = async <T>(context: ErsContext, ask: (context: ErsContext) => Promise<T>): Promise<T> => {
      const answered = new AbortController();
      // The turn of the budget is waited for in line: who is more urgent must not find the line longer for it.
      const onSend = () => {
        void clock.sleep(patienceMs, answered.signal).then(() => {
          if (!answered.signal.aborted) this.stepAside(taskId);
        });
      };
      try {
        return await ask({ ...context, signal, onSend });
      } finally {
        answered.abort();
        this.comeBack(taskId);
      }
    };
    return {
      ...ers,
      sendDecision: (request, context) => patiently(context, (own) => ers.sendDecision(request, own)),
      uploadFile: (file, context) => patiently(context, (own) => ers.uploadFile(file, own)),
      fetchReferral: (ubrn, context) => patiently(context, (own) => ers.fetchReferral(ubrn, own)),
    };
  }
}
