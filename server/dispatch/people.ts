import type { Resource } from '@medplum/fhirtypes';
import type { IdSpace } from '../../mappings/index.ts';
import type { Store } from '../core/index.ts';
import { engineDevice, practitioner, References, SharedResources } from '../landing/index.ts';

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
      const people = [...named].map((id) => practitioner(ids, id));
      return (await shared.place([engineDevice(ids), ...people], references)).ok;
    },
    resolve: (witness) => references.resolve(witness),
  };
}
