/** The one build constant under which everything that we define is published. Source: target-model, head. */
export const CANONICAL_BASE = 'https://ers-fhir.example/';

/** Bumped with every change of the mapping rules: a new value forces a re-map (M-31, I-10). */
export const MAPPING_VERSION = '1';

/** The canonical of one of our extensions or profiles, e.g. `structureDefinition('ers-version')`. */
export const structureDefinition = (id: string): string => `${CANONICAL_BASE}StructureDefinition/${id}`;

/** The canonical of one of our code systems, e.g. `codeSystem('ers-review-status')`. */
export const codeSystem = (id: string): string => `${CANONICAL_BASE}CodeSystem/${id}`;

/** The system of one of our identifiers, e.g. `identifierSystem('ers-review-task')` (2.1). */
export const identifierSystem = (id: string): string => `${CANONICAL_BASE}Id/${id}`;
