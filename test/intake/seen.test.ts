import { describe, expect, test } from '@jest/globals';
import type { SeenRecord, Store } from '../../server/core/index.ts';
import { listRecords } from '../../server/store/index.ts';
import { refusing } from '../store-otherwise.ts';
import { DIRECT, MINUTE, startWard } from './ward.ts';

/** Refuses so many transactions that write a record of what was seen. */
const refusingSeen = (store: Store, refusals: { left: number }): Store =>
  refusing(store, (entries) => {
    if (!JSON.stringify(entries).includes('ers-seen') || refusals.left === 0) return false;
    refusals.left -= 1;
    return true;
  });

const seenIn = async (store: Store) => {
  const records = await listRecords<SeenRecord>(store, 'ers-seen');
  if (!records.ok) throw new Error(records.code);
  return records.value.flatMap(({ data }) => data.polls.flatMap(({ ubrns }) => ubrns));
};

describe('what a worklist names', () => {
  test('K1: is noted before anything is made of it: where that cannot be, nothing is, and the next poll makes up for it', async () => {
    const refusals = { left: Number.POSITIVE_INFINITY };
    await using ward = await startWard({ services: [DIRECT], around: (store) => refusingSeen(store, refusals) });
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    expect(await ward.referralOf(ubrn)).toBeUndefined();
    expect(ward.alerts()).toContain('worklist-incomplete');
    refusals.left = 0;
    await ward.intake.runOnce();
    expect(await ward.referralOf(ubrn)).toBeDefined();
    expect(await seenIn(ward.store)).toEqual([ubrn]);
    expect(ward.alerts()).not.toContain('worklist-incomplete');
  });

  test('B1: is kept although the store refused it for a moment, since the poll is spent', async () => {
    const refusals = { left: 2 };
    await using ward = await startWard({
      services: [DIRECT],
      pollsPerDay: 1,
      around: (store) => refusingSeen(store, refusals),
    });
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    expect(refusals.left).toBe(0);
    expect(await ward.referralOf(ubrn)).toBeDefined();
    expect(await seenIn(ward.store)).toEqual([ubrn]);
  });

  test('K1: is noted again from an answer that is still kept, if somebody deleted the note', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await ward.create({ kind: 'booked-direct', service: DIRECT });
    await ward.intake.runOnce();
    const records = await listRecords(ward.store, 'ers-seen');
    if (records.ok) for (const { id } of records.value) await ward.store.remove('Basic', id);
    expect(await seenIn(ward.store)).toEqual([]);
    await ward.restart();
    ward.advance(MINUTE);
    await ward.intake.runOnce();
    expect(await seenIn(ward.store)).toEqual([ubrn]);
  });
});
