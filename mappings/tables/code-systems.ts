import { codeSystem } from '../canonical.ts';
import { SYSTEM } from '../ids.ts';
import { CODE_SYSTEM } from '../systems.ts';
import { ownRow } from './own-row.ts';

/** Reference data of A004 by e-RS's name for it, and the system that we give its codes. Source: 1.0.1 */
export const REFERENCE_DATA_SYSTEM: Readonly<Record<string, string>> = {
  SPECIALTY: CODE_SYSTEM.specialty,
  'CLINIC-TYPE': CODE_SYSTEM.clinicType,
  PRIORITY: CODE_SYSTEM.priority,
  'APPOINTMENT-CANCELLATION-REASON': CODE_SYSTEM.appointmentCancellationReason,
  'REFERRAL-CANCELLATION-REASON': CODE_SYSTEM.referralCancellationReason,
  'APPOINTMENT-NON-ATTENDANCE-REASON': CODE_SYSTEM.appointmentNonAttendanceReason,
};

/** Names that e-RS also uses for the same data. */
const ALIAS: Readonly<Record<string, string>> = { 'REQUEST-CANCELLATION-REASON': 'REFERRAL-CANCELLATION-REASON' };

/** Systems with one replacement, whatever the environment. Source: 1.0.1 */
const REPLACED: Readonly<Record<string, string>> = {
  'http://fhir.nhs.net/Id/nhs-number': SYSTEM.nhsNumber,
  'http://fhir.nhs.net/Id/sds-user-id': SYSTEM.sdsUser,
  'http://fhir.nhs.net/Id/ers-service': SYSTEM.service,
  'https://directory.spineservices.nhs.uk/STU3/Organization': SYSTEM.organisation,
  'http://hl7.org/fhir/ValueSet/encounter-participant-type': CODE_SYSTEM.participationType,
};

/** A code system of one e-RS environment; e-RS puts that environment's base URL, or a placeholder, before it. */
const ENVIRONMENT_SYSTEM = /\/STU3(?:\/v\d+)?\/CodeSystem\/([A-Z-]+)$/;

/**
 * The system that we publish for one that e-RS or a client wrote; any system that table 1.0.1 does not name is kept
 * verbatim. `known` is false for an environment's code system that nobody has named yet (CODE_SYSTEM_UNKNOWN).
 * Source: G-3, 1.0.1
 */
export function normaliseSystem(url: string): { system: string; known: boolean } {
  const name = ENVIRONMENT_SYSTEM.exec(url)?.[1];
  if (name === undefined) return { system: ownRow(REPLACED, url) ?? url, known: true };
  const system = ownRow(REFERENCE_DATA_SYSTEM, ownRow(ALIAS, name) ?? name);
  return system ? { system, known: true } : { system: codeSystem(`ers-${name.toLowerCase()}`), known: false };
}

/** e-RS's name of the reference data behind one of our systems, as A004's path wants it. */
export function referenceDataOf(system: string): string | undefined {
  return Object.keys(REFERENCE_DATA_SYSTEM).find((name) => REFERENCE_DATA_SYSTEM[name] === system);
}
