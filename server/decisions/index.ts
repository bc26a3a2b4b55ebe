export { assessFound } from './assess-found.ts';
export { assessTask, partOfAnotherUpdate } from './assess-task.ts';
export type { AssessContext, Assessment, DecisionIssue } from './assessment.ts';
export type { Attempt, DeliveryPolicy, DeliveryStep, QueuedDecision, RereadReason } from './delivery.ts';
export {
  afterAnswer,
  afterReread,
  asNotApplied,
  asUnknowable,
  DEFAULT_DELIVERY_POLICY,
  doubted,
  inDoubt,
  isKnownNotApplied,
  nextDelivery,
} from './delivery.ts';
export { ERS_ERROR_CODES, ERS_UPLOAD_CODES, ersRefusalText, uploadRefusalText } from './ers-refusals.ts';
export { fingerprintOf } from './fingerprint.ts';
export type { Move, ReviewEvent } from './machine.ts';
export { groupOf, REVIEW_MACHINE } from './machine.ts';
export type { StepResult } from './outcomes.ts';
export { exhausted, expired, invalid, recorded, refusedByErs, reopenedByOperator, uploadRefused } from './outcomes.ts';
export { planConflict, planReview, planUnreadable } from './plan-review.ts';
export { decisionProvenance, engineReference } from './provenance.ts';
export { takesAttachments } from './read-decision.ts';
export { isTerminal, settledInErs } from './settled.ts';
export type { Episode, ReviewPlan, ReviewSituation } from './situation.ts';
export { hasParts, hasSameOutputs, notesAdded, partsKept, withClientNotes, withoutParts } from './task-elements.ts';
