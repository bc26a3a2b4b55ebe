import type { HistoryEntry, HistoryPage, ResourceType, StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import { isBundle, nextQueryOf } from '../remote/bundles.ts';
import type { HapiWire } from './client.ts';
import { refusalOf } from './refusals.ts';
import { historyEntryOf } from './resources.ts';
import { FRESH } from './searches.ts';

const DEFAULT_COUNT = 50;

/**
 * A page of history, newest first. HAPI counts its pages from the newest version, which moves when somebody writes: a page
 * may repeat a version, but none is skipped.
 */
export async function historyPage(
  wire: HapiWire,
  type: ResourceType,
  id: string | undefined,
  { since, count = DEFAULT_COUNT, next }: { since?: string; count?: number; next?: string },
): Promise<StoreResult<HistoryPage>> {
  if (
    next !== undefined &&
    !/^((_count|_offset)=\d+|_since=[\w:.%+-]+)(&(_count|_offset)=\d+|&_since=[\w:.%+-]+)*$/.test(next)
  )
    return failure('invalid', 'The paging token is not one of ours');
  if (since !== undefined && Number.isNaN(Date.parse(since))) return failure('invalid', '_since must be an instant');
  const first = new URLSearchParams({ _count: String(count), ...(since === undefined ? {} : { _since: since }) });
  const place = id === undefined ? type : `${type}/${encodeURIComponent(id)}`;
  const asked = await wire.ask(
    'read',
    (client, options) => client.request(`${place}/_history?${next ?? first.toString()}`, { options }),
    FRESH,
  );
  if (!asked.ok) return asked;
  const { status, body } = asked.value;
  if (status !== 200) return refusalOf(asked.value, type);
  if (!isBundle(body)) return failure('unavailable', 'The store answered with something else than a history');
  const entries: HistoryEntry[] = [];
  for (const entry of body.entry ?? []) {
    const read = historyEntryOf(entry);
    if (read === undefined) return failure('unavailable', 'The store answered with a history that cannot be read');
    entries.push({ ...read, lastUpdated: read.lastUpdated ?? (await deletedAt(wire, read)) });
  }
  const mark = nextQueryOf(body);
  return {
    ok: true,
    value: {
      entries,
      ...(body.total === undefined ? {} : { total: body.total }),
      ...(mark === undefined ? {} : { next: mark }),
    },
  };
}

/** HAPI leaves the time of a deletion out of histories, but says it to who asks for that version. */
async function deletedAt(wire: HapiWire, { type, id, versionId }: Pick<HistoryEntry, 'type' | 'id' | 'versionId'>) {
  const asked = await wire.ask('read', (client, options) =>
    client.vread({ resourceType: type, id, version: versionId, options }),
  );
  const said = asked.ok ? JSON.stringify(asked.value.body ?? '') : '';
  const instant = /deleted at (\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))/.exec(said)?.[1];
  return new Date(instant ?? 0).toISOString();
}
