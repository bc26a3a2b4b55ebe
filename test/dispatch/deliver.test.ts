import { describe, expect, test } from '@jest/globals';
import { businessStatusOf } from '../sign-in.ts';
import { openWard } from './ward.ts';

const accept = [{ op: 'replace', path: '/status', value: 'accepted' }];

describe('delivery', () => {
  test('D3: an accept that was written straight into the store is sent once, and the Task ends accepted', async () => {
    await using ward = await openWard();
    const ubrn = await ward.refer('booked-direct');
    await ward.decide(ubrn, accept);
    await ward.dispatch.settled();
    expect(businessStatusOf(await ward.taskOf(ubrn))).toBe('accepted');
    expect((await ward.calls('A013')).map(({ status }) => status)).toEqual([200]);
  });
});
