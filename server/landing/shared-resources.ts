import type { Provenance } from '@medplum/fhirtypes';
import {
  deviceKey,
  type IdSpace,
  idOf,
  practitionerKey,
  type SharedResource,
  SYSTEM,
  ukCoreProfile,
} from '../../mappings/index.ts';
import type { Store, StoreFailure, StoreResult } from '../core/index.ts';
import type { References } from './references.ts';

/** Why the shared resources of a referral could not be put in place. */
export type SharedOutcome =
  | { readonly ok: true }
  | StoreFailure
  | { readonly ok: false; readonly code: 'patient-ambiguous' };

const TRIES = 4;
const CACHED = 20_000;

/** Systems of the business keys of shared resources (I-1, I-2). */
const KEY_SYSTEM: Readonly<Record<SharedResource['resourceType'], string>> = {
  Patient: SYSTEM.nhsNumber,
  HealthcareService: SYSTEM.service,
  Practitioner: SYSTEM.sdsUser,
  Organization: SYSTEM.organisation,
  Device: SYSTEM.device,
};

/** The Device that stands for this engine, named by what it witnesses. */
export function engineDevice(ids: IdSpace): SharedResource {
  const key = deviceKey('engine');
  return {
    resourceType: 'Device',
    id: idOf(ids, key),
    meta: { profile: [ukCoreProfile('Device')] },
    identifier: [{ system: key.system, value: key.value }],
    deviceName: [{ name: 'e-RS FHIR facade', type: 'user-friendly-name' }],
  };
}

/** A user of e-RS, of whom all that it says is the SDS user id. */
export function practitioner(ids: IdSpace, sdsUserId: string): SharedResource {
  const key = practitionerKey(sdsUserId);
  return {
    resourceType: 'Practitioner',
    id: idOf(ids, key),
    meta: { profile: [ukCoreProfile('Practitioner')] },
    identifier: [{ system: key.system, value: key.value }],
  };
}

/** The users of e-RS whom a witness names. */
export function usersIn(ids: IdSpace, witness: Provenance | undefined): readonly SharedResource[] {
  const named = (witness?.agent ?? []).flatMap(({ who, onBehalfOf }) => [who.identifier, onBehalfOf?.identifier]);
  return named.flatMap((identifier) =>
    identifier?.system === SYSTEM.sdsUser && identifier.value !== undefined ? practitioner(ids, identifier.value) : [],
  );
}

/**
 * Finds or creates what referrals share, one by one, before the transaction that refers to it (architecture 2). What is
 * there is never overwritten: other systems may know more of it (M-42).
 */
export class SharedResources {
  readonly #store: Store;
  readonly #known = new Map<string, string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Puts all in place and notes their ids. Two Patients of one NHS number: nothing may be written (M-42). */
  async place(resources: readonly SharedResource[], references: References): Promise<SharedOutcome> {
    for (const resource of resources) {
      const placed = await this.#placed(resource);
      if (!placed.ok) {
        const isPatient = resource.resourceType === 'Patient';
        return isPatient && placed.code === 'multiple-matches' ? { ok: false, code: 'patient-ambiguous' } : placed;
      }
      references.set(`${resource.resourceType}/${resource.id ?? ''}`, `${resource.resourceType}/${placed.value}`);
    }
    return { ok: true };
  }

  /** Forgets what was found, because the store no longer has it under that id. */
  forget(): void {
    this.#known.clear();
  }

  async #placed(resource: SharedResource): Promise<StoreResult<string>> {
    const key = `${resource.resourceType}/${resource.id ?? ''}`;
    const known = this.#known.get(key);
    if (known !== undefined) return { ok: true, value: known };
    let placed: StoreResult<string> = { ok: false, code: 'conflict' };
    for (let tries = 0; tries < TRIES && !placed.ok; tries++) {
      placed = await this.#findOrCreate(resource);
      if (!placed.ok && placed.code !== 'conflict' && placed.code !== 'unknown-outcome') return placed;
    }
    // Patients are looked up each time: merging them is somebody else's right, and two of them must be noticed.
    if (placed.ok && resource.resourceType !== 'Patient') {
      if (this.#known.size >= CACHED) this.#known.clear();
      this.#known.set(key, placed.value);
    }
    return placed;
  }

  async #findOrCreate(resource: SharedResource): Promise<StoreResult<string>> {
    const system = KEY_SYSTEM[resource.resourceType];
    const value = resource.identifier?.find((one) => one.system === system)?.value ?? '';
    const found = await this.#store.findByIdentifier(resource.resourceType, system, value);
    if (!found.ok) return found;
    const live = found.value.length > 1 ? found.value.filter(isCurrent) : found.value;
    if (live.length > 1 && resource.resourceType === 'Patient') return { ok: false, code: 'multiple-matches' };
    const first = live.toSorted((a, b) => (a.id < b.id ? -1 : 1))[0];
    if (first !== undefined) return { ok: true, value: first.id };
    return this.#store.capabilities.clientIds
      ? this.#createUnderOwnId(resource)
      : this.#createOnce(resource, system, value);
  }

  async #createUnderOwnId(resource: SharedResource): Promise<StoreResult<string>> {
    const id = resource.id ?? '';
    const written = await this.#store.transaction([{ kind: 'put', resource: { ...resource, id } }]);
    return written.ok ? { ok: true, value: id } : written;
  }

  async #createOnce(
    { id: _, ...resource }: SharedResource,
    system: string,
    value: string,
  ): Promise<StoreResult<string>> {
    const ifNoneExist = `identifier=${encodeURIComponent(`${system}|${value}`)}`;
    const created = await this.#store.create(resource as SharedResource, { ifNoneExist });
    return created.ok ? { ok: true, value: created.value.resource.id } : created;
  }
}

/** A Patient that was merged into another is no longer the one that is meant. */
const isCurrent = (resource: SharedResource): boolean =>
  resource.resourceType !== 'Patient' ||
  (resource.active !== false && !resource.link?.some((link) => link.type === 'replaced-by'));
