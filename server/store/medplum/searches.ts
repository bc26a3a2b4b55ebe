import { randomUUID } from 'node:crypto';
import type { ResourceType, SearchPage, Stored, StoreFailure, StoreResult } from '../../core/index.ts';
import type { Parameters } from '../fhir/definitions.ts';
import { failure, isFailure, tooManyIncluded } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-request.ts';
import { subset } from '../fhir/subset.ts';
import { includedBeside, isBundle, nextQueryOf, resourcesOf } from '../remote/bundles.ts';
import type { MedplumWire } from './client.ts';
import type { OwnProject } from './own-project.ts';
import { refusalOf } from './refusals.ts';
import { storedOf } from './resources.ts';

/** Searches that can still be paged on; the oldest goes first. */
const MAX_SNAPSHOTS = 256;
/** Medplum's own largest page, and so many of them. */
const SCAN_PAGE = 1000;
const MAX_SCANS = 100;

/** What shapes the answer is done here, or said anew for each request. */
const OWN = new Set(['_count', '_total', '_format', '_pretty', '_summary', '_elements', '_offset', '_cursor']);

interface Part {
  /** Of the matches, also where no more than that was asked for. */
  readonly ids: readonly string[];
  readonly matches: readonly Stored[];
  readonly includes: readonly Stored[];
  readonly total: number | undefined;
  readonly next: string | undefined;
}

/**
 * Searches of one Medplum. Its pages by offset lose resources while others write, and its cursors repeat them (stores.md
 * 5c). So where an answer has more than one page, the first notes which resources match, and later pages ask for those.
 */
export class MedplumSearches {
  readonly #wire: MedplumWire;
  readonly #own: OwnProject;
  readonly #known: Parameters;
  readonly #snapshots = new Map<string, { readonly type: string; readonly ids: readonly string[] }>();

  constructor(wire: MedplumWire, own: OwnProject, known: Parameters) {
    this.#wire = wire;
    this.#own = own;
    this.#known = known;
  }

  async page(type: ResourceType, query: string, next: string | undefined): Promise<StoreResult<SearchPage>> {
    const request = parseSearch(this.#known, type, query);
    if ('ok' in request) return request;
    const asked = askedOf(query);
    const { count, summary, elements } = request;
    if (summary === 'count' || count === 0) {
      const counted = await this.#ask(type, [...conditionsOf(asked), ['_summary', 'count']]);
      if (isFailure(counted)) return counted;
      if (counted.total === undefined)
        return failure('unavailable', 'The store did not count what it was asked to count');
      return { ok: true, value: { matches: [], includes: [], total: counted.total } };
    }
    const opened =
      next === undefined ? await this.#first(type, asked, count) : await this.#later(type, asked, count, next);
    if (isFailure(opened)) return opened;
    const { part, mark, total } = opened;
    const isTotalKnown = mark === undefined && next === undefined;
    return {
      ok: true,
      value: {
        matches: part.matches.map((one) => subset(one, summary, elements)),
        includes: part.includes.map((one) => subset(one, summary)),
        ...(isTotalKnown || request.isTotalWanted ? { total } : {}),
        ...(mark === undefined ? {} : { next: mark }),
      },
    };
  }

  /** All that meet a condition which the store itself makes up. */
  async matches(
    type: ResourceType,
    conditions: readonly (readonly [string, string])[],
  ): Promise<StoreResult<readonly Stored[]>> {
    const ids = await this.#scan(type, conditions);
    if (!Array.isArray(ids)) return ids;
    const found: Stored[] = [];
    for (let at = 0; at < ids.length; at += 50) {
      const part = await this.#ask(type, [
        ['_id', ids.slice(at, at + 50).join(',')],
        ['_count', '50'],
      ]);
      if (isFailure(part)) return part;
      found.push(...part.matches);
    }
    return { ok: true, value: found };
  }

  async #first(type: ResourceType, asked: readonly [string, string][], count: number): Promise<Opened | StoreFailure> {
    const size: [string, string] = ['_count', String(count)];
    const full = await this.#ask(type, [...sorted(asked), size]);
    // With all that it includes the page is too much: what matches comes first, then a slice with that in portions.
    const isTooMuch = full === tooManyIncluded;
    const part = isTooMuch ? await this.#ask(type, [...sorted(asked.filter(isNoInclusion)), size]) : full;
    if (isFailure(part)) return part;
    const isAll = part.next === undefined && part.matches.length < count;
    const ids = isAll ? [...part.ids] : await this.#scan(type, conditionsOf(asked), orderOf(asked));
    if (!Array.isArray(ids)) return ids;
    if (ids.length <= count && !isTooMuch) return { part, mark: undefined, total: ids.length };
    const id = randomUUID();
    const oldest = this.#snapshots.size >= MAX_SNAPSHOTS ? this.#snapshots.keys().next().value : undefined;
    if (oldest !== undefined) this.#snapshots.delete(oldest);
    this.#snapshots.set(id, { type, ids });
    return this.#slice(type, asked, count, id, 0);
  }

  async #later(
    type: ResourceType,
    asked: readonly [string, string][],
    count: number,
    next: string,
  ): Promise<Opened | StoreFailure> {
    const [, id = '', offset = ''] = /^s([0-9a-f-]{36})\.(\d{1,9})$/.exec(next) ?? [];
    if (id === '') return failure('invalid', 'The paging token is not one of this search');
    return this.#slice(type, asked, count, id, Number(offset));
  }

  async #slice(
    type: ResourceType,
    asked: readonly [string, string][],
    count: number,
    id: string,
    offset: number,
  ): Promise<Opened | StoreFailure> {
    const snapshot = this.#snapshots.get(id);
    if (snapshot?.type !== type)
      return failure('gone', 'This paged search is no longer held: search again from its first page');
    const ids = snapshot.ids.slice(offset, offset + count);
    const part = await this.#load(
      type,
      ids,
      asked.filter((one) => !isNoInclusion(one)),
    );
    if (isFailure(part)) return part;
    const byId = new Map(part.matches.map((one) => [one.id, one]));
    const matches = ids.flatMap((one) => byId.get(one) ?? []);
    const end = offset + ids.length;
    const mark = end < snapshot.ids.length ? `s${id}.${end}` : undefined;
    return { part: { ...part, matches }, mark, total: snapshot.ids.length };
  }

  /** Resources with what is to be included, in as many portions as Medplum's limit of a thousand entries makes of them. */
  async #load(
    type: ResourceType,
    ids: readonly string[],
    inclusions: readonly [string, string][],
  ): Promise<Part | StoreFailure> {
    const part = await this.#ask(type, [['_id', ids.join(',')], ['_count', String(ids.length)], ...inclusions]);
    if (part !== tooManyIncluded || ids.length <= 1) return part;
    const half = Math.ceil(ids.length / 2);
    const first = await this.#load(type, ids.slice(0, half), inclusions);
    if (isFailure(first)) return first;
    const second = await this.#load(type, ids.slice(half), inclusions);
    return isFailure(second) ? second : joined(first, second);
  }

  /**
   * The ids of all matches in the order asked for, else newest first: then by cursor, which Medplum has for this one order
   * and which loses none. In another order more than a thousand are read by offset.
   */
  async #scan(
    type: ResourceType,
    conditions: readonly (readonly [string, string])[],
    order?: string,
  ): Promise<string[] | StoreFailure> {
    const ids = new Set<string>();
    let query: readonly (readonly [string, string])[] = [
      ...conditions,
      ['_count', String(SCAN_PAGE)],
      ['_fields', 'id'],
      ['_sort', order ?? '_lastUpdated'],
    ];
    for (let scans = 0; scans < MAX_SCANS; scans++) {
      const part = await this.#ask(type, query);
      if (isFailure(part)) return part;
      for (const id of part.ids) ids.add(id);
      if (part.next === undefined) return order === undefined ? [...ids].reverse() : [...ids];
      query = [...new URLSearchParams(part.next)];
    }
    return failure('invalid', 'The search finds too many resources to be paged: narrow it');
  }

  /** Posted, so that no identifier stands in a URL. */
  async #ask(type: ResourceType, parameters: readonly (readonly [string, string])[]): Promise<Part | StoreFailure> {
    const own = await this.#own.condition();
    if (!own.ok) return own;
    const form = new URLSearchParams(parameters.map(([name, value]) => [name, value] as [string, string]));
    form.set(...own.value);
    const answer = await this.#wire.ask('read', (client, options) =>
      client.post(client.fhirUrl(type, '_search'), form.toString(), 'application/x-www-form-urlencoded', options),
    );
    if (!answer.ok) return answer;
    const { status, body } = answer.value;
    if (status !== 200) return refusalOf(answer.value, type);
    if (!isBundle(body)) return failure('unavailable', 'The store answered a search with something else than a Bundle');
    const next = nextQueryOf(body);
    const ids = (body.entry ?? []).flatMap(({ search, resource }) =>
      (search?.mode ?? 'match') === 'match' && resource?.id !== undefined ? [resource.id] : [],
    );
    return {
      ids,
      matches: resourcesOf(body, 'match', storedOf),
      includes: resourcesOf(body, 'include', storedOf),
      total: body.total,
      next,
    };
  }
}

interface Opened {
  readonly part: Part;
  readonly mark: string | undefined;
  readonly total: number;
}

/** Both, each resource once, and none that matches as included. */
function joined(first: Part, second: Part): Part {
  const matches = [...first.matches, ...second.matches];
  const includes = includedBeside(matches, [...first.includes, ...second.includes]);
  return { ...first, ids: [...first.ids, ...second.ids], matches, includes };
}

const isNoInclusion = ([name]: readonly [string, string]): boolean => !/^_(rev)?include/.test(name);

const askedOf = (query: string): [string, string][] =>
  [...new URLSearchParams(query)].filter(([name, value]) => value !== '' && !OWN.has(name));

const conditionsOf = (asked: readonly [string, string][]): [string, string][] =>
  asked.filter(([name]) => !/^_(rev)?include|^_sort$/.test(name));

const orderOf = (asked: readonly [string, string][]): string | undefined =>
  asked.find(([name]) => name === '_sort')?.[1];

/** With the order that was asked for, else newest first. */
const sorted = (asked: readonly [string, string][]): [string, string][] => [
  ...asked.filter(([name]) => name !== '_sort'),
  ['_sort', orderOf(asked) ?? '-_lastUpdated'],
];
