import type { Practitioner, Resource } from '@medplum/fhirtypes';
import { type IdSpace, idOf, practitionerKey, ukCoreProfile } from '../../mappings/index.ts';
import type { Store } from '../core/index.ts';
import { engineDevice, References, SharedResources } from '../landing/index.ts';

/** Those who are named in Provenance and AuditEvent: they must be in the store before the transaction that names them. */
export interface People {
  /** Finds or creates the engine's Device and those people. False: the store did not take them now. */
  place(...sdsUserIds: readonly (string | undefined)[]): Promise<boolean>;
  /** A witness with its references as the store knows them. */
  resolve<T extends Resource>(witness: T): T;
}

export function createPeople(store: Store, ids: IdSpace): People {
  const shared = new SharedResources(store);
  const references = new References();
  return {
    async place(...sdsUserIds) {
      const named = new Set(sdsUserIds.filter((id) => id !== undefined));
      const people = [...named].map((id) => practitioner(id, ids));
      return (await shared.place([engineDevice(ids), ...people], references)).ok;
    },
    resolve: (witness) => references.resolve(witness),
  };
}

/** All that e-RS says of a user is his SDS id. */
function practitioner(sdsUserId: string, ids: IdSpace): Practitioner {
  const key = practitionerKey(sdsUserId);
  return {
    resourceType: 'Practitioner',
    id: idOf(ids, key),
    meta: { profile: [ukCoreProfile('Practitioner')] },
    identifier: [{ system: key.system, value: key.value }],
  };
}
