/** Members of `meta` that a store sets by itself. */
const STORE_META = new Set(['versionId', 'lastUpdated', 'author', 'project', 'compartment', 'source']);

/**
 * The text of a resource by which two versions are told apart: keys sorted, undefined members left out, without `id` and
 * what a store adds to `meta`. Array order counts (G-7 fixes it).
 * Source: I-11; stores.md 3.2
 */
export function canonicalJson(resource: object): string {
  const { id: _id, meta, ...content } = resource as { id?: unknown; meta?: Record<string, unknown> };
  const keptMeta = Object.entries(meta ?? {}).filter(([name]) => !STORE_META.has(name));
  return JSON.stringify(sorted(keptMeta.length > 0 ? { ...content, meta: Object.fromEntries(keptMeta) } : content));
}

/** JSON with sorted keys and nothing left out, for hashes of parts of a resource. */
export const sortedJson = (value: unknown): string => JSON.stringify(sorted(value)) ?? 'null';

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, member]) => [name, sorted(member)]),
  );
}

/**
 * Whether two values are the same JSON: by content, not by the realm or the key order in which they were made. A member that is
 * undefined is not there; an item or a whole that is undefined is null.
 */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isObject(a) || !isObject(b)) return (a ?? null) === (b ?? null);
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, index) => isSameJson(item, b[index]))
    );
  const names = Object.keys(a).filter((name) => a[name] !== undefined);
  const others = Object.keys(b).filter((name) => b[name] !== undefined);
  return names.length === others.length && names.every((name) => b[name] !== undefined && isSameJson(a[name], b[name]));
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
