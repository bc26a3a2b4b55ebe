import { randomUUID } from 'node:crypto';
import type { StoreFailure, StoreResult, TransactionEntry } from '../core/index.ts';
import type { CopyEnd, CopyOptions } from './account.ts';
import { fileIn } from './copy-file.ts';
import { fingerprintOf } from './fingerprint.ts';
import { COPIED_TYPES, filesOf, holdingsOf, type Listed, type ListedType, pagesOf, placeOf } from './listing.ts';
import { idOf, NewNames, noteOf } from './naming.ts';
import { whyNotInto } from './preconditions.ts';
import { withoutVersion } from './write-together.ts';

interface Ground extends CopyOptions {
  readonly names: NewNames;
}
export type Copied = { readonly kind: 'copied'; readonly written: number; readonly names: NewNames };

/**
 * Copies everything into a store that chooses ids by itself (Medplum): first each resource without what it cannot refer to
 * yet, then those references. What is to be done is the difference between the two and the names given so far, so an
 * interrupted copy goes on; a file whose name could not be noted any more is left over there, once for each interruption.
 */
export async function copyRenamed(options: CopyOptions): Promise<CopyEnd | Copied> {
  const names = await NewNames.readFrom(options.target);
  if (!names.ok) return { kind: 'failed', at: undefined, failure: names };
  const ground: Ground = { ...options, names: names.value };
  let written = 0;
  for (const step of [createType, referType]) {
    for (const type of COPIED_TYPES) {
      if (type === 'Binary' && step === referType) continue;
      const taken = await whyNotInto(options.target);
      if (taken !== undefined) return taken;
      const done = await (type === 'Binary' ? createFiles(ground) : step(ground, type));
      if (typeof done !== 'number') return done;
      written += done;
    }
  }
  return { kind: 'copied', written, names: names.value };
}

async function createType(ground: Ground, type: ListedType): Promise<CopyEnd | number> {
  const { source, signal, names } = ground;
  let [done, written] = [0, 0];
  for await (const page of pagesOf(source, type)) {
    if (!page.ok) return { kind: 'failed', at: type, failure: page };
    for (const batch of batchesOf(
      ground,
      page.value.filter((one) => names.placeThere(placeOf(one)) === undefined),
    )) {
      if (signal.aborted) return { kind: 'interrupted' };
      const created = await create(ground, batch);
      if (!created.ok) return { kind: 'failed', at: type, failure: created };
      written += batch.length;
    }
    done += page.value.length;
    ground.progress({ phase: 'copy', type, done, written });
  }
  return written;
}

/** A batch and the note of its names are one transaction. */
async function create({ target, names }: Ground, batch: readonly Listed[]): Promise<StoreResult<void>> {
  const together = new Map(batch.map((one) => [placeOf(one), `urn:uuid:${randomUUID()}`]));
  const entries = batch.map((one): TransactionEntry => {
    const fullUrl = together.get(placeOf(one)) ?? '';
    return { kind: 'create', resource: names.asFarAsKnown(withoutVersion(one.resource), together), fullUrl };
  });
  const stored = await target.transaction([...entries, { kind: 'create', resource: noteOf(together) }]);
  if (!stored.ok) return stored;
  for (const [index, one] of batch.entries())
    names.add(placeOf(one), `${one.resource.resourceType}/${stored.value[index]?.id}`);
  return { ok: true, value: undefined };
}

async function createFiles(ground: Ground): Promise<CopyEnd | number> {
  const failed = (failure: StoreFailure): CopyEnd => ({ kind: 'failed', at: 'Binary', failure });
  let [done, written] = [0, 0];
  for await (const page of filesOf(ground.source)) {
    if (!page.ok) return failed(page);
    for (const id of page.value) {
      if (ground.signal.aborted) return { kind: 'interrupted' };
      const created = await createFile(ground, id);
      if (!created.ok) return failed(created);
      written += created.value;
      done += 1;
    }
    ground.progress({ phase: 'copy', type: 'Binary', done, written });
  }
  return written;
}

async function createFile({ source, target, names }: Ground, id: string): Promise<StoreResult<number>> {
  const place = `Binary/${id}`;
  const known = names.placeThere(place);
  if (known !== undefined) {
    const [here, there] = [await fileIn(source, id), await fileIn(target, idOf(known))];
    if (!here.ok) return here;
    if (!there.ok) return there;
    if (here.value === there.value) return { ok: true, value: 0 };
  }
  const about = await source.read('Binary', id);
  if (!about.ok) return about;
  const opened = await source.openBinary(id);
  if (!opened.ok) return opened;
  const securityContext = names.asThere(about.value).securityContext?.reference;
  const put = await target.putBinary(opened.value.stream, {
    contentType: opened.value.contentType,
    ...(securityContext === undefined ? {} : { securityContext }),
  });
  if (!put.ok) return put;
  const there = `Binary/${put.value.id}`;
  const noted = await target.create(noteOf(new Map([[place, there]])));
  if (!noted.ok) return noted;
  names.add(place, there);
  return { ok: true, value: 1 };
}

/** Puts in what could not be referred to when a resource was created, and what has changed in the source since. */
async function referType(ground: Ground, type: ListedType): Promise<CopyEnd | number> {
  const { source, target, signal, names } = ground;
  const failed = (failure: StoreFailure): CopyEnd => ({ kind: 'failed', at: type, failure });
  const held = await holdingsOf(target, type);
  if (!held.ok) return failed(held);
  let [done, written] = [0, 0];
  for await (const page of pagesOf(source, type)) {
    if (!page.ok) return failed(page);
    const wanted = page.value.filter((one) => {
      const there = held.value.get(names.placeThere(placeOf(one)) ?? '');
      return there !== undefined && there.fingerprint !== fingerprintOf(names.asThere(one.resource));
    });
    for (const batch of batchesOf(ground, wanted)) {
      if (signal.aborted) return { kind: 'interrupted' };
      const put = await target.transaction(
        batch.map((one) => {
          const place = names.placeThere(placeOf(one)) ?? '';
          const resource = { ...names.asThere(withoutVersion(one.resource)), id: idOf(place) };
          return { kind: 'put', resource, ifMatch: held.value.get(place)?.versionId ?? '' };
        }),
      );
      if (!put.ok) return failed(put);
      written += batch.length;
    }
    done += page.value.length;
    ground.progress({ phase: 'refer', type, done, written });
  }
  return written;
}

/** What one transaction of the target takes, its note included. */
function* batchesOf({ target }: Ground, all: readonly Listed[]): Generator<readonly Listed[]> {
  const { maxTransactionEntries, maxTransactionBytes } = target.capabilities;
  // A note has some 200 bytes a name, and ids are of another length there.
  const bytesOf = ({ resource }: Listed) => Buffer.byteLength(JSON.stringify(resource)) + 1_000;
  let batch: Listed[] = [];
  let bytes = 0;
  for (const one of all) {
    const more = bytesOf(one);
    if (batch.length >= maxTransactionEntries - 1 || (batch.length > 0 && bytes + more > maxTransactionBytes)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(one);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}
