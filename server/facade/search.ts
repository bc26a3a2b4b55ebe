import type { Bundle, BundleEntry, Resource } from '@medplum/fhirtypes';
import { isConformanceType, isServedType, type ServedType } from '../../conformance/index.ts';
import type { SearchPage, Stored, StoreResult } from '../core/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { readPreferences } from './negotiate.ts';
import { ignoredParameters, refuse, refuseForStore } from './outcome.ts';
import type { PagePoint } from './paging-token.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { checkSearch, namesPatient } from './search-query.ts';

/** The parameter that carries a paging token. */
export const PAGE = '_page';

/** Search by GET, by POST `_search`, or a further page of either. Source: R4 search.html */
export async function search(room: FacadeRoom, call: Call<RouteOf<'search'>>): Promise<Answer> {
  const { type } = call.route;
  const point = findPoint(room, call);
  if (isRefusal(point)) return point;
  const page = isConformanceType(type)
    ? await searchPublished(room, type, point)
    : await room.store.search(type, point.query, point.next);
  if (!page.ok) return refuseForStore(page, 'parameter-invalid');
  return { status: 200, body: searchset(room, type, point, page.value) };
}

function findPoint(room: FacadeRoom, call: Call<RouteOf<'search'>>): PagePoint | Refusal {
  const { type } = call.route;
  const token = call.query.get(PAGE);
  if (token !== null) return openPage(room, type, 'search', token, call.query);
  if (room.refuseIdentifiersInUrls && namesPatient(type, call.query)) return refuse('identifier-in-url');
  const parameters = new URLSearchParams(call.query);
  if (call.body !== undefined) {
    if (!/^application\/x-www-form-urlencoded\b/i.test(call.headers['content-type'] ?? '')) {
      return refuse('media-type-unsupported', { text: 'A search is posted as application/x-www-form-urlencoded.' });
    }
    for (const [name, value] of new URLSearchParams(call.body)) parameters.append(name, value);
  }
  const checked = checkSearch(type, parameters, {
    hasCustom: room.store.capabilities.customSearchParameters,
    isLenient: readPreferences(call.headers).isLenient,
    defaultCount: room.limits.defaultCount,
    maxCount: room.limits.maxCount,
    baseUrl: room.baseUrl,
  });
  if (isRefusal(checked)) return checked;
  const { query, ignored } = checked;
  return { type, kind: 'search', query, ...(ignored.length === 0 ? {} : { ignored }) };
}

const BESIDE_PAGE: readonly string[] = [PAGE, '_count', '_format', '_pretty'];

/**
 * Opens a paging token. Beside it only `_format` and `_pretty` mean something; `_count`, which clients put on every link
 * that lacks it, is left to the token, since pages of another size would skip or repeat.
 */
export function openPage(
  { tokens }: FacadeRoom,
  type: ServedType,
  kind: PagePoint['kind'],
  token: string,
  query: URLSearchParams,
): PagePoint | Refusal {
  const point = tokens.open(token);
  const isAlone = [...query.keys()].every((name) => BESIDE_PAGE.includes(name));
  return point?.type === type && point.kind === kind && isAlone
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
    // What clients may not read they do not get by inclusion either.
    ...page.includes
      .filter(({ resourceType }) => isServedType(resourceType))
      .map((resource) => entryOf(room, resource, 'include')),
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
