import { randomUUID } from 'node:crypto';
import type { Basic, Extension, Resource } from '@medplum/fhirtypes';
import {
  codeSystem,
  identifierSystem,
  type RecordKind,
  type Store,
  type Stored,
  type StoreResult,
  structureDefinition,
} from '../core/index.ts';
import { isCopiedType } from './listing.ts';
import { LOCAL } from './references.ts';

const KIND: RecordKind = 'ers-copy';
const RECORD = codeSystem('ers-record');
const RENAMED = structureDefinition('ers-renamed');
const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;

/** Under what name a resource or file of the source is in the target: places are `Type/id`. */
export interface Naming {
  /** Undefined: it has not been copied. */
  placeThere(place: string): string | undefined;
  /** A resource as the target has to hold it. */
  asThere<T extends Resource>(resource: T): T;
}

/** Where the target takes our ids. */
export const sameNames: Naming = { placeThere: (place) => place, asThere: (resource) => resource };

/**
 * What a target that chooses ids by itself called what it was given. It is noted in the target, in the same transaction as
 * what it tells of, so that neither can be there without the other.
 */
export class NewNames implements Naming {
  readonly #places = new Map<string, string>();
  readonly #ids = new Map<string, string>();

  /** What earlier calls of the same copy noted. */
  static async readFrom(target: Store): Promise<StoreResult<NewNames>> {
    const names = new NewNames();
    const query = new URLSearchParams({ code: `${RECORD}|${KIND}`, _count: '500' }).toString();
    for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
      const page = await target.search('Basic', query, next);
      if (!page.ok) return page;
      for (const note of page.value.matches as readonly Stored<Basic>[])
        for (const { url, extension } of note.extension ?? []) if (url === RENAMED) names.#read(extension ?? []);
      next = page.value.next;
    }
    return { ok: true, value: names };
  }

  add(place: string, there: string): void {
    this.#places.set(place, there);
    this.#ids.set(idOf(place), idOf(there));
  }

  placeThere(place: string): string | undefined {
    return this.#places.get(place);
  }

  asThere<T extends Resource>(resource: T): T {
    return this.#written(resource, (place) => this.#places.get(place) ?? place);
  }

  /**
   * The same, as far as it can be written now: what refers to something that is not there yet is left without that
   * reference.
   * @param together places that are created in the same transaction, and what to call them in it
   */
  asFarAsKnown<T extends Resource>(resource: T, together: ReadonlyMap<string, string>): T {
    return this.#written(resource, (place) => this.#places.get(place) ?? together.get(place));
  }

  #read(parts: readonly Extension[]): void {
    const from = parts.find(({ url }) => url === 'from')?.valueString;
    const to = parts.find(({ url }) => url === 'to')?.valueReference?.reference;
    if (from !== undefined && to !== undefined) this.add(from, to);
  }

  #written<T extends Resource>(resource: T, called: (place: string) => string | undefined): T {
    const isRecord = resource.resourceType === 'Basic';
    return JSON.parse(JSON.stringify(resource), (key, value: unknown) => {
      // Records are JSON inside: of their ids, each stands for itself.
      if (isRecord && key === 'valueString' && typeof value === 'string')
        return value.replaceAll(UUID, (id) => this.#ids.get(id) ?? id);
      if (key === 'url' && typeof value === 'string') return renamed(value, called) ?? value;
      if (typeof value !== 'object' || value === null || !('reference' in value)) return value;
      const { reference, ...rest } = value;
      if (typeof reference !== 'string') return value;
      const there = renamed(reference, called);
      if (there !== undefined) return { ...value, reference: there };
      return Object.keys(rest).length > 0 ? rest : { display: 'not copied yet' };
    }) as T;
  }
}

/** A local reference by its new name; what is none stays as it is. Undefined: what it refers to has no name yet. */
function renamed(reference: string, called: (place: string) => string | undefined): string | undefined {
  const [, type = '', id = ''] = LOCAL.exec(reference) ?? [];
  if (!isCopiedType(type)) return reference;
  const place = `${type}/${id}`;
  const there = called(place);
  return there === undefined ? undefined : there + reference.slice(place.length);
}

/** The note that goes with what it tells of. @param renames from the old place to the new one, or its `urn:uuid` */
export const noteOf = (renames: ReadonlyMap<string, string>): Basic => ({
  resourceType: 'Basic',
  identifier: [{ system: identifierSystem(KIND), value: randomUUID() }],
  code: { coding: [{ system: RECORD, code: KIND }] },
  extension: [...renames].map(([from, to]) => ({
    url: RENAMED,
    extension: [
      { url: 'from', valueString: from },
      { url: 'to', valueReference: { reference: to } },
    ],
  })),
});

export const idOf = (place: string): string => place.slice(place.indexOf('/') + 1);
