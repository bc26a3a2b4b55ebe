import type { Identifier, Patient, Reference } from '@medplum/fhirtypes';
import { identifier, sourceCode } from '../elements.ts';
import { hasValidCheckDigit, type IdSpace, parseNhsNumber, SYSTEM } from '../ids.ts';
import {
  type BusinessKey,
  deviceKey,
  idOf,
  organisationKey,
  patientKey,
  practitionerKey,
  serviceKey,
} from '../keys.ts';
import type { ServiceName, SharedResource } from '../model.ts';
import {
  ERS_NAME,
  ersDeviceReference,
  organisationReference,
  patientReference,
  practitionerReference,
  serviceReference,
} from '../references.ts';
import { ukCoreProfile } from '../systems.ts';

/** Whoever an e-RS identifier can stand for. */
export type Actor = Extract<SharedResource, { resourceType: 'Patient' | 'HealthcareService' | 'Practitioner' }>;

/**
 * The resources that a referral shares with others, each once, made when something first refers to it. e-RS knows no more
 * of them than an identifier, and of a service its name: the rest is left to who knows it (M-41, M-42).
 */
export class SharedResources {
  readonly #ids: IdSpace;
  readonly #byId = new Map<string, SharedResource>();

  constructor(ids: IdSpace) {
    this.#ids = ids;
  }

  /** By type and business key, so that a second run gives the same order (G-7). */
  all(): SharedResource[] {
    return [...this.#byId.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource);
  }

  /** M-40: a number whose check digit is wrong is kept, and marked. */
  patient(nhsNumber: string): Reference<Patient> {
    const key = patientKey(nhsNumber);
    this.#add(key, {
      resourceType: 'Patient',
      ...this.#head(key, 'Patient'),
      identifier: [{ ...identifier(key), ...(!hasValidCheckDigit(nhsNumber) && { _value: sourceCode(nhsNumber) }) }],
      active: true,
    });
    return patientReference(this.#ids, nhsNumber);
  }

  /** M-81: a stub; whoever names the service first gives it its name. */
  service(service: ServiceName) {
    const key = serviceKey(service.id);
    this.#add(key, {
      resourceType: 'HealthcareService',
      ...this.#head(key, 'HealthcareService'),
      identifier: [identifier(key)],
      ...(service.display !== undefined && { name: service.display }),
    });
    return serviceReference(this.#ids, service);
  }

  practitioner(sdsUserId: string) {
    const key = practitionerKey(sdsUserId);
    this.#add(key, {
      resourceType: 'Practitioner',
      ...this.#head(key, 'Practitioner'),
      identifier: [identifier(key)],
    });
    return practitionerReference(this.#ids, sdsUserId);
  }

  organisation(odsCode: string) {
    const key = organisationKey(odsCode);
    this.#add(key, {
      resourceType: 'Organization',
      ...this.#head(key, 'Organization'),
      identifier: [identifier(key)],
    });
    return organisationReference(this.#ids, odsCode);
  }

  /** The Device that stands for e-RS as requester and author. */
  ersDevice() {
    const key = deviceKey('nhs-ers');
    this.#add(key, {
      resourceType: 'Device',
      ...this.#head(key, 'Device'),
      identifier: [identifier(key)],
      deviceName: [{ name: ERS_NAME, type: 'user-friendly-name' }],
    });
    return ersDeviceReference(this.#ids);
  }

  /** Whom an e-RS identifier names (M-97); an identifier of another system stays a logical reference. */
  actor(named: Identifier & { value: string }, display?: string): Reference<Actor> {
    const shown = display === undefined ? {} : { display };
    if (named.system === SYSTEM.service) return this.service({ id: named.value, ...shown });
    if (named.system === SYSTEM.sdsUser) return { ...this.practitioner(named.value), ...shown };
    if (named.system === SYSTEM.nhsNumber && parseNhsNumber(named.value))
      return { ...this.patient(named.value), ...shown };
    return { identifier: named, ...shown };
  }

  #head(key: BusinessKey, type: string) {
    return { id: idOf(this.#ids, key), meta: { profile: [ukCoreProfile(type)] } };
  }

  #add({ system, value }: BusinessKey, resource: SharedResource): void {
    const key = `${resource.resourceType}|${system}|${value}`;
    const present = this.#byId.get(key);
    const isNameless = present?.resourceType === 'HealthcareService' && present.name === undefined;
    if (present === undefined || isNameless) this.#byId.set(key, resource);
  }
}
