import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isSameJson, sortedJson } from '../../mappings/index.ts';

const json = fc.jsonValue({ maxDepth: 4 });

/** The same JSON with the keys of its objects the other way round, and with members that are undefined. */
function rewritten(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rewritten);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, rewritten(member)] as const);
  return Object.fromEntries([['not there', undefined], ...members.toReversed()]);
}

test('I-11: two values are the same JSON just where their sorted texts are', () => {
  fc.assert(
    fc.property(json, json, (a, b) => {
      expect(isSameJson(a, b)).toBe(sortedJson(a) === sortedJson(b));
      expect(isSameJson(a, rewritten(a))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test.each([
  [{ a: 1 }, { a: 1, b: undefined }, true],
  [{ a: 1 }, { a: 1, b: null }, false],
  [{ a: undefined, b: 1 }, { c: 1 }, false],
  [[1, undefined], [1, null], true],
  [undefined, null, true],
  [{}, [], false],
  [{ 0: 'a' }, ['a'], false],
  [{ toString: 1 }, {}, false],
  [{ a: [1, 2] }, { a: [2, 1] }, false],
  ['1', 1, false],
])('%j and %j: the same is %p', (a, b, isSame) => {
  expect([isSameJson(a, b), isSameJson(b, a)]).toEqual([isSame, isSame]);
  expect(sortedJson(a) === sortedJson(b)).toBe(isSame);
});
