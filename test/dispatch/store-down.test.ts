import { expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import { outputsOf, reviewStatusOf } from '../../mappings/index.ts';
import type { Store } from '../../server/core/index.ts';
import { businessStatusOf } from '../sign-in.ts';
import { refusing } from '../store-otherwise.ts';
import { openWard, reach } from './ward.ts';

/** Refuses so many of the transactions that make a Task final. */
const refusingFinals = (store: Store, refusals: { left: number }): Store =>
  refusing(store, (entries) => {
    const isFinal = entries.some(
      (entry) =>
        entry.kind === 'put' &&
        entry.resource.resourceType === 'Task' &&
        reviewStatusOf(entry.resource as Task) === 'accepted',
    );
    if (!isFinal || refusals.left === 0) return false;
    refusals.left -= 1;
    return true;
  });

test('E-4 D2: a 200 that the store does not take at first is kept in hand until it does: the accept is not sent a second time, nor made unknown', async () => {
  const refusals = { left: 2 };
  await using ward = await openWard({ around: (store) => refusingFinals(store, refusals) });
  const ubrn = await ward.refer('booked-direct');
  await ward.decide(ubrn, [{ op: 'replace', path: '/status', value: 'accepted' }]);
  expect(await reach(ward, ubrn, 'accepted')).toBe('accepted');
  expect(refusals.left).toBe(0);
  const calls = (await ward.calls('A013')).filter((call) => call.ubrn === ubrn);
  expect(calls.map(({ status }) => status)).toEqual([200]);
  const task = await ward.taskOf(ubrn);
  expect([businessStatusOf(task), outputsOf(task, 'outcome-inferred')]).toEqual(['accepted', []]);
  expect(ward.alerts.standing().map(({ code }) => code)).not.toContain('outcome-unknown');
}, 30_000);
