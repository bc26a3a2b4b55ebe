import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import { reviewStatusOf } from '../../mappings/index.ts';
import { accept, reject } from './deciding.ts';
import { openWard, reach, successes, until, type Ward } from './ward.ts';

describe('what is sent once more', () => {
  let ward: Ward;
  beforeAll(async () => {
    ward = await openWard();
  }, 30_000);
  afterAll(async () => ward[Symbol.asyncDispose]());

  const callsOf = async (endpoint: string, ubrn: string) =>
    (await ward.calls(endpoint)).filter((call) => call.ubrn === ubrn).map(({ status }) => status);

  test('4.5 E-5: after a 409 is not sent a third time: a second 409 opens the Task with the conflict', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.control('POST', 'faults', { endpoint: 'A014', kind: 'status', status: 409, times: 9, ubrn });
    await ward.decide(ubrn, reject);
    expect(await reach(ward, ubrn, 'decision-conflict', 'delivery-failed')).toBe('decision-conflict');
    expect(await callsOf('A014', ubrn)).toEqual([409, 409]);
  });

  test('D3 4.5: as the probe of an accept stays in flight, also when it is lost: nobody may take back what e-RS may have', async () => {
    const ubrn = await ward.refer('booked-direct');
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-answer', times: 1, ubrn });
    await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-request', times: 1, ubrn });
    await ward.decide(ubrn, accept);
    const { taskId } = await ward.recordOf(ubrn);
    for (const startedMs = performance.now(); (await ward.recordOf(ubrn)).decision?.isUnknowable !== true; ) {
      if (performance.now() - startedMs > 12_000) throw new Error('it did not become unknowable');
      await ward.dispatch.settled();
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect(await successes(ward, 'A013', ubrn)).toBe(1);
    const history = await ward.store.history('Task', taskId, { count: 100 });
    if (!history.ok) throw new Error(history.code);
    const shown = history.value.entries.toReversed().map(({ resource }) => reviewStatusOf(resource as Task));
    expect(new Set(shown.slice(shown.indexOf('decision-sending')))).toEqual(new Set(['decision-sending']));
  }, 30_000);
});

test('4.5 E-9a: the probe of an accept is not sent for ever: its attempts come to an end, and then only a list can tell', async () => {
  const maxAttempts = 3;
  await using ward = await openWard({ policy: { maxAttempts } });
  const ubrn = await ward.refer('booked-direct');
  await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-answer', times: 1, ubrn });
  await ward.control('POST', 'faults', { endpoint: 'A013', kind: 'lose-request', times: 1_000, ubrn });
  await ward.decide(ubrn, accept);
  await until(async () => (await ward.recordOf(ubrn)).decision?.isUnknowable === true);
  expect((await ward.recordOf(ubrn)).decision?.attempts).toBeLessThanOrEqual(maxAttempts);
  expect(await successes(ward, 'A013', ubrn)).toBe(1);
}, 30_000);
