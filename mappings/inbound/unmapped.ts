import type { Extension } from '@medplum/fhirtypes';
import { structureDefinition } from '../canonical.ts';
import { type Extensible, ersExtension } from '../elements.ts';

/** Something of the source that no rule maps: where it stood, and its JSON (G-2). */
export interface Unmapped {
  readonly path: string;
  readonly json: string;
}

/** `ers-unmapped` extensions in a fixed order (G-7). */
export const unmappedExtensions = (kept: readonly Unmapped[]): Extension[] =>
  kept
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, json }) =>
      ersExtension('ers-unmapped', {
        extension: [
          { url: 'path', valueString: path },
          { url: 'json', valueString: json },
        ],
      }),
    );

/** Reads back what an element keeps in `ers-unmapped`. */
export const unmappedOf = (element: Extensible): Unmapped[] =>
  (element.extension ?? [])
    .filter(({ url }) => url === structureDefinition('ers-unmapped'))
    .map(({ extension = [] }) => ({
      path: extension.find(({ url }) => url === 'path')?.valueString ?? '',
      json: extension.find(({ url }) => url === 'json')?.valueString ?? '',
    }));
