import type { Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type DecisionCode,
  type FinalStatus,
  makeOutput,
  withExtension,
  withReviewStatus,
} from '../../mappings/index.ts';
import { CODES, type DispatchRecord, type ErsRefusal } from '../core/index.ts';
import type { DecisionIssue } from './assessment.ts';
import type { QueuedDecision } from './delivery.ts';
import { ersRefusalText, uploadRefusalText } from './ers-refusals.ts';
import { type Failure, reopened } from './reopened.ts';
import { asDecided, withOffered, withOutputs } from './task-elements.ts';

/** A Task and its record after a step; they are written in one transaction. */
export interface StepResult {
  readonly task: Task;
  readonly record: DispatchRecord;
}

/** What a recorded decision leaves the review as (4.3, M-141..M-144, M-148). */
const FINAL: Readonly<Record<DecisionCode, { status: 'accepted' | 'rejected'; businessStatus: FinalStatus }>> = {
  accept: { status: 'accepted', businessStatus: 'accepted' },
  reject: { status: 'rejected', businessStatus: 'rejected' },
  redirect: { status: 'accepted', businessStatus: 'redirected' },
  'accept-book-later': { status: 'accepted', businessStatus: 'accepted-book-later' },
  'return-with-advice': { status: 'rejected', businessStatus: 'returned-with-advice' },
};

/** E-4: e-RS recorded the decision. `priority` is the referral's by e-RS's answer. */
export function recorded(
  { task: found, record }: StepResult,
  decision: QueuedDecision,
  answer: { version: number; at: string; priority?: Task['priority'] },
): StepResult {
  const { decision: _, ...rest } = record;
  const { status, businessStatus } = FINAL[decision.code];
  // It had been given back before it was heard that e-RS has recorded it after all.
  const task = found.status === status ? found : { ...asDecided(found, decision.code), status };
  const withVersion = withExtension(withOffered(task, []), 'ers-version', { valueUnsignedInt: answer.version });
  const final = withReviewStatus(
    withOutputs({ ...withVersion, ...(answer.priority === undefined ? {} : { priority: answer.priority }) }, [
      ...(task.output ?? []),
      makeOutput('recorded-version', { valueUnsignedInt: answer.version }),
    ]),
    businessStatus,
  );
  return {
    task: final,
    record: { ...rest, baseline: final, ended: { at: answer.at, version: answer.version, recorded: true } },
  };
}

/** The review open again after a decision that e-RS has not recorded (E-5, E-6, E-9). */
function givenBack({ task, record }: StepResult, failure: Failure): StepResult {
  const { decision: _, ...rest } = record;
  const open = reopened(task, record.offered, failure);
  return { task: open, record: { ...rest, baseline: open } };
}

/** E-6 */
export const refusedByErs = (step: StepResult, decision: QueuedDecision, refusal: ErsRefusal): StepResult =>
  refusedWith(step, decision, refusal, {
    shown: ersRefusalText(refusal.ersCode),
    text: 'e-RS refused the decision',
    correlation: correlationOf(decision),
  });

/** E-6 for A020: a decision does not go without its attachments. */
export const uploadRefused = (
  step: StepResult,
  decision: QueuedDecision,
  refusal: ErsRefusal,
  correlationId: string,
): StepResult =>
  refusedWith(step, decision, refusal, {
    shown: uploadRefusalText(refusal),
    text: 'e-RS refused an attachment of the decision',
    correlation: `; correlation ${correlationId}`,
  });

function refusedWith(
  step: StepResult,
  decision: QueuedDecision,
  refusal: ErsRefusal,
  { shown, text, correlation }: { shown: string; text: string; correlation: string },
): StepResult {
  // The system stands there even without a code: by it the reason is known to be a leftover (T-7).
  const { ersCode } = refusal;
  const coding = [{ system: CODE_SYSTEM.apiErrorCode, ...(ersCode === undefined ? {} : { code: ersCode }) }];
  const status = refusal.status === undefined ? 'An answer' : `HTTP ${refusal.status}`;
  return givenBack(step, {
    businessStatus: 'decision-refused',
    failed: decision.code,
    reason: { coding, text: shown },
    issues: [
      {
        severity: 'error',
        code: 'processing',
        details: { coding, text },
        diagnostics: `${status} from e-RS${correlation}`,
      },
    ],
  });
}

const correlationOf = ({ lastAttempt }: QueuedDecision): string =>
  lastAttempt === undefined ? '' : `; correlation ${lastAttempt.correlationId}`;

const ownFailure = (
  businessStatus: Failure['businessStatus'],
  code: 'retries-exhausted' | 'decision-expired' | 'reopened-by-operator',
  decision: QueuedDecision,
): Failure => {
  const coding = [{ system: CODE_SYSTEM.decisionIssue, code }];
  const text = CODES[code].happened;
  const diagnostics = `Attempts: ${decision.attempts}${correlationOf(decision)}`;
  return {
    businessStatus,
    failed: decision.code,
    reason: { coding, text },
    issues: [
      {
        severity: 'error',
        code: code === 'reopened-by-operator' ? 'suppressed' : 'timeout',
        details: { coding, text },
        diagnostics,
      },
    ],
  };
};

/** E-9a */
export const exhausted = (step: StepResult, decision: QueuedDecision): StepResult =>
  givenBack(step, ownFailure('delivery-failed', 'retries-exhausted', decision));

/** E-9a, at an operator's wish. */
export const reopenedByOperator = (step: StepResult, decision: QueuedDecision): StepResult =>
  givenBack(step, ownFailure('delivery-failed', 'reopened-by-operator', decision));

/** E-9b */
export const expired = (step: StepResult, decision: QueuedDecision): StepResult =>
  givenBack(step, ownFailure('decision-expired', 'decision-expired', decision));

/** E-9c: every violated rule is in the contained OperationOutcome; the first one is the reason shown. */
export function invalid(step: StepResult, issues: readonly DecisionIssue[]): StepResult {
  const [first] = issues;
  const coding = (issue: DecisionIssue) => [{ system: CODE_SYSTEM.decisionIssue, code: issue.code }];
  return givenBack(step, {
    businessStatus: 'decision-invalid',
    reason: first === undefined ? { text: 'The update breaks a rule.' } : { coding: coding(first), text: first.text },
    issues: issues.map((issue) => ({
      severity: 'error',
      code: 'business-rule',
      details: { coding: coding(issue), text: issue.text },
      expression: [issue.expression],
    })),
  });
}
