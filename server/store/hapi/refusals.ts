import type { StoreFailure } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import type { Answer } from '../remote/wire.ts';
import { unknownOutcome } from '../remote/wire.ts';

/** HAPI's own numbers of what went wrong, where we know better words. Source: stores.md 5b, measured on 8.8.0 */
const TEXTS: Readonly<Record<string, string>> = {
  'HAPI-0960': 'An id that a client chooses needs a character that is no digit',
  'HAPI-1094': 'A reference leads to a resource that is not here: create it first, or in the same transaction',
  'HAPI-0507': 'A reference to another server is not kept here: refer by identifier',
  'HAPI-1258': 'The store does not search by :contains: set hapi.fhir.allow_contains_searches to true there',
};

/**
 * What an answer that is no success means. HAPI's words may quote values, so only its numbers are passed on.
 * @param type of the resource that was asked for, for the words
 */
export function refusalOf({ status, body }: Answer, type: string): StoreFailure {
  switch (status) {
    case 404:
      return failure('not-found', `There is no such ${type}`);
    case 410:
      return failure('gone', `This ${type} was deleted`);
    case 409:
      return failure('conflict', `This ${type} is no longer at the version given: read it again`);
    case 412:
      return failure('multiple-matches', 'More than one resource meets the condition of the create');
    case 401:
    case 403:
      return failure('unavailable', 'The store refuses our credentials: check STORE_CLIENT_ID and STORE_CLIENT_SECRET');
    case 413:
      return failure('invalid', 'The request is larger than the store takes');
  }
  if (status >= 300 && status < 400) return failure('unavailable', 'STORE_URL answers with a redirect: name the base');
  return status >= 500 ? unknownOutcome : failure('invalid', textOf(body));
}

function textOf(body: unknown): string {
  const numbers = JSON.stringify(body ?? '').match(/HAPI-\d{4}/g) ?? [];
  const known = numbers.map((number) => TEXTS[number]).find((text) => text !== undefined);
  const last = numbers.at(-1);
  return known ?? `The store refused the request${last === undefined ? '' : ` (${last})`}`;
}
