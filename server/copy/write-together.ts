import type { StoreResult, TransactionEntry } from '../core/index.ts';
import type { CopyOptions } from './account.ts';
import { copyFile } from './copy-file.ts';
import { type Holdings, isCopiedType, type Listed, listed, placeOf } from './listing.ts';
import { referencesOf } from './references.ts';

export interface Ground extends CopyOptions {
  /** Places that the target has as the source has them. */
  readonly settled: Set<string>;
}

/**
 * Writes resources in one transaction, with all that they refer to and that has not been copied yet: a server that minds
 * references refuses one to nothing. Answers how many were written.
 */
export async function writeTogether(
  ground: Ground,
  wanted: readonly Listed[],
  held: Holdings,
): Promise<StoreResult<number>> {
  const { target, settled } = ground;
  const entries = new Map<string, TransactionEntry>();
  for (const one of wanted) entries.set(placeOf(one), putOf(one, held.get(placeOf(one))?.versionId));
  const open = wanted.flatMap(({ resource }) => [...referencesOf(resource)]);
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (settled.has(place) || entries.has(place)) continue;
    const found = await gather(ground, place);
    if (!found.ok) return found;
    if (found.value === undefined) {
      settled.add(place);
      continue;
    }
    entries.set(place, found.value.entry);
    open.push(...found.value.refersTo);
  }
  const written = await target.transaction([...entries.values()]);
  if (!written.ok) return written;
  for (const place of entries.keys()) settled.add(place);
  return { ok: true, value: entries.size };
}

/** The write of something that is referred to; undefined: none is needed, or the source itself has nothing there. */
async function gather(
  { source, target }: Ground,
  place: string,
): Promise<StoreResult<{ entry: TransactionEntry; refersTo: readonly string[] } | undefined>> {
  const [type = '', id = ''] = place.split('/');
  if (!isCopiedType(type)) return { ok: true, value: undefined };
  if (type === 'Binary') {
    const copied = await copyFile({ source, target }, id);
    return copied.ok || copied.code === 'not-found' ? { ok: true, value: undefined } : copied;
  }
  const here = await source.read(type, id);
  if (!here.ok) return here.code === 'not-found' || here.code === 'gone' ? { ok: true, value: undefined } : here;
  const there = await target.read(type, id);
  const isAbsent = !there.ok && (there.code === 'not-found' || there.code === 'gone');
  if (!there.ok && !isAbsent) return there;
  const one = listed(here.value);
  if (there.ok && listed(there.value).fingerprint === one.fingerprint) return { ok: true, value: undefined };
  const entry = putOf(one, there.ok ? there.value.meta.versionId : undefined);
  return { ok: true, value: { entry, refersTo: [...referencesOf(one.resource)] } };
}

const putOf = ({ resource }: Listed, ifMatch: string | undefined): TransactionEntry => ({
  kind: 'put',
  resource: withoutVersion(resource),
  ...(ifMatch === undefined ? {} : { ifMatch }),
});

/** Version and time are the store's own to give. */
export function withoutVersion(resource: Listed['resource']): Listed['resource'] {
  const { versionId: _, lastUpdated: __, ...meta } = resource.meta;
  const { meta: ___, ...content } = resource;
  return (Object.keys(meta).length > 0 ? { ...content, meta } : content) as Listed['resource'];
}
