import type { CodeableConcept, Coding, Identifier } from '@medplum/fhirtypes';
import type { MappingIssue, MappingIssueCode } from '../issues.ts';
import { ersProfile } from '../systems.ts';
import { normaliseSystem } from '../tables/code-systems.ts';
import type { Source } from './source.ts';

/** What a mapping noticed so far. */
export class Findings {
  readonly issues: MappingIssue[] = [];

  add(code: MappingIssueCode, at: string): void {
    this.issues.push({ code, at });
  }
}

/** A Coding with its system normalised (G-3); undefined when nothing of one is there. */
export function readCoding(source: Source, findings: Findings): Coding | undefined {
  const rawSystem = source.get('system').uri();
  const version = source.get('version').text();
  const code = source.get('code').code();
  const display = source.get('display').text();
  if (rawSystem === undefined && code === undefined && display === undefined && version === undefined) return undefined;
  const { system, known } = rawSystem === undefined ? { known: true } : normaliseSystem(rawSystem);
  if (!known) findings.add('CODE_SYSTEM_UNKNOWN', source.get('system').at);
  return {
    ...(system !== undefined && { system }),
    ...(version !== undefined && { version }),
    ...(code !== undefined && { code }),
    ...(display !== undefined && { display }),
  };
}

/** A CodeableConcept with all its codings and its text. */
export function readConcept(source: Source, findings: Findings): CodeableConcept | undefined {
  const coding = source
    .get('coding')
    .items()
    .flatMap((one) => readCoding(one, findings) ?? []);
  const text = source.get('text').text();
  if (coding.length === 0 && text === undefined) return undefined;
  return { ...(coding.length > 0 && { coding }), ...(text !== undefined && { text }) };
}

/** The coding of an extension or parameter: `valueCoding`, or the first of `valueCodeableConcept`. */
export function readValueCoding(source: Source, findings: Findings): Coding | undefined {
  const plain = source.get('valueCoding');
  return readCoding(plain.exists ? plain : source.get('valueCodeableConcept').first('coding'), findings);
}

/** An Identifier that has a value, with its system normalised (1.0.1). */
export function readIdentifier(source: Source): (Identifier & { value: string }) | undefined {
  const value = source.get('value').text();
  if (value === undefined) return undefined;
  const system = source.get('system').uri();
  return { ...(system !== undefined && { system: normaliseSystem(system).system }), value };
}

/** A date and time under either of the names that e-RS gives it (M-22). */
export const readValueDateTime = (source: Source): string | undefined =>
  source.get(source.get('valueInstant').exists ? 'valueInstant' : 'valueDateTime').dateTime();

/**
 * Reads the extensions of a source by name, in any spelling of case (M-29). An extension's url is accounted for only if its
 * value was read, so that one which no rule can read is kept whole.
 */
export class Extensions {
  readonly #all: readonly { readonly source: Source; readonly url: string }[];

  constructor(source: Source) {
    this.#all = source
      .get('extension')
      .items()
      .map((extension) => ({ source: extension, url: extension.get('url').peek()?.toLowerCase() ?? '' }));
  }

  /** What `read` makes of the first extension of that name, e.g. `Extension-eRS-ReferralState-1`, or of a nested one, `state`. */
  one<T>(name: string, read: (extension: Source) => T | undefined): T | undefined {
    return this.#named(name)
      .slice(0, 1)
      .flatMap((extension) => readValue(extension, read))[0];
  }

  /** The same of every extension of that name. */
  all<T>(name: string, read: (extension: Source) => T | undefined): T[] {
    return this.#named(name).flatMap((extension) => readValue(extension, read));
  }

  #named(name: string): Source[] {
    const urls = [name.toLowerCase(), ersProfile(name).toLowerCase()];
    return this.#all.filter(({ url }) => urls.includes(url)).map(({ source }) => source);
  }
}

function readValue<T>(extension: Source, read: (extension: Source) => T | undefined): T[] {
  const value = read(extension);
  if (value === undefined) return [];
  extension.get('url').structural();
  return [value];
}

/** Accounts for what only says how e-RS built a resource: its type, contained id and known profiles (M-4). */
export function readStructure(resource: Source, type: string, profiles: readonly string[]): void {
  resource.get('resourceType').structuralIf((own) => own === type);
  for (const profile of resource.get('meta').get('profile').items())
    profile.structuralIf((url) => profiles.some((name) => url.endsWith(`/StructureDefinition/${name}`)));
}
