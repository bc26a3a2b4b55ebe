import type { Ubrn } from '../core/index.ts';
import { missingRelated } from './bring.ts';
import { bringSafely } from './reconcile.ts';
import type { IntakeRoom } from './room.ts';
import { Waits } from './waits.ts';

const DAY_MS = 24 * 3_600_000;
/** So many in a row fail for one reason, not for their own. */
const FAILURES_OF_ONE_CAUSE = 5;
/** How long nothing due is asked for when e-RS, or the store, is down. */
const REST_MS = 300_000;

/** Files that were not to be had, summaries that are missing, referrals that left their lists (architecture 6). */
export class Due {
  readonly #room: IntakeRoom;
  readonly #waits: Waits;
  readonly #triedRelatedMs = new Map<string, number>();
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(room: IntakeRoom) {
    this.#room = room;
    this.#waits = new Waits(room.clock);
  }

  /** Brings in what is due by now; what was asked for in vain is left alone for a growing while. */
  async bring(): Promise<void> {
    const { clock, landing, signal } = this.#room;
    if (clock.monotonicMs() < this.#restUntilMs) return;
    const now = clock.now().toISOString();
    const isDue = ({ dueAt }: { readonly dueAt?: string } = {}): boolean => dueAt !== undefined && dueAt <= now;
    // What fails again and again does not stand in the way of what has not failed.
    const due = landing.index
      .all()
      .filter((one) => isDue(one) && this.#waits.leftMs(one.ubrn) === 0)
      .toSorted((a, b) => this.#waits.failuresOf(a.ubrn) - this.#waits.failuresOf(b.ubrn));
    await this.#bringMissingRelated();
    let failures = 0;
    for (const { ubrn, dueFor } of due) {
      if (signal.aborted) return;
      const priority = dueFor === 'file' ? 'routine' : 'recheck';
      await bringSafely(this.#room, { ubrn: ubrn as Ubrn, listing: undefined, priority });
      if (signal.aborted) return;
      // However it went, what is due all the same would be asked for again at once, for ever.
      if (!isDue(landing.index.byUbrn(ubrn))) {
        this.#waits.end(ubrn);
        failures = 0;
        continue;
      }
      this.#waits.extend(ubrn);
      failures += 1;
      if (failures < FAILURES_OF_ONE_CAUSE) continue;
      // What is due stays so, and need not be asked for at full pace meanwhile.
      this.#restUntilMs = clock.monotonicMs() + REST_MS;
      return;
    }
  }

  /** Related referrals that are not in the store yet, because the process ended before they were read (1.1.2). */
  async #bringMissingRelated(): Promise<void> {
    const { clock, landing, signal } = this.#room;
    const nowMs = clock.monotonicMs();
    const roots = landing.index.all().filter(({ episode, related }) => episode > 0 && related.length > 0);
    for (const root of roots) {
      for (const ubrn of missingRelated(landing.index, root)) {
        if (signal.aborted) return;
        if ((this.#triedRelatedMs.get(ubrn) ?? Number.NEGATIVE_INFINITY) > nowMs - DAY_MS) continue;
        this.#triedRelatedMs.set(ubrn, nowMs);
        await bringSafely(this.#room, { ubrn: ubrn as Ubrn, listing: undefined, priority: 'recheck' });
      }
    }
  }
}
