/** Seeded chance of the proof: the same seed makes the same run. */
export interface Dice {
  /** In [0, 1). */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly [T, ...T[]]): T;
  /** An item by weight. */
  weighted<T>(table: readonly (readonly [weight: number, item: T])[]): T;
}

/** mulberry32 over a mixed seed, so that neighbours differ at once. */
export function createDice(seed: number, stream = 0): Dice {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(stream + 1, 0xc2b2ae35);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    integer,
    chance: (probability) => next() < probability,
    pick: (list) => list[integer(0, list.length - 1)] ?? list[0],
    weighted(table) {
      let left = next() * table.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, item] of table) {
        left -= weight;
        if (left < 0) return item;
      }
      throw new Error('an empty table');
    },
  };
}
