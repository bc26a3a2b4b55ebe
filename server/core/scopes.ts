/** Letters of SMART v2 in their order: create, read, update, delete, search. */
const LETTERS = /^(?=.)c?r?u?d?s?$/;
/** What the words of SMART v1 stand for. */
const V1: ReadonlyMap<string, string> = new Map([
  ['read', 'rs'],
  ['write', 'cud'],
  ['*', 'cruds'],
]);
/** What operators' routes and the audit trail need. */
export const OPERATOR_SCOPE = 'ers/operator';

/** `type`: `*` is every type. */
export interface ResourceScope {
  readonly type: string;
  readonly letters: string;
}

/**
 * Reads a scope: `system/Task.u`, `user/*.rs`, v1's `system/*.read`, `ers/operator`; undefined: none that this server knows.
 * Scopes with a query (`?…`) are not known: to grant more than they say would be wrong.
 * Source: SMART App Launch 2.2, "Scopes for requesting FHIR resources"
 */
export function parseScope(scope: string): ResourceScope | 'operator' | undefined {
  if (scope === OPERATOR_SCOPE) return 'operator';
  const [, type, permission = ''] = /^(?:system|user)\/([A-Za-z]+|\*)\.([a-z*]+)$/.exec(scope) ?? [];
  if (type === undefined) return undefined;
  const letters = V1.get(permission) ?? permission;
  return LETTERS.test(letters) ? { type, letters } : undefined;
}
