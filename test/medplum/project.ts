import { setTimeout as passed } from 'node:timers/promises';
import type { Basic } from '@medplum/fhirtypes';
import { Secret } from '../../server/config/index.ts';
import { type ResourceType, type Store, type StoreResult, systemClock } from '../../server/core/index.ts';
import { connectMedplumStore } from '../../server/store/index.ts';

/** The Medplum project that the environment names, emptied for one test file. */
export interface MedplumProject {
  /** Its FHIR base. */
  readonly url: string;
  readonly credentials: { readonly id: string; readonly secret: Secret };
  connect(): Promise<Store>;
}

const TYPES: readonly ResourceType[] = [
  'AuditEvent',
  'Provenance',
  'Task',
  'DocumentReference',
  'Appointment',
  'List',
  'ServiceRequest',
  'Patient',
  'HealthcareService',
  'Practitioner',
  'Organization',
  'Device',
  'CodeSystem',
  'Basic',
];
const MARK: Basic = {
  resourceType: 'Basic',
  code: { text: 'The tests of ers-fhir may empty this project.' },
  identifier: [{ system: 'https://ers-fhir.example/Id/test-project', value: 'may-be-emptied' }],
};

/**
 * Empties the project, so that each test file finds it as new. Only a project that bears the mark is emptied, and only one
 * that holds nothing gets it.
 * @throws Error that says what to change
 */
export async function emptyProject(): Promise<MedplumProject> {
  const { STORE_URL: url, STORE_CLIENT_ID: id, STORE_CLIENT_SECRET: secret } = process.env;
  if (!url || !id || !secret)
    throw new Error(
      'test:medplum needs STORE_URL, STORE_CLIENT_ID and STORE_CLIENT_SECRET of a Medplum project that it may fill and empty.',
    );
  const connect = () =>
    connectMedplumStore({ baseUrl: url, credentials: { id, secret }, clock: systemClock, random: Math.random });
  const store = await connect();
  try {
    await empty(store);
  } finally {
    await store.close();
  }
  return { url: `${url.replace(/\/fhir\/R4$/, '')}/fhir/R4`, credentials: { id, secret: new Secret(secret) }, connect };
}

async function empty(store: Store): Promise<void> {
  const { system = '', value = '' } = MARK.identifier?.[0] ?? {};
  const [mark] = await patiently(() => store.findByIdentifier('Basic', system, value));
  for (const type of TYPES) {
    for (;;) {
      const page = await patiently(() => store.search(type, '_count=40'));
      const others = page.matches.filter((one) => one.id !== mark?.id);
      if (mark === undefined && others.length > 0)
        throw new Error(`The project holds a ${type} that is not of these tests: name an empty one.`);
      if (others.length === 0) break;
      await patiently(() => store.transaction(others.map((one) => ({ kind: 'delete', type, id: one.id }))));
    }
  }
  if (mark === undefined) await patiently(() => store.create(MARK));
}

/** A Medplum with its default quota wants to be left alone for up to a minute after 500 deletions. */
async function patiently<T>(ask: () => Promise<StoreResult<T>>): Promise<T> {
  for (;;) {
    const result = await ask();
    if (result.ok) return result.value;
    if (result.retryAfterMs === undefined) throw new Error(`${result.code}: ${JSON.stringify(result.outcome)}`);
    await passed(result.retryAfterMs);
  }
}
