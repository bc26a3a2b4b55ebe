import { CANONICAL_BASE } from '../mappings/index.ts';

/** When these artefacts were last changed, and their version: the same for all, since they are published together. */
export const CONFORMANCE_DATE = '2026-01-05';
export const CONFORMANCE_VERSION = '1.0.0';

type ArtefactType =
  | 'CapabilityStatement'
  | 'StructureDefinition'
  | 'CodeSystem'
  | 'ValueSet'
  | 'ConceptMap'
  | 'SearchParameter'
  | 'OperationDefinition';

/** The canonical URL of one of our artefacts: base, type, id. Source: target-model 5 */
export const canonicalOf = (type: ArtefactType, id: string): string => `${CANONICAL_BASE}${type}/${id}`;

/** `ers-review-status` → `ErsReviewStatus`: a name that code can be generated from (invariant *-0 of each artefact). */
export const computableName = (id: string): string =>
  id.replace(/(?:^|-)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** What every artefact of ours begins with. Draft until clinical safety has signed it off (target-model 5). */
export function artefact<T extends ArtefactType>(resourceType: T, id: string, title: string, description: string) {
  return {
    resourceType,
    id,
    meta: { versionId: '1', lastUpdated: `${CONFORMANCE_DATE}T00:00:00Z` },
    url: canonicalOf(resourceType, id),
    version: CONFORMANCE_VERSION,
    name: computableName(id),
    title,
    status: 'draft' as const,
    date: CONFORMANCE_DATE,
    publisher: 'ers-fhir',
    description,
  };
}
