import { expect, test } from '@jest/globals';
import { FINAL_STATUSES, IN_FLIGHT_STATUSES, OPEN_STATUSES, type ReviewStatus } from '../../mappings/index.ts';
import { groupOf, type Move, REVIEW_MACHINE, type ReviewEvent } from '../../server/decisions/index.ts';

const statuses = Object.keys(REVIEW_MACHINE) as ReviewStatus[];
const cells = statuses.flatMap((status) =>
  Object.entries(REVIEW_MACHINE[status]).map(([event, move]) => ({ status, event: event as ReviewEvent, move })),
);
const groupAfter = (status: ReviewStatus, move: Move) => {
  if (move.kind !== 'to') return groupOf(status);
  return move.businessStatus === 'outcome' ? 'final' : groupOf(move.businessStatus);
};

test('the machine is total: each of the statuses has a move for each event, and the same events (4.4)', () => {
  expect(statuses.toSorted()).toEqual([...OPEN_STATUSES, ...IN_FLIGHT_STATUSES, ...FINAL_STATUSES].toSorted());
  const events = Object.keys(REVIEW_MACHINE['awaiting-review']).toSorted();
  for (const status of statuses) expect(Object.keys(REVIEW_MACHINE[status]).toSorted()).toEqual(events);
  expect(cells).toHaveLength(statuses.length * events.length);
});

test('the groups equal the published value sets, so that a client’s worklist query misses nothing (4.4)', () => {
  for (const status of statuses) {
    const isIn = (members: readonly string[]) => members.includes(status);
    expect([status, groupOf(status)]).toEqual([
      status,
      isIn(OPEN_STATUSES) ? 'open' : isIn(IN_FLIGHT_STATUSES) ? 'in-flight' : 'final',
    ]);
  }
});

test('only a client’s decision leads from open to in flight: the engine decides nothing by itself (D4)', () => {
  const ways = cells.filter(
    ({ status, move }) => groupOf(status) === 'open' && groupAfter(status, move) === 'in-flight',
  );
  expect(new Set(ways.map(({ event }) => event))).toEqual(new Set(['client-decides']));
});

test('a final row never moves: a closed decision is never rewritten (T-15, 4.6)', () => {
  const moves = cells.filter(({ status, move }) => groupOf(status) === 'final' && move.kind === 'to');
  expect(moves).toEqual([]);
});

test('only e-RS makes a review final: that it recorded the decision, or that it no longer asks (D3, E-4, E-10)', () => {
  const ways = cells.filter(({ status, move }) => groupOf(status) !== 'final' && groupAfter(status, move) === 'final');
  expect(new Set(ways.map(({ event }) => event))).toEqual(new Set(['recorded', 'settled-in-ers']));
  expect(ways.filter(({ status, event }) => groupOf(status) === 'open' && event === 'recorded')).toEqual([]);
});

test('a review that is open again is requested, where every worklist query finds it (E-5..E-9)', () => {
  const back = cells.filter(
    ({ status, move }) => groupOf(status) === 'in-flight' && groupAfter(status, move) === 'open',
  );
  expect(back.length).toBeGreaterThan(0);
  for (const { event, move } of back)
    expect(move).toMatchObject({ status: event === 'client-takes-back' ? 'received' : 'requested' });
});

test('an unknown outcome opens nothing and closes nothing: the Task stays decision-sending (D2, E-8b)', () => {
  expect(REVIEW_MACHINE['decision-sending']['outcome-unknown']).toEqual({ kind: 'stay' });
  for (const event of ['settled-in-ers', 'referral-changed', 'version-only-moved'] as const)
    expect(REVIEW_MACHINE['decision-sending'][event]).toEqual({ kind: 'postpone' });
});

test('while a decision is being sent no client event moves the Task, and each is refused as in flight (T-16)', () => {
  for (const { event, move } of cells.filter(({ status }) => status === 'decision-sending')) {
    if (event.startsWith('client-') && event !== 'client-errs')
      expect(move).toEqual({ kind: 'refuse', code: 'task-in-flight' });
  }
});

test('no cell that a client can reach is a defect: whatever a client sends has an answer', () => {
  expect(cells.filter(({ event, move }) => event.startsWith('client-') && move.kind === 'defect')).toEqual([]);
});
