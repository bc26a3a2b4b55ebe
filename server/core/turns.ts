/** One at a time for each key, in order of arrival: one worker per referral (target-model 2.2, D1). */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` when all earlier work of the key has ended; passes on what it returns or throws. */
  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(work, work);
    const ended = turn.catch(() => undefined);
    this.#last.set(key, ended);
    void ended.then(() => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    });
    return turn;
  }

  isIdle(key: string): boolean {
    return !this.#last.has(key);
  }
}
