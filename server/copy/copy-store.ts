import type { StoreFailure } from '../core/index.ts';
import type { CopyEnd, CopyOptions } from './account.ts';
import { copyFile } from './copy-file.ts';
import { copyRenamed } from './copy-renamed.ts';
import { COPIED_TYPES, filesOf, holdingsOf, type Listed, type ListedType, pagesOf, placeOf } from './listing.ts';
import { type Naming, sameNames } from './naming.ts';
import { whyNot, whyNotInto } from './preconditions.ts';
import { verify } from './verify.ts';
import { type Ground, writeTogether } from './write-together.ts';

/** So much at a time is one transaction: the referred come with it, and HAPI's driver takes 500. */
const BATCH = 50;

/**
 * Copies the last version of everything into another store, then reads both and compares. Every reference and every record
 * of the engine stays true: the target takes our ids, or all are renamed (`copyRenamed`). What is to be done is the
 * difference, so the same copy, made again, goes on where this one ended.
 */
export async function copyStore(options: CopyOptions): Promise<CopyEnd> {
  const fault = await whyNot(options.source, options.target);
  if (fault !== undefined) return fault;
  if (!options.target.capabilities.clientIds) {
    const copied = await copyRenamed(options);
    return copied.kind === 'copied' ? prove(options, copied.names, copied.written) : copied;
  }
  const ground: Ground = { ...options, settled: new Set() };
  let written = 0;
  for (const type of COPIED_TYPES) {
    const taken = await whyNotInto(options.target);
    if (taken !== undefined) return taken;
    const copied = await (type === 'Binary' ? copyFiles(ground) : copyType(ground, type));
    if (copied.kind !== 'copied') return copied;
    written += copied.written;
  }
  return prove(options, sameNames, written);
}

/** Compares both; what an engine changed on the target meanwhile is not taken for a fault of the copy, nor for its end. */
async function prove(options: CopyOptions, names: Naming, written: number): Promise<CopyEnd> {
  const end = await verify(options, names, written);
  return (await whyNotInto(options.target)) ?? end;
}

type Copied = { readonly kind: 'copied'; readonly written: number };

async function copyType(ground: Ground, type: ListedType): Promise<CopyEnd | Copied> {
  const { source, target, signal, settled } = ground;
  const failed = (failure: StoreFailure): CopyEnd => ({ kind: 'failed', at: type, failure });
  const held = await holdingsOf(target, type);
  if (!held.ok) return failed(held);
  let [done, written] = [0, 0];
  for await (const page of pagesOf(source, type)) {
    if (!page.ok) return failed(page);
    for (let from = 0; from < page.value.length; from += BATCH) {
      if (signal.aborted) return { kind: 'interrupted' };
      // Asked anew for each batch: one before it may have taken some of this along.
      const isWanted = (one: Listed) =>
        !settled.has(placeOf(one)) && held.value.get(placeOf(one))?.fingerprint !== one.fingerprint;
      const wanted = page.value.slice(from, from + BATCH).filter(isWanted);
      if (wanted.length === 0) continue;
      const put = await writeTogether(ground, wanted, held.value);
      if (!put.ok) return failed(put);
      written += put.value;
    }
    for (const one of page.value) settled.add(placeOf(one));
    done += page.value.length;
    ground.progress({ phase: 'copy', type, done, written });
  }
  return { kind: 'copied', written };
}

async function copyFiles(ground: Ground): Promise<CopyEnd | Copied> {
  let [done, written] = [0, 0];
  for await (const page of filesOf(ground.source)) {
    if (!page.ok) return { kind: 'failed', at: 'Binary', failure: page };
    for (const id of page.value) {
      if (ground.signal.aborted) return { kind: 'interrupted' };
      const put = await copyFile(ground, id);
      if (!put.ok) return { kind: 'failed', at: 'Binary', failure: put };
      written += put.value;
      done += 1;
    }
    ground.progress({ phase: 'copy', type: 'Binary', done, written });
  }
  return { kind: 'copied', written };
}
