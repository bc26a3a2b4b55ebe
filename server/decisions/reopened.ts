import type { CodeableConcept, OperationOutcomeIssue, Task } from '@medplum/fhirtypes';
import {
  CODE_SYSTEM,
  type DecisionCode,
  decisionValue,
  makeOutput,
  type OpenStatus,
  withReviewStatus,
} from '../../mappings/index.ts';
import { OUTCOME_ID, withOutputs, withoutDecision } from './task-elements.ts';

/** Why a decision was not recorded: what the Task shows of it. */
export interface Failure {
  readonly businessStatus: OpenStatus;
  /** Shown as statusReason: the first coding's code is what an engineer looks up in docs/errors.md. */
  readonly reason: CodeableConcept;
  readonly issues: readonly OperationOutcomeIssue[];
  /** Absent where no decision could be read at all. */
  readonly failed?: DecisionCode;
  /** Nobody can say whether e-RS recorded it (4.5). */
  readonly isDoubtful?: boolean;
}

/**
 * The Task open again after a decision that e-RS did not record: back in every worklist query, with the reason, the
 * failed decision and a contained OperationOutcome; the decision's parameters are gone, its notes stay.
 * Source: target-model E-5, E-6, E-9; 4.8 "Not recorded"
 */
export function reopened(task: Task, offered: readonly DecisionCode[], failure: Failure): Task {
  const open = withoutDecision(task, offered);
  const failed = failure.failed === undefined ? [] : [fallenDecision(failure.failed, failure.isDoubtful)];
  return withReviewStatus(
    withOutputs(
      {
        ...open,
        contained: [
          ...(open.contained ?? []),
          { resourceType: 'OperationOutcome', id: OUTCOME_ID, issue: [...failure.issues] },
        ],
        status: 'requested',
        statusReason: failure.reason,
      },
      [...failed, makeOutput('outcome', { valueReference: { reference: `#${OUTCOME_ID}` } })],
    ),
    failure.businessStatus,
  );
}

/** Tells which decision was not recorded, or of which nobody can say whether it was (D3, 4.5). */
export const fallenDecision = (decision: DecisionCode, isDoubtful = false) =>
  makeOutput(isDoubtful ? 'outcome-unknown' : 'failed-decision', decisionValue(decision));

/** What a Task says of a decision that the referral's change undid (4.8). */
export function conflictFailure(
  versions: { sent: number; current: number },
  correlationId: string | undefined,
  isDoubtful: boolean,
): Pick<Failure, 'businessStatus' | 'reason' | 'issues'> {
  const { sent, current } = versions;
  const coding = [{ system: CODE_SYSTEM.decisionIssue, code: 'referral-changed' }];
  const attempt =
    correlationId === undefined
      ? `Reviewed version ${sent}`
      : `Sent If-Match W/"${sent}"; correlation ${correlationId}`;
  const outcome = isDoubtful ? 'Nobody can say whether your decision was recorded before.' : 'Nothing was recorded.';
  return {
    businessStatus: 'decision-conflict',
    reason: {
      coding,
      text: `The referral changed in e-RS (version ${sent} to ${current}). ${outcome} Review it again.`,
    },
    issues: [
      {
        severity: 'error',
        code: 'conflict',
        details: { coding, text: 'The referral changed in e-RS after it was read for this review' },
        diagnostics: `${attempt}; current version is ${current}`,
      },
    ],
  };
}
