import type { Store, StoreResult } from '../core/index.ts';
import { fingerprintOfFile } from './fingerprint.ts';

interface Ends {
  readonly source: Store;
  readonly target: Store;
}

/** The fingerprint of a file; undefined: the store has none under that id. */
export async function fileIn(store: Store, id: string): Promise<StoreResult<string | undefined>> {
  const opened = await store.openBinary(id);
  if (opened.ok) return fingerprintOfFile(opened.value);
  return opened.code === 'not-found' || opened.code === 'gone' ? { ok: true, value: undefined } : opened;
}

/** Copies a file under its id, unless the target has just those bytes; answers how many were written. */
export async function copyFile({ source, target }: Ends, id: string): Promise<StoreResult<number>> {
  const there = await fileIn(target, id);
  if (!there.ok) return there;
  if (there.value !== undefined) {
    const here = await fileIn(source, id);
    if (!here.ok) return here;
    if (here.value === there.value) return { ok: true, value: 0 };
  }
  const about = await source.read('Binary', id);
  if (!about.ok) return about;
  const opened = await source.openBinary(id);
  if (!opened.ok) return opened;
  const securityContext = about.value.securityContext?.reference;
  const put = await target.putBinary(opened.value.stream, {
    contentType: opened.value.contentType,
    id,
    ...(securityContext === undefined ? {} : { securityContext }),
  });
  return put.ok ? { ok: true, value: 1 } : put;
}
