import type { IncomingHttpHeaders } from 'node:http';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';

/** How the client wants its answer. */
export interface Wanted {
  readonly isPretty: boolean;
}

const JSON_FORMATS: ReadonlySet<string> = new Set([
  'json',
  'application/json',
  'application/fhir+json',
  'text/json',
  '*/*',
  'application/*',
]);

/**
 * Whether FHIR JSON will do. `_format` wins over Accept, as R4 says.
 * Issues: not-acceptable; parameter-invalid for a value of `_pretty` that is no boolean
 */
export function negotiate(query: URLSearchParams, headers: IncomingHttpHeaders): Wanted | Refusal {
  const pretty = query.get('_pretty');
  if (pretty !== null && pretty !== 'true' && pretty !== 'false') {
    return refuse('parameter-invalid', { text: '_pretty is true or false.' });
  }
  // In a query a plus sign stands for a space: `application/fhir+json` arrives with one.
  // An Accept that is empty asks for nothing in particular (RFC 9110 12.5.1).
  const format = query.get('_format')?.replaceAll(' ', '+') ?? (headers.accept?.trim() || '*/*');
  if (!mediaRanges(format).some(isFhirJson)) return refuse('not-acceptable');
  return { isPretty: pretty === 'true' };
}

interface MediaRange {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

function readParameter(text: string): readonly [string, string] {
  const [name = '', value = ''] = text.split('=', 2).map((part) => part.trim());
  return [name, value.replace(/^"(.*)"$/, '$1')];
}

function mediaRanges(text: string): MediaRange[] {
  return text.split(',').map((range) => {
    const [type = '', ...rest] = range.split(';').map((part) => part.trim().toLowerCase());
    return { type, parameters: new Map(rest.map(readParameter)) };
  });
}

/** How much a client wants a media type, 0 to 1. Source: RFC 9110 12.4.2 */
const weightOf = ({ parameters }: MediaRange): number => Number(parameters.get('q') ?? 1);

function isFhirJson({ type, parameters }: MediaRange): boolean {
  const version = parameters.get('fhirversion');
  return (
    JSON_FORMATS.has(type) &&
    weightOf({ type, parameters }) > 0 &&
    (version === undefined || /^4\.0(\.1)?$/.test(version))
  );
}

/** Whether a Binary is wanted as a FHIR resource; anything else gets its bytes. Source: R4 binary.html */
export function wantsFhirBinary(query: URLSearchParams, headers: IncomingHttpHeaders): boolean {
  const format = query.get('_format')?.replaceAll(' ', '+');
  if (format !== undefined) return mediaRanges(format).some(isFhirJson);
  const best = mediaRanges(headers.accept ?? '*/*').reduce((a, b) => (weightOf(b) > weightOf(a) ? b : a));
  return best.type === 'application/fhir+json';
}

/** Preferences of RFC 7240 that R4 names. */
export interface Preferences {
  readonly returns: 'minimal' | 'representation' | 'OperationOutcome';
  readonly isLenient: boolean;
}

export function readPreferences(headers: IncomingHttpHeaders): Preferences {
  const prefer = [headers['prefer'] ?? []]
    .flat()
    .join(',')
    .split(/[,;]/)
    .map((part) => part.trim());
  const returns = (['minimal', 'OperationOutcome'] as const).find((value) => prefer.includes(`return=${value}`));
  return { returns: returns ?? 'representation', isLenient: prefer.includes('handling=lenient') };
}
