import { expect, test } from '@jest/globals';
import { Agenda } from '../../server/dispatch/agenda.ts';

const ids = (agenda: Agenda) => [...agenda.entries()].map(([taskId]) => taskId);

test('decided Tasks come before those that are only looked at, two-week waits first, and of one urgency whoever came first', () => {
  const agenda = new Agenda();
  for (const [taskId, priority] of Object.entries({ r: 'routine', u: 'urgent', t1: 'asap', t2: 'asap', s: 'asap' }))
    agenda.note(taskId, priority);
  agenda.add('s', 0, 'look');
  agenda.add('nobody knows', 0, 'decided');
  for (const taskId of ['r', 'u', 't1', 't2']) agenda.add(taskId, 0, 'decided');
  expect(ids(agenda)).toEqual(['t1', 't2', 'u', 'r', 'nobody knows', 's']);
});

test('what is found decided moves up, and keeps the earlier of two times, so that a back-off is neither cut nor lengthened', () => {
  const agenda = new Agenda();
  agenda.note('a', 'routine');
  agenda.note('b', 'routine');
  agenda.add('a', 700, 'look');
  agenda.add('b', 0, 'decided');
  agenda.add('a', Number.POSITIVE_INFINITY, 'decided');
  expect([...agenda.entries()]).toEqual([
    ['b', 0],
    ['a', 700],
  ]);
  agenda.add('a', 300, 'look');
  expect([...agenda.entries()].at(-1)).toEqual(['a', 300]);
});

test('a review that became urgent is there once, at its new place; one that is taken is there no more', () => {
  const agenda = new Agenda();
  agenda.note('a', 'routine');
  agenda.add('a', 0, 'decided');
  agenda.note('b', 'urgent');
  agenda.add('b', 0, 'decided');
  agenda.note('a', 'asap');
  agenda.add('a', 0, 'decided');
  expect(ids(agenda)).toEqual(['a', 'b']);
  agenda.remove('a');
  expect([agenda.has('a'), agenda.has('b')]).toEqual([false, true]);
});
