import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { CodeSystem, Coding, Extension, StructureDefinition } from '@medplum/fhirtypes';
import { conformanceResources } from '../../conformance/index.ts';
import { CANONICAL_BASE } from '../../mappings/index.ts';

type Json = Readonly<Record<string, unknown>>;

const FIXTURES = new URL('../fixtures/r4/', import.meta.url);
const published = new Map(
  conformanceResources().flatMap((resource) => ('url' in resource ? [[resource.url, resource] as const] : [])),
);

/** Every object in what the mappings make of e-RS's answers (the R4 halves of the fixture pairs). */
function* everyObject(value: unknown): Generator<Json> {
  if (Array.isArray(value)) for (const one of value) yield* everyObject(one);
  else if (typeof value === 'object' && value !== null) {
    yield value as Json;
    for (const member of Object.values(value)) yield* everyObject(member);
  }
}

const objects = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => [...everyObject(JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8')))]);

const valueTypeOf = (extension: Extension) =>
  Object.keys(extension)
    .find((key) => key.startsWith('value'))
    ?.slice('value'.length)
    .toLowerCase();

test('every extension of ours on what the mappings make is published, with the value that it has', () => {
  const used = objects.flatMap((one) => (one['extension'] as Extension[] | undefined) ?? []);
  const ours = used.filter(({ url }) => url?.startsWith(CANONICAL_BASE));
  expect(new Set(ours.map(({ url }) => url)).size).toBeGreaterThan(10);
  for (const extension of ours) {
    const elements =
      (published.get(extension.url ?? '') as StructureDefinition | undefined)?.differential?.element ?? [];
    const typeAt = (id: string) => elements.find((element) => element.id === id)?.type?.[0]?.code.toLowerCase();
    if (extension.extension) {
      for (const part of extension.extension)
        expect([extension.url, part.url, typeAt(`Extension.extension:${part.url}.value[x]`)]).toEqual([
          extension.url,
          part.url,
          valueTypeOf(part),
        ]);
    } else expect([extension.url, typeAt('Extension.value[x]')]).toEqual([extension.url, valueTypeOf(extension)]);
  }
});

test('every code of ours on what the mappings make is published, under the display that it has', () => {
  const codings = objects.filter(
    ({ system, code }) => typeof system === 'string' && typeof code === 'string',
  ) as Coding[];
  let count = 0;
  for (const { system = '', code, display } of codings) {
    const codeSystem = published.get(system) as CodeSystem | undefined;
    if (!codeSystem) continue;
    count += 1;
    const concept = codeSystem.concept?.find((one) => one.code === code);
    expect([system, concept?.code]).toEqual([system, code]);
    if (display !== undefined) expect(concept?.display).toBe(display);
  }
  expect(count).toBeGreaterThan(5);
});
