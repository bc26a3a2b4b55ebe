import { MAX_JSON_DEPTH } from './strict-json.ts';

/** How many bytes a resource has as JSON; undefined where it is nested deeper than any resource. */
export const bytesOf = (value: unknown): number | undefined =>
  isWithin(value, MAX_JSON_DEPTH) ? Buffer.byteLength(JSON.stringify(value)) : undefined;

function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => isWithin(member, levels - 1));
}
