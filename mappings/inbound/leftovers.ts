import type { Appointment, DocumentReference, List, ServiceRequest } from '@medplum/fhirtypes';
import type { WorklistItem } from '../model.ts';
import type { MappedAppointment } from './appointment.ts';
import type { Findings } from './elements.ts';
import type { Source } from './source.ts';
import { type Unmapped, unmappedExtensions } from './unmapped.ts';

/** Which resource came from which place of the source. */
export type Owners = readonly (readonly [at: string, resource: Keeper | undefined])[];
type Keeper = ServiceRequest | List | Appointment | DocumentReference;

/** Puts what nobody read on the resource that came from the same place, else on the ServiceRequest (G-2). */
export function keepLeftovers(root: Source, owners: Owners, findings: Findings) {
  const byOwner = new Map<Keeper | undefined, Unmapped[]>();
  for (const { path, json, invalid } of root.leftovers()) {
    findings.add(invalid ? 'VALUE_INVALID' : 'VALUE_UNMAPPED', path);
    const owner = owners.find(([at]) => path === at || path.startsWith(`${at}.`) || path.startsWith(`${at}[`))?.[1];
    byOwner.set(owner, [...(byOwner.get(owner) ?? []), { path, json }]);
  }
  return <T extends Keeper>(resource: T, others: readonly Unmapped[] = []): T => {
    const own = byOwner.get(resource.resourceType === 'ServiceRequest' ? undefined : resource) ?? [];
    const extension = [...(resource.extension ?? []), ...unmappedExtensions([...own, ...others])];
    return extension.length > 0 ? { ...resource, extension } : resource;
  };
}

/** M-66: a worklist's value for which A005 has no place is kept, not dropped. */
export function unusedOfWorklist(
  item: WorklistItem | undefined,
  appointment: MappedAppointment | undefined,
): Unmapped[] {
  const { appointmentStart, allocatedClinician } = item ?? {};
  return [
    ...(appointmentStart !== undefined && appointment?.facts.start === undefined
      ? [{ path: 'worklist.appointmentStart', json: JSON.stringify(appointmentStart) }]
      : []),
    ...(allocatedClinician !== undefined && !appointment
      ? [{ path: 'worklist.allocatedClinician', json: JSON.stringify(allocatedClinician) }]
      : []),
  ];
}
