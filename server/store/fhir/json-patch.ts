import { applyPatch, type Operation } from '@medplum/core';
import type { Stored, StoreFailure } from '../../core/index.ts';
import { failure } from './outcome.ts';

/** A list that is copied into itself doubles with every copy: a patch may not make more than this of a resource. */
const MAX_PATCHED_BYTES = 4_000_000;

/** Applies RFC 6902 operations one after another; the first that fails is named by its index. */
export function patchInPlace(resource: Stored, operations: readonly unknown[]): StoreFailure | undefined {
  for (const [index, operation] of operations.entries()) {
    const fault = isOperation(operation) ? applyPatch(resource, [operation])[0] : 'malformed';
    if (fault !== null) {
      const why = fault === 'malformed' ? 'is no JSON Patch operation' : `failed (${fault?.name ?? 'unknown'})`;
      return failure('invalid', `Operation ${index} of the patch ${why}`);
    }
    if (bytesOf(resource) > MAX_PATCHED_BYTES)
      return failure(
        'invalid',
        `Operation ${index} of the patch makes the resource larger than ${MAX_PATCHED_BYTES} bytes`,
      );
  }
  return undefined;
}

/** Infinite where it is nested too deeply to be written at all. */
function bytesOf(resource: Stored): number {
  try {
    return Buffer.byteLength(JSON.stringify(resource));
  } catch (error) {
    if (error instanceof RangeError) return Number.POSITIVE_INFINITY;
    throw error;
  }
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
