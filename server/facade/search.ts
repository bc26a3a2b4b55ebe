import type { Bundle, BundleEntry, Resource } from '@medplum/fhirtypes';
import { isConformanceType, isServedType, type ServedType } from '../../conformance/index.ts';
import type { SearchPage, Store, Stored, StoreResult } from '../core/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { typesLookedInto } from './looked-into.ts';
import { readPreferences } from './negotiate.ts';
import { ignoredParameters, refuse, refuseForStore } from './outcome.ts';
import type { PagePoint } from './paging-token.ts';
import { permitLooks } from './permit.ts';
import { conditionOf, isOpen, type Limit, markOf, reachedOf } from './reach.ts';
import { includedTypes, refuseForeignLinks } from './reach-links.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { checkSearch, namesPatient } from './search-query.ts';
import { within } from './within.ts';

/** The parameter that carries a paging token. */
export const PAGE = '_page';

/** Search by GET, by POST `_search`, or a further page of either. Source: R4 search.html */
export async function search(room: FacadeRoom, call: Call<RouteOf<'search'>>): Promise<Answer> {
  const { type } = call.route;
  const point = findPoint(room, call);
  if (isRefusal(point)) return point;
  const beyond = permitLooks(typesLookedInto(type, point.query, hasCustomOf(room)), call.caller);
  if (beyond) return beyond;
  const page = isConformanceType(type)
    ? await searchPublished(room, type, point)
    : await searchInTime(room, call, point);
  if (isRefusal(page)) return page;
  if (!page.ok) return refuseForStore(page, 'parameter-invalid');
  const out = await letOut(room, point, page.value, call.limit);
  return out.ok ? { status: 200, body: searchset(room, type, point, out.value) } : refuseForStore(out);
}

/**
 * Searches no longer than a search may take. One that took longer has cost the others: its client waits as long again, and what it
 * has asked meanwhile is not begun.
 */
async function searchInTime(
  { store, clock, limits, throttle }: FacadeRoom,
  { route: { type }, caller, limit }: Call<RouteOf<'search'>>,
  { query, next }: PagePoint,
): Promise<StoreResult<SearchPage> | Refusal> {
  const wait = throttle.refuseWhoWaits(caller);
  if (wait) return wait;
  const withinMs = limits.searchMs[store.capabilities.kind];
  const asked = store.search(type, limitedQuery(type, query, limit), next, { withinMs });
  // A store of its own server goes on with it, which is its affair.
  const page = await within(clock, withinMs * 2, asked);
  if (!page.isLate && (page.value.ok || page.value.code !== 'too-costly')) return page.value;
  throttle.makeWait(caller, withinMs);
  return refuse('search-too-costly');
}

/** Never part of the paging link, so that each page is limited as its reader is. */
function limitedQuery(type: ServedType, query: string, limit: Limit | undefined): string {
  const condition = limit && conditionOf(type, limit);
  if (condition === undefined) return query;
  return `${query}&${new URLSearchParams([[...condition]])}`;
}

/**
 * What clients may not read they do not get by inclusion either. A limited client's inclusions are all of types that its
 * search can bring, and each is looked at: what was found may be foreign if somebody else wrote the reference. So are the
 * matches of a further page, of which the store may have made its list before a referral moved.
 */
async function letOut(
  { store }: FacadeRoom,
  { type, query, next }: PagePoint,
  page: SearchPage,
  limit: Limit | undefined,
): Promise<StoreResult<SearchPage>> {
  const served = page.includes.filter(({ resourceType }) => isServedType(resourceType));
  if (limit === undefined) return { ok: true, value: { ...page, includes: served } };
  const isListed = next !== undefined && isServedType(type) && !isOpen(type);
  const matches = isListed
    ? await onlyReached(store, limit, type, page.matches)
    : { ok: true as const, value: page.matches };
  if (!matches.ok) return matches;
  const includes = served.filter(({ resourceType }) => isServedType(resourceType) && isOpen(resourceType));
  for (const included of includedTypes(new URLSearchParams(query))) {
    const reached = await onlyReached(
      store,
      limit,
      included,
      served.filter(({ resourceType }) => resourceType === included),
    );
    if (!reached.ok) return reached;
    includes.push(...reached.value);
  }
  return { ok: true, value: { ...page, matches: matches.value, includes } };
}

async function onlyReached(
  store: Store,
  limit: Limit,
  type: ServedType,
  resources: readonly Stored[],
): Promise<StoreResult<readonly Stored[]>> {
  const ids = resources.map(({ id }) => id);
  const reached = await reachedOf(store, limit, type, ids);
  return reached.ok ? { ok: true, value: resources.filter(({ id }) => reached.value.has(id)) } : reached;
}

const hasCustomOf = ({ store }: FacadeRoom): boolean => store.capabilities.customSearchParameters;

function findPoint(room: FacadeRoom, call: Call<RouteOf<'search'>>): PagePoint | Refusal {
  const { type } = call.route;
  const token = call.query.get(PAGE);
  if (token !== null) return openPage(room, call, 'search', token);
  if (room.refuseIdentifiersInUrls && namesPatient(type, call.query)) return refuse('identifier-in-url');
  const parameters = new URLSearchParams(call.query);
  if (call.body !== undefined) {
    if (!/^application\/x-www-form-urlencoded\b/i.test(call.headers['content-type'] ?? '')) {
      return refuse('media-type-unsupported', { text: 'A search is posted as application/x-www-form-urlencoded.' });
    }
    for (const [name, value] of new URLSearchParams(call.body)) parameters.append(name, value);
  }
  const checked = checkSearch(type, parameters, {
    hasCustom: hasCustomOf(room),
    isLenient: readPreferences(call.headers).isLenient,
    defaultCount: room.limits.defaultCount,
    maxCount: room.limits.maxCount,
    baseUrl: room.baseUrl,
  });
  if (isRefusal(checked)) return checked;
  const { query, ignored } = checked;
  const foreign = call.limit && refuseForeignLinks(type, new URLSearchParams(query));
  if (foreign) return foreign;
  return { type, kind: 'search', query, caller: markOf(call.caller), ...(ignored.length === 0 ? {} : { ignored }) };
}

const BESIDE_PAGE: readonly string[] = [PAGE, '_count', '_format', '_pretty'];

/**
 * Opens a paging token. Beside it only `_format` and `_pretty` mean something; `_count`, which clients put on every link
 * that lacks it, is left to the token, since pages of another size would skip or repeat.
 */
export function openPage(
  { tokens }: FacadeRoom,
  { route, caller, query }: Call<RouteOf<'search' | 'history'>>,
  kind: PagePoint['kind'],
  token: string,
): PagePoint | Refusal {
  const point = tokens.open(token);
  const isAlone = [...query.keys()].every((name) => BESIDE_PAGE.includes(name));
  const isOfRoute =
    point?.kind === kind && point.type === route.type && point.id === (route.kind === 'history' ? route.id : undefined);
  return isOfRoute && point.caller === markOf(caller) && isAlone
    ? point
    : refuse('parameter-invalid', { text: 'This paging link is not one of this server. Search again.' });
}

/** Our own artefacts, then A004's code systems from the store. */
async function searchPublished(room: FacadeRoom, type: ServedType, point: PagePoint): Promise<StoreResult<SearchPage>> {
  const parameters = new URLSearchParams(point.query);
  const matches = isConformanceType(type) ? room.published.search(type, parameters) : [];
  if (type === 'CodeSystem') {
    parameters.delete('_total');
    parameters.set('_count', String(room.limits.maxCount));
    const stored = await room.store.search(type, parameters.toString());
    if (!stored.ok) return stored;
    matches.push(...stored.value.matches);
  }
  const start = Number(point.next ?? 0);
  const count = Number(new URLSearchParams(point.query).get('_count'));
  const end = start + count;
  const next = count > 0 && end < matches.length ? { next: String(end) } : {};
  return { ok: true, value: { matches: matches.slice(start, end), includes: [], total: matches.length, ...next } };
}

function searchset(room: FacadeRoom, type: ServedType, point: PagePoint, page: SearchPage): Bundle {
  const entry: BundleEntry[] = [
    ...page.matches.map((resource) => entryOf(room, resource, 'match')),
    ...page.includes.map((resource) => entryOf(room, resource, 'include')),
  ];
  if (point.ignored) entry.push({ resource: ignoredParameters(point.ignored), search: { mode: 'outcome' } });
  const { next } = page;
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(page.total === undefined ? {} : { total: page.total }),
    link: [
      { relation: 'self', url: selfLink(room, type, point) },
      ...(next === undefined ? [] : [{ relation: 'next', url: pageLink(room, type, { ...point, next }) }]),
    ],
    ...(entry.length === 0 ? {} : { entry }),
  };
}

/** The search as it was understood; encrypted where it names a patient, and on further pages. */
function selfLink(room: FacadeRoom, type: ServedType, point: PagePoint): string {
  const isReadable = point.next === undefined && !namesPatient(type, new URLSearchParams(point.query));
  return isReadable ? `${room.baseUrl}/${type}?${point.query}` : pageLink(room, type, point);
}

const pageLink = ({ baseUrl, tokens }: FacadeRoom, type: ServedType, point: PagePoint): string =>
  `${baseUrl}/${type}?${PAGE}=${tokens.seal(point)}`;

const entryOf = ({ baseUrl }: FacadeRoom, resource: Stored<Resource>, mode: 'match' | 'include'): BundleEntry => ({
  fullUrl: `${baseUrl}/${resource.resourceType}/${resource.id}`,
  resource,
  search: { mode },
});
