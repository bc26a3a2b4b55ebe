import type { ResourceType, SearchPage, Stored, StoreFailure, StoreResult } from '../../core/index.ts';
import type { Parameters } from '../fhir/definitions.ts';
import { failure, isFailure, tooManyIncluded } from '../fhir/outcome.ts';
import { includedBeside, isBundle, nextQueryOf, resourcesOf } from '../remote/bundles.ts';
import type { HapiWire } from './client.ts';
import { hapiQuery, isPageMark, withCount } from './queries.ts';
import { refusalOf } from './refusals.ts';
import { storedOf } from './resources.ts';

/** HAPI answers the same search from its cache for a minute, unless told not to. `no-store` would drop includes. */
export const FRESH = { 'cache-control': 'no-cache' } as const;

/** HAPI leaves out in silence what it would have to include beyond that in a page (maximumIncludesToLoadPerPage). */
const MOST_INCLUDED = 1_000;

/** A server that gives few a page is asked again, but not for ever. */
const MAX_FILLS = 200;

interface Part {
  readonly matches: readonly Stored[];
  readonly includes: readonly Stored[];
  readonly total: number | undefined;
  readonly next: string | undefined;
}

/**
 * One page of a search, of the size that was asked for although HAPI may send less at a time. Searches are posted: no
 * identifier stands in a URL. The search that HAPI holds fixes which resources match, so pages neither skip nor repeat.
 */
export async function searchPage(
  wire: HapiWire,
  known: Parameters,
  type: ResourceType,
  query: string,
  next: string | undefined,
): Promise<StoreResult<SearchPage>> {
  const read = hapiQuery(known, type, query);
  if ('ok' in read) return read;
  if (next !== undefined && !isPageMark(next)) return failure('invalid', 'The paging token is not one of this search');
  const { parameters, count, isTotalWanted, isCountOnly, shorten } = read;
  const pages = new WholePages(count);
  const first = await pages.ask((size) =>
    next === undefined
      ? searchFirst(wire, type, isCountOnly ? parameters : sized(parameters, size))
      : readOn(wire, next, size),
  );
  if (isFailure(first)) return first;
  if (isCountOnly) {
    if (first.total === undefined) return failure('unavailable', 'The store did not count what it was asked to count');
    return { ok: true, value: { matches: [], includes: [], total: first.total } };
  }
  const matches = [...first.matches];
  const includes = [...first.includes];
  let mark = first.next;
  for (let fills = 0; mark !== undefined && matches.length < count && fills < MAX_FILLS; fills++) {
    const from = mark;
    const part = await pages.ask((size) => readOn(wire, from, Math.min(size, count - matches.length)));
    if (isFailure(part)) return part;
    matches.push(...part.matches);
    includes.push(...part.includes);
    mark = part.next;
  }
  const isWhole = next === undefined && mark === undefined;
  const total = isWhole ? matches.length : isTotalWanted ? first.total : undefined;
  return {
    ok: true,
    value: {
      matches: matches.map((one) => shorten(one, true)),
      includes: includedBeside(matches, includes).map((one) => shorten(one, false)),
      ...(total === undefined ? {} : { total }),
      ...(mark === undefined ? {} : { next: mark }),
    },
  };
}

/** Asks for smaller pages where one may lack some of what it should include. */
class WholePages {
  #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  async ask(send: (size: number) => Promise<Part | StoreFailure>): Promise<Part | StoreFailure> {
    for (;;) {
      const part = await send(this.#size);
      if (isFailure(part) || part.includes.length < MOST_INCLUDED) return part;
      if (part.matches.length <= 1) return tooManyIncluded;
      this.#size = Math.ceil(part.matches.length / 2);
    }
  }
}

const sized = (parameters: Record<string, string[]>, size: number): Record<string, string[]> => ({
  ...parameters,
  _count: [String(size)],
});

/** All that meet a condition which the store itself makes up; no check, no page left out. */
export async function allMatches(
  wire: HapiWire,
  type: ResourceType,
  parameters: Readonly<Record<string, string[]>>,
): Promise<StoreResult<readonly Stored[]>> {
  const first = await searchFirst(wire, type, { ...parameters, _count: ['50'], _sort: ['-_lastUpdated'] });
  if (isFailure(first)) return first;
  const matches = [...first.matches];
  let mark = first.next;
  for (let fills = 0; mark !== undefined && fills < MAX_FILLS; fills++) {
    const part = await readOn(wire, mark, 50);
    if (isFailure(part)) return part;
    matches.push(...part.matches);
    mark = part.next;
  }
  return { ok: true, value: matches };
}

const searchFirst = (wire: HapiWire, type: ResourceType, searchParams: Record<string, string[]>) =>
  part(
    wire.ask(
      'read',
      (client, options) =>
        client.search({ resourceType: type, searchParams, options: { ...options, postSearch: true } }),
      FRESH,
    ),
    type,
  );

const readOn = (wire: HapiWire, mark: string, count: number) =>
  part(
    wire.ask(
      'read',
      (client, options) => client.request(`${wire.baseUrl}?${withCount(mark, count)}`, { options }),
      FRESH,
    ),
    'page',
  );

async function part(asked: ReturnType<HapiWire['ask']>, type: string): Promise<Part | StoreFailure> {
  const answer = await asked;
  if (!answer.ok) return answer;
  const { status, body } = answer.value;
  if (status === 410) return failure('gone', 'This paged search is no longer held: search again from its first page');
  if (status !== 200) return refusalOf(answer.value, type);
  if (!isBundle(body)) return failure('unavailable', 'The store answered a search with something else than a Bundle');
  return {
    matches: resourcesOf(body, 'match', storedOf),
    includes: resourcesOf(body, 'include', storedOf),
    total: body.total,
    next: nextQueryOf(body),
  };
}
