export { CANONICAL_BASE, codeSystem, identifierSystem, MAPPING_VERSION, structureDefinition } from './canonical.ts';
export type { IdSpace, NhsNumber, OdsCode, Ubrn } from './ids.ts';
export {
  hasValidCheckDigit,
  ID_NAMESPACE,
  idSpace,
  logicalId,
  parseNhsNumber,
  parseOdsCode,
  parseUbrn,
  SYSTEM,
  uuidV5,
} from './ids.ts';
export type { MappingIssue, MappingIssueCode } from './issues.ts';
export type * from './model.ts';
export { CODE_SYSTEM } from './systems.ts';
export type { ClientOutputCode, EngineOutputCode, InputCode } from './task-parameters.ts';
export {
  codeOf,
  codingOf,
  inputOf,
  inputsOf,
  makeInput,
  makeOutput,
  outputCodeOf,
  outputsOf,
  reviewStatusOf,
  taskCodeOf,
  withReviewStatus,
} from './task-parameters.ts';
