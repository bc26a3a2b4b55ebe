/** The most urgent first. */
const URGENCY: readonly unknown[] = ['asap', 'stat', 'urgent', 'routine'];

/** What dispatch has to look at and when: decided Tasks first, two-week waits first, else in order of arrival. */
export class Agenda {
  /** One line for each urgency of what is decided, then the same of what is only looked at; Task id → time due. */
  readonly #lines = Array.from({ length: 2 * (URGENCY.length + 1) }, () => new Map<string, number>());
  readonly #urgencies = new Map<string, number>();

  /** Keeps the urgency of a review: hints do not bring it along. */
  note(taskId: string, priority: unknown): void {
    const at = URGENCY.indexOf(priority);
    this.#urgencies.set(taskId, at < 0 ? URGENCY.length : at);
  }

  isNoted(taskId: string): boolean {
    return this.#urgencies.has(taskId);
  }

  /** What is there already keeps the earlier time and the better place. */
  add(taskId: string, atMs: number, why: 'decided' | 'look'): void {
    const line = (this.#urgencies.get(taskId) ?? URGENCY.length) + (why === 'decided' ? 0 : URGENCY.length + 1);
    const held = this.#lineOf(taskId);
    const heldMs = held === undefined ? undefined : this.#lines[held]?.get(taskId);
    if (held !== undefined && held > line) this.#lines[held]?.delete(taskId);
    this.#lines[Math.min(held ?? line, line)]?.set(taskId, Math.min(heldMs ?? atMs, atMs));
  }

  remove(taskId: string): void {
    for (const line of this.#lines) line.delete(taskId);
  }

  /** Nothing more is to be expected of a review that has ended. */
  forget(taskId: string): void {
    this.#urgencies.delete(taskId);
  }

  has(taskId: string): boolean {
    return this.#lineOf(taskId) !== undefined;
  }

  /** In the order in which they should have their turns, also where their time has not come yet. */
  *entries(): Iterable<readonly [taskId: string, atMs: number]> {
    for (const line of this.#lines) yield* line;
  }

  #lineOf(taskId: string): number | undefined {
    const at = this.#lines.findIndex((line) => line.has(taskId));
    return at < 0 ? undefined : at;
  }
}
