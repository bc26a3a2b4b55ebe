/** Every `Reference.reference` in a resource, contained ones and extensions included. */
export function* literalReferences(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === 'reference' && typeof member === 'string') yield member;
    else yield* literalReferences(member);
  }
}
