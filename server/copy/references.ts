/** A reference to a resource of the same store, or to a version of it: type and id. */
export const LOCAL = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/[^/]+)?$/;

/** `Type/id` of what a resource refers to in its own store; a server that minds references wants those first. */
export function referencesOf(value: unknown, found: Set<string> = new Set()): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null) return found;
  for (const [name, member] of Object.entries(value)) {
    const [, type, id] = (name === 'reference' && typeof member === 'string' && LOCAL.exec(member)) || [];
    if (type !== undefined && id !== undefined) found.add(`${type}/${id}`);
    else referencesOf(member, found);
  }
  return found;
}
