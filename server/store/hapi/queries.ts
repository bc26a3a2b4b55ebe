import type { Stored, StoreFailure } from '../../core/index.ts';
import type { Parameters } from '../fhir/definitions.ts';
import { failure } from '../fhir/outcome.ts';
import { parseSearch } from '../fhir/search-request.ts';
import { subset } from '../fhir/subset.ts';

/** A search as HAPI is to be asked. */
export interface HapiQuery {
  readonly parameters: Record<string, string[]>;
  readonly count: number;
  readonly isTotalWanted: boolean;
  readonly isCountOnly: boolean;
  /** Leaves out of a match, or of what was included, what was not asked for: HAPI has its own idea of what must stay. */
  readonly shorten: (resource: Stored, isMatch: boolean) => Stored;
}

/**
 * Reads a query by the rules of the embedded store, so that all stores refuse the same with the same words, and says it
 * as HAPI needs it: with an order, and counting where nothing is to be sent.
 */
export function hapiQuery(known: Parameters, type: string, query: string): HapiQuery | StoreFailure {
  const request = parseSearch(known, type, query);
  if ('ok' in request) return request;
  const parameters: Record<string, string[]> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (value === '' || OWN.has(name)) continue;
    if (name.endsWith(':identifier')) {
      const reference = name.slice(0, -':identifier'.length);
      return failure('invalid', `HAPI cannot look into references: chain instead, as in ${reference}:Type.identifier`);
    }
    parameters[name] = [...(parameters[name] ?? []), value];
  }
  const isCountOnly = request.summary === 'count' || request.count === 0;
  if (isCountOnly) parameters['_summary'] = ['count'];
  else {
    parameters['_count'] = [String(request.count)];
    // Newest first, as the embedded store answers; and no page without an order (stores.md 7, rule 7).
    parameters['_sort'] ??= ['-_lastUpdated'];
    if (request.isTotalWanted) parameters['_total'] = ['accurate'];
  }
  const { count, isTotalWanted, summary, elements } = request;
  const shorten = (resource: Stored, isMatch: boolean) => subset(resource, summary, isMatch ? elements : undefined);
  return { parameters, count, isTotalWanted, isCountOnly, shorten };
}

const OWN = new Set(['_count', '_total', '_format', '_pretty', '_summary', '_elements']);

/** A mark of HAPI's for the next page of a search: its name of a search that it holds, and where to read on. */
export const isPageMark = (next: string): boolean =>
  /^_getpages=[\w-]+(&(_getpagesoffset|_count|_pageId)=[\w-]+|&_bundletype=\w+|&_(pretty|format)=[\w%.-]*)*$/.test(
    next,
  );

/** HAPI's mark with another size of the page. */
export function withCount(next: string, count: number): string {
  const parameters = new URLSearchParams(next);
  parameters.set('_count', String(count));
  return parameters.toString();
}
