/** e-RS asks to wait five minutes for a scan; we look again with growing intervals, at least once an hour (1.6.1). */
export const FIRST_LOOK_MS = 5 * 60_000;
const LONGEST_LOOK_MS = 60 * 60_000;

/** The instant `ms` after another. */
export const later = (instant: string, ms: number): string => new Date(Date.parse(instant) + ms).toISOString();

/** When to look again at a file that was looked at in vain `looks` times. */
export const nextLookAt = (now: string, looks: number): string =>
  later(now, Math.min(FIRST_LOOK_MS * 2 ** Math.max(0, looks - 1), LONGEST_LOOK_MS));
