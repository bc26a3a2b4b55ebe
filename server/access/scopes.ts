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

/**
 * What is both asked for and allowed: of each pair the narrower, so that `system/*.rs` of one who may have `system/Task.rs` is the latter.
 * `system` and `user` are kept apart.
 */
export function commonScopes(asked: readonly string[], allowed: readonly string[]): string[] {
  return [...new Set(asked.flatMap((one) => allowed.flatMap((other) => common(one, other))))];
}

function common(asked: string, allowed: string): string[] {
  const [wanted, granted] = [parseScope(asked), parseScope(allowed)];
  if (wanted === undefined || granted === undefined) return [];
  if (wanted === 'operator' || granted === 'operator') return wanted === granted ? [OPERATOR] : [];
  if (levelOf(asked) !== levelOf(allowed)) return [];
  if (wanted.type !== granted.type && wanted.type !== '*' && granted.type !== '*') return [];
  const type = wanted.type === '*' ? granted.type : wanted.type;
  const letters = [...wanted.letters].filter((letter) => granted.letters.includes(letter)).join('');
  if (letters === '') return [];
  // In the client's own words, where it gets all of them.
  const isWhole = type === wanted.type && letters === wanted.letters;
  return [isWhole ? asked : `${levelOf(asked)}/${type}.${letters}`];
}

const levelOf = (scope: string): string => scope.slice(0, scope.indexOf('/'));
