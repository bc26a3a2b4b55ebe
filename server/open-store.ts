import { searchParameters } from '../conformance/index.ts';
import type { ServerConfig } from './config/index.ts';
import type { Clock, Store } from './core/index.ts';
import { connectHapiStore, connectMedplumStore, openEmbeddedStore } from './store/index.ts';

/** Opens the store that the environment names; a sentence that says what to change, where it cannot be opened. */
export async function openStore(
  { dataDirectory, remoteStore }: Pick<ServerConfig, 'dataDirectory' | 'remoteStore'>,
  clock: Clock,
  random: () => number,
): Promise<Store | string> {
  if (remoteStore === undefined) {
    return openEmbeddedStore({ directory: dataDirectory, clock, searchParameters }).catch(
      (error: Error) => `DATA_DIR: ${error.message}`,
    );
  }
  const { kind, url: baseUrl, credentials } = remoteStore;
  const options = {
    baseUrl,
    clock,
    random,
    ...(credentials === undefined ? {} : { credentials: { id: credentials.id, secret: credentials.secret.reveal() } }),
  };
  return kind === 'medplum' ? connectMedplumStore(options) : connectHapiStore({ ...options, searchParameters });
}
