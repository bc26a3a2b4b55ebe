import { randomUUID } from 'node:crypto';
import type { Clock, SearchBounds, SearchPage, Stored, StoreFailure, StoreResult } from '../../core/index.ts';
import type { Parameters } from '../fhir/definitions.ts';
import { failure } from '../fhir/outcome.ts';
import { type Inclusion, parseSearch, type SearchRequest } from '../fhir/search-request.ts';
import { subset } from '../fhir/subset.ts';
import { type Database, inTime } from './database.ts';
import type { Ledger } from './ledger.ts';
import type { SearchIndex } from './search-index.ts';
import { compiler } from './search-sql.ts';

export interface Search {
  /** One page. `next` comes from the page before, with the same type and query. */
  page(type: string, query: string, next?: string, bounds?: SearchBounds): StoreResult<SearchPage>;
  /** The first matches, for conditional creates and look-ups inside a transaction. */
  matches(type: string, query: string, limit: number): StoreResult<Stored[]>;
}

/** Rounds of inclusions: farther apart than any two resources of a referral. */
const MAX_ROUNDS = 6;

const tooCostly = (): StoreFailure =>
  failure('too-costly', 'The search took longer than one may here: ask for less, or by what is selective');

/** Included resources on one page; more is refused, never cut off in silence. */
const MAX_INCLUDED = 5000;

/** Sorted searches that can still be paged on; the oldest goes first. */
const MAX_SNAPSHOTS = 256;

/**
 * Searches over the index tables. Without `_sort` the newest created come first: that order never changes, so a page goes
 * on after the number of the last one. A sorted search may be reordered by writes, so its first page notes which
 * resources match and in which order, and later pages read on in that note. Neither skips nor repeats under writes.
 */
export function buildSearch(parts: {
  database: Database;
  ledger: Ledger;
  parameters: Parameters;
  index: SearchIndex;
  clock: Clock;
}): Search {
  const { database, ledger, parameters } = parts;
  const { keyOf } = parts.index;
  const compile = compiler(keyOf, () => parts.clock.now().getTime());
  const snapshots = new Map<string, { readonly type: string; readonly rids: readonly number[] }>();

  /** Resource numbers that match, below `before` in the unsorted order. */
  function select(request: SearchRequest, limit: number, before?: number): number[] {
    const where = compile.where(request);
    const isSorted = request.sort.length > 0;
    // The plus keeps SQLite from walking the whole table in rid order when an index finds the few that match.
    const order = isSorted
      ? compile.orderBy(request.sort)
      : { text: `${where.isDriven ? '+' : ''}r.rid DESC`, values: [] };
    const after = before === undefined ? '' : ' AND r.rid < ?';
    return database
      .prepare(`SELECT r.rid FROM resource r WHERE ${where.text}${after} ORDER BY ${order.text} LIMIT ?`)
      .all(...where.values, ...(before === undefined ? [] : [before]), ...order.values, limit)
      .map((row) => Number(row['rid']));
  }

  function total(request: SearchRequest): number {
    const { text, values } = compile.where(request);
    return Number(database.prepare(`SELECT count(*) AS n FROM resource r WHERE ${text}`).get(...values)?.['n']);
  }

  function keysetPage(request: SearchRequest, next: string | undefined): { rids: number[]; next?: string } {
    const rids = select(request, request.count + 1, next === undefined ? undefined : Number(next.slice(1)));
    const page = rids.slice(0, request.count);
    const last = page.at(-1);
    return rids.length > request.count && last !== undefined ? { rids: page, next: `k${last}` } : { rids: page };
  }

  function snapshotPage(
    request: SearchRequest,
    next: string | undefined,
  ): { rids: readonly number[]; next?: string } | undefined {
    const [id = randomUUID(), offset = '0'] = next?.slice(1).split('.') ?? [];
    const known = next === undefined ? { type: request.type, rids: select(request, -1) } : snapshots.get(id);
    if (known?.type !== request.type) return undefined;
    const end = Number(offset) + request.count;
    const rids = known.rids.slice(Number(offset), end);
    if (known.rids.length <= end) return { rids };
    const oldest = snapshots.size >= MAX_SNAPSHOTS && !snapshots.has(id) ? snapshots.keys().next().value : undefined;
    if (oldest !== undefined) snapshots.delete(oldest);
    snapshots.set(id, known);
    return { rids, next: `s${id}.${end}` };
  }

  return {
    matches(type, query, limit) {
      const request = parseSearch(parameters, type, query);
      if ('ok' in request) return request;
      return { ok: true, value: ledger.load(select(request, limit)) };
    },

    page(type, query, next, bounds) {
      const request = parseSearch(parameters, type, query);
      if ('ok' in request) return request;
      return bounds === undefined
        ? pageOf(request, next)
        : database.within(bounds.withinMs, () => pageOf(request, next), tooCostly);
    },
  };

  function pageOf(request: SearchRequest, next: string | undefined): StoreResult<SearchPage> {
    if (request.summary === 'count' || request.count === 0) {
      return { ok: true, value: { matches: [], includes: [], total: total(request) } };
    }
    const isSorted = request.sort.length > 0;
    if (next !== undefined && !(isSorted ? /^s[0-9a-f-]{36}\.\d{1,9}$/ : /^k\d{1,15}$/).test(next)) {
      return failure('invalid', 'The paging token is not one of this search');
    }
    const page = isSorted ? snapshotPage(request, next) : keysetPage(request, next);
    if (!page) return failure('gone', 'This paged search is no longer held: search again from its first page');
    const includes = included(request, page.rids);
    if ('ok' in includes) return includes;
    const isWhole = next === undefined && page.next === undefined;
    const matches = ledger.load(page.rids);
    return {
      ok: true,
      value: {
        matches: matches.map((resource) => subset(resource, request.summary, request.elements)),
        includes: ledger.load([...includes]).map((resource) => subset(resource, request.summary)),
        ...(isWhole ? { total: matches.length } : request.isTotalWanted ? { total: total(request) } : {}),
        ...(page.next === undefined ? {} : { next: page.next }),
      },
    };
  }

  function included(request: SearchRequest, matches: readonly number[]): ReadonlySet<number> | StoreFailure {
    const found = new Set<number>();
    const matched = new Set(matches);
    let frontier = matches;
    for (let round = 0; frontier.length > 0; round++) {
      const isWanted = (inclusion: Inclusion) => round === 0 || inclusion.isIterated;
      const reached = [
        ...request.includes.filter(isWanted).flatMap((inclusion) => follow(inclusion, frontier)),
        ...request.revIncludes.filter(isWanted).flatMap((inclusion) => followBack(inclusion, frontier)),
      ];
      frontier = [...new Set(reached)].filter((rid) => !found.has(rid) && !matched.has(rid));
      if (frontier.length > 0 && round >= MAX_ROUNDS)
        return failure('invalid', `Inclusions lead on beyond ${MAX_ROUNDS} references: include fewer`);
      for (const rid of frontier) found.add(rid);
      if (found.size > MAX_INCLUDED) {
        return failure(
          'invalid',
          `More than ${MAX_INCLUDED} resources would be included: lower _count or drop an include`,
        );
      }
    }
    return found;
  }

  function follow({ parameter, target }: Inclusion, rids: readonly number[]): number[] {
    const only = target === undefined ? '' : ' AND f.target_type = ?';
    return database
      .prepare(
        `SELECT t.rid FROM json_each(?) j CROSS JOIN reference f ON f.rid = j.value AND f.param = ?
         CROSS JOIN resource t ON t.type = f.target_type AND t.id = f.target_id AND t.deleted = 0 AND ${inTime('f')}${only}`,
      )
      .all(JSON.stringify(rids), keyOf(parameter), ...(target === undefined ? [] : [target]))
      .map((row) => Number(row['rid']));
  }

  function followBack({ parameter, target }: Inclusion, rids: readonly number[]): number[] {
    const only = target === undefined ? '' : ' AND t.type = ?';
    return database
      .prepare(
        `SELECT f.rid FROM json_each(?) j CROSS JOIN resource t ON t.rid = j.value${only}
         CROSS JOIN reference f ON f.param = ? AND f.target_id = t.id AND f.target_type = t.type AND ${inTime('f')}`,
      )
      .all(JSON.stringify(rids), ...(target === undefined ? [] : [target]), keyOf(parameter))
      .map((row) => Number(row['rid']));
  }
}
