import { deepEquals } from '@medplum/core';
import type { SearchParameter } from '@medplum/fhirtypes';
import type { Clock, StoreFailure, StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import type { HapiWire } from './client.ts';
import { storedOf } from './resources.ts';
import { FRESH } from './searches.ts';

/** HAPI's nodes look for new parameters once a minute; the one that took them, at once. */
const PATIENCE_MS = 90_000;
const LOOK_EVERY_MS = 500;

const EXAMPLE: Readonly<Record<string, string>> = { date: 'gt1900-01-01', reference: 'ers-fhir-none' };

/**
 * Installs the parameters that the server lacks, and waits until it searches by them. They are `active` there, whatever
 * they are as a publication, or HAPI would not index them; what it held before is indexed by its own background job.
 */
export async function installSearchParameters(
  wire: HapiWire,
  custom: readonly SearchParameter[],
  clock: Clock,
): Promise<StoreResult<void>> {
  for (const one of custom) {
    const fault = await install(wire, one);
    if (fault) return fault;
  }
  const endsAtMs = clock.monotonicMs() + PATIENCE_MS;
  // `:missing` on a base parameter is a question of the engine's own: decided Tasks without a businessStatus.
  const questions = [...custom.flatMap(questionsOf), 'Task?business-status:missing=true'];
  for (const question of questions) {
    for (;;) {
      const asked = await wire.ask(
        'read',
        (client, options) => client.request(`${question}&_summary=count`, { options }),
        FRESH,
      );
      if (!asked.ok) return asked;
      if (asked.value.status === 200) break;
      if (clock.monotonicMs() > endsAtMs) return notSearchable(question);
      await clock.sleep(LOOK_EVERY_MS);
    }
  }
  return { ok: true, value: undefined };
}

const questionsOf = ({ base, code, type }: SearchParameter): string[] =>
  base.map((resourceType) => `${resourceType}?${code}=${EXAMPLE[type] ?? 'ers-fhir-none'}`);

async function install(wire: HapiWire, { meta: _, ...definition }: SearchParameter): Promise<StoreFailure | undefined> {
  const id = `ers-fhir-${definition.id ?? definition.code}`;
  const wanted: SearchParameter & { id: string } = { ...definition, id, status: 'active' };
  const held = await wire.ask('read', (client, options) => client.request(`SearchParameter/${id}`, { options }), FRESH);
  if (!held.ok) return held;
  const before = storedOf<SearchParameter>(held.value.body);
  if (before !== undefined && deepEquals({ ...before, meta: undefined }, { ...wanted, meta: undefined }))
    return undefined;
  const put = await wire.ask('repeatable-write', (client, options) =>
    client.update({ resourceType: 'SearchParameter', id, body: wanted as never, options }),
  );
  if (!put.ok) return put;
  // Another replica may be doing the same.
  if (put.value.status < 300 || put.value.status === 409) return undefined;
  return failure(
    'not-supported',
    `The store refuses the search parameter ${definition.code}: let our credentials write SearchParameter, or install conformance/ by hand`,
  );
}

/** A server that runs in several processes, or was slow to start, needs no more than time. */
function notSearchable(question: string): StoreFailure {
  const [type = ''] = question.split('?');
  return failure(
    'not-supported',
    `The store does not search ${question.replace(/=.*$/, '')}: leave hapi.fhir.supported_resource_types out there, or let it name SearchParameter and ${type}, and restart it; if it is so already, start us again in a minute`,
  );
}
