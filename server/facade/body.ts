import type { Resource } from '@medplum/fhirtypes';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';
import type { Call } from './room.ts';

const FHIR_TYPES: readonly string[] = ['application/fhir+json', 'application/json'];

/**
 * Reads a JSON body of one of the media types.
 * Issues: media-type-unsupported, body-unreadable
 */
export function readJson({ headers, body }: Call, mediaTypes: readonly string[]): { json: unknown } | Refusal {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type === undefined || !mediaTypes.includes(type)) {
    return refuse('media-type-unsupported', { text: `This takes ${mediaTypes.join(' or ')}.` });
  }
  if (body === undefined || body.trim() === '') return refuse('body-unreadable', { text: 'The body is empty.' });
  try {
    return { json: JSON.parse(body) };
  } catch {
    // The parser's message quotes the body.
    return refuse('body-unreadable', { text: 'The body is not well-formed JSON.' });
  }
}

/** Reads a FHIR resource of one type; its elements are judged by whoever uses them. */
export function readResource<K extends Resource['resourceType']>(
  call: Call,
  resourceType: K,
): { resource: Extract<Resource, { resourceType: K }> } | Refusal {
  const read = readJson(call, FHIR_TYPES);
  if ('isRefusal' in read) return read;
  const { json } = read;
  const isOfType =
    typeof json === 'object' && json !== null && 'resourceType' in json && json.resourceType === resourceType;
  return isOfType
    ? { resource: json as Extract<Resource, { resourceType: K }> }
    : refuse('body-unreadable', { text: `The body must be a ${resourceType} resource.`, expression: resourceType });
}
