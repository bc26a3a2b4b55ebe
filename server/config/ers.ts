import { z } from 'zod';
import { type SiteService, UNATTENDED } from '../core/index.ts';
import { type Environment, readFile, readValues } from './read-values.ts';
import { Secret } from './secret.ts';

const list = z.enum(['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES']);
const service = z.strictObject({
  id: z.string().regex(/^\d{1,12}$/, 'is the number of an e-RS service'),
  name: z.string().optional(),
  bookableType: z.enum(['DIRECTLY_BOOKABLE', 'INDIRECTLY_BOOKABLE']).optional(),
  lists: z.array(list).min(1).default(['REFERRALS_FOR_REVIEW']),
  pollSplit: z.partialRecord(list, z.number().int().min(1)).optional(),
  unattended: z.array(z.enum(UNATTENDED)).default([]),
});

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
  /** Hosts that are reached without it, as NO_PROXY has them. */
  readonly noProxy?: string;
  /** Where clinicians sign in; absent: their sessions come from elsewhere. */
  readonly cis2?: { readonly issuer: string; readonly clientId: string };
}

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
  'HTTPS_PROXY',
  'NO_PROXY',
  'CIS2_ISSUER',
  'CIS2_CLIENT_ID',
] as const;

/** Reads how e-RS is reached, and the files that it names; adds every fault to `faults`. */
export function ersConfig(environment: Environment, faults: string[]): ErsConfig {
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
  return Object.freeze({
    baseUrl: values.ERS_BASE_URL,
    tokenUrl: values.ERS_TOKEN_URL,
    tokenAudience: values.ERS_TOKEN_AUDIENCE ?? values.ERS_TOKEN_URL,
    apiKey: values.ERS_API_KEY,
    keyId: values.ERS_KEY_ID,
    privateKeyPem: new Secret(privateKeyPem),
    services,
    requestsPerSecond: values.ERS_REQUESTS_PER_SECOND,
    pollsPerDay: values.ERS_POLLS_PER_DAY,
    proxy: values.HTTPS_PROXY,
    ...(values.NO_PROXY === undefined ? {} : { noProxy: values.NO_PROXY }),
    ...(issuer === undefined || clientId === undefined ? {} : { cis2: { issuer, clientId } }),
  });
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
