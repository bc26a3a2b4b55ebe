import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Basic, Bundle, CapabilityStatement, SearchParameter } from '@medplum/fhirtypes';
import type { Clock, StoreFailure, StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import { isBundle } from '../remote/bundles.ts';
import { ifMatchOf } from '../remote/transaction.ts';
import type { Answer } from '../remote/wire.ts';
import { openBinary, putBinary } from './binaries.ts';
import type { HapiWire } from './client.ts';
import { storedOf } from './resources.ts';
import { installSearchParameters } from './search-parameters.ts';
import { FRESH } from './searches.ts';
import { NO_VERSION } from './transaction.ts';

const PROBE: Basic & { id: string } = {
  resourceType: 'Basic',
  id: 'ers-fhir-probe',
  code: { text: 'ers-fhir: what the store was asked at start' },
};
const PROBE_SYSTEM = 'https://ers-fhir.example/Id/probe';

/**
 * Asks the server for every promise on which the engine rests, and answers with the first that it does not keep and what
 * to change. Leaves one Basic behind. Source: stores.md 4, 5b
 */
export async function probe(
  wire: HapiWire,
  custom: readonly SearchParameter[],
  clock: Clock,
): Promise<StoreResult<void>> {
  const steps = [isR4, takesClientIds, keepsVersions, isAtomic, keepsReferences, keepsTypeHistory, keepsFiles];
  for (const step of steps) {
    const fault = await step(wire);
    if (fault) return fault;
  }
  return installSearchParameters(wire, custom, clock);
}

const broken = (text: string): StoreFailure => failure('not-supported', text);

const METADATA = 'metadata?_elements=software,fhirVersion';

async function isR4(wire: HapiWire): Promise<StoreFailure | undefined> {
  const asked = await wire.ask('read', (client, options) => client.request(METADATA, { options }));
  if (!asked.ok) return failure('unavailable', 'STORE_URL: no server answers there. Start it, or correct the address');
  const { status, body } = asked.value;
  const statement = body as Partial<CapabilityStatement> | undefined;
  if (status === 401 || status === 403)
    return failure('unavailable', 'STORE_URL: the server refuses us: set STORE_CLIENT_ID and STORE_CLIENT_SECRET');
  if (status !== 200 || statement?.resourceType !== 'CapabilityStatement')
    return broken(
      'STORE_URL: what answers there is no FHIR server: name the FHIR base, such as http://127.0.0.1:8080/fhir',
    );
  if (!/^4\.0\b/.test(statement.fhirVersion ?? ''))
    return broken(`The store speaks FHIR ${statement.fhirVersion ?? '?'}: set hapi.fhir.fhir_version to R4`);
  if (!/hapi/i.test(statement.software?.name ?? ''))
    return broken('The store is no HAPI FHIR server: STORE=hapi rests on its ways. Name a HAPI, or another STORE');
  return undefined;
}

async function takesClientIds(wire: HapiWire): Promise<StoreFailure | undefined> {
  const put = await putProbe(wire, {});
  if (!put.ok) return put;
  return put.value.status < 300
    ? undefined
    : broken('The store refuses ids that a client chooses: set hapi.fhir.client_id_strategy to ALPHANUMERIC');
}

async function keepsVersions(wire: HapiWire): Promise<StoreFailure | undefined> {
  for (const version of ['999999', NO_VERSION]) {
    const put = await putProbe(wire, { 'if-match': ifMatchOf(version) });
    if (!put.ok) return put;
    if (![409, 412].includes(put.value.status))
      return broken(
        'The store does not heed If-Match on updates: it needs HAPI 6.0 or newer, without a proxy that drops it',
      );
  }
  return undefined;
}

const putProbe = (wire: HapiWire, headers: Readonly<Record<string, string>>): Promise<StoreResult<Answer>> =>
  wire.ask(
    'repeatable-write',
    (client, options) => client.update({ resourceType: 'Basic', id: PROBE.id, body: PROBE as never, options }),
    headers,
  );

/** A transaction whose second entry has to fail, and then a look for its first. */
async function isAtomic(wire: HapiWire): Promise<StoreFailure | undefined> {
  const value = randomUUID();
  const stray: Basic = { resourceType: 'Basic', code: PROBE.code, identifier: [{ system: PROBE_SYSTEM, value }] };
  const bundle: Bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      { resource: stray, request: { method: 'POST', url: 'Basic' } },
      { resource: PROBE, request: { method: 'PUT', url: `Basic/${PROBE.id}`, ifMatch: ifMatchOf('999999') } },
    ],
  };
  const sent = await wire.ask('repeatable-write', (client, options) =>
    client.transaction({ body: bundle as never, options }),
  );
  if (!sent.ok) return sent;
  const found = await wire.ask(
    'read',
    (client, options) =>
      client.search({
        resourceType: 'Basic',
        searchParams: { identifier: `${PROBE_SYSTEM}|${value}` },
        options: { ...options, postSearch: true },
      }),
    FRESH,
  );
  if (!found.ok) return found;
  const isRolledBack = isBundle(found.value.body) && (found.value.body.entry ?? []).length === 0;
  return [409, 412].includes(sent.value.status) && isRolledBack
    ? undefined
    : broken('The store does not undo a transaction that fails: it needs a database with transactions behind it');
}

async function keepsReferences(wire: HapiWire): Promise<StoreFailure | undefined> {
  const lost = { ...PROBE, id: undefined, subject: { reference: `Patient/ers-fhir-${randomUUID()}` } };
  const made = await wire.ask('write', (client, options) =>
    client.create({ resourceType: 'Basic', body: lost as never, options }),
  );
  if (!made.ok) return made;
  if (made.value.status === 400) return undefined;
  const id = storedOf(made.value.body)?.id;
  if (id !== undefined)
    await wire.ask('repeatable-write', (client, options) => client.delete({ resourceType: 'Basic', id, options }));
  return broken(
    'The store takes references that lead nowhere: set hapi.fhir.enforce_referential_integrity_on_write to true and hapi.fhir.auto_create_placeholder_reference_targets to false',
  );
}

async function keepsTypeHistory(wire: HapiWire): Promise<StoreFailure | undefined> {
  const asked = await wire.ask(
    'read',
    (client, options) => client.request('Basic/_history?_count=1', { options }),
    FRESH,
  );
  if (!asked.ok) return asked;
  return asked.value.status === 200 && isBundle(asked.value.body)
    ? undefined
    : broken('The store gives no history of a type: let _history pass through the proxy in front of it');
}

/** Raw bytes there and back, of a media type that HAPI could take for a resource. */
async function keepsFiles(wire: HapiWire): Promise<StoreFailure | undefined> {
  const bytes = Buffer.from('{"probe":true}');
  const about = { id: 'ers-fhir-probe', contentType: 'application/fhir+json' };
  const put = await putBinary(wire, Readable.from([bytes]), about);
  const opened = put.ok ? await openBinary(wire, about.id) : put;
  if (!opened.ok) return opened.code === 'unavailable' ? opened : filesRefused;
  const back = await buffer(opened.value.stream).catch(() => Buffer.alloc(0));
  return back.equals(bytes) ? undefined : filesRefused;
}

const filesRefused = broken(
  'The store does not give files back as they were sent: let Binary pass through the proxy in front of it unchanged',
);
