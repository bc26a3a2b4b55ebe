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

/**
 * A place in a source document, which may be absent. Whoever reads a leaf through it accounts for it; what nobody read is
 * found by {@link Source.leftovers} and kept (G-2). Null counts as absent: it carries nothing.
 */
export class Source {
  readonly at: string;
  readonly #value: unknown;
  readonly #fates: Map<string, LeafFate>;

  constructor(value: unknown, at: string, fates: Map<string, LeafFate> = new Map()) {
    this.#value = value;
    this.at = at;
    this.#fates = fates;
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
    return new Source(value, memberPath(this.at, name), this.#fates);
  }

  /** The elements of an array without nulls; a lone value is a list of one (1.11). */
  items(): Source[] {
    if (!Array.isArray(this.#value)) return this.exists ? [this] : [];
    return this.elements().filter((item) => item.exists);
  }

  /** Every element of an array, nulls too, for where each one counts. */
  elements(): Source[] {
    if (!Array.isArray(this.#value)) return [];
    return this.#value.map((value, index) => new Source(value, `${this.at}[${index}]`, this.#fates));
  }

  /** The first element of a member that may be an array or a lone value. */
  first(name: string): Source {
    return this.get(name).items()[0] ?? new Source(undefined, this.get(name).at, this.#fates);
  }

  text = (): string | undefined => this.#read(PATTERN.text);
  code = (): string | undefined => this.#read(PATTERN.code);
  uri = (): string | undefined => this.#read(PATTERN.uri);
  date = (): string | undefined => this.#read(PATTERN.date);
  dateTime = (): string | undefined => this.#read(PATTERN.dateTime);
  instant = (): string | undefined => this.#read(PATTERN.instant);

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
    for (const [path] of leaves(this.#value, this.at)) this.#fates.set(path, 'invalid');
  }

  /** Accounts for a leaf as structural if it has one of the values that mean nothing more. */
  structuralIf(known: (value: string) => boolean): void {
    const value = this.peek();
    if (value !== undefined && known(value)) this.#mark('structural');
  }

  /** Accounts for what another part of the same answer says in the same words. */
  structuralWhereEqual(other: Source): void {
    const said = new Map(leaves(other.#value, ''));
    for (const [path, value] of leaves(this.#value, ''))
      if (said.get(path) === value) this.#fates.set(`${this.at}${path}`, 'structural');
  }

  /** The largest parts that nobody accounted for, in document order. */
  leftovers(): Leftover[] {
    const found: Leftover[] = [];
    this.#collect(found);
    return found;
  }

  /** Adds what is unread here, as one part where all of it is. Says whether all is; undefined where there is no leaf. */
  #collect(found: Leftover[]): boolean | undefined {
    if (!isContainer(this.#value)) {
      if (!isLeaf(this.#value)) return undefined;
      const fate = this.#fates.get(this.at);
      if (fate === 'mapped' || fate === 'structural') return false;
      found.push({ path: this.at, json: JSON.stringify(this.#value), invalid: fate === 'invalid' });
      return true;
    }
    const start = found.length;
    let isUnread: boolean | undefined;
    for (const child of this.#children()) {
      const isChildUnread = child.#collect(found);
      if (isChildUnread !== undefined) isUnread = isChildUnread && isUnread !== false;
    }
    if (isUnread) {
      const invalid = found.splice(start).some((part) => part.invalid);
      found.push({ path: this.at, json: JSON.stringify(this.#value), invalid });
    }
    return isUnread;
  }

  /** Paths of leaves by what became of them. */
  accounted(fate: 'mapped' | 'structural'): string[] {
    return leaves(this.#value, this.at)
      .map(([path]) => path)
      .filter((path) => this.#fates.get(path) === fate);
  }

  #children(): Source[] {
    if (Array.isArray(this.#value)) return this.elements();
    return isObject(this.#value) ? Object.keys(this.#value).map((name) => this.get(name)) : [];
  }

  #read(pattern: RegExp): string | undefined {
    return typeof this.#value === 'string' && pattern.test(this.#value) ? this.#taken(this.#value) : this.#refused();
  }

  #taken<T>(value: T): T {
    this.#mark('mapped');
    return value;
  }

  #refused(): undefined {
    for (const [path] of leaves(this.#value, this.at)) if (!this.#fates.has(path)) this.#fates.set(path, 'invalid');
  }

  #mark(fate: LeafFate): void {
    if (isLeaf(this.#value)) this.#fates.set(this.at, fate);
    else for (const [path] of leaves(this.#value, this.at)) this.#fates.set(path, fate);
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

const isContainer = (value: unknown): boolean => typeof value === 'object' && value !== null;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Names that are no plain word are quoted, so that two leaves never share a path. */
const memberPath = (at: string, name: string): string =>
  /^\w+$/.test(name) ? `${at}.${name}` : `${at}[${JSON.stringify(name)}]`;
