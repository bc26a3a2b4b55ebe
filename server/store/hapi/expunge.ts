import type { Parameters } from '@medplum/fhirtypes';
import type { ResourceType, StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import type { HapiWire } from './client.ts';

/** At one time: HAPI takes about a second for a hundred. */
const MOST = 1_000;

/**
 * Drops the versions of a resource before its last, by HAPI's own operation, which a server offers only when told to.
 * Source: HAPI `$expunge`, hapi.fhir.expunge_enabled; measured on 8.8.0
 */
export async function expungeVersions(wire: HapiWire, type: ResourceType, id: string): Promise<StoreResult<void>> {
  const body: Parameters = {
    resourceType: 'Parameters',
    parameter: [
      { name: 'limit', valueInteger: MOST },
      { name: 'expungePreviousVersions', valueBoolean: true },
    ],
  };
  const asked = await wire.ask('repeatable-write', (client, options) =>
    client.operation({ name: 'expunge', resourceType: type, id, input: body as never, options }),
  );
  if (!asked.ok) return asked;
  return asked.value.status < 300
    ? { ok: true, value: undefined }
    : failure('not-supported', 'The store keeps all versions: hapi.fhir.expunge_enabled is not set there');
}
