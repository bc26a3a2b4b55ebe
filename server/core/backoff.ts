/**
 * Milliseconds to wait before attempt `attempt + 1`: 1 s, 2 s, 4 s … up to `maxMs`, each drawn between half and whole.
 * @param random a number in [0, 1)
 * Source: E-8
 */
export function backoffMs(attempt: number, random: number, maxMs = 300_000): number {
  const ceiling = Math.min(maxMs, 1000 * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
