import type { Resource } from '@medplum/fhirtypes';

/**
 * Where references lead: mappings make them from business keys; a store may know the same resource under another id,
 * because somebody else made it, or because the store chooses ids (2.2).
 */
export class References {
  readonly #actual = new Map<string, string>();

  /** Says that what mappings call `Type/id` is `reference` in the store. */
  set(made: string, reference: string): void {
    if (made !== reference) this.#actual.set(made, reference);
  }

  /** The reference that the store knows. */
  of(made: string): string {
    return this.#actual.get(made) ?? made;
  }

  /** The resource with all its references as the store knows them; its own id is left alone. */
  resolve<T extends Resource>(resource: T): T {
    return this.#actual.size === 0 ? resource : (this.#rewritten(resource) as T);
  }

  #rewritten(value: unknown, name?: string): unknown {
    if (typeof value === 'string') return name === 'reference' ? this.of(value) : value;
    if (Array.isArray(value)) return value.map((one) => this.#rewritten(one));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, this.#rewritten(member, key)]));
  }
}

/** The id within a reference; a placeholder of a transaction stays whole until the store has chosen. */
export const idIn = (reference: string): string =>
  reference.startsWith('urn:') ? reference : reference.slice(reference.lastIndexOf('/') + 1);
