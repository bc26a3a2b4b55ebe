import { isDeepStrictEqual } from 'node:util';
import {
  convertToSearchableReferences,
  convertToSearchableTokens,
  convertToSearchableUris,
  evalFhirPathTyped,
  type TypedValue,
  toTypedValue,
} from '@medplum/core';
import type { Resource } from '@medplum/fhirtypes';
import { parseDate, type Span } from '../fhir/dates.ts';
import type { Parameter } from '../fhir/definitions.ts';

/** What is found by a parameter in one resource: rows of the tables of `database.ts`. */
export type IndexRow =
  | { readonly table: 'token'; readonly code: string; readonly system: string }
  | { readonly table: 'reference'; readonly type: string; readonly id: string }
  | { readonly table: 'date'; readonly low: number; readonly high: number }
  | { readonly table: 'string'; readonly folded: string; readonly exact: string };

/** Far outside every date that FHIR can write: the open end of a Period. */
const FOREVER_MS = 8.64e15;

/** Marks tokens that @medplum/core makes of display texts; they are no codes, so they are left out. */
const TEXT_SYSTEM = '\u0000text';

/** Evaluates one parameter on a resource. A reference by identifier gives a token under the reference's parameter. */
export function indexRows(parameter: Parameter, resource: Resource): IndexRow[] {
  if (!parameter.roots.some((root) => hasRoot(resource, root))) return [];
  const values = evalFhirPathTyped(parameter.atom(), [toTypedValue(resource)]);
  if (values.length === 0) return [];
  switch (parameter.kind) {
    case 'token':
      return tokenRows(values);
    case 'uri':
      return convertToSearchableUris(values).map((uri) => ({ table: 'token', code: uri, system: '' }));
    case 'string':
      return values
        .flatMap(({ value }) => textsOf(value))
        .map((exact) => ({ table: 'string', folded: fold(exact), exact }));
    case 'date':
      return values.flatMap(({ value }) => {
        const span = spanOf(value);
        return span ? [{ table: 'date' as const, ...span }] : [];
      });
    case 'reference': {
      const literal = convertToSearchableReferences(values).filter((one) => !one.startsWith('identifier:'));
      const identifiers = values.flatMap(({ value }) => (value?.identifier ? [identifierValue(value.identifier)] : []));
      return [...literal.map(referenceRow), ...tokenRows(identifiers)];
    }
  }
}

const identifierValue = (value: unknown): TypedValue => ({ type: 'Identifier', value });

/** Whether two versions of a resource have the same to say under an element that parameters start from. */
export const isSameRoot = (one: Resource, other: Resource, root: string): boolean =>
  isDeepStrictEqual(atRoot(one, root), atRoot(other, root));

const hasRoot = (resource: Resource, root: string): boolean => atRoot(resource, root).length > 0;

/** The members under a root: `value` is that of a `value[x]`, too, which is written valueString. */
function atRoot(resource: Resource, root: string): [name: string, member: unknown][] {
  const isOfMeta = root.startsWith('meta.');
  const name = isOfMeta ? root.slice('meta.'.length) : root;
  return Object.entries(isOfMeta ? (resource.meta ?? {}) : resource).filter(([member]) => member.startsWith(name));
}

function tokenRows(values: TypedValue[]): IndexRow[] {
  return convertToSearchableTokens(values, { textSearchSystem: TEXT_SYSTEM }).flatMap(({ system = '', value = '' }) =>
    system === TEXT_SYSTEM ? [] : [{ table: 'token' as const, code: value, system }],
  );
}

function referenceRow(reference: string): IndexRow {
  const local = parseLocalReference(reference);
  return local ? { table: 'reference', ...local } : { table: 'reference', type: '', id: reference };
}

/** Reads `Type/id`, a version dropped; undefined for what is contained, absolute or a URN. */
export function parseLocalReference(reference: string): { type: string; id: string } | undefined {
  const match = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/.exec(reference);
  return match?.[1] && match[2] ? { type: match[1], id: match[2] } : undefined;
}

/** Lower case without accents, for searches by string. Source: FHIR R4 search, string. */
export const fold = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{Mark}+/gu, '')
    .toLowerCase();

/** Elements of HumanName and Address that a string search looks into, each from its own start. */
const TEXT_PARTS = [
  'text',
  'family',
  'given',
  'prefix',
  'suffix',
  'line',
  'city',
  'district',
  'state',
  'postalCode',
  'country',
];

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  const parts = new Map(Object.entries(value));
  return TEXT_PARTS.flatMap((part) => parts.get(part) ?? []);
}

function spanOf(value: unknown): Span | undefined {
  if (typeof value === 'string') return parseDate(value);
  if (typeof value !== 'object' || value === null) return undefined;
  const { start, end, event } = value as { start?: string; end?: string; event?: string[] };
  if (event?.[0]) return parseDate(event[0]);
  if (start === undefined && end === undefined) return undefined;
  return {
    low: (start === undefined ? undefined : parseDate(start)?.low) ?? -FOREVER_MS,
    high: (end === undefined ? undefined : parseDate(end)?.high) ?? FOREVER_MS,
  };
}
