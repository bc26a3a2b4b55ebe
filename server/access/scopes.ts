import { OPERATOR_SCOPE, parseScope } from '../core/index.ts';

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
  if (wanted === 'operator' || granted === 'operator') return wanted === granted ? [OPERATOR_SCOPE] : [];
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
