import { splitSearchOnComma } from '@medplum/core';
import type { StoreFailure } from '../../core/index.ts';
import { parseDate, type Span } from './dates.ts';
import { isKeptType, KEPT_TYPES, type Parameter, type Parameters } from './definitions.ts';
import { failure, isFailure } from './outcome.ts';

/** A search, read and checked: everything in it names a parameter that exists. */
export interface SearchRequest {
  readonly type: string;
  readonly conditions: readonly Condition[];
  readonly sort: readonly SortKey[];
  readonly count: number;
  readonly includes: readonly Inclusion[];
  readonly revIncludes: readonly Inclusion[];
  readonly isTotalWanted: boolean;
  readonly summary?: 'true' | 'text' | 'data' | 'count';
  readonly elements?: readonly string[];
}

export type DatePrefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap';

/** One criterion; the values of a list are alternatives. */
export type Condition =
  | { readonly kind: 'id'; readonly ids: readonly string[] }
  | { readonly kind: 'updated'; readonly dates: readonly DateValue[] }
  | { readonly kind: 'missing'; readonly parameter: Parameter; readonly isMissing: boolean }
  | {
      readonly kind: 'token';
      readonly parameter: Parameter;
      readonly tokens: readonly TokenValue[];
      readonly isNegated: boolean;
    }
  | { readonly kind: 'reference'; readonly parameter: Parameter; readonly targets: readonly TargetValue[] }
  | {
      readonly kind: 'string';
      readonly parameter: Parameter;
      readonly match: 'start' | 'exact' | 'contains';
      readonly texts: readonly string[];
    }
  | { readonly kind: 'date'; readonly parameter: Parameter; readonly dates: readonly DateValue[] }
  | {
      readonly kind: 'chain';
      readonly parameter: Parameter;
      readonly targets: readonly { readonly type: string; readonly condition: Condition }[];
    }
  | {
      readonly kind: 'has';
      readonly from: string;
      readonly parameter: Parameter;
      readonly target: string;
      readonly condition: Condition;
    };

export interface TokenValue {
  /** Undefined: any system. Empty: none. */
  readonly system?: string;
  readonly code?: string;
}

export interface TargetValue {
  readonly type?: string;
  readonly id: string;
}

export interface DateValue {
  readonly prefix: DatePrefix;
  readonly span: Span;
}

export interface SortKey {
  readonly by: Parameter | '_id' | '_lastUpdated';
  readonly isDescending: boolean;
}

export interface Inclusion {
  readonly parameter: Parameter;
  readonly target?: string;
  readonly isIterated: boolean;
}

export const MAX_COUNT = 1000;
const DEFAULT_COUNT = 50;

/** Said by the transport, not by the search. */
const IGNORED = new Set(['_format', '_pretty']);

/** Reads the query of a search. What it does not know it refuses and names: a filter left out would be a wrong answer. */
export function parseSearch(parameters: Parameters, type: string, query: string): SearchRequest | StoreFailure {
  if (!isKeptType(type) || type === 'Binary') {
    return failure('not-supported', `Search is offered on: ${KEPT_TYPES.filter((one) => one !== 'Binary').join(', ')}`);
  }
  const draft: Draft = {
    type,
    conditions: [],
    sort: [],
    count: DEFAULT_COUNT,
    includes: [],
    revIncludes: [],
    isTotalWanted: false,
  };
  for (const [name, value] of new URLSearchParams(query)) {
    if (value === '' || IGNORED.has(name)) continue;
    const fault = parseControl(parameters, draft, name, value);
    if (fault === 'not-a-control') {
      const condition = parseCondition(parameters, type, name, value);
      if (isFailure(condition)) return condition;
      draft.conditions.push(condition);
    } else if (fault) return fault;
  }
  return draft;
}

interface Draft {
  type: string;
  conditions: Condition[];
  sort: SortKey[];
  count: number;
  includes: Inclusion[];
  revIncludes: Inclusion[];
  isTotalWanted: boolean;
  summary?: 'true' | 'text' | 'data' | 'count';
  elements?: string[];
}

function parseControl(
  parameters: Parameters,
  draft: Draft,
  name: string,
  value: string,
): StoreFailure | undefined | 'not-a-control' {
  switch (name) {
    case '_count':
      if (!/^\d{1,9}$/.test(value)) return failure('invalid', '_count must be a number that is not negative');
      draft.count = Math.min(Number(value), MAX_COUNT);
      return undefined;
    case '_total':
      if (!['none', 'estimate', 'accurate'].includes(value))
        return failure('invalid', '_total must be none, estimate or accurate');
      draft.isTotalWanted = value !== 'none';
      return undefined;
    case '_summary':
      if (value === 'false') delete draft.summary;
      else if (value === 'true' || value === 'text' || value === 'data' || value === 'count') draft.summary = value;
      else return failure('invalid', '_summary must be true, text, data, count or false');
      return undefined;
    case '_elements':
      draft.elements = value.split(',');
      return undefined;
    case '_sort':
      return parseSort(parameters, draft, value);
    case '_include':
    case '_include:iterate':
    case '_revinclude':
    case '_revinclude:iterate': {
      const inclusion = parseInclusion(parameters, draft.type, name, value);
      if (isFailure(inclusion)) return inclusion;
      (name.startsWith('_rev') ? draft.revIncludes : draft.includes).push(inclusion);
      return undefined;
    }
    default:
      return 'not-a-control';
  }
}

function parseSort(parameters: Parameters, draft: Draft, value: string): StoreFailure | undefined {
  for (const rule of value.split(',')) {
    const isDescending = rule.startsWith('-');
    const code = isDescending ? rule.slice(1) : rule;
    const by = code === '_id' || code === '_lastUpdated' ? code : parameters.get(draft.type)?.get(code);
    if (!by) return unknown(parameters, draft.type, code, '_sort');
    draft.sort.push({ by, isDescending });
  }
  return undefined;
}

function parseInclusion(parameters: Parameters, type: string, name: string, value: string): Inclusion | StoreFailure {
  const [source = '', code = '', target] = value.split(':');
  const parameter = parameters.get(source)?.get(code);
  if (parameter?.kind !== 'reference') {
    return failure('invalid', `${name}: ${shown(value)} is not the name of a reference, written as Type:parameter`);
  }
  if (target !== undefined && !isKeptType(target))
    return failure('invalid', `${name}: ${shown(target)} is not a type kept here`);
  const isIterated = name.endsWith(':iterate');
  if (!isIterated && name === '_include' && source !== type) {
    return failure(
      'invalid',
      `_include: ${source} is not the type searched; say _include:iterate to follow what was included`,
    );
  }
  if (name === '_revinclude' && parameter.targets.length > 0 && !parameter.targets.includes(type)) {
    return failure('invalid', `_revinclude: ${source}:${code} never refers to a ${type}`);
  }
  return { parameter, isIterated, ...(target === undefined ? {} : { target }) };
}

function parseCondition(parameters: Parameters, type: string, name: string, value: string): Condition | StoreFailure {
  if (name.startsWith('_has:')) return parseHas(parameters, type, name, value);
  const dot = name.indexOf('.');
  if (dot > 0) return parseChain(parameters, type, name.slice(0, dot), name.slice(dot + 1), value);
  const [code = '', modifier] = splitModifier(name);
  if (code === '_id' || code === '_lastUpdated') return parseColumn(code, modifier, value);
  const parameter = parameters.get(type)?.get(code);
  if (!parameter) return unknown(parameters, type, code);
  if (modifier === 'missing') {
    if (value !== 'true' && value !== 'false') return failure('invalid', `${code}:missing must be true or false`);
    return { kind: 'missing', parameter, isMissing: value === 'true' };
  }
  return parseValues(parameter, modifier, splitSearchOnComma(value));
}

const splitModifier = (name: string): [string, string | undefined] => {
  const colon = name.indexOf(':');
  return colon < 0 ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)];
};

function parseColumn(
  code: '_id' | '_lastUpdated',
  modifier: string | undefined,
  value: string,
): Condition | StoreFailure {
  if (modifier !== undefined) return unknownModifier(code, modifier);
  const values = splitSearchOnComma(value);
  if (code === '_id') return { kind: 'id', ids: values };
  const dates = parseDates(code, values);
  return isFailure(dates) ? dates : { kind: 'updated', dates };
}

function parseValues(
  parameter: Parameter,
  modifier: string | undefined,
  values: readonly string[],
): Condition | StoreFailure {
  const { kind, code } = parameter;
  switch (kind) {
    case 'uri':
      if (modifier !== undefined) return unknownModifier(code, modifier, kind);
      return { kind: 'token', parameter, tokens: values.map((uri) => ({ code: uri, system: '' })), isNegated: false };
    case 'token':
      if (modifier !== undefined && modifier !== 'not') return unknownModifier(code, modifier, kind);
      return { kind: 'token', parameter, tokens: values.map(parseToken), isNegated: modifier === 'not' };
    case 'reference':
      if (modifier === 'identifier')
        return { kind: 'token', parameter, tokens: values.map(parseToken), isNegated: false };
      if (modifier !== undefined && !isKeptType(modifier)) return unknownModifier(code, modifier, kind);
      return { kind: 'reference', parameter, targets: values.map((value) => parseTarget(value, modifier)) };
    case 'string':
      if (modifier !== undefined && modifier !== 'exact' && modifier !== 'contains')
        return unknownModifier(code, modifier, kind);
      return { kind: 'string', parameter, match: modifier ?? 'start', texts: values };
    case 'date': {
      if (modifier !== undefined) return unknownModifier(code, modifier, kind);
      const dates = parseDates(code, values);
      return isFailure(dates) ? dates : { kind: 'date', parameter, dates };
    }
  }
}

function parseToken(value: string): TokenValue {
  const bar = value.indexOf('|');
  if (bar < 0) return { code: value };
  const code = value.slice(bar + 1);
  return { system: value.slice(0, bar), ...(code === '' ? {} : { code }) };
}

function parseTarget(value: string, type: string | undefined): TargetValue {
  const [, ownType, id] = /^([A-Z][A-Za-z]+)\/([^/]+)(?:\/_history\/[^/]+)?$/.exec(value) ?? [];
  if (ownType !== undefined && id !== undefined)
    return { type: type === undefined || type === ownType ? ownType : '-', id };
  return value.includes('/') || value.includes(':')
    ? { type: '', id: value }
    : { id: value, ...(type === undefined ? {} : { type }) };
}

/** A stretch of time is two dates, not a list of its days: the index is asked for each of them. */
const MAX_DATES = 100;

function parseDates(code: string, values: readonly string[]): readonly DateValue[] | StoreFailure {
  if (values.length > MAX_DATES)
    return failure('invalid', `${code} takes ${MAX_DATES} dates; a stretch of time is written ge and le`);
  const dates = values.map(parseDateValue);
  if (dates.every((date) => date !== undefined)) return dates;
  // A plus sign that is not encoded arrives as a space.
  const hint = values.some((value) => value.includes(' ')) ? ' (in a URL the + of a time zone is written %2B)' : '';
  return failure(
    'invalid',
    `${code} must be a date or dateTime, with eq, ne, gt, lt, ge, le, sa, eb or ap before it${hint}`,
  );
}

function parseDateValue(value: string): DateValue | undefined {
  const [, prefix = 'eq', text = ''] = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(\d.*)$/.exec(value) ?? [];
  const span = parseDate(text);
  return span && { prefix: prefix as DatePrefix, span };
}

/** `focus:ServiceRequest.performer`, `patient.identifier`: the rest of the name is a condition on what is referred to. */
function parseChain(
  parameters: Parameters,
  type: string,
  head: string,
  rest: string,
  value: string,
): Condition | StoreFailure {
  const [code, named] = splitModifier(head);
  const parameter = parameters.get(type)?.get(code);
  if (!parameter) return unknown(parameters, type, code);
  if (parameter.kind !== 'reference')
    return failure('invalid', `${code} is no reference, so nothing can be chained to it`);
  if (named !== undefined && !isKeptType(named)) return unknownModifier(code, named, parameter.kind);
  const candidates = named === undefined ? (parameter.targets.length > 0 ? parameter.targets : KEPT_TYPES) : [named];
  const parsed = candidates.map((target) => ({
    type: target,
    condition: parseCondition(parameters, target, rest, value),
  }));
  const targets = parsed.flatMap(({ type, condition }) => (isFailure(condition) ? [] : [{ type, condition }]));
  const fault = parsed.find(({ condition }) => isFailure(condition))?.condition;
  if (targets.length === 0 && fault && isFailure(fault)) return fault;
  return { kind: 'chain', parameter, targets };
}

/** `_has:Task:focus:business-status`: the resource is referred to by one that meets the condition. */
function parseHas(parameters: Parameters, type: string, name: string, value: string): Condition | StoreFailure {
  const [, from = '', code = '', rest = ''] = /^_has:([^:]*):([^:]*):(.+)$/.exec(name) ?? [];
  const parameter = parameters.get(from)?.get(code);
  if (parameter?.kind !== 'reference') {
    return failure(
      'invalid',
      '_has is written _has:Type:reference:parameter, with a type and a reference that exist here',
    );
  }
  const condition = parseCondition(parameters, from, rest, value);
  return isFailure(condition) ? condition : { kind: 'has', from, parameter, target: type, condition };
}

/** A name a client sent, as far as it may be repeated: parameter names, never something that could be a value. */
const shown = (name: string): string => (/^[A-Za-z][\w:.-]{0,80}$|^_[\w:-]{1,40}$/.test(name) ? name : '(unreadable)');

function unknown(parameters: Parameters, type: string, code: string, inside?: string): StoreFailure {
  const offered = ['_id', '_lastUpdated', ...(parameters.get(type)?.keys() ?? [])].sort().join(', ');
  const where = inside === undefined ? '' : `${inside}: `;
  return failure('invalid', `${where}${shown(code)} is no search parameter of ${type}. Offered: ${offered}`);
}

const MODIFIERS: Readonly<Record<Parameter['kind'], string>> = {
  token: ':not, :missing',
  reference: ':identifier, :missing, or the name of a type',
  string: ':exact, :contains, :missing',
  date: ':missing',
  uri: ':missing',
};

const unknownModifier = (code: string, modifier: string, kind?: Parameter['kind']) =>
  failure(
    'invalid',
    `The modifier :${shown(modifier)} is not supported on ${code}; ${kind === undefined ? 'it takes none' : `it takes ${MODIFIERS[kind]}`}`,
  );
