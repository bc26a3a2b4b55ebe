import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { isSafeUrl } from '../core/index.ts';
import { type Environment, type ReadConfig, readValues } from './read-values.ts';
import type { Secret } from './secret.ts';
import { VARIABLES } from './variables.ts';

/** A store that is a server of its own. */
export interface RemoteStoreConfig {
  readonly kind: 'hapi' | 'medplum';
  readonly url: string;
  readonly credentials: { readonly id: string; readonly secret: Secret } | undefined;
}

interface StoreValues {
  readonly STORE_URL: string | undefined;
  readonly STORE_CLIENT_ID: string | undefined;
  readonly STORE_CLIENT_SECRET: Secret | undefined;
}

/** The store that STORE names; undefined: the embedded one, or none that is known. */
export function storeOf(
  values: StoreValues & { readonly STORE: 'embedded' | RemoteStoreConfig['kind'] | undefined },
  faults: string[],
): RemoteStoreConfig | undefined {
  const { STORE: kind } = values;
  return kind === undefined || kind === 'embedded' ? undefined : remoteStoreOf(kind, values, faults);
}

function remoteStoreOf(kind: RemoteStoreConfig['kind'], values: StoreValues, faults: string[]): RemoteStoreConfig {
  const { STORE_URL: url, STORE_CLIENT_ID: id, STORE_CLIENT_SECRET: secret } = values;
  if (url === undefined) faults.push(`STORE_URL is missing: ${VARIABLES.STORE_URL.meaning}.`);
  if ((id === undefined) !== (secret === undefined))
    faults.push('STORE_CLIENT_ID and STORE_CLIENT_SECRET go together: set both, or neither.');
  else if (kind === 'medplum' && id === undefined)
    faults.push('STORE_CLIENT_ID and STORE_CLIENT_SECRET are missing: a Medplum lets in its ClientApplications only.');
  const isInTheClear = url !== undefined && !isSafeUrl(url);
  if (isInTheClear && secret !== undefined)
    faults.push('STORE_URL must begin with https, or STORE_CLIENT_SECRET would travel in the clear.');
  return Object.freeze({
    kind,
    url: url ?? '',
    credentials: id === undefined || secret === undefined ? undefined : { id, secret },
  });
}

/** Where `copy` takes from, and where it brings to. */
export interface CopyConfig {
  readonly dataDirectory: string;
  readonly remoteStore: RemoteStoreConfig;
}

/** Reads what `copy` takes from the environment, whatever STORE says; answers every fault at once. */
export function readCopyConfig(environment: Environment, to: RemoteStoreConfig['kind']): ReadConfig<CopyConfig> {
  const faults: string[] = [];
  const names = ['DATA_DIR', 'STORE_URL', 'STORE_CLIENT_ID', 'STORE_CLIENT_SECRET'] as const;
  const values = readValues(environment, names, faults);
  const remoteStore = remoteStoreOf(to, values, faults);
  checkStoreIn(values.DATA_DIR, faults);
  if (faults.length > 0) return { ok: false, faults };
  return { ok: true, config: Object.freeze({ dataDirectory: values.DATA_DIR, remoteStore }) };
}

/** Where the audit trail is, and the secret that its links were made with. */
export interface AuditConfig {
  readonly dataDirectory: string;
  readonly remoteStore?: RemoteStoreConfig;
  readonly idNamespaceSecret: Secret;
}

/** Reads what `audit` takes from the environment; answers every fault at once. */
export function readAuditConfig(environment: Environment): ReadConfig<AuditConfig> {
  const faults: string[] = [];
  const names = [
    'STORE',
    'DATA_DIR',
    'STORE_URL',
    'STORE_CLIENT_ID',
    'STORE_CLIENT_SECRET',
    'ID_NAMESPACE_SECRET',
  ] as const;
  const values = readValues(environment, names, faults);
  const remoteStore = storeOf(values, faults);
  if (remoteStore === undefined && values.DATA_DIR !== undefined) checkStoreIn(values.DATA_DIR, faults);
  if (faults.length > 0) return { ok: false, faults };
  const config = {
    dataDirectory: values.DATA_DIR,
    idNamespaceSecret: values.ID_NAMESPACE_SECRET,
    ...(remoteStore === undefined ? {} : { remoteStore }),
  };
  return { ok: true, config: Object.freeze(config) };
}

function checkStoreIn(directory: string, faults: string[]): void {
  if (existsSync(resolve(directory, 'store.sqlite'))) return;
  faults.push(`DATA_DIR: there is no embedded store in ${directory}: name the folder that the server kept it in.`);
}
