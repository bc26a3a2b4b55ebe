import type { SearchParameter } from '@medplum/fhirtypes';
import type { Clock, Store } from '../core/index.ts';
import { dressedAsHapi, dressedAsMedplum } from './embedded/dressing.ts';
import { openEmbedded } from './embedded/store.ts';
import type { HapiOptions } from './hapi/store.ts';
import type { WireOptions } from './remote/wire.ts';

export type { EngineRecord } from './records.ts';
export {
  contentOfRecord,
  listRecords,
  readRecord,
  recordEntry,
  recordOf,
  recordsQuery,
  withContent,
  writeRecord,
} from './records.ts';

/**
 * Opens the embedded store in a directory, which it makes if need be. Only one process can have it open.
 * @param options.directory absent: in memory, where nothing outlives it; for tests
 * @param options.searchParameters beside those of base R4
 * @param options.dressedAs for tests: what the engine would see of that server
 * @throws Error whose message says what to change: the directory is in use, unwritable, or of another version
 */
export async function openEmbeddedStore(options: {
  directory?: string;
  clock: Clock;
  searchParameters?: readonly SearchParameter[];
  dressedAs?: 'medplum' | 'hapi';
}): Promise<Store> {
  const { dressedAs, searchParameters = [], ...rest } = options;
  const opened = openEmbedded({ ...rest, searchParameters: dressedAs === 'medplum' ? [] : searchParameters });
  if (!opened.ok) throw new Error(opened.outcome?.issue?.[0]?.details?.text ?? opened.code);
  if (dressedAs === 'medplum') return dressedAsMedplum(opened.value);
  return dressedAs === 'hapi' ? dressedAsHapi(opened.value) : opened.value;
}

/**
 * A HAPI FHIR JPA R4 server as the store; its `probe` says what it lacks, and installs what it can.
 * Its driver is loaded here and not before: whoever keeps to the embedded store starts without it.
 * @param options.baseUrl its FHIR base, without a slash at the end
 */
export async function connectHapiStore(options: HapiOptions): Promise<Store> {
  const { connectHapi } = await import('./hapi/store.ts');
  return connectHapi(options);
}

/**
 * A Medplum project as the store; its `probe` says what it lacks (docs/stores.md).
 * @param options.baseUrl its address, with or without /fhir/R4
 */
export async function connectMedplumStore(options: WireOptions): Promise<Store> {
  const { connectMedplum } = await import('./medplum/store.ts');
  return connectMedplum(options);
}
