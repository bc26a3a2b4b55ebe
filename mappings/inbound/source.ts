import type { Unmapped } from './unmapped.ts';

/** What became of a leaf of the source. `invalid`: a rule wanted it, but R4 cannot hold it; it is kept, as are unread ones. */
type LeafFate = 'mapped' | 'structural' | 'invalid';

const YEAR = String.raw`(?!0000)\d{4}`;
const MONTH = '(0[1-9]|1[0-2])';
const DAY = String.raw`(0[1-9]|[12]\d|3[01])`;
const TIME = String.raw`T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))`;

/** What R4 takes as a primitive. Source: FHIR R4, data types */
const PATTERN = {
  text: /^(?=[\s\S]*\S)[\r\n\t\u0020-\uFFFF]+$/,
  code: /^\S+( \S+)*$/,
  uri: /^\S+$/,
  date: new RegExp(`^${YEAR}(-${MONTH}(-${DAY})?)?$`),
  dateTime: new RegExp(`^${YEAR}(-${MONTH}(-${DAY}(${TIME})?)?)?$`),
  instant: new RegExp(`^${YEAR}-${MONTH}-${DAY}${TIME}$`),
};

/** The largest R4 unsignedInt. */
const MAX_INTEGER = 2_147_483_647;

/** A part of the source that no rule read; `invalid` if one wanted to. */
export interface Leftover extends Unmapped {
  readonly invalid: boolean;
}

/** What became of the leaves of each container: an object or array of the source, by member name or index. */
type Fates = Map<object, Map<string | number, LeafFate>>;

/** Where a source stands in what holds it; the outermost one stands in nothing but its name. */
interface Place {
  readonly holder: Source | undefined;
  /** A member's name, an element's index; of the outermost source, the name that all paths begin with. */
  readonly key: string | number;
}

/** What holds the outermost value, so that a document which is one leaf has a fate as well. */
const NOTHING: object = {};

/**
 * A place in a source document, which may be absent. Whoever reads a leaf through it accounts for it; what nobody read is
 * found by {@link Source.leftovers} and kept (G-2). Null counts as absent: it carries nothing. The document is a tree, as
 * JSON.parse makes it: no object stands in it twice. Paths are made only for those who ask, since most leaves are read.
 */
export class Source {
  readonly #value: unknown;
  readonly #place: Place;
  readonly #fates: Fates;

  constructor(value: unknown, at: string, fates: Fates = new Map(), holder?: Source, index?: number) {
    this.#value = value;
    this.#place = { holder, key: index ?? at };
    this.#fates = fates;
  }

  /** The FHIRPath of this place. */
  get at(): string {
    const { holder, key } = this.#place;
    return holder === undefined ? String(key) : childPath(holder.at, key);
  }

  get exists(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  get isArray(): boolean {
    return Array.isArray(this.#value);
  }

  /** A member by name; absent where this is no object. */
  get(name: string): Source {
    const value = isObject(this.#value) && Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
    return new Source(value, name, this.#fates, this);
  }

  /** The elements of an array without nulls; a lone value is a list of one (1.11). */
  items(): Source[] {
    if (!Array.isArray(this.#value)) return this.exists ? [this] : [];
    return this.elements().filter((item) => item.exists);
  }

  /** Every element of an array, nulls too, for where each one counts. */
  elements(): Source[] {
    if (!Array.isArray(this.#value)) return [];
    return this.#value.map((value, index) => new Source(value, '', this.#fates, this, index));
  }

  /** The first element of a member that may be an array or a lone value. */
  first(name: string): Source {
    const member = this.get(name);
    return member.items()[0] ?? new Source(undefined, name, this.#fates, this);
  }

  text(): string | undefined {
    return this.#read(PATTERN.text);
  }

  code(): string | undefined {
    return this.#read(PATTERN.code);
  }

  uri(): string | undefined {
    return this.#read(PATTERN.uri);
  }

  date(): string | undefined {
    return this.#read(PATTERN.date);
  }

  dateTime(): string | undefined {
    return this.#read(PATTERN.dateTime);
  }

  instant(): string | undefined {
    return this.#read(PATTERN.instant);
  }

  boolean(): boolean | undefined {
    return typeof this.#value === 'boolean' ? this.#taken(this.#value) : this.#refused();
  }

  /** A whole number from 0 up, as a number or in digits. */
  unsigned(): number | undefined {
    const value = typeof this.#value === 'string' && /^\d{1,10}$/.test(this.#value) ? Number(this.#value) : this.#value;
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_INTEGER;
    return fits ? this.#taken(value) : this.#refused();
  }

  /** The text here without accounting for it; follow with {@link Source.taken} once it is used. */
  peek(): string | undefined {
    return typeof this.#value === 'string' && PATTERN.text.test(this.#value) ? this.#value : undefined;
  }

  /** Everything here as JSON, accounted for as mapped. */
  json(): string {
    this.#mark('mapped');
    return JSON.stringify(this.#value);
  }

  /** Accounts for everything here as mapped. */
  taken(): void {
    this.#mark('mapped');
  }

  /** Accounts for everything here as structural (M-4): it only says how the source is built. */
  structural(): void {
    this.#mark('structural');
  }

  /** Gives back what was read here: it has no place in R4 after all, and is kept. */
  invalid(): void {
    this.#mark('invalid');
  }

  /** Accounts for a leaf as structural if it has one of the values that mean nothing more. */
  structuralIf(known: (value: string) => boolean): void {
    const value = this.peek();
    if (value !== undefined && known(value)) this.#mark('structural');
  }

  /** Accounts for what another part of the same answer says in the same words. */
  structuralWhereEqual(other: Source): void {
    const said = new Map(leaves(other.#value, ''));
    this.#eachLeaf((value, fates, key, path) => {
      if (said.get(path()) === value) fates.set(key, 'structural');
    });
  }

  /** The largest parts that nobody accounted for, in document order. */
  leftovers(): Leftover[] {
    const found: Leftover[] = [];
    this.#collect(this.#value, this.#held(), this.#place.key, [], found);
    return found;
  }

  /** Adds what is unread, as one part where all of it is. Says whether all is; undefined where there is no leaf. */
  #collect(
    value: unknown,
    holder: object,
    key: string | number,
    path: (string | number)[],
    found: Leftover[],
  ): boolean | undefined {
    const add = (invalid: boolean) =>
      found.push({ path: path.reduce<string>(childPath, this.at), json: JSON.stringify(value), invalid });
    if (!isContainer(value)) {
      if (!isLeaf(value)) return undefined;
      const fate = this.#fates.get(holder)?.get(key);
      if (fate === 'mapped' || fate === 'structural') return false;
      add(fate === 'invalid');
      return true;
    }
    const start = found.length;
    let isUnread: boolean | undefined;
    for (const [childKey, child] of childrenOf(value)) {
      path.push(childKey);
      const isChildUnread = this.#collect(child, value, childKey, path, found);
      path.pop();
      if (isChildUnread !== undefined) isUnread = isChildUnread && isUnread !== false;
    }
    if (isUnread) add(found.splice(start).some((part) => part.invalid));
    return isUnread;
  }

  /** Paths of leaves by what became of them. */
  accounted(fate: 'mapped' | 'structural'): string[] {
    const paths: string[] = [];
    const { at } = this;
    this.#eachLeaf((_, fates, key, path) => {
      if (fates.get(key) === fate) paths.push(`${at}${path()}`);
    });
    return paths;
  }

  #read(pattern: RegExp): string | undefined {
    return typeof this.#value === 'string' && pattern.test(this.#value) ? this.#taken(this.#value) : this.#refused();
  }

  #taken<T>(value: T): T {
    this.#mark('mapped');
    return value;
  }

  #refused(): undefined {
    this.#eachLeaf((_, fates, key) => {
      if (!fates.has(key)) fates.set(key, 'invalid');
    });
  }

  #mark(fate: LeafFate): void {
    this.#eachLeaf((_, fates, key) => fates.set(key, fate));
  }

  /** The object or array that this place is in. */
  #held(): object {
    const { holder } = this.#place;
    const value = holder === undefined ? undefined : holder.#value;
    return isContainer(value) ? value : NOTHING;
  }

  #fatesIn(container: object): Map<string | number, LeafFate> {
    const known = this.#fates.get(container);
    if (known !== undefined) return known;
    const fates = new Map<string | number, LeafFate>();
    this.#fates.set(container, fates);
    return fates;
  }

  /** Visits every leaf here, with where its fate is written; `path` makes its path from here. */
  #eachLeaf(
    visit: (value: unknown, fates: Map<string | number, LeafFate>, key: string | number, path: () => string) => void,
  ) {
    if (isLeaf(this.#value)) {
      visit(this.#value, this.#fatesIn(this.#held()), this.#place.key, () => '');
      return;
    }
    const walk = (container: object, keys: readonly (string | number)[]): void => {
      for (const [key, child] of childrenOf(container)) {
        if (isLeaf(child))
          visit(child, this.#fatesIn(container), key, () => [...keys, key].reduce<string>(childPath, ''));
        else if (isContainer(child)) walk(child, [...keys, key]);
      }
    };
    if (isContainer(this.#value)) walk(this.#value, []);
  }
}

/** Every leaf of a JSON value with its path: text, numbers and booleans. */
export function leaves(value: unknown, at: string): [path: string, value: string | number | boolean][] {
  if (isLeaf(value)) return [[at, value]];
  if (Array.isArray(value)) return value.flatMap((item, index) => leaves(item, `${at}[${index}]`));
  if (isObject(value)) return Object.keys(value).flatMap((name) => leaves(value[name], memberPath(at, name)));
  return [];
}

const isLeaf = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Members by name, elements by index. */
const childrenOf = (container: object): readonly (readonly [key: string | number, child: unknown])[] =>
  Array.isArray(container) ? container.map((child, index) => [index, child]) : Object.entries(container);

const childPath = (at: string, key: string | number): string =>
  typeof key === 'number' ? `${at}[${key}]` : memberPath(at, key);

/** Names that are no plain word are quoted, so that two leaves never share a path. */
const memberPath = (at: string, name: string): string =>
  /^\w+$/.test(name) ? `${at}.${name}` : `${at}[${JSON.stringify(name)}]`;
