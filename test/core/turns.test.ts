import { describe, expect, test } from '@jest/globals';
import { Turns } from '../../server/core/index.ts';

describe('turns', () => {
  test('D1: work of one key runs one at a time in order, while other keys go on', async () => {
    const turns = new Turns();
    const trace: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = turns.take('a', async () => {
      trace.push('a1 starts');
      await gate.promise;
      trace.push('a1 ends');
    });
    const second = turns.take('a', async () => {
      trace.push('a2');
    });
    await turns.take('b', async () => {
      trace.push('b1');
    });
    gate.resolve();
    await Promise.all([first, second]);
    expect(trace).toEqual(['a1 starts', 'b1', 'a1 ends', 'a2']);
    expect(turns.isIdle('a')).toBe(true);
  });

  test('work that throws gives its turn on, and its caller the error', async () => {
    const turns = new Turns();
    const failed = turns.take('a', () => Promise.reject(new RangeError('broken')));
    const next = turns.take('a', async () => 'done');
    await expect(failed).rejects.toThrow('broken');
    await expect(next).resolves.toBe('done');
  });
});
