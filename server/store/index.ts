import type { SearchParameter } from '@medplum/fhirtypes';
import type { Clock, Store } from '../core/index.ts';
import { openEmbedded } from './embedded/store.ts';

export type { EngineRecord } from './records.ts';
export { listRecords, readRecord, recordEntry, writeRecord } from './records.ts';

/**
 * Opens the embedded store in a directory, which it makes if need be. Only one process can have it open.
 * @throws Error whose message says what to change: the directory is in use, unwritable, or of another version
 */
export async function openEmbeddedStore(options: {
  directory: string;
  clock: Clock;
  searchParameters?: readonly SearchParameter[];
}): Promise<Store> {
  const opened = openEmbedded(options);
  if (!opened.ok) throw new Error(opened.outcome?.issue?.[0]?.details?.text ?? opened.code);
  return opened.value;
}
