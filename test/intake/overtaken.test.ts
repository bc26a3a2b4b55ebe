import { describe, expect, test } from '@jest/globals';
import { reviewStatusOf } from '../../mappings/index.ts';
import type { Store } from '../../server/core/index.ts';
import { otherwise } from '../store-otherwise.ts';
import { DIRECT, MINUTE, startWard, type Ward } from './ward.ts';

/** A store that lets the next file wait until it is told to go on. */
function slowOnce() {
  let isNext = false;
  let go = (): void => undefined;
  let began = (): void => undefined;
  const holds = new Promise<void>((resolve) => {
    began = resolve;
  });
  const release = new Promise<void>((resolve) => {
    go = resolve;
  });
  const around = (store: Store): Store =>
    otherwise(store, {
      async putBinary(...args) {
        if (isNext) {
          isNext = false;
          began();
          await release;
        }
        return store.putBinary(...args);
      },
    });
  const next = (): void => {
    isNext = true;
  };
  return { around, next, holds, release: () => go() };
}

const statusesOf = async (ward: Ward, ubrn: string) => (await ward.tasksOf(ubrn)).map((task) => reviewStatusOf(task));
const wish = { kind: 'booked-direct', service: DIRECT };

describe('a worklist that is read twice at once', () => {
  test('K1: an answer that was overtaken is not taken for the newest: what came since stays open', async () => {
    const slow = slowOnce();
    await using ward = await startWard({ services: [DIRECT], around: slow.around });
    await ward.create(wish);
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    slow.next();
    // Changed, so that the answer is kept: what e-RS said before the other came.
    await ward.create(wish);
    const first = ward.intake.poll(DIRECT);
    await slow.holds;
    ward.advance(MINUTE);
    const ubrn = await ward.create(wish);
    const second = ward.intake.poll(DIRECT);
    const landed = (async () => {
      while ((await ward.tasksOf(ubrn)).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    })();
    await Promise.race([landed, new Promise((resolve) => setTimeout(resolve, 500))]);
    slow.release();
    expect([(await first).ok, (await second).ok]).toEqual([true, true]);
    await landed;
    // What is made of the overtaken answer is made in the background.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await statusesOf(ward, ubrn)).toEqual(['awaiting-review']);
  });
});

describe('a review that ended while its list was looked through', () => {
  test('4.6 K1: what a list said before it ended opens no other; the next poll does, although the list says what it said', async () => {
    await using ward = await startWard({ services: [DIRECT] });
    const ubrn = await ward.create(wish);
    await ward.intake.runOnce();
    ward.advance(MINUTE);
    await ward.happen(ubrn, 'hidden-from-worklists');
    await ward.intake.runOnce();
    expect(await statusesOf(ward, ubrn)).toEqual(['withdrawn']);
    await ward.happen(ubrn, 'hidden-from-worklists', { isHidden: false });
    await ward.intake.runOnce();
    expect(await statusesOf(ward, ubrn)).toEqual(['withdrawn']);
    ward.advance(MINUTE);
    await ward.intake.runOnce();
    expect(await statusesOf(ward, ubrn)).toEqual(['withdrawn', 'awaiting-review']);
  });
});
