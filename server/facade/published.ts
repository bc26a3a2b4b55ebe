import { createHash } from 'node:crypto';
import type { CapabilityStatement, Resource } from '@medplum/fhirtypes';
import { type ConformanceType, conformanceResources, searchEntriesOf } from '../../conformance/index.ts';
import type { Stored } from '../core/index.ts';

/** What we publish ourselves, in memory. */
export interface Published {
  readonly statement: Stored<CapabilityStatement>;
  find(type: ConformanceType, id: string): Stored | undefined;
  findByUrl(type: ConformanceType, url: string): Stored | undefined;
  /** Those that a checked search matches, by id. */
  search(type: ConformanceType, parameters: URLSearchParams): Stored[];
}

/** Publishes the statement and the artefacts of this release. */
export function publish(statement: CapabilityStatement): Published {
  const all = [statement, ...conformanceResources()].map(asPublished);
  const ours = all.find(({ resourceType }) => resourceType === 'CapabilityStatement') as Stored<CapabilityStatement>;
  all.sort((a, b) => (a.id < b.id ? -1 : 1));
  const ofType = (type: ConformanceType) => all.filter((resource) => resource.resourceType === type);
  return {
    statement: ours,
    find: (type, id) => ofType(type).find((resource) => resource.id === id),
    findByUrl: (type, url) => ofType(type).find((resource) => 'url' in resource && resource.url === url),
    search: (type, parameters) =>
      ofType(type).filter((resource) => [...parameters].every(([name, value]) => matches(type, resource, name, value))),
  };
}

/** The version is a hash of what an artefact says, so that a client which kept it learns of every change. */
function asPublished(resource: Resource): Stored {
  const versionId = createHash('sha256').update(JSON.stringify(resource)).digest('hex').slice(0, 16);
  return { ...resource, meta: { ...resource.meta, versionId } } as Stored;
}

/** Whether one parameter holds; those that only shape the answer hold always. */
function matches(type: ConformanceType, resource: Resource, name: string, value: string): boolean {
  const entry = searchEntriesOf(type).find(({ code }) => code === name);
  if (!entry) return true;
  const values = valuesOf(resource, name);
  return value.split(',').some((wanted) => {
    if (entry.type === 'string') return values.some((one) => one.toLowerCase().startsWith(wanted.toLowerCase()));
    const code = entry.type === 'token' ? wanted.slice(wanted.indexOf('|') + 1) : wanted;
    return values.includes(code);
  });
}

/** Parameters of artefacts are named like the elements that they look at, but for three. */
function valuesOf(resource: Resource, name: string): string[] {
  if (resource.resourceType === 'NamingSystem' && name === 'value') {
    return resource.uniqueId?.flatMap((unique) => unique.value ?? []) ?? [];
  }
  // A code system's `system` is its own url.
  const element = { _id: 'id', system: 'url' }[name] ?? name;
  return [(resource as unknown as Record<string, unknown>)[element]].flat().filter((one) => typeof one === 'string');
}
