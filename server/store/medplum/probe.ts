import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Basic, Bundle } from '@medplum/fhirtypes';
import type { StoreFailure, StoreResult } from '../../core/index.ts';
import { KEPT_TYPES } from '../fhir/definitions.ts';
import { failure } from '../fhir/outcome.ts';
import { isBundle } from '../remote/bundles.ts';
import { ifMatchOf } from '../remote/transaction.ts';
import type { Answer } from '../remote/wire.ts';
import { openBinary, putBinary } from './binaries.ts';
import { FHIR, type MedplumWire } from './client.ts';
import { storedOf } from './resources.ts';

const CODE = { text: 'ers-fhir: what the store was asked at start' };
const PROBE_SYSTEM = 'https://ers-fhir.example/Id/probe';

/**
 * Asks the project for every promise on which the engine rests, and answers with the first that it does not keep and what
 * to change. Leaves nothing behind. Source: stores.md 0, 5c
 */
export async function probe(wire: MedplumWire): Promise<StoreResult<void>> {
  const fault =
    (await isMedplum(wire)) ??
    (await letsUsRead(wire)) ??
    (await letsUsWrite(wire)) ??
    (await keepsPromises(wire)) ??
    (await keepsFiles(wire));
  return fault ?? { ok: true, value: undefined };
}

const broken = (text: string): StoreFailure => failure('not-supported', text);

async function isMedplum(wire: MedplumWire): Promise<StoreFailure | undefined> {
  const entered = await wire.enter();
  if (!entered.ok) return entered;
  const asked = await wire.ask('read', (client, options) => client.get(client.fhirUrl('metadata'), options));
  if (!asked.ok) return failure('unavailable', 'STORE_URL: no server answers there. Start it, or correct the address');
  const { status, body } = asked.value;
  if (status === 401 || status === 403)
    return failure('unavailable', 'STORE_URL: the server refuses us: correct STORE_CLIENT_ID and STORE_CLIENT_SECRET');
  const statement = body as { resourceType?: string; fhirVersion?: string; software?: { name?: string } } | undefined;
  if (
    status !== 200 ||
    statement?.resourceType !== 'CapabilityStatement' ||
    !/^4\.0\b/.test(statement.fhirVersion ?? '')
  )
    return broken('STORE_URL: what answers there is no Medplum: name its address, such as https://api.medplum.example');
  return undefined;
}

/** An access policy that forgets a type would be noticed only when the first resource of that type comes. */
async function letsUsRead(wire: MedplumWire): Promise<StoreFailure | undefined> {
  const id = randomUUID();
  return whyBarred(KEPT_TYPES, (type) =>
    wire.ask('read', (client, options) => client.get(client.fhirUrl(type, id), options)),
  );
}

/** Witnesses are never changed; records and files are tried for themselves. */
const NOT_TRIED: ReadonlySet<string> = new Set(['AuditEvent', 'Provenance', 'Basic', 'Binary']);
const CHANGED_TYPES = KEPT_TYPES.filter((type) => !NOT_TRIED.has(type));

/** Medplum looks at the policy before it looks for the resource, which is not there, and would be no R4 either. */
async function letsUsWrite(wire: MedplumWire): Promise<StoreFailure | undefined> {
  const id = randomUUID();
  return whyBarred(CHANGED_TYPES, (type) =>
    wire.ask('repeatable-write', (client, options) =>
      client.put(client.fhirUrl(type, id), { resourceType: type, id, ersFhirProbe: true }, FHIR, options),
    ),
  );
}

async function whyBarred(
  types: readonly string[],
  ask: (type: string) => Promise<StoreResult<Answer>>,
): Promise<StoreFailure | undefined> {
  const asked = await Promise.all(types.map(ask));
  const barred = types.filter((_, at) => {
    const answer = asked[at];
    return answer?.ok === true && answer.value.status === 403;
  });
  if (barred.length > 0)
    return broken(`The access policy of our client bars it from ${barred.join(', ')}: let it read and write them`);
  return asked.find((answer) => !answer.ok);
}

async function keepsPromises(wire: MedplumWire): Promise<StoreFailure | undefined> {
  const made = await wire.ask('write', (client, options) =>
    client.post(client.fhirUrl('Basic'), { resourceType: 'Basic', code: CODE }, FHIR, options),
  );
  if (!made.ok) return made;
  const basic = storedOf<Basic>(made.value.body);
  if (basic === undefined)
    return broken('The store refuses to create a Basic: let the access policy of our client write it');
  const fault =
    (await heedsVersions(wire, basic.id)) ?? (await isAtomic(wire, basic.id)) ?? (await checksReferences(wire));
  const left = await remove(wire, 'Basic', basic.id);
  return fault ?? left;
}

const STALE = '00000000-0000-4000-8000-000000000000';

async function heedsVersions(wire: MedplumWire, id: string): Promise<StoreFailure | undefined> {
  const body: Basic = { resourceType: 'Basic', id, code: { text: `${CODE.text} ${randomUUID()}` } };
  const put = await wire.ask(
    'repeatable-write',
    (client, options) => client.put(client.fhirUrl('Basic', id), body, FHIR, options),
    { 'if-match': ifMatchOf(STALE) },
  );
  if (!put.ok) return put;
  return [409, 412].includes(put.value.status)
    ? undefined
    : broken('The store does not heed If-Match on updates: let it pass through the proxy in front of it');
}

async function isAtomic(wire: MedplumWire, id: string): Promise<StoreFailure | undefined> {
  const value = randomUUID();
  const stray: Basic = { resourceType: 'Basic', code: CODE, identifier: [{ system: PROBE_SYSTEM, value }] };
  const changed: Basic = { resourceType: 'Basic', id, code: { text: `${CODE.text} ${value}` } };
  const bundle: Bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      { resource: stray, request: { method: 'POST', url: 'Basic' } },
      { resource: changed, request: { method: 'PUT', url: `Basic/${id}`, ifMatch: ifMatchOf(STALE) } },
    ],
  };
  const sent = await wire.ask('repeatable-write', (client, options) =>
    client.post(client.fhirUrl(), bundle, FHIR, options),
  );
  if (!sent.ok) return sent;
  const form = new URLSearchParams({ identifier: `${PROBE_SYSTEM}|${value}` }).toString();
  const found = await wire.ask('read', (client, options) =>
    client.post(client.fhirUrl('Basic', '_search'), form, 'application/x-www-form-urlencoded', options),
  );
  if (!found.ok) return found;
  const left = isBundle(found.value.body) ? (found.value.body.entry ?? []) : undefined;
  for (const { resource } of left ?? []) if (resource?.id !== undefined) await remove(wire, 'Basic', resource.id);
  return [409, 412].includes(sent.value.status) && left?.length === 0
    ? undefined
    : broken('The store runs transactions as batches: add the feature transaction-bundles to its Project');
}

async function checksReferences(wire: MedplumWire): Promise<StoreFailure | undefined> {
  const lost: Basic = { resourceType: 'Basic', code: CODE, subject: { reference: `Patient/${randomUUID()}` } };
  const made = await wire.ask('write', (client, options) => client.post(client.fhirUrl('Basic'), lost, FHIR, options));
  if (!made.ok) return made;
  const stored = storedOf(made.value.body);
  if (stored === undefined) return undefined;
  await remove(wire, 'Basic', stored.id);
  return broken('The store takes references that lead nowhere: set checkReferencesOnWrite of its Project to true');
}

/** Takes away what the probe wrote; the fault is that of a policy that does not let us. */
async function remove(wire: MedplumWire, type: 'Basic' | 'Binary', id: string): Promise<StoreFailure | undefined> {
  const removed = await wire.ask('repeatable-write', (client, options) =>
    client.delete(client.fhirUrl(type, id), options),
  );
  if (!removed.ok) return removed;
  const { status } = removed.value;
  return status < 300 || status === 404 || status === 410
    ? undefined
    : broken(
        `The access policy of our client does not let it delete a ${type}: add the interaction delete for that type`,
      );
}

async function keepsFiles(wire: MedplumWire): Promise<StoreFailure | undefined> {
  const bytes = Buffer.from('%PDF-1.4 probe');
  const put = await putBinary(wire, Readable.from([bytes]), { contentType: 'application/pdf' });
  const opened = put.ok ? await openBinary(wire, put.value.id) : put;
  if (!opened.ok) return opened.code === 'unavailable' ? opened : filesRefused;
  const back = await buffer(opened.value.stream).catch(() => Buffer.alloc(0));
  const left = await remove(wire, 'Binary', opened.value.id);
  return back.equals(bytes) ? left : filesRefused;
}

const filesRefused = broken('The store does not give files back as they were sent: check its binary storage');
