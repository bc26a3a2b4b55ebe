export type {
  Availability,
  BookableType,
  DecisionCode,
  DecisionOperation,
  IdSpace,
  NhsNumber,
  OdsCode,
  Ubrn,
  WorklistName,
} from '../../mappings/index.ts';
export {
  codeSystem,
  ID_NAMESPACE,
  identifierSystem,
  idSpace,
  logicalId,
  parseOdsCode,
  parseUbrn,
  SYSTEM,
  structureDefinition,
  uuidV5,
} from '../../mappings/index.ts';
export type * from './account.ts';
export type { Alert, Alerts } from './alerts.ts';
export { alertBoard, HAPPENED } from './alerts.ts';
export { ASSERTION_TYPE } from './assertion-type.ts';
export type { Audit, ErsCallEnd, NotedAccess, NotedStrangers, Subject } from './audit.ts';
export { backoffMs } from './backoff.ts';
export type { Access, Authenticate, Caller, Grant, Identification, TokenIssuer } from './caller.ts';
export { ANYBODY } from './caller.ts';
export type { Clock } from './clock.ts';
export { systemClock } from './clock.ts';
export type { Actor, AlertCode, Code, CodeEntry, DecisionIssueCode, ErsFateCode, FacadeCode } from './codes.ts';
export { CODES } from './codes.ts';
export type {
  Engine,
  EngineAnswer,
  OpenedSession,
  PollAnswer,
  Readiness,
  SignedDecision,
  SigningWish,
  WaitingDecision,
} from './engine.ts';
export { HAND_OVER_PATH } from './engine.ts';
export type {
  Budget,
  ErsClient,
  ErsContext,
  ErsFile,
  ErsReferral,
  PollGrant,
  PollsOf,
  RequestPriority,
  Turn,
  UserSession,
  WorklistQuery,
} from './ers.ts';
export type { ErsRefusal, Fate } from './fate.ts';
export type { Log, LogFields } from './log.ts';
export { describeError } from './log.ts';
export { isLoopback, isSafeUrl } from './loopback.ts';
export type * from './records.ts';
export { isPolledSince } from './review-end.ts';
export { CLINICIAN, CLINICIAN_ADMIN, REVIEWER_ROLES } from './reviewer-roles.ts';
export { OPERATOR_SCOPE, parseScope, type ResourceScope } from './scopes.ts';
export { isUnattended, type SiteService, UNATTENDED } from './site.ts';
export type * from './store.ts';
export { Turns } from './turns.ts';
