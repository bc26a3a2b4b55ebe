/** Letters of SMART v2 in their order: create, read, update, delete, search. */
const LETTERS = /^(?=.)c?r?u?d?s?$/;
/** What the words of SMART v1 stand for. */
const V1: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };
const OPERATOR = 'ers/operator';

interface ResourceScope {
  readonly type: string;
  readonly letters: string;
}

/**
 * Reads a scope: `system/Task.u`, `user/*.rs`, v1's `system/*.read`, `ers/operator`; undefined: none that this server knows.
 * Scopes with a query (`?…`) are not known: to grant more than they say would be wrong.
 * Source: SMART App Launch 2.2, "Scopes for requesting FHIR resources"
 */
export function parseScope(scope: string): ResourceScope | 'operator' | undefined {
  if (scope === OPERATOR) return 'operator';
  const [, type, permission = ''] = /^(?:system|user)\/([A-Za-z]+|\*)\.([a-z*]+)$/.exec(scope) ?? [];
  if (type === undefined) return undefined;
  const letters = V1[permission] ?? permission;
  return LETTERS.test(letters) ? { type, letters } : undefined;
}

/** Whether what a client may have covers what it asks for. */
export function isCovered(asked: string, allowed: readonly string[]): boolean {
  const wanted = parseScope(asked);
  if (wanted === undefined) return false;
  if (wanted === 'operator') return allowed.includes(OPERATOR);
  const level = asked.slice(0, asked.indexOf('/'));
  return [...wanted.letters].every((letter) =>
    allowed.some((scope) => {
      const granted = parseScope(scope);
      return (
        granted !== undefined &&
        granted !== 'operator' &&
        scope.startsWith(`${level}/`) &&
        (granted.type === '*' || granted.type === wanted.type) &&
        granted.letters.includes(letter)
      );
    }),
  );
}
