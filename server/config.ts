import { createPrivateKey, X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import { type Client, readClients } from './access/index.ts';
import type { SiteService } from './core/index.ts';

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', '[::1]', 'localhost']);

const WILDCARD: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]']);

/** A value that never prints: logs and errors show `[secret]`. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[secret]';
  }
  toJSON(): string {
    return '[secret]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

const decision = z.enum(['accept', 'accept-book-later', 'return-with-advice']);
const list = z.enum(['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES']);
const service = z.strictObject({
  id: z.string().regex(/^\d{1,12}$/, 'is the number of an e-RS service'),
  name: z.string().optional(),
  bookableType: z.enum(['DIRECTLY_BOOKABLE', 'INDIRECTLY_BOOKABLE']).optional(),
  lists: z.array(list).min(1).default(['REFERRALS_FOR_REVIEW']),
  pollSplit: z.partialRecord(list, z.number().int().min(1)).optional(),
  unattended: z.array(decision).default([]),
});

const wholeNumber = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const httpUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));
/** What goes to e-RS is patients' and clinicians': it travels encrypted, but to this machine's own simulator. */
const ersUrl = httpUrl.refine((url) => url.startsWith('https:') || LOOPBACK.has(new URL(url).hostname), {
  message: 'must begin with https',
});
const secret = z
  .string()
  .min(16, 'needs at least 16 characters')
  .transform((text) => new Secret(text));

interface Variable {
  /** How the value is read; a default makes it optional. */
  readonly schema: z.ZodType;
  readonly unit?: string;
  readonly default?: string;
  readonly meaning: string;
}
const variable = <T extends z.ZodType>(schema: T, about: Omit<Variable, 'schema'>) => ({ schema, ...about });

/** Every variable of the environment: the one table; the README's is checked against it. */
export const VARIABLES = {
  PORT: variable(wholeNumber(0, 65_535), { default: '8080', meaning: 'Port of the facade; 0 takes a free one' }),
  HOST: variable(z.string().min(1), {
    default: '127.0.0.1',
    meaning: 'Address to bind to; another than loopback needs authentication (AUTH_…) and TLS',
  }),
  PUBLIC_URL: variable(httpUrl.optional(), {
    meaning:
      'Base of links in answers, when a proxy stands in front or HOST is every address; else the address that is bound',
  }),
  TLS_CERT_FILE: variable(z.string().min(1).optional(), {
    meaning: 'PEM file of the certificate chain, where this server ends TLS itself; else a proxy does (PUBLIC_URL)',
  }),
  TLS_KEY_FILE: variable(z.string().min(1).optional(), { meaning: 'PEM file of the private key that goes with it' }),
  AUTH_ISSUER: variable(z.string().min(1).optional(), {
    meaning: 'Issuer (iss) of the bearer tokens of callers: an authorisation server of the site',
  }),
  AUTH_JWKS_URL: variable(ersUrl.optional(), { meaning: 'Where the public keys of AUTH_ISSUER are' }),
  AUTH_AUDIENCE: variable(z.string().min(1).optional(), {
    meaning: 'Audience (aud) that those tokens name; else PUBLIC_URL (or the address that is bound) and /fhir/R4',
  }),
  AUTH_TOKEN_URL: variable(httpUrl.optional(), {
    meaning: 'Token endpoint of AUTH_ISSUER, for .well-known/smart-configuration',
  }),
  AUTH_CLIENTS_FILE: variable(z.string().min(1).optional(), {
    meaning:
      'JSON file of the clients that may come in: `[{"clientId","jwks","jwksUri","scopes","services"}]`; without AUTH_ISSUER this server issues their tokens itself, with it scopes are a lid on what the issuer gives',
  }),
  AUTH_KEY_FILE: variable(z.string().min(1).optional(), {
    meaning:
      'Where this server keeps the key that signs its own tokens; else auth-key.json in DATA_DIR. Made at the first start',
  }),
  STORE: variable(z.enum(['embedded', 'hapi', 'medplum']), {
    default: 'embedded',
    meaning:
      'Where resources are kept: embedded (SQLite in DATA_DIR), or at STORE_URL: hapi (a HAPI FHIR JPA server) or medplum (a Medplum project)',
  }),
  STORE_URL: variable(httpUrl.optional(), {
    meaning: 'FHIR base of the store, such as https://hapi.example/fhir or https://medplum.example/fhir/R4',
  }),
  STORE_CLIENT_ID: variable(z.string().min(1).optional(), {
    meaning:
      'Name by which the store knows this server, where it asks for one (HAPI: HTTP Basic; Medplum: id of the ClientApplication)',
  }),
  STORE_CLIENT_SECRET: variable(
    z
      .string()
      .min(1)
      .transform((text) => new Secret(text))
      .optional(),
    { meaning: 'Secret that goes with STORE_CLIENT_ID; sent over https only, or on this machine' },
  ),
  STORE_HINT_SECRET: variable(secret.optional(), {
    meaning: 'With hapi: the store is asked to call this server when somebody decides a Task there, and shows this',
  }),
  STORE_HINT_URL: variable(httpUrl.optional(), {
    meaning: 'Where the store reaches this very process for that, without a path; else the address that is bound',
  }),
  DATA_DIR: variable(z.string().min(1), { default: './data', meaning: 'Folder of the embedded store' }),
  ID_NAMESPACE_SECRET: variable(secret, {
    meaning: 'Secret of this installation, from which Patient ids and paging tokens are made; keep it for ever',
  }),
  REFUSE_IDENTIFIERS_IN_URLS: variable(flag, {
    default: 'false',
    meaning: 'Refuse searches by patient identifier in a URL; POST _search remains',
  }),
  ERS_BASE_URL: variable(ersUrl, { meaning: 'e-RS, up to and including /FHIR' }),
  ERS_TOKEN_URL: variable(ersUrl, { meaning: 'Token endpoint of the same environment' }),
  ERS_TOKEN_AUDIENCE: variable(z.string().min(1).optional(), {
    meaning: 'Audience of the signed JWT; else ERS_TOKEN_URL',
  }),
  ERS_API_KEY: variable(z.string().min(1), { meaning: 'API key (client id) of the application' }),
  ERS_PRIVATE_KEY_FILE: variable(z.string().min(1), {
    meaning: 'PEM file (PKCS 8) of the private key whose public half is registered',
  }),
  ERS_KEY_ID: variable(z.string().min(1), { meaning: 'Key id (kid) of that key' }),
  ERS_SERVICES: variable(z.string().min(2), {
    meaning:
      'Services to synchronise: JSON, or a file of it: `[{"id","name","bookableType","lists","pollSplit","unattended"}]`',
  }),
  ERS_REQUESTS_PER_SECOND: variable(wholeNumber(1, 1_000), {
    default: '10',
    unit: '1/s',
    meaning: 'What e-RS grants the application',
  }),
  ERS_POLLS_PER_DAY: variable(wholeNumber(1, 1_000), {
    default: '2',
    unit: '1/24 h',
    meaning: 'Unattended worklist reads that e-RS permits for a service, both lists together',
  }),
  DECISION_DELAY_SECONDS: variable(wholeNumber(0, 3_600), {
    default: '0',
    unit: 's',
    meaning: 'How long a decision can be taken back before it is sent',
  }),
  LEASE_SECONDS: variable(wholeNumber(3, 3_600), {
    default: '30',
    unit: 's',
    meaning: 'How soon another engine on the same store takes over from one that died',
  }),
  MAX_FILE_BYTES: variable(wholeNumber(1_000_000, 1_000_000_000), {
    default: '104857600',
    unit: 'bytes',
    meaning: 'Largest attachment that is fetched',
  }),
  CIS2_ISSUER: variable(ersUrl.optional(), {
    meaning:
      'NHS CIS2, up to the path of its issuer: clinicians then sign in at /sign-in; its client authenticates with the key of e-RS',
  }),
  CIS2_CLIENT_ID: variable(z.string().min(1).optional(), { meaning: 'Client id by which CIS2 knows this server' }),
  HTTPS_PROXY: variable(httpUrl.optional(), { meaning: 'Proxy for calls to e-RS' }),
  LOG_LEVEL: variable(z.enum(['info', 'warn', 'error']), { default: 'info', meaning: 'Least level that is logged' }),
  SIMULATOR_PORT: variable(wholeNumber(0, 65_535), {
    default: '9100',
    meaning: 'Demo only: port of the simulator; 0 takes a free one',
  }),
} as const;

export type VariableName = keyof typeof VARIABLES;

/** A store that is a server of its own. */
export interface RemoteStoreConfig {
  readonly kind: 'hapi' | 'medplum';
  readonly url: string;
  readonly credentials: { readonly id: string; readonly secret: Secret } | undefined;
}

/** Who may come in. */
export type CallersConfig =
  | {
      readonly kind: 'issuer';
      readonly issuer: string;
      readonly jwksUrl: string;
      readonly audience: string | undefined;
      readonly tokenUrl: string | undefined;
      readonly clients: ReadonlyMap<string, Client> | undefined;
    }
  | {
      readonly kind: 'built-in';
      readonly keyFile: string;
      readonly clients: ReadonlyMap<string, Client>;
      readonly tokenSeconds: number;
    };

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
  readonly idNamespaceSecret: Secret;
  readonly refuseIdentifiersInUrls: boolean;
  readonly decisionDelaySeconds: number;
  readonly leaseSeconds: number;
  readonly maxFileBytes: number;
  readonly logLevel: 'info' | 'warn' | 'error';
}

/** How e-RS is reached, and what of it. Undefined limits are lifted (the demo's simulator only). */
export interface ErsConfig {
  readonly baseUrl: string;
  readonly tokenUrl: string;
  readonly tokenAudience: string;
  readonly apiKey: string;
  readonly keyId: string;
  readonly privateKeyPem: Secret;
  readonly services: readonly SiteService[];
  readonly requestsPerSecond: number | undefined;
  readonly pollsPerDay: number | undefined;
  readonly proxy: string | undefined;
  /** Where clinicians sign in; absent: their sessions come from elsewhere. */
  readonly cis2?: { readonly issuer: string; readonly clientId: string };
}

export interface Config {
  readonly server: ServerConfig;
  readonly ers: ErsConfig;
}

export type ReadConfig<T> =
  | { readonly ok: true; readonly config: T }
  | { readonly ok: false; readonly faults: readonly string[] };

type Environment = Readonly<Record<string, string | undefined>>;

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
  'STORE',
  'STORE_URL',
  'STORE_CLIENT_ID',
  'STORE_CLIENT_SECRET',
  'STORE_HINT_SECRET',
  'STORE_HINT_URL',
  'DATA_DIR',
  'ID_NAMESPACE_SECRET',
  'REFUSE_IDENTIFIERS_IN_URLS',
  'DECISION_DELAY_SECONDS',
  'LEASE_SECONDS',
  'MAX_FILE_BYTES',
  'LOG_LEVEL',
  'HTTPS_PROXY',
] as const;
const ERS_NAMES = [
  'ERS_BASE_URL',
  'ERS_TOKEN_URL',
  'ERS_TOKEN_AUDIENCE',
  'ERS_API_KEY',
  'ERS_PRIVATE_KEY_FILE',
  'ERS_KEY_ID',
  'ERS_SERVICES',
  'ERS_REQUESTS_PER_SECOND',
  'ERS_POLLS_PER_DAY',
  'CIS2_ISSUER',
  'CIS2_CLIENT_ID',
] as const;
/** Secrets that may come as a file instead: `NAME_FILE` names it. What stands in the environment, other processes can read. */
const BY_FILE: ReadonlySet<string> = new Set([
  'ID_NAMESPACE_SECRET',
  'STORE_CLIENT_SECRET',
  'STORE_HINT_SECRET',
  'ERS_API_KEY',
]);
const UNREADABLE = Symbol('a file that cannot be read');

function textOf(
  environment: Environment,
  name: VariableName,
  faults: string[],
): string | undefined | typeof UNREADABLE {
  const text = environment[name] || undefined;
  const file = BY_FILE.has(name) ? environment[`${name}_FILE`] || undefined : undefined;
  if (file === undefined) return text;
  if (text !== undefined) {
    faults.push(`${name} and ${name}_FILE are both set: set one of them.`);
    return UNREADABLE;
  }
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    faults.push(`${name}_FILE: the file cannot be read.`);
    return UNREADABLE;
  }
}

/** Reads the values of some variables; every fault is collected, none stops the reading. */
function readValues<N extends VariableName>(environment: Environment, names: readonly N[], faults: string[]) {
  const values: Partial<Record<N, unknown>> = {};
  for (const name of names) {
    const about: Variable = VARIABLES[name];
    const text = textOf(environment, name, faults);
    if (text === UNREADABLE) continue;
    const read = about.schema.safeParse(text ?? about.default);
    if (read.success) values[name] = read.data;
    else if (text === undefined) faults.push(`${name} is missing: ${about.meaning}.`);
    else faults.push(`${name} ${read.error.issues[0]?.message ?? 'is wrong'}: ${about.meaning}.`);
  }
  return values as { [K in N]: z.output<(typeof VARIABLES)[K]['schema']> };
}

/** What the demo needs, which brings its own e-RS. */
export interface DemoConfig {
  readonly server: ServerConfig;
  readonly simulatorPort: number;
  readonly requestsPerSecond: number;
  /** Undefined: the demo keeps nothing. */
  readonly dataDirectory: string | undefined;
}

/** Reads what the demo takes from the environment; answers every fault at once. */
export function readDemoConfig(environment: Environment): ReadConfig<DemoConfig> {
  const faults: string[] = [];
  const server = serverConfig(environment, faults);
  const values = readValues(environment, ['SIMULATOR_PORT', 'ERS_REQUESTS_PER_SECOND'] as const, faults);
  if (faults.length > 0) return { ok: false, faults };
  const config: DemoConfig = Object.freeze({
    server,
    simulatorPort: values.SIMULATOR_PORT,
    requestsPerSecond: values.ERS_REQUESTS_PER_SECOND,
    dataDirectory: environment['DATA_DIR'] || undefined,
  });
  return { ok: true, config };
}

function serverConfig(environment: Environment, faults: string[]): ServerConfig {
  const values = readValues(environment, SERVER_NAMES, faults);
  const callers = callersConfig(values, faults);
  const tls = tlsConfig(values, faults);
  if (values.HOST !== undefined && !LOOPBACK.has(values.HOST)) {
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
  const remoteStore =
    values.STORE === undefined || values.STORE === 'embedded' ? undefined : remoteStoreOf(values.STORE, values, faults);
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
    idNamespaceSecret: values.ID_NAMESPACE_SECRET,
    refuseIdentifiersInUrls: values.REFUSE_IDENTIFIERS_IN_URLS,
    decisionDelaySeconds: values.DECISION_DELAY_SECONDS,
    leaseSeconds: values.LEASE_SECONDS,
    maxFileBytes: values.MAX_FILE_BYTES,
    logLevel: values.LOG_LEVEL,
  });
}

/** The tokens of the built-in issuer are good for so long. Source: SMART App Launch 2.2, backend services (five minutes) */
const TOKEN_SECONDS = 300;

function callersConfig(
  values: Readonly<
    Record<
      'AUTH_ISSUER' | 'AUTH_JWKS_URL' | 'AUTH_AUDIENCE' | 'AUTH_TOKEN_URL' | 'AUTH_CLIENTS_FILE' | 'AUTH_KEY_FILE',
      string | undefined
    >
  > & { readonly DATA_DIR: string },
  faults: string[],
): CallersConfig | undefined {
  const { AUTH_ISSUER: issuer, AUTH_JWKS_URL: jwksUrl, AUTH_CLIENTS_FILE: clientsFile } = values;
  const clients = clientsFile === undefined ? undefined : clientsIn(clientsFile, faults);
  if ((issuer === undefined) !== (jwksUrl === undefined))
    faults.push('AUTH_ISSUER and AUTH_JWKS_URL go together: set both, or neither.');
  if (issuer !== undefined && jwksUrl !== undefined)
    return {
      kind: 'issuer',
      issuer,
      jwksUrl,
      audience: values.AUTH_AUDIENCE,
      tokenUrl: values.AUTH_TOKEN_URL,
      clients,
    };
  if (clients === undefined) return undefined;
  const keyless = [...clients.values()].find(
    ({ jwks, jwksUri, scopes }) => (jwks ?? jwksUri) === undefined || scopes.length === 0,
  );
  if (keyless !== undefined)
    faults.push(
      `AUTH_CLIENTS_FILE: ${keyless.clientId} needs jwks (or jwksUri) and scopes, since this server issues its tokens.`,
    );
  const keyFile = values.AUTH_KEY_FILE ?? resolve(values.DATA_DIR, 'auth-key.json');
  return { kind: 'built-in', keyFile, clients, tokenSeconds: TOKEN_SECONDS };
}

function clientsIn(path: string, faults: string[]): ReadonlyMap<string, Client> | undefined {
  const text = readFile('AUTH_CLIENTS_FILE', path, faults);
  if (text === '') return undefined;
  const read = readClients(text);
  if (read.ok) return read.clients;
  faults.push(...read.faults.map((fault) => `AUTH_CLIENTS_FILE: ${fault}.`));
  return undefined;
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

function remoteStoreOf(
  kind: RemoteStoreConfig['kind'],
  values: {
    readonly STORE_URL: string | undefined;
    readonly STORE_CLIENT_ID: string | undefined;
    readonly STORE_CLIENT_SECRET: Secret | undefined;
  },
  faults: string[],
): RemoteStoreConfig {
  const { STORE_URL: url, STORE_CLIENT_ID: id, STORE_CLIENT_SECRET: secret } = values;
  if (url === undefined) faults.push(`STORE_URL is missing: ${VARIABLES.STORE_URL.meaning}.`);
  if ((id === undefined) !== (secret === undefined))
    faults.push('STORE_CLIENT_ID and STORE_CLIENT_SECRET go together: set both, or neither.');
  else if (kind === 'medplum' && id === undefined)
    faults.push('STORE_CLIENT_ID and STORE_CLIENT_SECRET are missing: a Medplum lets in its ClientApplications only.');
  const isInTheClear = url?.startsWith('http:') && !LOOPBACK.has(new URL(url).hostname);
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
  const remoteStore = values.STORE === 'hapi' ? remoteStoreOf(values.STORE, values, faults) : undefined;
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

/** Reads the whole environment of `serve`; answers every fault at once. Reads the files that it names. */
export function readConfig(environment: Environment): ReadConfig<Config> {
  const faults: string[] = [];
  const server = serverConfig(environment, faults);
  const values = readValues(environment, ERS_NAMES, faults);
  const services = values.ERS_SERVICES === undefined ? [] : readServices(values.ERS_SERVICES, faults);
  if (values.ERS_POLLS_PER_DAY !== undefined) checkSplits(services, values.ERS_POLLS_PER_DAY, faults);
  const privateKeyPem =
    values.ERS_PRIVATE_KEY_FILE === undefined
      ? ''
      : readFile('ERS_PRIVATE_KEY_FILE', values.ERS_PRIVATE_KEY_FILE, faults);
  if (privateKeyPem !== '' && !privateKeyPem.includes('-----BEGIN PRIVATE KEY-----')) {
    faults.push('ERS_PRIVATE_KEY_FILE holds no PKCS 8 private key (-----BEGIN PRIVATE KEY-----).');
  }
  const { CIS2_ISSUER: issuer, CIS2_CLIENT_ID: clientId } = values;
  if ((issuer === undefined) !== (clientId === undefined))
    faults.push('CIS2_ISSUER and CIS2_CLIENT_ID go together: set both, or neither.');
  if (faults.length > 0) return { ok: false, faults };
  const ers: ErsConfig = Object.freeze({
    baseUrl: values.ERS_BASE_URL,
    tokenUrl: values.ERS_TOKEN_URL,
    tokenAudience: values.ERS_TOKEN_AUDIENCE ?? values.ERS_TOKEN_URL,
    apiKey: values.ERS_API_KEY,
    keyId: values.ERS_KEY_ID,
    privateKeyPem: new Secret(privateKeyPem),
    services,
    requestsPerSecond: values.ERS_REQUESTS_PER_SECOND,
    pollsPerDay: values.ERS_POLLS_PER_DAY,
    proxy: environment['HTTPS_PROXY'],
    ...(issuer === undefined || clientId === undefined ? {} : { cis2: { issuer, clientId } }),
  });
  return { ok: true, config: Object.freeze({ server, ers }) };
}

function readFile(name: VariableName, path: string, faults: string[]): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    faults.push(`${name}: the file cannot be read.`);
    return '';
  }
}

function readServices(text: string, faults: string[]): SiteService[] {
  const json = text.trimStart().startsWith('[') ? text : readFile('ERS_SERVICES', text, faults);
  if (json === '') return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    faults.push('ERS_SERVICES is not JSON.');
    return [];
  }
  const read = z.array(service).min(1).safeParse(parsed);
  if (!read.success) {
    faults.push(...read.error.issues.map(({ path, message }) => `ERS_SERVICES ${path.join('.')}: ${message}.`));
    return [];
  }
  const ids = read.data.map(({ id }) => id);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  if (twice.length > 0) faults.push(`ERS_SERVICES names ${twice.join(', ')} twice.`);
  return read.data.map(({ name, bookableType, pollSplit, ...rest }) => ({
    ...rest,
    ...(pollSplit === undefined ? {} : { pollSplit }),
    ...(name === undefined ? {} : { name }),
    ...(bookableType === undefined ? {} : { bookableType }),
  }));
}

/** Each list that is to be read needs a poll a day, and no service more than are permitted. */
function checkSplits(services: readonly SiteService[], pollsPerDay: number, faults: string[]): void {
  for (const { id, lists, pollSplit } of services) {
    if (pollSplit === undefined) continue;
    const named = Object.keys(pollSplit);
    const sum = Object.values(pollSplit).reduce((total, count) => total + count, 0);
    if (lists.some((list) => !named.includes(list)) || named.some((name) => !lists.some((list) => list === name))) {
      faults.push(`ERS_SERVICES ${id}: pollSplit names each of the service's lists, and no other.`);
    }
    if (sum > pollsPerDay) {
      faults.push(`ERS_SERVICES ${id}: pollSplit wants ${sum} polls a day, ERS_POLLS_PER_DAY permits ${pollsPerDay}.`);
    }
  }
}
