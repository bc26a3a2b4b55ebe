import { describe, expect, test } from '@jest/globals';
import { backoffMs, describeError } from '../../server/core/index.ts';

describe('what the log may say', () => {
  test('P1: of an unexpected error only its class is logged, never its message, which may quote data', () => {
    const described = describeError(new TypeError('cannot read 9990000000 of patient'));
    expect(described.error).toBe('TypeError');
    expect(JSON.stringify(described)).not.toContain('9990000000');
  });
});

describe('back-off', () => {
  test('E-8: waits double from one second to five minutes, each drawn between half and whole', () => {
    expect([0, 1, 2, 8, 9, 100].map((attempt) => backoffMs(attempt, 0.999999))).toEqual([
      1000, 2000, 4000, 256_000, 300_000, 300_000,
    ]);
    expect(backoffMs(3, 0)).toBe(4000);
  });
});
