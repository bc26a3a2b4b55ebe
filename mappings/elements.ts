import type { CodeableConcept, Coding, Extension, Identifier, Resource } from '@medplum/fhirtypes';
import { structureDefinition } from './canonical.ts';
import type { BusinessKey } from './keys.ts';

/** Anything that can carry extensions: a resource, a data type, a backbone element. */
export interface Extensible {
  readonly extension?: readonly Extension[] | undefined;
}

/** The first of our extensions with that id, e.g. `extensionOf(task, 'ers-version')`. */
export function extensionOf(element: Extensible | undefined, id: string): Extension | undefined {
  const url = structureDefinition(id);
  return element?.extension?.find((extension) => extension.url === url);
}

/** One of our extensions as a value: `ersExtension('ers-version', { valueUnsignedInt: 5 })`. */
export const ersExtension = (id: string, value: Omit<Extension, 'url'>): Extension => ({
  url: structureDefinition(id),
  ...value,
});

/** The element with our extension `id` replaced, at its place, or added last. */
export function withExtension<T extends { extension?: Extension[] }>(
  element: T,
  id: string,
  value: Omit<Extension, 'url'>,
): T {
  const extension = ersExtension(id, value);
  const present = element.extension ?? [];
  const at = present.findIndex(({ url }) => url === extension.url);
  return { ...element, extension: at < 0 ? [...present, extension] : present.with(at, extension) };
}

/** The element without our extension `id`; an empty list of extensions is not left behind. */
export function withoutExtension<T extends { extension?: Extension[] }>(element: T, id: string): T {
  const { extension, ...rest } = element;
  const kept = extension?.filter(({ url }) => url !== structureDefinition(id)) ?? [];
  return (kept.length > 0 ? { ...element, extension: kept } : rest) as T;
}

/** The e-RS version that a resource was made from (M-3), or on a Task the one that a decision is sent with (4.2). */
export function ersVersionOf(element: Extensible | undefined): number | undefined {
  return extensionOf(element, 'ers-version')?.valueUnsignedInt;
}

/** The code that a concept has in one system. */
export function codeOf(concept: CodeableConcept | undefined, system: string): string | undefined {
  return concept?.coding?.find((coding) => coding.system === system)?.code;
}

/** A concept of a single coding. */
export const concept = (coding: Coding): CodeableConcept => ({ coding: [coding] });

/** The value of a resource's identifier in one system. */
export function identifierOf(resource: Resource | undefined, system: string): string | undefined {
  if (!resource || !('identifier' in resource)) return undefined;
  const { identifier } = resource as { identifier?: Identifier | Identifier[] };
  return [identifier].flat().find((one) => one?.system === system)?.value;
}

/** A business key as an R4 Identifier. */
export const identifier = ({ system, value }: BusinessKey): Identifier => ({ system, value });

/** The companion of a primitive (`_status`), which says what e-RS wrote where R4 has no such code (G-6). */
export const sourceCode = (value: string): { extension: Extension[] } => ({
  extension: [ersExtension('ers-source-code', { valueString: value })],
});
