import type { StoreResult } from '../core/index.ts';
import type { CopyEnd, CopyOptions } from './account.ts';
import { fileIn } from './copy-file.ts';
import { fingerprintOf } from './fingerprint.ts';
import { COPIED_TYPES, type CopiedType, filesOf, holdingsOf, type ListedType, pagesOf, placeOf } from './listing.ts';
import { idOf, type Naming } from './naming.ts';

/** Reads both stores through, and compares count and hash of every type, resource and file. */
export async function verify(options: CopyOptions, names: Naming, written: number): Promise<CopyEnd> {
  const counts = new Map<CopiedType, number>();
  const places: string[] = [];
  const onlyThere: string[] = [];
  for (const type of COPIED_TYPES) {
    if (options.signal.aborted) return { kind: 'interrupted' };
    const compared = type === 'Binary' ? await compareFiles(options, names) : await compareType(options, names, type);
    if (compared === 'interrupted') return { kind: 'interrupted' };
    if (!compared.ok) return { kind: 'failed', at: type, failure: compared };
    counts.set(type, compared.value.count);
    places.push(...compared.value.different, ...compared.value.onlyThere);
    onlyThere.push(...compared.value.onlyThere);
    options.progress({ phase: 'verify', type, done: compared.value.count, written: 0 });
  }
  return places.length > 0 ? { kind: 'different', places, onlyThere } : { kind: 'equal', counts, written };
}

interface Compared {
  readonly count: number;
  readonly different: readonly string[];
  readonly onlyThere: readonly string[];
}

/** Places of the source are named by its own names, those that only the target has by the target's. */
async function compareType(
  { source, target }: CopyOptions,
  names: Naming,
  type: ListedType,
): Promise<StoreResult<Compared>> {
  const there = await holdingsOf(target, type);
  if (!there.ok) return there;
  const unmet = new Set(there.value.keys());
  const different: string[] = [];
  let count = 0;
  for await (const page of pagesOf(source, type)) {
    if (!page.ok) return page;
    for (const one of page.value) {
      const place = names.placeThere(placeOf(one)) ?? '';
      unmet.delete(place);
      if (there.value.get(place)?.fingerprint !== fingerprintOf(names.asThere(one.resource)))
        different.push(placeOf(one));
    }
    count += page.value.length;
  }
  return { ok: true, value: { count, different, onlyThere: [...unmet] } };
}

async function compareFiles(
  { source, target, signal }: CopyOptions,
  names: Naming,
): Promise<StoreResult<Compared> | 'interrupted'> {
  const different: string[] = [];
  let count = 0;
  for await (const page of filesOf(source)) {
    if (!page.ok) return page;
    for (const id of page.value) {
      if (signal.aborted) return 'interrupted';
      const place = names.placeThere(`Binary/${id}`);
      const here = await fileIn(source, id);
      const there = place === undefined ? absent : await fileIn(target, idOf(place));
      if (!here.ok) return here;
      if (!there.ok) return there;
      if (here.value !== there.value) different.push(`Binary/${id}`);
      count += 1;
    }
  }
  return { ok: true, value: { count, different, onlyThere: [] } };
}

const absent: StoreResult<undefined> = { ok: true, value: undefined };
