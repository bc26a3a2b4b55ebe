import { tryGetDataType } from '@medplum/core';
import type { Resource } from '@medplum/fhirtypes';
import type { Stored } from '../../core/index.ts';
import type { SearchRequest } from './search-request.ts';

const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

/** Leaves out what was not asked for and says so in the tags. Mandatory elements stay. Source: FHIR R4 search, _summary. */
export function subset(resource: Stored, summary: SearchRequest['summary'], elements?: readonly string[]): Stored {
  if (summary === undefined && elements === undefined) return resource;
  const schema = tryGetDataType(resource.resourceType);
  const isKept = (name: string): boolean => {
    if (['resourceType', 'id', 'meta'].includes(name) || isAmong(schema?.mandatoryProperties, name)) return true;
    if (elements) return isAmong(new Set(elements), name);
    if (summary === 'text') return name === 'text';
    return summary === 'data' ? name !== 'text' : isAmong(schema?.summaryProperties, name);
  };
  const kept = Object.entries(resource).filter(([name]) => isKept(name));
  const meta = { ...resource.meta, tag: [...(resource.meta.tag ?? []), SUBSETTED] };
  return { ...(Object.fromEntries(kept) as unknown as Resource), meta } as Stored;
}

/** Also finds `valueString` under `value[x]` or `value`, and `_status` under `status`. */
function isAmong(names: ReadonlySet<string> | undefined, name: string): boolean {
  const bare = name.replace(/^_/, '');
  if (!names) return false;
  if (names.has(bare)) return true;
  const stem = /^[a-z]+/.exec(bare)?.[0] ?? bare;
  return (
    names.has(`${stem}[x]`) ||
    (stem !== bare && [...names].some((one) => one.endsWith('[x]') && bare.startsWith(one.slice(0, -3))))
  );
}
