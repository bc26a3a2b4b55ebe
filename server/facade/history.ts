import type { Bundle, BundleEntry } from '@medplum/fhirtypes';
import type { HistoryEntry } from '../core/index.ts';
import { type Answer, isRefusal, type Refusal } from './answer.ts';
import { etagOf } from './etag.ts';
import { refuse, refuseForStore } from './outcome.ts';
import type { PagePoint } from './paging-token.ts';
import { markOf } from './reach.ts';
import type { Call, FacadeRoom, RouteOf } from './room.ts';
import { openPage, PAGE } from './search.ts';

const STATUS: Readonly<Record<HistoryEntry['method'], string>> = { POST: '201', PUT: '200', DELETE: '204' };

/** The versions of a resource, or of a type where the store can, newest first. Source: R4 http.html history */
export async function history(room: FacadeRoom, call: Call<RouteOf<'history'>>): Promise<Answer> {
  const { type, id } = call.route;
  const point = findPoint(room, call);
  if (isRefusal(point)) return point;
  const parameters = new URLSearchParams(point.query);
  const since = parameters.get('_since');
  const found = await room.store.history(type, id, {
    count: Number(parameters.get('_count')),
    ...(since === null ? {} : { since }),
    ...(point.next === undefined ? {} : { next: point.next }),
  });
  if (!found.ok) return refuseForStore(found, 'parameter-invalid');
  const { entries, total, next } = found.value;
  const path = `${room.baseUrl}/${type}${id === undefined ? '' : `/${id}`}/_history`;
  const link = (at: PagePoint) => `${path}?${PAGE}=${room.tokens.seal(at)}`;
  const body: Bundle = {
    resourceType: 'Bundle',
    type: 'history',
    ...(total === undefined ? {} : { total }),
    link: [
      { relation: 'self', url: point.next === undefined ? `${path}?${point.query}` : link(point) },
      ...(next === undefined ? [] : [{ relation: 'next', url: link({ ...point, next }) }]),
    ],
    ...(entries.length === 0 ? {} : { entry: entries.map((entry) => bundleEntry(room, entry)) }),
  };
  return { status: 200, body };
}

function findPoint(room: FacadeRoom, call: Call<RouteOf<'history'>>): PagePoint | Refusal {
  const { route, query } = call;
  const token = query.get(PAGE);
  if (token !== null) return openPage(room, call, 'history', token);
  const known = new URLSearchParams();
  for (const [name, value] of query) {
    if (name === '_format' || name === '_pretty') continue;
    if (name !== '_count' && name !== '_since') {
      return refuse('parameter-unknown', { text: 'A history takes _count and _since.' });
    }
    const isSound = name === '_count' ? /^\d{1,15}$/.test(value) : isInstant(value);
    if (!isSound)
      return refuse('parameter-invalid', {
        text:
          name === '_count'
            ? '_count takes a whole number from 0 up.'
            : '_since takes an instant with its time zone, such as 2026-01-05T09:00:00Z; a + is written %2B.',
      });
    known.set(name, name === '_count' ? String(Math.min(Number(value), room.limits.maxCount)) : value);
  }
  if (!known.has('_count')) known.set('_count', String(room.limits.defaultCount));
  const { type, id } = route;
  return {
    type,
    kind: 'history',
    query: known.toString(),
    caller: markOf(call.caller),
    ...(id === undefined ? {} : { id }),
  };
}

const isInstant = (text: string) =>
  /^\d{4}-\d{2}-\d{2}T.+(Z|[+-]\d{2}:\d{2})$/.test(text) && !Number.isNaN(Date.parse(text));

const bundleEntry = ({ baseUrl }: FacadeRoom, entry: HistoryEntry): BundleEntry => ({
  fullUrl: `${baseUrl}/${entry.type}/${entry.id}`,
  ...(entry.resource === undefined ? {} : { resource: entry.resource }),
  request: { method: entry.method, url: entry.method === 'POST' ? entry.type : `${entry.type}/${entry.id}` },
  response: { status: STATUS[entry.method], etag: etagOf(entry.versionId), lastModified: entry.lastUpdated },
});
