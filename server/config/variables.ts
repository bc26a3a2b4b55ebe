import { z } from 'zod';
import { isSafeUrl } from '../core/index.ts';
import { Secret } from './secret.ts';

const wholeNumber = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const httpUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));
/** What goes to e-RS is patients' and clinicians': it travels encrypted, but to this machine's own simulator. */
const ersUrl = httpUrl.refine(isSafeUrl, { message: 'must begin with https' });
const secret = z
  .string()
  .min(16, 'needs at least 16 characters')
  .transform((text) => new Secret(text));

export interface Variable {
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
  METRICS_SECRET: variable(secret.optional(), {
    meaning:
      'What a monitor shows as its bearer token for /metrics and all of /health/ready, where callers have to prove who they are; a token with ers/operator opens them, too',
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
  REPLICA_URL: variable(ersUrl.optional(), {
    meaning:
      'With replicas on one store: where the others reach this very process, without a path, by a name that its certificate has; else the address that is bound',
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
  USER_RESTRICTED_DECISIONS: variable(z.enum(['wait', 'refuse']), {
    default: 'wait',
    meaning:
      'A decision through the facade that needs a clinician and came without a session: wait for one, or refuse (403, nothing is stored)',
  }),
  AUTHORISATION_TIMEOUT_HOURS: variable(wholeNumber(1, 168), {
    default: '24',
    unit: 'h',
    meaning: 'How long a decision waits for a clinician before the Task is open again',
  }),
  CONFLICT_RESEND: variable(z.enum(['when-unchanged', 'never']), {
    default: 'when-unchanged',
    meaning:
      'After a referral got a new version under a decision: send again once if nothing that was reviewed has changed, or open the Task in any case',
  }),
  MAX_COMMENT_LENGTH: variable(wholeNumber(1, 10_000), {
    default: '2000',
    unit: 'characters',
    meaning: 'Longest comment of a decision; e-RS documents 2,000 for a rejection and nothing for triage outcomes',
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
  HTTPS_PROXY: variable(httpUrl.optional(), {
    meaning:
      'Proxy on the way to e-RS, to CIS2, and to the keys of AUTH_JWKS_URL and of clients; the store is reached without it',
  }),
  NO_PROXY: variable(z.string().min(1).optional(), {
    meaning:
      'Hosts that are reached without HTTPS_PROXY, with commas between them, such as sso.trust.example,.internal',
  }),
  LOG_LEVEL: variable(z.enum(['info', 'warn', 'error']), { default: 'info', meaning: 'Least level that is logged' }),
  SIMULATOR_PORT: variable(wholeNumber(0, 65_535), {
    default: '9100',
    meaning: 'Demo only: port of the simulator; 0 takes a free one',
  }),
} as const;

export type VariableName = keyof typeof VARIABLES;
