import type { Resource } from '@medplum/fhirtypes';
import { clientRequirements } from './capability-statement.ts';
import { codeSystems } from './code-systems.ts';
import { conceptMaps } from './concept-maps.ts';
import { extensions } from './extensions.ts';
import { namingSystems } from './naming-systems.ts';
import { operationDefinitions } from './operations.ts';
import { profiles } from './profiles.ts';
import { searchParameters } from './search-parameters.ts';
import { valueSets } from './value-sets.ts';

export { CONFORMANCE_DATE } from './artefact.ts';
export type { StatementOptions } from './capability-statement.ts';
export { capabilityStatement } from './capability-statement.ts';
export { isDecisionIssueCode } from './code-systems.ts';
export type { Interaction, StoreFeatures } from './interactions.ts';
export { interactionsOf } from './interactions.ts';
export type { ServedOperation } from './operations.ts';
export { servedOperations } from './operations.ts';
export { searchParameters } from './search-parameters.ts';
export type { ConformanceType, SearchEntry, ServedType } from './search-table.ts';
export {
  includesOf,
  isConformanceType,
  isServedType,
  revIncludesOf,
  SERVED_TYPES,
  searchEntriesOf,
} from './search-table.ts';

/** Everything that we publish besides the statement of a running server, which needs to know that server. */
export function conformanceResources(): readonly Resource[] {
  return [
    clientRequirements,
    ...codeSystems,
    ...conceptMaps,
    ...extensions,
    ...namingSystems,
    ...operationDefinitions,
    ...profiles,
    ...searchParameters,
    ...valueSets,
  ];
}
