import type { StoreResult } from '../core/index.ts';
import type { CopyEnd, CopyOptions } from './account.ts';
import { fileIn } from './copy-file.ts';
import { COPIED_TYPES, type CopiedType, filesOf, holdingsOf, type ListedType } from './listing.ts';

/** Reads both stores through, and compares count and hash of every type, resource and file. */
export async function verify(options: CopyOptions, written: number): Promise<CopyEnd> {
  const counts = new Map<CopiedType, number>();
  const places: string[] = [];
  for (const type of COPIED_TYPES) {
    if (options.signal.aborted) return { kind: 'interrupted' };
    const compared = type === 'Binary' ? await compareFiles(options) : await compareType(options, type);
    if (compared === 'interrupted') return { kind: 'interrupted' };
    if (!compared.ok) return { kind: 'failed', at: type, failure: compared };
    counts.set(type, compared.value.count);
    places.push(...compared.value.different);
    options.progress({ phase: 'verify', type, done: compared.value.count, written: 0 });
  }
  return places.length > 0 ? { kind: 'different', places } : { kind: 'equal', counts, written };
}

interface Compared {
  readonly count: number;
  readonly different: readonly string[];
}

async function compareType({ source, target }: CopyOptions, type: ListedType): Promise<StoreResult<Compared>> {
  const here = await holdingsOf(source, type);
  if (!here.ok) return here;
  const there = await holdingsOf(target, type);
  if (!there.ok) return there;
  const everywhere = new Set([...here.value.keys(), ...there.value.keys()]);
  const different = [...everywhere].filter(
    (place) => here.value.get(place)?.fingerprint !== there.value.get(place)?.fingerprint,
  );
  return { ok: true, value: { count: here.value.size, different } };
}

async function compareFiles({ source, target, signal }: CopyOptions): Promise<StoreResult<Compared> | 'interrupted'> {
  const different: string[] = [];
  let count = 0;
  for await (const page of filesOf(source)) {
    if (!page.ok) return page;
    for (const id of page.value) {
      if (signal.aborted) return 'interrupted';
      const [here, there] = [await fileIn(source, id), await fileIn(target, id)];
      if (!here.ok) return here;
      if (!there.ok) return there;
      if (here.value !== there.value) different.push(`Binary/${id}`);
      count += 1;
    }
  }
  return { ok: true, value: { count, different } };
}
