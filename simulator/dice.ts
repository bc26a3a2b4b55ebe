/** Seeded chance: the same seed throws the same numbers, so the same seed makes the same world. */
export interface Dice {
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
  uuid(): string;
}

/** Makes dice from a seed (mulberry32: 32 bits of state are plenty for a sample trust). */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const hex = (digits: number): string => Array.from({ length: digits }, () => integer(0, 15).toString(16)).join('');
  return {
    next,
    integer,
    pick: (list) => list[integer(0, list.length - 1)] ?? list[0],
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-${'89ab'[integer(0, 3)]}${hex(3)}-${hex(12)}`,
  };
}

/** A number in [0, 1) that belongs to a question and a seed: asked again, the answer is the same. */
export function chanceOf(seed: number, question: string): number {
  let hash = 0x811c9dc5 ^ seed;
  for (const character of question) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return createDice(hash >>> 0).next();
}
