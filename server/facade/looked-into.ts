import { isServedType, type ServedType, searchEntriesOf } from '../../conformance/index.ts';

/**
 * The types that a search looks into besides its own: by a chain, or by `_has`. A chain without a type looks into each
 * that it may follow. What stands there of a patient could be guessed value by value, so it is searched as if it were asked itself.
 * @param query one that was checked against what is offered
 */
export function typesLookedInto(type: ServedType, query: string, hasCustom: boolean): ReadonlySet<ServedType> {
  const found = new Set<ServedType>();
  for (const name of new URLSearchParams(query).keys()) follow(type, name, hasCustom, found);
  return found;
}

function follow(type: ServedType, name: string, hasCustom: boolean, found: Set<ServedType>): void {
  if (name.startsWith('_has:')) {
    const [, source = '', , ...rest] = name.split(':');
    if (!isServedType(source)) return;
    found.add(source);
    follow(source, rest.join(':'), hasCustom, found);
    return;
  }
  const dot = name.indexOf('.');
  if (dot < 0) return;
  const [code = '', modifier] = name.slice(0, dot).split(':');
  const rest = name.slice(dot + 1);
  for (const target of modifier === undefined ? targetsOf(type, code, rest, hasCustom) : [modifier]) {
    if (!isServedType(target)) continue;
    found.add(target);
    follow(target, rest, hasCustom, found);
  }
}

function targetsOf(type: ServedType, code: string, rest: string, hasCustom: boolean): readonly string[] {
  const targets = searchEntriesOf(type, hasCustom).find((entry) => entry.code === code)?.targets;
  const [next = ''] = rest.split(/[.:]/);
  return Array.isArray(targets)
    ? targets.filter((target) => searchEntriesOf(target, hasCustom).some((entry) => entry.code === next))
    : [];
}
