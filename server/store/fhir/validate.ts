import { OperationOutcomeError, tryGetDataType, validateResource } from '@medplum/core';
import type { CodeSystem, CodeSystemConcept, OperationOutcomeIssue, Resource, ValueSet } from '@medplum/fhirtypes';
import type { StoreFailure } from '../../core/index.ts';
import { isKeptType, KEPT_TYPES, openEntries } from './definitions.ts';
import { failure, failureOf } from './outcome.ts';

/** Checks a resource before it is written; undefined when it is sound. */
export type Validate = (resource: Resource) => StoreFailure | undefined;

/**
 * Base R4 validation: structure, cardinality, types and invariants by @medplum/core, and what core does not look at: the
 * required bindings of `code` elements, elements without content, and more than one value of a choice. Issues name the element, never its value.
 */
export function buildValidation(): Validate {
  const bindings = readBindings();
  return (resource) => {
    if (!isKeptType(resource.resourceType)) {
      return failure(
        'not-supported',
        `This server keeps no resources of this type. It keeps: ${KEPT_TYPES.join(', ')}`,
      );
    }
    return jsonFailure(resource) ?? structureFailure(resource) ?? bindings.check(resource);
  };
}

function structureFailure(resource: Resource): StoreFailure | undefined {
  try {
    validateResource(resource);
    return undefined;
  } catch (error) {
    // The validator speaks by throwing; anything that is not its outcome is a defect and goes on.
    if (!(error instanceof OperationOutcomeError)) throw error;
    return failureOf(
      'invalid',
      (error.outcome.issue ?? []).filter((issue) => issue.severity === 'error').map(withoutDiagnostics),
    );
  }
}

function withoutDiagnostics({ diagnostics: _, ...issue }: OperationOutcomeIssue): OperationOutcomeIssue {
  return issue;
}

/** No element is empty, and none has the name of something that every object has. Source: R4 json.html */
function jsonFailure(resource: Resource): StoreFailure | undefined {
  const issues: OperationOutcomeIssue[] = [];
  const fault = (path: string, text: string) => {
    issues.push({ severity: 'error', code: 'structure', details: { text }, expression: [path] });
  };
  const visit = (value: unknown, path: string): void => {
    if (!isJson(value)) return;
    const members = Object.entries(value);
    const isList = Array.isArray(value);
    if (members.length === 0)
      fault(path, isList ? 'A list is not empty: leave it out.' : 'An element has content, or is left out.');
    for (const [name, member] of members) {
      const at = `${path}.${name}`;
      if (!isList && name in Object.prototype) fault(path, 'There is no such element.');
      else if (name.startsWith('_') && ![member].flat().every((one) => one === null || isJson(one)))
        fault(at, 'What is said of a primitive is an element.');
      else visit(member, isList ? `${path}[${name}]` : at);
    }
  };
  visit(resource, resource.resourceType);
  return issues.length > 0 ? failureOf('invalid', issues) : undefined;
}

/** What to look at in one type: its choices, its bound codes, and where to go on. Property names as written in JSON. */
interface Plan {
  /** By each name that a `value[x]` can have, that of the choice: one of them, at most, is there. */
  readonly choices: ReadonlyMap<string, string>;
  readonly codes: readonly { readonly property: string; readonly allowed: ReadonlySet<string>; readonly url: string }[];
  readonly children: readonly { readonly property: string; readonly type: string }[];
}

interface Bindings {
  check(resource: Resource): StoreFailure | undefined;
}

type Json = Readonly<Record<string, unknown>>;

function readBindings(): Bindings {
  const plans = new Map<string, Plan>();
  const valueSets = readValueSets();

  function planOf(type: string): Plan {
    const known = plans.get(type);
    if (known) return known;
    const codes: Plan['codes'][number][] = [];
    const children: Plan['children'][number][] = [];
    const choices = new Map<string, string>();
    const plan = { choices, codes, children };
    plans.set(type, plan);
    for (const [name, element] of Object.entries(tryGetDataType(type)?.elements ?? {})) {
      const isChoice = name.endsWith('[x]');
      const propertyOf = (code: string) => (isChoice ? name.slice(0, -3) + capital(code) : name);
      if (isChoice) for (const { code } of element.type) choices.set(propertyOf(code), name);
      for (const { code } of element.type) {
        const property = propertyOf(code);
        const url = boundValueSet(element.binding);
        const allowed = code === 'code' && url !== undefined ? valueSets.get(url) : undefined;
        if (allowed && url !== undefined) codes.push({ property, allowed, url });
        else if (/^[A-Z]/.test(code)) children.push({ property, type: code });
      }
    }
    return plan;
  }

  function visit(value: Json, type: string, path: string, issues: OperationOutcomeIssue[]): void {
    const { choices, codes, children } = planOf(type);
    if (choices.size > 0) checkChoices(value, choices, path, issues);
    for (const { property, allowed, url } of codes) {
      const code = value[property];
      for (const one of Array.isArray(code) ? code : [code]) {
        if (one !== undefined && one !== null && !allowed.has(one))
          issues.push(bindingIssue(`${path}.${property}`, url, allowed));
      }
    }
    for (const { property, type: childType } of children) {
      const child = value[property];
      if (child === undefined) continue;
      const isList = Array.isArray(child);
      (isList ? child : [child]).forEach((one: unknown, index) => {
        const at = `${path}.${property}${isList ? `[${index}]` : ''}`;
        const next = childType === 'Resource' && isJson(one) ? String(one['resourceType']) : childType;
        // core takes a primitive in a list for anything, and a name that every object has for a type.
        if (!isJson(one) || Array.isArray(one) || next in Object.prototype) {
          const details = { text: `This is no ${childType}.` };
          issues.push({ severity: 'error', code: 'structure', details, expression: [at] });
        } else visit(one, next, at, issues);
      });
    }
  }

  return {
    check(resource) {
      const issues: OperationOutcomeIssue[] = [];
      visit({ ...resource }, resource.resourceType, resource.resourceType, issues);
      return issues.length > 0 ? failureOf('invalid', issues) : undefined;
    },
  };
}

function checkChoices(value: Json, choices: Plan['choices'], path: string, issues: OperationOutcomeIssue[]): void {
  const given = new Map<string, Set<string>>();
  for (const written of Object.keys(value)) {
    // `_valueString` beside `valueString` is the same value.
    const property = written.startsWith('_') ? written.slice(1) : written;
    const name = choices.get(property);
    if (name !== undefined) given.set(name, (given.get(name) ?? new Set()).add(property));
  }
  for (const [name, properties] of given) {
    if (properties.size < 2) continue;
    const details = { text: `Only one of ${[...properties].join(', ')} can be there.` };
    issues.push({ severity: 'error', code: 'structure', details, expression: [`${path}.${name}`] });
  }
}

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null;

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

const MAX_LISTED_CODES = 20;

function bindingIssue(path: string, url: string, allowed: ReadonlySet<string>): OperationOutcomeIssue {
  const codes = allowed.size <= MAX_LISTED_CODES ? `: ${[...allowed].join(', ')}` : '';
  return {
    severity: 'error',
    code: 'code-invalid',
    details: { text: `The code is not in the required value set ${url}${codes}` },
    expression: [path],
  };
}

/** The URL without its version, where the binding is required. */
function boundValueSet(binding: { strength?: string; valueSet?: string } | undefined): string | undefined {
  return binding?.strength === 'required' ? binding.valueSet?.replace(/\|.*$/, '') : undefined;
}

/** All value sets that kept types and the data types they use are bound to and that list their codes in the package. */
function readValueSets(): ReadonlyMap<string, ReadonlySet<string>> {
  const urls = new Set<string>();
  const seen = new Set<string>();
  const collect = (type: string): void => {
    if (seen.has(type)) return;
    seen.add(type);
    for (const element of Object.values(tryGetDataType(type)?.elements ?? {})) {
      const url = boundValueSet(element.binding);
      for (const { code } of element.type) {
        if (code === 'code' && url !== undefined) urls.add(url);
        else if (/^[A-Z]/.test(code)) collect(code);
      }
    }
  };
  for (const type of KEPT_TYPES) collect(type);

  const entries = openEntries('fhir/r4/valuesets.json');
  const sets = entries.read<ValueSet>([...urls]);
  const systems = new Set(sets.flatMap((set) => set.compose?.include?.map((include) => include.system ?? '') ?? []));
  const systemUrls = [...systems].map((system) => system.replace(/^.*\//, 'http://hl7.org/fhir/CodeSystem/'));
  const codeSystems = new Map(entries.read<CodeSystem>(systemUrls).map((one) => [one.url ?? '', one]));
  const result = new Map<string, ReadonlySet<string>>();
  for (const set of sets) {
    const codes = codesOf(set, codeSystems);
    if (codes) result.set(set.url ?? '', codes);
  }
  return result;
}

/** Undefined when the set cannot be listed (a filter, another set, a code system that the package lacks). */
function codesOf(set: ValueSet, systems: ReadonlyMap<string, CodeSystem>): ReadonlySet<string> | undefined {
  const codes = new Set<string>();
  for (const { system = '', concept, filter, valueSet } of set.compose?.include ?? []) {
    const content = systems.get(system);
    if (filter || valueSet || (!concept && content?.content !== 'complete')) return undefined;
    for (const one of concept ?? []) codes.add(one.code ?? '');
    if (!concept) addConcepts(content?.concept ?? [], codes);
  }
  return set.compose?.exclude || codes.size === 0 ? undefined : codes;
}

function addConcepts(concepts: readonly CodeSystemConcept[], codes: Set<string>): void {
  for (const { code, concept } of concepts) {
    if (code) codes.add(code);
    addConcepts(concept ?? [], codes);
  }
}
