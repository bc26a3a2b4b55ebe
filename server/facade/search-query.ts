import {
  includesOf,
  isConformanceType,
  isServedType,
  revIncludesOf,
  type SearchEntry,
  type ServedType,
  searchEntriesOf,
} from '../../conformance/index.ts';
import { hasValidCheckDigit, SYSTEM } from '../../mappings/index.ts';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';

export interface SearchRules {
  readonly hasCustom: boolean;
  readonly isLenient: boolean;
  readonly defaultCount: number;
  readonly maxCount: number;
  /** Our own base: a reference written in full is the same as one written below it. */
  readonly baseUrl: string;
}

/** A search that says nothing which the CapabilityStatement does not offer. */
export interface CheckedSearch {
  readonly query: string;
  readonly ignored: readonly string[];
}

/** What a search may ask for: beyond any that people write, far below what would exhaust a store. */
const MAX_PARAMETERS = 100;
const MAX_LINKS = 4;
const MAX_SORT_KEYS = 10;
const MAX_INCLUSIONS = 20;
/** Each goes on from what was included before, so these are how far inclusions lead. */
const MAX_ITERATIONS = 6;

type Verdict = 'known' | 'unknown' | Refusal;

/** Parameters that shape the answer, on every type that the store keeps. Source: R4 search.html */
const SHAPES: ReadonlyMap<string, { readonly takes: RegExp; readonly remedy: string }> = new Map([
  ['_count', { takes: /^\d{1,15}$/, remedy: 'a whole number from 0 up' }],
  ['_total', { takes: /^(none|estimate|accurate)$/, remedy: 'none, estimate or accurate' }],
  ['_summary', { takes: /^(true|text|data|count|false)$/, remedy: 'true, text, data, count or false' }],
  [
    '_elements',
    { takes: /^[A-Za-z]+(,[A-Za-z]+)*$/, remedy: 'names of elements of the type, with commas between them' },
  ],
]);
/** What a search among our own artefacts, which are few, is content with. */
const CONFORMANCE_SHAPES: ReadonlySet<string> = new Set(['_count', '_total']);

/**
 * Checks every parameter of a search against what is offered, so that each store answers alike and the engine's records
 * are out of reach: of chains, `_has`, `_include` and `_revinclude` too.
 * Issues: parameter-unknown (ignored if lenient), parameter-invalid
 */
export function checkSearch(
  type: ServedType,
  parameters: URLSearchParams,
  rules: SearchRules,
): CheckedSearch | Refusal {
  if (parameters.size > MAX_PARAMETERS) {
    return refuse('parameter-invalid', {
      text: `A search takes ${MAX_PARAMETERS} parameters. Alternatives are one parameter, with commas between the values.`,
    });
  }
  const inclusions = [...parameters.keys()].filter((name) => /^_(rev)?include/.test(name));
  if (
    inclusions.length > MAX_INCLUSIONS ||
    inclusions.filter((name) => name.endsWith(':iterate')).length > MAX_ITERATIONS
  )
    return refuse('parameter-invalid', {
      text: `A search takes ${MAX_INCLUSIONS} inclusions, ${MAX_ITERATIONS} of them with :iterate.`,
    });
  const checked = new URLSearchParams();
  const ignored: string[] = [];
  for (const [name, value] of parameters) {
    if (name === '_format' || name === '_pretty') continue;
    const verdict = judge(type, name, value, rules.hasCustom);
    if (verdict === 'unknown') {
      if (!rules.isLenient) return unknown(type, name);
      ignored.push(shown(name));
    } else if (verdict !== 'known') {
      return verdict;
    } else if (name === '_count') {
      checked.set(name, String(Math.min(Number(value), rules.maxCount)));
    } else {
      checked.append(name, isConformanceType(type) ? value : belowBase(value, rules.baseUrl));
    }
  }
  if (!checked.has('_count')) checked.set('_count', String(rules.defaultCount));
  return { query: checked.toString(), ignored };
}

/** References as our bundles write them in full, as the store knows them. */
const belowBase = (value: string, baseUrl: string): string =>
  value
    .split(',')
    .map((one) => (one.startsWith(`${baseUrl}/`) ? one.slice(baseUrl.length + 1) : one))
    .join(',');

function judge(type: ServedType, name: string, value: string, hasCustom: boolean): Verdict {
  if (value === '') return refuse('parameter-invalid', { text: `${shown(name)} has no value: leave it out.` });
  if (linksOf(name) > MAX_LINKS)
    return refuse('parameter-invalid', { text: `A chain goes along ${MAX_LINKS} references, _has included.` });
  if (value.includes('\ufffd')) return refuse('parameter-invalid', { text: `${shown(name)} is not UTF-8.` });
  const shape = SHAPES.get(name);
  if (shape) {
    if (isConformanceType(type) && !CONFORMANCE_SHAPES.has(name)) return 'unknown';
    return shape.takes.test(value) ? 'known' : refuse('parameter-invalid', { text: `${name} takes ${shape.remedy}.` });
  }
  if (isConformanceType(type))
    return searchEntriesOf(type, hasCustom).some(({ code }) => code === name) ? 'known' : 'unknown';
  if (name === '_sort') return judgeSort(type, value, hasCustom);
  if (/^_(rev)?include(:iterate)?$/.test(name)) return judgeInclude(type, name, value, hasCustom);
  return isOffered(type, name, hasCustom) ? 'known' : 'unknown';
}

/** How many references a chain or `_has` goes along. */
const linksOf = (name: string): number => name.split('.').length - 1 + name.split('_has:').length - 1;

function judgeSort(type: ServedType, value: string, hasCustom: boolean): Verdict {
  if (value.split(',').length > MAX_SORT_KEYS)
    return refuse('parameter-invalid', { text: `_sort takes ${MAX_SORT_KEYS} parameters.` });
  const codes = new Set(searchEntriesOf(type, hasCustom).map(({ code }) => code));
  return value.split(',').every((key) => codes.has(key.replace(/^-/, '')))
    ? 'known'
    : refuse('parameter-invalid', {
        text: `_sort takes search parameters of ${type}, with a minus before those that descend: see /metadata.`,
      });
}

function judgeInclude(type: ServedType, name: string, value: string, hasCustom: boolean): Verdict {
  const [source = '', code = '', target] = value.split(':');
  const offered =
    isServedType(source) &&
    (target === undefined || isServedType(target)) &&
    (name.endsWith(':iterate')
      ? includesOf(source, hasCustom)
      : name === '_include'
        ? includesOf(type, hasCustom)
        : revIncludesOf(type, hasCustom)
    ).includes(`${source}:${code}`);
  return offered
    ? 'known'
    : refuse('parameter-invalid', { text: `${name} takes [type]:[parameter] as listed in /metadata for the type.` });
}

/** Whether `name`, with modifiers, chains and `_has`, ends in a parameter that is offered. */
function isOffered(type: ServedType, name: string, hasCustom: boolean): boolean {
  if (name.startsWith('_has:')) {
    const [, source = '', code = '', ...rest] = name.split(':');
    return (
      isServedType(source) &&
      pointsAt(entryOf(source, code, hasCustom), type) &&
      rest.length > 0 &&
      isOffered(source, rest.join(':'), hasCustom)
    );
  }
  const dot = name.indexOf('.');
  const [code = '', modifier] = (dot < 0 ? name : name.slice(0, dot)).split(':');
  const entry = entryOf(type, code, hasCustom);
  if (!entry) return false;
  if (modifier !== undefined && /^[A-Z]/.test(modifier) && !isServedType(modifier)) return false;
  if (dot < 0) return true;
  const rest = name.slice(dot + 1);
  if (modifier !== undefined) {
    return isServedType(modifier) && pointsAt(entry, modifier) && isOffered(modifier, rest, hasCustom);
  }
  // Without a type a chain follows every type that the store knows; so it must be said where a reference may hold any.
  return Array.isArray(entry.targets) && entry.targets.some((target) => isOffered(target, rest, hasCustom));
}

const entryOf = (type: ServedType, code: string, hasCustom: boolean) =>
  searchEntriesOf(type, hasCustom).find((entry) => entry.code === code);

const pointsAt = (entry: SearchEntry | undefined, type: ServedType) =>
  entry?.targets === 'any' || (entry?.targets?.includes(type) ?? false);

const unknown = (type: ServedType, name: string): Refusal =>
  refuse('parameter-unknown', {
    text: `${shown(name)} cannot be used to search ${type}. See /metadata for its parameters; a chain through a reference to any type needs the type, such as focus:ServiceRequest.status.`,
  });

/** A parameter's name as it may be said back: whatever looks unlike one could be a value in the wrong place. */
const shown = (name: string): string => (/^[A-Za-z_][A-Za-z_:.-]{0,80}$/.test(name) ? name : 'A parameter');

const TEN_DIGITS = /(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)/g;

/** One logical id in 850 has digits in it that would pass for an NHS number. */
const UUID = /\b[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\b/gi;

/** Whether an NHS number stands anywhere in a value: it is one, whatever parameter it was put into. */
const holdsNhsNumber = (value: string): boolean =>
  [...value.replaceAll(UUID, ' ').matchAll(TEN_DIGITS)].some(([digits]) =>
    hasValidCheckDigit(digits.replace(/\D/g, '')),
  );

const PERSONAL: ReadonlySet<string> = new Set([
  'address',
  'address-city',
  'address-postalcode',
  'birthdate',
  'death-date',
  'email',
  'family',
  'given',
  'name',
  'phone',
  'telecom',
]);
/** Systems whose identifiers name no patient. */
const IMPERSONAL: readonly string[] = [SYSTEM.service, SYSTEM.organisation, SYSTEM.site, SYSTEM.sdsUser, SYSTEM.device];

/** Whether a search names a patient by more than a logical id, so that its URL must not be kept anywhere. */
export function namesPatient(type: ServedType, parameters: URLSearchParams): boolean {
  return [...parameters].some(([name, value]) => {
    const last = (name.split('.').at(-1) ?? '').split(':');
    const isIdentifier = last.includes('identifier');
    const others = value.split(',').filter((one) => !IMPERSONAL.some((system) => one.startsWith(`${system}|`)));
    if (isIdentifier) return others.length > 0;
    if (others.some(holdsNhsNumber)) return true;
    const isOfPerson = type === 'Patient' || /(^|[:.])(patient|subject)\b/i.test(name);
    return isOfPerson && last.some((part) => PERSONAL.has(part));
  });
}
