/** What e-RS takes as a file: each type with the extensions that belong to it. Source: A020; provider-api 3 */
export const UPLOADABLE_TYPES: ReadonlyMap<string, readonly string[]> = new Map([
  ['text/plain', ['txt']],
  ['application/pdf', ['pdf']],
  ['text/xml', ['xml']],
  ['text/rtf', ['rtf', 'rtx']],
  ['audio/basic', ['au']],
  ['audio/mpeg', ['mp3']],
  ['image/png', ['png']],
  ['image/gif', ['gif']],
  ['image/jpeg', ['jpg', 'jpe', 'jpeg']],
  ['image/tiff', ['tif', 'tiff']],
  ['video/mpeg', ['mpg', 'mpeg', 'mpe']],
  ['application/msword', ['doc']],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', ['docx']],
  ['application/dicom', ['dcm']],
]);

/** Source: A020; provider-api 3 (a file name counts with its extension) */
export const UPLOAD_LIMITS = { maxBytes: 5_242_880, maxNameLength: 255, maxDescriptionLength: 200 } as const;

/** Whether a name ends as files of that type do: e-RS answers CONFLICTING_VALUES where it does not. */
export function isNameOfType(name: string, contentType: string): boolean {
  const extension = /[^.]\.([A-Za-z0-9]+)$/.exec(name)?.[1]?.toLowerCase();
  return extension !== undefined && (UPLOADABLE_TYPES.get(contentType) ?? []).includes(extension);
}
