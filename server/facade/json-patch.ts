import { apply } from '@medplum/core';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';
import { bytesOf } from './size.ts';

interface PatchOperation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

const OPS: ReadonlySet<unknown> = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);
const POINTER = /^(\/([^~/]|~[01])*)+$/;

export interface PatchLimits {
  readonly maxPatchOperations: number;
  /** Of the result, after each operation: a list that is copied into itself doubles with every copy. */
  readonly maxTaskBytes: number;
}

/**
 * Applies a JSON Patch to a copy. Values are never said back: they may be a patient's.
 * Issues: body-unreadable, patch-test-failed and body-too-large, naming the operation that fails
 * Source: RFC 6902
 */
export function applyJsonPatch<T extends object>(
  target: T,
  patch: unknown,
  { maxPatchOperations, maxTaskBytes }: PatchLimits,
): { result: T } | Refusal {
  if (!Array.isArray(patch) || patch.length === 0) return broken('A JSON Patch is a list of operations.');
  if (patch.length > maxPatchOperations) return broken(`A JSON Patch may have ${maxPatchOperations} operations here.`);
  const result = copyOf(target);
  for (const [index, operation] of patch.entries()) {
    const where = `Operation ${index}${named(operation)}`;
    const wrong = shapeFault(operation) ?? arrayFault(result, operation) ?? applied(result, operation);
    if (wrong === 'test-failed') {
      return refuse('patch-test-failed', { text: `${where}: the test failed: the resource is not as you expected.` });
    }
    if (wrong !== undefined) return broken(`${where}: ${wrong}`);
    if ((bytesOf(result) ?? Number.POSITIVE_INFINITY) > maxTaskBytes) {
      return refuse('body-too-large', { text: `${where}: the result would have more than ${maxTaskBytes} bytes.` });
    }
  }
  return { result };
}

/** A copy of JSON by JSON: its objects are of this realm, which validation insists on. */
const copyOf = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const broken = (text: string) => refuse('body-unreadable', { text });

function shapeFault(operation: unknown): string | undefined {
  if (typeof operation !== 'object' || operation === null) return 'is no object.';
  const { op, path, from } = operation as Record<string, unknown>;
  if (!OPS.has(op)) return 'op is add, remove, replace, move, copy or test.';
  if (typeof path !== 'string' || !POINTER.test(path)) return 'path is no JSON Pointer below the resource.';
  const needsFrom = op === 'move' || op === 'copy';
  if (needsFrom && (typeof from !== 'string' || !POINTER.test(from)))
    return 'from is no JSON Pointer below the resource.';
  const needsValue = op === 'add' || op === 'replace' || op === 'test';
  return needsValue && !('value' in operation) ? 'value is missing.' : undefined;
}

/** A list takes an index that it has, or the dash at its end; the library would put anything else somewhere. */
function arrayFault(target: object, { op, path }: PatchOperation): string | undefined {
  const steps = path
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = steps.pop() ?? '';
  let parent: unknown = target;
  for (const step of steps)
    parent = typeof parent === 'object' && parent !== null ? Reflect.get(parent, step) : undefined;
  if (!Array.isArray(parent)) return undefined;
  const adds = op === 'add' || op === 'move' || op === 'copy';
  if (last === '-') return adds ? undefined : 'the dash stands after the last element: there is nothing there.';
  const isInside = /^(0|[1-9]\d*)$/.test(last) && Number(last) < parent.length + (adds ? 1 : 0);
  return isInside ? undefined : 'the list has no such index.';
}

function applied(target: object, operation: PatchOperation): string | undefined {
  try {
    const error = apply(target, copyOf(operation) as Parameters<typeof apply>[1]);
    if (error === null) return undefined;
    if (error.name === 'TestError') return 'test-failed';
    return operation.path.endsWith('/-')
      ? 'there is no such list yet: add it whole, with its one element.'
      : 'there is nothing at this path.';
  } catch {
    // The library throws for pointers that it refuses, such as __proto__.
    return 'the path cannot be used.';
  }
}

/** Names an operation by op and path, where they are harmless to say back. */
function named(operation: unknown): string {
  const { op, path } = (operation ?? {}) as Partial<PatchOperation>;
  return OPS.has(op) && typeof path === 'string' && /^[A-Za-z0-9/[\]-]{1,80}$/.test(path) ? ` (${op} ${path})` : '';
}
