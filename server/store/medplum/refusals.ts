import type { StoreFailure } from '../../core/index.ts';
import { failure, tooManyIncluded } from '../fhir/outcome.ts';
import { type Answer, unknownOutcome } from '../remote/wire.ts';

/**
 * What an answer that is no success means. Medplum's words may quote values; those of its limits are known and passed on.
 * Source: stores.md 0, 5c
 */
export function refusalOf({ status, body }: Answer, type: string): StoreFailure {
  if (status === 404) return failure('not-found', `There is no such ${type}`);
  if (status === 410) return failure('gone', `This ${type} was deleted`);
  if (status === 409) return failure('conflict', `This ${type} is no longer at the version given: read it again`);
  if (status === 412) return failure('multiple-matches', 'More than one resource meets the condition of the create');
  if (status === 401 || status === 403)
    return failure('unavailable', 'The store refuses our credentials or what they may do: check its access policy');
  if (status >= 500 || (status >= 300 && status < 400)) return unknownOutcome;
  const said = JSON.stringify(body ?? '');
  if (said.includes('Invalid reference'))
    return failure(
      'invalid',
      'A reference leads to a resource that is not here: create it first, or in the same transaction',
    );
  // At a depth of five it is a circle of inclusions, which smaller pages do not end.
  if (/query scope limit: depth=[0-4]\b/.test(said)) return tooManyIncluded;
  if (said.includes('Search offset exceeds'))
    return failure(
      'invalid',
      'The store does not read so far on (maxSearchOffset): narrow the search, or leave _sort out',
    );
  if (/too large|strict isolation|exceeds/i.test(said))
    return failure('invalid', 'The transaction has more entries or bytes than this server takes');
  return failure('invalid', 'The store refused the request');
}
