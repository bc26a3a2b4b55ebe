import { createPrivateKey, X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { isLoopback } from '../core/index.ts';
import { type CallersConfig, callersConfig } from './callers.ts';
import { type Environment, readFile, readValues } from './read-values.ts';
import { Secret } from './secret.ts';
import { type RemoteStoreConfig, storeOf } from './store.ts';

const WILDCARD: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]']);

/** What both `serve` and the demo need. */
export interface ServerConfig {
  readonly port: number;
  readonly host: string;
  readonly publicUrl: string | undefined;
  /** PEM; absent: plain HTTP, on loopback or behind a proxy. */
  readonly tls?: { readonly cert: string; readonly key: Secret };
  /** Absent: everybody on this machine may do all. */
  readonly callers?: CallersConfig;
  readonly dataDirectory: string;
  /** Absent: the embedded store in `dataDirectory`. */
  readonly remoteStore?: RemoteStoreConfig;
  /** How the store's server tells of decided Tasks; absent: it is looked for them, every two seconds. */
  readonly hints?: { readonly secret: Secret; readonly url: string | undefined };
  /** Where other processes on the same store reach this one; absent: the address that is bound. */
  readonly replicaUrl?: string;
  readonly metricsSecret?: Secret;
  readonly idNamespaceSecret: Secret;
  readonly refuseIdentifiersInUrls: boolean;
  readonly decisionDelaySeconds: number;
  /** A decision that needs a clinician and came without a session (4.7). */
  readonly userRestricted: 'wait' | 'refuse';
  /** E-9b */
  readonly authorisationTimeoutHours: number;
  /** E-5 */
  readonly conflictResend: 'when-unchanged' | 'never';
  /** In characters (T-2). */
  readonly maxCommentLength: number;
  readonly leaseSeconds: number;
  readonly maxFileBytes: number;
  readonly logLevel: 'info' | 'warn' | 'error';
}

const SERVER_NAMES = [
  'PORT',
  'HOST',
  'PUBLIC_URL',
  'TLS_CERT_FILE',
  'TLS_KEY_FILE',
  'AUTH_ISSUER',
  'AUTH_JWKS_URL',
  'AUTH_AUDIENCE',
  'AUTH_TOKEN_URL',
  'AUTH_CLIENTS_FILE',
  'AUTH_KEY_FILE',
  'METRICS_SECRET',
  'STORE',
  'STORE_URL',
  'STORE_CLIENT_ID',
  'STORE_CLIENT_SECRET',
  'STORE_HINT_SECRET',
  'STORE_HINT_URL',
  'REPLICA_URL',
  'DATA_DIR',
  'ID_NAMESPACE_SECRET',
  'REFUSE_IDENTIFIERS_IN_URLS',
  'DECISION_DELAY_SECONDS',
  'USER_RESTRICTED_DECISIONS',
  'AUTHORISATION_TIMEOUT_HOURS',
  'CONFLICT_RESEND',
  'MAX_COMMENT_LENGTH',
  'LEASE_SECONDS',
  'MAX_FILE_BYTES',
  'LOG_LEVEL',
] as const;

/** Reads what `serve` and the demo both take; adds every fault to `faults`. */
export function serverConfig(environment: Environment, faults: string[]): ServerConfig {
  const values = readValues(environment, SERVER_NAMES, faults);
  const callers = callersConfig(values, faults);
  const tls = tlsConfig(values, faults);
  if (values.HOST !== undefined && !isLoopback(values.HOST)) {
    if (callers === undefined)
      faults.push(
        `HOST=${values.HOST} is not loopback: without authentication the server binds to 127.0.0.1 only. Set AUTH_ISSUER and AUTH_JWKS_URL, or AUTH_CLIENTS_FILE.`,
      );
    if (tls === undefined && !values.PUBLIC_URL?.startsWith('https:'))
      faults.push(
        `HOST=${values.HOST} is not loopback: patients' data would travel in the clear. Set TLS_CERT_FILE and TLS_KEY_FILE, or the https PUBLIC_URL of the proxy that stands in front.`,
      );
    if (WILDCARD.has(values.HOST) && values.PUBLIC_URL === undefined)
      faults.push(
        `PUBLIC_URL is missing: HOST=${values.HOST} is every address of this machine and no name that a client could use, in links or for its token.`,
      );
  }
  const remoteStore = storeOf(values, faults);
  const hintSecret = values.STORE_HINT_SECRET;
  if (values.STORE_HINT_URL !== undefined && hintSecret === undefined)
    faults.push('STORE_HINT_URL needs STORE_HINT_SECRET: without it no hint is taken.');
  if (hintSecret !== undefined && values.STORE !== 'hapi')
    faults.push(
      'STORE_HINT_SECRET is for STORE=hapi: the embedded store tells by itself, and Medplum is not asked for hints.',
    );
  if (remoteStore === undefined && values.DATA_DIR !== undefined && !isWritable(values.DATA_DIR)) {
    faults.push('DATA_DIR: the folder is none, or cannot be written: name one that this user may write to.');
  }
  return Object.freeze({
    port: values.PORT,
    host: values.HOST,
    publicUrl: values.PUBLIC_URL,
    ...(tls === undefined ? {} : { tls }),
    ...(callers === undefined ? {} : { callers }),
    dataDirectory: values.DATA_DIR,
    ...(remoteStore === undefined ? {} : { remoteStore }),
    ...(hintSecret === undefined ? {} : { hints: Object.freeze({ secret: hintSecret, url: values.STORE_HINT_URL }) }),
    ...(values.REPLICA_URL === undefined ? {} : { replicaUrl: values.REPLICA_URL }),
    ...(values.METRICS_SECRET === undefined ? {} : { metricsSecret: values.METRICS_SECRET }),
    idNamespaceSecret: values.ID_NAMESPACE_SECRET,
    refuseIdentifiersInUrls: values.REFUSE_IDENTIFIERS_IN_URLS,
    decisionDelaySeconds: values.DECISION_DELAY_SECONDS,
    userRestricted: values.USER_RESTRICTED_DECISIONS,
    authorisationTimeoutHours: values.AUTHORISATION_TIMEOUT_HOURS,
    conflictResend: values.CONFLICT_RESEND,
    maxCommentLength: values.MAX_COMMENT_LENGTH,
    leaseSeconds: values.LEASE_SECONDS,
    maxFileBytes: values.MAX_FILE_BYTES,
    logLevel: values.LOG_LEVEL,
  });
}

function tlsConfig(
  {
    TLS_CERT_FILE: certFile,
    TLS_KEY_FILE: keyFile,
  }: Readonly<Record<'TLS_CERT_FILE' | 'TLS_KEY_FILE', string | undefined>>,
  faults: string[],
): ServerConfig['tls'] {
  if ((certFile === undefined) !== (keyFile === undefined))
    faults.push('TLS_CERT_FILE and TLS_KEY_FILE go together: set both, or neither.');
  if (certFile === undefined || keyFile === undefined) return undefined;
  const [cert, key] = [readFile('TLS_CERT_FILE', certFile, faults), readFile('TLS_KEY_FILE', keyFile, faults)];
  if (cert === '' || key === '') return undefined;
  try {
    createSecureContext({ cert, key });
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key: new Secret(key) };
  } catch {
    // What OpenSSL says of it helps nobody, and could quote the file.
  }
  faults.push(
    'TLS_CERT_FILE and TLS_KEY_FILE: they are no certificate chain (PEM) and the private key (PEM, without a passphrase) that goes with its first certificate.',
  );
  return undefined;
}

/** Whether a folder, or the nearest one above it that exists, can be written. */
function isWritable(path: string): boolean {
  const full = resolve(path);
  if (!existsSync(full)) return full !== dirname(full) && isWritable(dirname(full));
  try {
    accessSync(full, constants.W_OK | constants.X_OK);
    return statSync(full).isDirectory();
  } catch {
    return false;
  }
}
