import { describe, expect, test } from '@jest/globals';
import { parseScope } from '../../server/core/index.ts';

describe('a scope', () => {
  test.each([
    ['system/Task.u', { type: 'Task', letters: 'u' }],
    ['user/*.rs', { type: '*', letters: 'rs' }],
    ['system/*.read', { type: '*', letters: 'rs' }],
    ['system/Task.*', { type: 'Task', letters: 'cruds' }],
    ['ers/operator', 'operator'],
  ])('%s is read', (scope, expected) => {
    expect(parseScope(scope)).toEqual(expected);
  });

  test.each([
    'system/Task.su',
    'system/Task.',
    'system/Task.u?status=requested',
    'patient/Task.r',
    // Names that every object has: a site's issuer may send anything.
    'system/Task.constructor',
    'system/Task.valueof',
    'ers/constructor',
  ])('%s grants nothing', (scope) => {
    expect(parseScope(scope)).toBeUndefined();
  });
});
