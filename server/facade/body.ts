import type { IncomingHttpHeaders } from 'node:http';
import type { Resource } from '@medplum/fhirtypes';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';
import type { Call } from './room.ts';
import { readStrictJson } from './strict-json.ts';

const FHIR_TYPES: readonly string[] = ['application/fhir+json', 'application/json'];

/**
 * Reads the bytes of a body as the text that they say they are: a byte that is none would be stored as a question mark.
 * Issues: media-type-unsupported, body-unreadable
 */
export function readText(headers: IncomingHttpHeaders, bytes: Uint8Array): { text: string } | Refusal {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    return refuse('media-type-unsupported', { text: 'Send UTF-8: FHIR JSON has no other character set.' });
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return refuse('body-unreadable', { text: 'The body is not UTF-8.' });
  }
}

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
  const read = readStrictJson(body);
  return read.ok ? { json: read.json } : refuse('body-unreadable', { text: `The body ${read.fault}` });
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
