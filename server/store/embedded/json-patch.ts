import { applyPatch, type Operation } from '@medplum/core';
import type { Stored, StoreFailure } from '../../core/index.ts';
import { failure } from './outcome.ts';

/** Applies RFC 6902 operations one after another; the first that fails is named by its index. */
export function patchInPlace(resource: Stored, operations: readonly unknown[]): StoreFailure | undefined {
  for (const [index, operation] of operations.entries()) {
    const fault = isOperation(operation) ? applyPatch(resource, [operation])[0] : 'malformed';
    if (fault !== null) {
      const why = fault === 'malformed' ? 'is no JSON Patch operation' : `failed (${fault?.name ?? 'unknown'})`;
      return failure('invalid', `Operation ${index} of the patch ${why}`);
    }
  }
  return undefined;
}

const OPERATIONS = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

function isOperation(operation: unknown): operation is Operation {
  if (typeof operation !== 'object' || operation === null || !('op' in operation) || !('path' in operation))
    return false;
  const { op, path } = operation;
  const isPointer = (pointer: unknown) => typeof pointer === 'string' && /^(\/.*)?$/s.test(pointer);
  if (!OPERATIONS.has(String(op)) || !isPointer(path)) return false;
  if (op === 'move' || op === 'copy') return 'from' in operation && isPointer(operation.from);
  return op === 'remove' || 'value' in operation;
}
