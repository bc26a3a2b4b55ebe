import type { Dice } from './dice.ts';
import { createDice } from './dice.ts';
import { TROUBLES, type Trouble } from './doors.ts';
import { PHASES, type Phase } from './life.ts';

/** How a client decides, or tries to. */
export const MANNERS = [
  'sound',
  'rejects-without-code',
  'redirects-without-code',
  'without-comment',
  'two-notes',
  'alters-a-note',
  'misplaces-the-comment',
  'unknown-code',
  'cancels',
] as const;
export type Manner = (typeof MANNERS)[number];

/** What somebody does to a Task who has no right to. */
export const SPOILS = [
  'forge-accepted',
  'forge-queued',
  'drop-status',
  'move-focus',
  'delete',
  'drop-identifier',
  'forge-version',
  'reopen-closed',
  'rewrite-decision',
] as const;

/** What the dice of their own add ({@link withMore}): a Task that is done with, and an earlier note altered. */
export const MORE_SPOILS = ['complete', 'alter-note'] as const;

export const MINOR = ['claim', 'release', 'take-back', 'note', 'owner'] as const;
export const DOORS = ['store', 'facade', 'facade-with-session'] as const;
/** By `$ers-attach`, or as Binary and DocumentReference by a client of the store. */
export const FILE_DOORS = ['facade', 'store'] as const;
export const EVENTS = [
  'attachment-added',
  'attachment-removed',
  'priority-changed',
  'clinical-information-updated',
  'appointment-moved',
  'cancelled-by-referrer',
  'accepted-in-ers',
  'rejected-in-ers',
  'triaged-in-ers',
  'internal-version-bump',
  'rebooked',
  'moved-to-another-provider',
  'pas-trouble',
  'hidden-from-worklists',
  'shown-on-worklists',
] as const;
/** The same. `rebooked-elsewhere`: with any of the services that take bookings, whether or not it was reviewed. */
export const MORE_EVENTS = [
  'returned-in-ers',
  'redirected-in-ers',
  'appointment-cancelled-by-patient',
  'appointment-cancelled-by-provider',
  'did-not-attend',
  'assessment-recorded',
  'shortlist-changed',
  'rebooked-elsewhere',
] as const;
/** Those that any step may strike; A020 is struck where a file goes ({@link withFiles}). */
const ENDPOINTS = [
  'A004',
  'A005',
  'A007',
  'A008',
  'A013',
  'A014',
  'A022',
  'A028',
  'A030',
  'A042',
  '*',
  'TOKEN',
] as const;
const STATUSES = [400, 401, 403, 404, 406, 408, 409, 412, 413, 415, 422, 423, 429, 500, 502, 503, 504] as const;

/** One thing that happens, in plain data, so that a script can be printed and shortened. `afterMs`: time given to it. */
export type Step = { readonly afterMs: number } & (
  | { readonly do: 'refer'; readonly kind: string; readonly priority: string; readonly attachments: number }
  | {
      readonly do: 'happen';
      readonly on: number;
      readonly event: (typeof EVENTS)[number] | (typeof MORE_EVENTS)[number];
      readonly trouble?: string;
    }
  | {
      readonly do: 'decide';
      readonly on: number;
      readonly door: (typeof DOORS)[number];
      readonly choice: number;
      readonly manner: Manner;
      /** Writes over whatever is there, as a client without If-Match does. */
      readonly isBlind: boolean;
      /** How a file comes into the store that goes with the decision, if that may have one. */
      readonly file?: (typeof FILE_DOORS)[number];
    }
  | { readonly do: 'bulk'; readonly choice: number }
  | {
      readonly do: 'touch';
      readonly on: number;
      readonly how: (typeof MINOR)[number];
      readonly door: (typeof DOORS)[number];
    }
  | { readonly do: 'spoil'; readonly on: number; readonly how: (typeof SPOILS)[number] | (typeof MORE_SPOILS)[number] }
  /** An operator wants a decision back that is stuck. */
  | { readonly do: 'reopen'; readonly on: number }
  | { readonly do: 'fault'; readonly fault: Readonly<Record<string, unknown>> }
  | { readonly do: 'store-trouble'; readonly trouble: Trouble; readonly times: number }
  | {
      readonly do: 'kill';
      readonly doors: number;
      readonly phase: Phase;
      readonly downMs: number;
      /** Not this process dies, but the one that comes after it. */
      readonly isNext?: boolean;
    }
  | { readonly do: 'refresh'; readonly on: number }
  /** An operator reads a worklist, several times over if in a hurry, whatever else reads it. */
  | { readonly do: 'poll'; readonly service: number; readonly times: number }
  | { readonly do: 'send'; readonly on: number }
  | { readonly do: 'session'; readonly is: 'in' | 'out' | 'short' }
  | { readonly do: 'clear' }
);

/** How much of a run goes to what. */
export interface Mix {
  readonly steps: number;
  readonly hasKills: boolean;
  readonly hasFaults: boolean;
}
export const WHOLE: Mix = { steps: 34, hasKills: true, hasFaults: true };

/** Makes a run's script from its seed. */
export function scriptOf(seed: number, mix: Mix = WHOLE): Step[] {
  const dice = createDice(seed);
  const referrals = dice.integer(2, 5);
  const opening = Array.from({ length: referrals }, (): Step => ({ ...refer(dice), afterMs: 0 }));
  const steps = Array.from({ length: mix.steps - referrals }, () => step(dice, mix));
  const life = withMore(steps, createDice(seed, MORE_STREAM));
  return withFiles([...opening, { do: 'clear', afterMs: 20_000 }, ...life], createDice(seed, FILE_STREAM), mix);
}

/** Of dice of their own: what else a seed means stays as it was. */
const FILE_STREAM = 2;
const MORE_STREAM = 3;

/** What else happens in between. */
const withMore = (steps: readonly Step[], dice: Dice): Step[] =>
  steps.flatMap((one): Step[] => {
    if (!dice.chance(0.15)) return [one];
    const on = dice.integer(0, 999);
    const make = dice.weighted<() => Step>([
      [6, () => ({ do: 'happen', on, event: dice.pick(MORE_EVENTS), afterMs: someTime(dice) })],
      [3, () => ({ do: 'reopen', on, afterMs: someTime(dice) })],
      [1, () => ({ do: 'spoil', on, how: dice.pick(MORE_SPOILS), afterMs: someTime(dice) })],
    ]);
    return [make(), one];
  });

/** Some decisions take a file along, and some files meet a fault on their way. */
const withFiles = (steps: readonly Step[], dice: Dice, mix: Mix): Step[] =>
  steps.flatMap((one): Step[] => {
    if (one.do !== 'decide' || !dice.chance(0.7)) return [one];
    const decision: Step = { ...one, file: dice.pick(FILE_DOORS) };
    const isStruck = dice.chance(0.35) && mix.hasFaults;
    return isStruck ? [{ do: 'fault', fault: fault(dice, 'A020'), afterMs: 0 }, decision] : [decision];
  });

const someTime = (dice: Dice): number =>
  dice.weighted<() => number>([
    [3, () => 0],
    [4, () => dice.integer(1, 80)],
    [4, () => dice.integer(100, 3_000)],
    [3, () => dice.integer(3_000, 40_000)],
    [1, () => dice.integer(60_000, 400_000)],
  ])();

const refer = (dice: Dice) => ({
  do: 'refer' as const,
  kind: dice.weighted([
    [4, 'booked-direct'],
    [3, 'booked-indirect'],
    [3, 'triage'],
    [1, 'slot-issue'],
  ]),
  priority: dice.pick(['ROUTINE', 'URGENT', 'TWO_WEEK_WAIT']),
  attachments: dice.weighted([
    [5, 0],
    [2, 1],
    [1, 2],
  ]),
});

function step(dice: Dice, mix: Mix): Step {
  const on = dice.integer(0, 999);
  const make = dice.weighted<() => Step extends infer S ? (S extends Step ? Omit<S, 'afterMs'> : never) : never>([
    [2, () => refer(dice)],
    [
      14,
      () => ({
        do: 'decide',
        on,
        door: dice.weighted([
          [4, 'store'],
          [4, 'facade'],
          [3, 'facade-with-session'],
        ]),
        choice: dice.integer(0, 999),
        manner: dice.chance(0.75) ? 'sound' : dice.pick(MANNERS),
        isBlind: dice.chance(0.4),
      }),
    ],
    [2, () => ({ do: 'bulk', choice: dice.integer(0, 999) })],
    [
      7,
      () => ({
        do: 'happen',
        on,
        event: dice.pick(EVENTS),
        ...(dice.chance(0.5) ? { trouble: dice.pick(['error', 'silent', 'refused']) } : {}),
      }),
    ],
    [4, () => ({ do: 'touch', on, how: dice.pick(MINOR), door: dice.pick(['store', 'facade']) })],
    [3, () => ({ do: 'spoil', on, how: dice.pick(SPOILS) })],
    [2, () => ({ do: 'refresh', on })],
    [2, () => ({ do: 'poll', service: dice.integer(0, 99), times: dice.integer(1, 3) })],
    [2, () => ({ do: 'send', on })],
    [1, () => ({ do: 'session', is: dice.pick(['in', 'out', 'short']) })],
    [mix.hasFaults ? 8 : 0, () => ({ do: 'fault', fault: fault(dice) })],
    [mix.hasFaults ? 4 : 0, () => ({ do: 'store-trouble', trouble: dice.pick(TROUBLES), times: dice.integer(1, 4) })],
    [
      mix.hasKills ? 5 : 0,
      () => ({
        do: 'kill',
        doors: dice.weighted([
          [3, dice.integer(0, 3)],
          [3, dice.integer(3, 14)],
          [1, dice.integer(14, 60)],
        ]),
        phase: dice.pick(PHASES),
        downMs: dice.pick([0, 50, 2_000, 30_000]),
      }),
    ],
    [1, () => ({ do: 'clear' })],
  ]);
  return { ...make(), afterMs: someTime(dice) } as Step;
}

function fault(
  dice: Dice,
  endpoint = dice.chance(0.6) ? dice.pick(['A013', 'A014', 'A022', 'A028', 'A005']) : dice.pick(ENDPOINTS),
): Record<string, unknown> {
  const kind = dice.pick([
    'status',
    'status',
    'lose-answer',
    'lose-answer',
    'lose-request',
    'delay',
    'reset',
    'truncate',
    'garbage',
  ]);
  const status = dice.pick(STATUSES);
  // What is answered to a change that was made all the same: only where nobody can know.
  const isApplied = kind === 'status' && [500, 502, 503, 504, 408].includes(status) && dice.chance(0.5);
  return {
    endpoint,
    kind,
    times: dice.weighted([
      [6, 1],
      [2, 2],
      [1, 5],
    ]),
    after: dice.weighted([
      [5, 0],
      [2, 1],
      [1, 3],
    ]),
    ...(kind === 'status' ? { status, applied: isApplied } : {}),
    ...(kind === 'delay' ? { delayMs: dice.pick([500, 5_000, 40_000, 170_000, 200_000]) } : {}),
    ...(kind === 'status' && (status === 429 || status === 503) && dice.chance(0.4)
      ? { retryAfterSeconds: dice.integer(1, 90) }
      : {}),
  };
}

/** A script as a person reads it. */
export const readable = (steps: readonly Step[]): string =>
  steps
    .map(
      ({ afterMs, ...rest }, index) =>
        `  ${String(index + 1).padStart(2)}  ${JSON.stringify(rest)}  then ${afterMs} ms`,
    )
    .join('\n');
